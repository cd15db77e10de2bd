//! A run: everybody started, slices in turns, everything counted at the end.

use std::fs::Permissions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::batches::{self, BATCH_BETS};
use crate::figures::{Figures, OfPeer, OfScenario, Slice};
use crate::options::{Options, Scenario};
use crate::peer::Peer;
use crate::peers;

/// Before the first turn, each peer takes a slice of so long that does not count.
const WARM_UP: Duration = Duration::from_secs(1);
/// Open files besides the connections.
const FILES_SPARE: u64 = 100;

/// A peer and what it was sent so far.
struct Measured {
    peer: Box<dyn Peer>,
    /// By agency, from 0 on: the next chunk.
    next: Vec<u32>,
    acknowledged: u64,
}

/// What ends a run early.
struct Interrupts {
    ctrl_c: Signal,
    termination: Signal,
}

/// Measures; gives what to print.
pub(crate) fn run(options: &Options) -> anyhow::Result<String> {
    // One thread makes all load: the other core is the server's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let mut interrupts = Interrupts::listen()?;
    let agencies = options.scenarios.iter().map(|it| it.agencies()).max().unwrap_or_default();
    allow_files(agencies)?;
    let within = options.data.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new()
        .prefix("bench-peers-")
        // PostgreSQL's user must get through, where it is another.
        .permissions(Permissions::from_mode(0o711))
        .tempdir_in(&within)
        .with_context(|| format!("can't make a folder in {}", within.display()))?;
    show("starting everybody");
    let batches = Arc::new(batches::generated(&options.bolillero, folder.path())?);
    let peers = peers::start_all(options, &batches, folder.path(), agencies)?;
    let measured = |peer| Measured { peer, next: vec![0; agencies as usize], acknowledged: 0 };
    let mut peers: Vec<_> = peers.into_iter().map(measured).collect();
    let slices = take_turns(options, &runtime, &mut interrupts, &mut peers)?;
    let bytes: usize = batches.iter().map(|batch| batch.text().len()).sum();
    let figures = Figures {
        bets_per_batch: BATCH_BETS,
        bytes_per_batch: bytes / batches.len(),
        seconds: options.seconds,
        turns: options.turns,
        peers: peers.iter().map(|it| it.peer.about().clone()).collect(),
        scenarios: options.scenarios.iter().zip(&slices).map(|it| summary(it, &peers)).collect(),
    };
    for measured in peers {
        show(&format!("counting what {} holds", measured.peer.about().name));
        measured.check()?;
    }
    if options.json {
        return Ok(serde_json::to_string_pretty(&figures)?);
    }
    Ok(figures.describe())
}

/// Slices by scenario, peer and turn.
fn take_turns(
    options: &Options,
    runtime: &Runtime,
    interrupts: &mut Interrupts,
    peers: &mut [Measured],
) -> anyhow::Result<Vec<Vec<Vec<Slice>>>> {
    let none = || peers.iter().map(|_| Vec::new()).collect();
    let mut slices: Vec<Vec<Vec<Slice>>> = options.scenarios.iter().map(|_| none()).collect();
    for turn in 0..=options.turns {
        let is_warm_up = turn == 0;
        let seconds = Duration::from_secs(options.seconds.into());
        let time = if is_warm_up { WARM_UP.min(seconds) } else { seconds };
        for (scenario, slices) in options.scenarios.iter().zip(&mut slices) {
            // To and fro, so that nobody always comes after the same one.
            let mut order: Vec<_> = (0..peers.len()).collect();
            if turn % 2 == 1 {
                order.reverse();
            }
            for at in order {
                let measured = &mut peers[at];
                let name = measured.peer.about().name;
                show(&format!("turn {turn} of {}, {scenario:?}: {name}", options.turns));
                let slice = runtime.block_on(async {
                    tokio::select! {
                        slice = measured.slice(*scenario, time) => slice,
                        () = interrupts.any() => bail!("interrupted"),
                    }
                });
                let slice = slice.with_context(|| format!("{name}, {scenario:?}"))?;
                measured.peer.settle().with_context(|| name)?;
                if !is_warm_up {
                    slices[at].push(slice);
                }
            }
        }
    }
    Ok(slices)
}

fn summary((scenario, slices): (&Scenario, &Vec<Vec<Slice>>), peers: &[Measured]) -> OfScenario {
    // The first one is Bolillero.
    let bolillero = &slices[0];
    let of = |(measured, slices): (&Measured, &Vec<Slice>)| {
        OfPeer::of(measured.peer.about().name, slices, bolillero)
    };
    OfScenario {
        scenario: *scenario,
        connections: scenario.agencies(),
        in_flight_each: scenario.window(),
        peers: peers.iter().zip(slices).map(of).collect(),
    }
}

impl Measured {
    async fn slice(&mut self, scenario: Scenario, time: Duration) -> anyhow::Result<Slice> {
        let agencies = 1..=scenario.agencies();
        let lines = agencies.map(|agency| self.peer.connect(agency));
        let lines = lines.collect::<anyhow::Result<Vec<_>>>()?;
        let (started, cpu_before) = (Instant::now(), thread_cpu());
        let until = started + time;
        let mut sending = JoinSet::new();
        for (at, line) in lines.into_iter().enumerate() {
            let sent = line.send_until(self.next[at], until, scenario.window());
            sending.spawn(async move { (at, sent.await) });
        }
        let mut ack_us = Vec::new();
        while let Some(sent) = sending.join_next().await {
            let (at, of_line) = sent?;
            let of_line = of_line?;
            self.next[at] += u32::try_from(of_line.len())?;
            ack_us.extend(of_line);
        }
        self.acknowledged += ack_us.len() as u64;
        Ok(Slice {
            took: started.elapsed(),
            load_cpu: thread_cpu().saturating_sub(cpu_before),
            ack_us,
        })
    }

    /// Whether it truly holds what it acknowledged.
    fn check(self) -> anyhow::Result<()> {
        let (name, acknowledged) = (self.peer.about().name, self.acknowledged);
        let stored = self.peer.stored().with_context(|| format!("counting what {name} holds"))?;
        ensure!(
            stored == acknowledged,
            "{name} acknowledged {acknowledged} batches and holds {stored}; none of these figures \
             can be trusted"
        );
        Ok(())
    }
}

impl Interrupts {
    /// From now on; what arrives between two waits is not lost.
    fn listen() -> anyhow::Result<Self> {
        let ctrl_c = signal(SignalKind::interrupt())?;
        Ok(Self { ctrl_c, termination: signal(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.termination.recv() => {}
        }
    }
}

/// Processor time that this thread took so far.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it counts from 0 on")
}

/// Sees to it that this process, and those that it starts, may open as many files as it takes.
fn allow_files(connections: u32) -> anyhow::Result<()> {
    let needed = u64::from(connections) + FILES_SPARE;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    ensure!(
        allowed >= needed,
        "{needed} open files are needed, {allowed} allowed: raise ulimit -n"
    );
    Ok(())
}

/// Tells on a terminal what is done now; nothing clears the line.
pub(crate) fn show(what: &str) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        // Nobody is told less of what matters when this fails.
        let _ = write!(err, "\r\x1b[K{what}").and_then(|()| err.flush());
    }
}
