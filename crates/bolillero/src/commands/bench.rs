//! `bolillero bench`: how fast bets are acknowledged, beside what the disk, the network and a
//! processor do by themselves.
//!
//! A central as a process of its own, over real sockets, on a real ledger in a temporary folder;
//! the load comes from this process.

mod batches;
mod checking;
mod client;
mod disk;
mod figures;
mod http;
mod idle;
mod intake;
mod interruption;
mod large;
mod line;
mod load;
mod loopback;
mod readers;
mod report;
mod sockets;
mod tls;
mod turns;
mod usage;
mod waiting;
mod watched;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::progress;
use crate::exit::Ending;
use batches::Batches;
use figures::{Figures, Latency, median};
use intake::Slice;
use line::Certificates;
use load::{Plan, Until};
use turns::{Case, Measured, together};

const EXAMPLES: &str = "\
Examples:
  bolillero bench
  bolillero bench --scenario window --seconds 30 --data /var/lib --json
  bolillero bench --scenario large --ledger-bets 1000000

Figures depend on the machine: compare ratios, taken in one run. All scenarios take some ten \
minutes and 7 GB of disk.";

/// Turns that each scenario and each limit take.
const TURNS: u32 = 5;
const AGENCIES: u32 = 5;
const MANY_AGENCIES: u32 = 1_000;
const WINDOW: usize = 16;
/// Batches that each of many agencies sends before it waits for winners.
const BATCHES_BEFORE_WAITING: u32 = 10;

/// What to measure.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// Only this scenario; all when not given.
    #[arg(long, value_name = "NAME")]
    scenario: Option<Scenario>,

    /// How long each scenario is measured.
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,

    /// How many bets the ledgers of the scenario 'large' hold.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "10000000,100000000")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    ledger_bets: Vec<u64>,

    /// Folder in which the temporary ledgers are made; the system's temporary folder when not
    /// given.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Scenario {
    /// Five agencies, each waiting for every acknowledgement before the next batch.
    OneAtATime,
    /// Five agencies with 16 batches in flight each.
    Window,
    /// Half of the rate that 'window' reached, at even distances, whatever the acknowledgements.
    HalfLoad,
    /// 1,000 agencies, each waiting for every acknowledgement.
    ManyAgencies,
    /// 10,000 idle connections and 100 busy agencies.
    Idle,
    /// 1,000 agencies waiting for their winners when the draw is made.
    Waiting,
    /// Five agencies in plain text and by TLS, in turns; and what an idle connection takes.
    Tls,
    /// Five agencies alone and with ten boards of the console open, in turns.
    Watched,
    /// Five agencies alone and with 16 readers of the list of a draw's 100,000 agencies, in turns.
    Readers,
    /// Ledgers that grow large, their draw, and opening them.
    Large,
}

impl Scenario {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Measures.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Ending> {
    let folder = match &args.data {
        Some(within) => tempfile::tempdir_in(within),
        None => tempfile::tempdir(),
    };
    let folder = folder.context("can't make a temporary folder")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let figures = runtime.block_on(async {
        tokio::spawn(interruption::watch());
        measure(args, folder.path()).await
    })?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&figures).context("can't write the figures")?)
    } else {
        report::describe(&figures)
    };
    std::io::stdout().write_all(text.as_bytes()).context("can't write the figures")?;
    Ok(())
}

async fn measure(args: &BenchArgs, folder: &Path) -> anyhow::Result<Figures> {
    let wants = |scenario| args.scenario.is_none_or(|only| only == scenario);
    let time = Duration::from_secs(u64::from(args.seconds)) / TURNS;
    let typical = Batches::plausible(wire::limits::BATCH_BETS)?;
    let full = Batches::plausible(u32::MAX)?;
    let prepared = tokio::task::block_in_place(|| disk::Prepared::make(folder))?;
    let mut figures = Figures {
        version: env!("CARGO_PKG_VERSION"),
        processors: std::thread::available_parallelism()?.get(),
        seconds_per_scenario: args.seconds,
        turns: TURNS,
        prepared_writes: prepared.way(),
        checking: Vec::new(),
        disk: Vec::new(),
        loopback: Vec::new(),
        intake: Vec::new(),
        idle: None,
        waiting: None,
        tls: None,
        watched: None,
        readers: None,
        large: Vec::new(),
    };
    let bar = progress::counter("measurements");
    let mut cases: Vec<_> =
        cases(&typical, &full, args.scenario).into_iter().map(Measured::new).collect();
    for _ in 0..TURNS {
        let mut rate_before = None;
        for case in &mut cases {
            let rate = case.take_turn(folder, &prepared, time, rate_before).await?;
            rate_before = Some(rate);
            bar.inc(1);
        }
    }
    for case in &cases {
        let checking = case.checking();
        if !figures.checking.iter().any(|other| other.size == checking.size) {
            figures.checking.push(checking);
        }
        figures.disk.push(case.disk()?);
        figures.loopback.push(case.loopback()?);
        figures.intake.push(case.intake()?);
    }
    if wants(Scenario::Idle) {
        figures.idle = Some(idle(folder, &typical, time, || bar.inc(1)).await?);
    }
    if wants(Scenario::Waiting) {
        figures.waiting = Some(waiting(folder, &typical).await?);
        bar.inc(1);
    }
    if wants(Scenario::Tls) {
        figures.tls = Some(by_tls(folder, &typical, time, || bar.inc(1)).await?);
    }
    if wants(Scenario::Watched) {
        figures.watched = Some(watched(folder, &typical, time, || bar.inc(1)).await?);
    }
    if wants(Scenario::Readers) {
        figures.readers = Some(readers(folder, &typical, time, || bar.inc(1)).await?);
    }
    if wants(Scenario::Large) {
        for &bets in &args.ledger_bets {
            figures.large.push(large(folder, &typical, bets, time, || bar.inc(1)).await?);
        }
    }
    bar.finish_and_clear();
    Ok(figures)
}

/// The scenarios of intake, each with batches of the sizes that tell something.
fn cases(typical: &Batches, full: &Batches, only: Option<Scenario>) -> Vec<Case> {
    let case = |scenario, agencies, window, batches: &Batches| Case {
        scenario,
        agencies,
        window,
        batches: batches.clone(),
        part_of_rate_before: None,
    };
    let half_load = Case {
        part_of_rate_before: Some(0.5),
        ..case(Scenario::HalfLoad, AGENCIES, WINDOW, typical)
    };
    let all = [
        case(Scenario::OneAtATime, AGENCIES, 1, typical),
        case(Scenario::OneAtATime, AGENCIES, 1, full),
        case(Scenario::Window, AGENCIES, WINDOW, full),
        case(Scenario::Window, AGENCIES, WINDOW, typical),
        // Its rate is that of the one before it.
        half_load,
        case(Scenario::ManyAgencies, MANY_AGENCIES, 1, typical),
    ];
    let wanted = |case: &Case| match only {
        None => true,
        Some(Scenario::HalfLoad) => matches!(case.scenario, Scenario::HalfLoad | Scenario::Window),
        Some(only) => case.scenario == only,
    };
    all.into_iter().filter(wanted).collect()
}

async fn idle(
    folder: &Path,
    batches: &Batches,
    time: Duration,
    mut one_more: impl FnMut(),
) -> anyhow::Result<figures::Idle> {
    let batches = batches.clone();
    let plan = Plan { batches, window: 1, rate: None, until: Until::Elapsed(time) };
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        turns.push(idle::Turn::measure(folder, &plan).await?);
        one_more();
    }
    let silent_bytes_each = idle::silent_bytes_each(folder).await?;
    let greeted = turns.iter().map(|turn| turn.greeted_bytes_each).max();
    let alone = || turns.iter().map(|turn| &turn.alone.sent);
    let beside_idle = || turns.iter().map(|turn| &turn.beside_idle.sent);
    Ok(figures::Idle {
        idle_connections: idle::IDLE,
        busy_agencies: idle::BUSY,
        greeted_bytes_each: greeted.unwrap_or_default(),
        silent_bytes_each,
        ack_us_alone: together(alone().map(|sent| &sent.ack_us))?,
        ack_us_beside_idle: together(beside_idle().map(|sent| &sent.ack_us))?,
        batches_per_second_alone: median(alone().map(load::Sent::batches_per_second)),
        batches_per_second_beside_idle: median(beside_idle().map(load::Sent::batches_per_second)),
    })
}

async fn waiting(folder: &Path, batches: &Batches) -> anyhow::Result<figures::Waiting> {
    let drawn = waiting::measure(folder, MANY_AGENCIES, batches, BATCHES_BEFORE_WAITING).await?;
    Ok(figures::Waiting {
        agencies: MANY_AGENCIES,
        bets: drawn.bets,
        winners: drawn.draw.winners,
        winners_us: Latency::of(&drawn.draw.winners_us),
    })
}

async fn by_tls(
    folder: &Path,
    batches: &Batches,
    time: Duration,
    mut one_more: impl FnMut(),
) -> anyhow::Result<figures::Tls> {
    let certificates = Certificates::make(folder, AGENCIES)?;
    let mut turns = [1, WINDOW].map(|window| (window, Vec::new()));
    for turn in 0..TURNS {
        for (window, turns) in &mut turns {
            let (batches, until) = (batches.clone(), Until::Elapsed(time));
            let plan = Plan { batches, window: *window, rate: None, until };
            let tls_first = turn % 2 == 1;
            let measured =
                tls::Turn::measure(folder, &certificates, AGENCIES, &plan, tls_first).await?;
            turns.push(measured);
            one_more();
        }
    }
    let case = |(window, turns): &(usize, Vec<tls::Turn>)| {
        let rate = |slice: &Slice| slice.sent.batches_per_second();
        anyhow::Ok(figures::TlsCase {
            agencies: AGENCIES,
            window: *window,
            bytes_per_batch: batches.bytes_each(),
            plain: spoken(turns.iter().map(|turn| &turn.plain))?,
            tls: spoken(turns.iter().map(|turn| &turn.tls))?,
            ratio: median(turns.iter().map(|turn| rate(&turn.tls) / rate(&turn.plain))),
        })
    };
    let cases = turns.iter().map(case).collect::<Result<_, _>>()?;
    let greeted_bytes_each = tls::greeted_bytes_each(folder, &certificates).await?;
    certificates.remove()?;
    Ok(figures::Tls { cases, greeted_bytes_each })
}

async fn watched(
    folder: &Path,
    batches: &Batches,
    time: Duration,
    mut one_more: impl FnMut(),
) -> anyhow::Result<figures::Watched> {
    let (batches, until) = (batches.clone(), Until::Elapsed(time));
    let plan = Plan { batches, window: WINDOW, rate: None, until };
    let mut turns = Vec::new();
    for turn in 0..TURNS {
        turns.push(watched::Turn::measure(folder, AGENCIES, &plan, turn % 2 == 1).await?);
        one_more();
    }
    let rate = |slice: &Slice| slice.sent.batches_per_second();
    Ok(figures::Watched {
        boards: watched::WATCHERS,
        alone: spoken(turns.iter().map(|turn| &turn.alone))?,
        watched: spoken(turns.iter().map(|turn| &turn.watched))?,
        ratio: median(turns.iter().map(|turn| rate(&turn.watched) / rate(&turn.alone))),
    })
}

async fn readers(
    folder: &Path,
    batches: &Batches,
    time: Duration,
    mut one_more: impl FnMut(),
) -> anyhow::Result<figures::Readers> {
    let (batches, until) = (batches.clone(), Until::Elapsed(time));
    let plan = Plan { batches, window: 1, rate: None, until };
    let mut turns = Vec::new();
    for turn in 0..TURNS {
        turns.push(readers::Turn::measure(folder, AGENCIES, &plan, turn % 2 == 1).await?);
        one_more();
    }
    let p50_ratio = |turn: &readers::Turn| {
        let p50 = |sent: &load::Sent| Latency::of(&sent.ack_us).p50;
        ratio(p50(&turn.read), p50(&turn.alone))
    };
    Ok(figures::Readers {
        readers: readers::READERS,
        requests_per_second_each: readers::REQUESTS_PER_SECOND,
        agencies_of_the_draw: readers::DRAWS_AGENCIES,
        answers: turns.iter().map(|turn| turn.answers).sum(),
        alone: acknowledged(turns.iter().map(|turn| &turn.alone))?,
        read: acknowledged(turns.iter().map(|turn| &turn.read))?,
        p50_ratio: median(turns.iter().map(p50_ratio)),
    })
}

fn acknowledged<'a>(
    sent: impl Iterator<Item = &'a load::Sent> + Clone,
) -> anyhow::Result<figures::Acknowledged> {
    Ok(figures::Acknowledged {
        batches_per_second: median(sent.clone().map(load::Sent::batches_per_second)),
        ack_us: together(sent.map(|sent| &sent.ack_us))?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

fn spoken<'a>(slices: impl Iterator<Item = &'a Slice> + Clone) -> anyhow::Result<figures::Spoken> {
    Ok(figures::Spoken {
        acknowledged: acknowledged(slices.clone().map(|of| &of.sent))?,
        central_cpu_s_per_million_bets: median(slices.map(Slice::central_cpu_s_per_million_bets)),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
async fn large(
    folder: &Path,
    batches: &Batches,
    bets: u64,
    time: Duration,
    one_more: impl FnMut(),
) -> anyhow::Result<figures::Large> {
    let large = large::Large::measure(folder, batches, bets, time, one_more).await?;
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mark = |mark: &large::Mark| figures::Mark {
        bets: mark.bets,
        ack_us: Latency::of(&mark.slice.sent.ack_us),
        memory_bytes: mark.memory_bytes,
    };
    Ok(figures::Large {
        bets: large.bets,
        marks: large.marks.iter().map(mark).collect(),
        winners: large.draw.winners,
        draw_ms: large.draw.winners_us.max() / 1000,
        open_warm_ms: ms(large.open_warm),
        open_cold_ms: ms(large.open_cold),
        winners_cold_ms: ms(large.winners_cold),
        disk_bytes_per_bet: large.disk_bytes as f64 / large.bets as f64,
    })
}
