//! The load: agencies that send batches and see them acknowledged, all on one thread, so that what
//! is measured has the other processors as far as it can.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use crate::batches::Batches;
use crate::interruption;
use crate::sockets::Sockets;
use crate::speech::Connection;

const LATENCY_US_MAX: u64 = 60_000_000;
/// The longest sleep: nothing that is waited for is later than that.
const SLEEP_TIME_MAX: Duration = Duration::from_millis(100);
/// An agency that is not acknowledged for so long never will be.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to send.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) batches: Rc<Batches>,
    /// Batches that an agency may have sent and not yet seen acknowledged.
    pub(crate) window: usize,
    /// Batches a second of all agencies together; none: as fast as they are acknowledged.
    pub(crate) rate: Option<f64>,
    /// When to stop.
    pub(crate) until: Until,
}

/// When agencies stop sending.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    /// So many bets have been sent.
    Bets(u64),
}

/// What was sent, and how it was acknowledged.
pub(crate) struct Sent {
    pub(crate) batches: u64,
    pub(crate) bets: u64,
    pub(crate) bets_bytes: u64,
    pub(crate) took: Duration,
    /// Processor time of the thread that made the load.
    pub(crate) cpu: Duration,
    /// Microseconds from the moment when a batch was due to its acknowledgement. Due is when it
    /// should be sent at a given rate, and when it is sent without one.
    pub(crate) ack_us: Histogram<u64>,
}

/// Agencies that are connected.
pub(crate) struct Fleet {
    agencies: Vec<Agency>,
    sockets: Sockets,
}

struct Agency {
    id: u32,
    connection: Connection,
    next_chunk: u32,
    /// When each batch not yet sent was due, at a given rate.
    due: VecDeque<Instant>,
    in_flight: VecDeque<Flight>,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
    /// Whether the socket is watched for room.
    waits_for_room: bool,
    /// Replies, of which the last may have come in part.
    received: Vec<u8>,
}

struct Flight {
    chunk: u32,
    due: Instant,
}

impl Plan {
    /// To send as fast as batches are acknowledged, for so long.
    pub(crate) fn lasting(time: Duration, batches: &Rc<Batches>, window: usize) -> Self {
        Self { batches: Rc::clone(batches), window, rate: None, until: Until::Elapsed(time) }
    }
}

impl Sent {
    /// Nothing yet.
    pub(crate) fn nothing() -> anyhow::Result<Self> {
        let (took, cpu) = (Duration::ZERO, Duration::ZERO);
        Ok(Self { batches: 0, bets: 0, bets_bytes: 0, took, cpu, ack_us: latencies()? })
    }

    pub(crate) fn bets_per_second(&self) -> f64 {
        self.bets as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn batches_per_second(&self) -> f64 {
        self.batches as f64 / self.took.as_secs_f64()
    }

    /// Of something that all bets took, what a million of them takes.
    pub(crate) fn per_million(&self, all: f64) -> f64 {
        all * 1e6 / self.bets as f64
    }
}

/// An empty record of latencies.
pub(crate) fn latencies() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(LATENCY_US_MAX, 3)?)
}

/// In microseconds, never zero, so that ratios of latencies exist.
pub(crate) fn microseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).clamp(1, LATENCY_US_MAX)
}

impl Fleet {
    /// Of agencies numbered from 1, each by its connection and the chunk that it sends next.
    pub(crate) fn new(
        connections: impl Iterator<Item = anyhow::Result<(Connection, u32)>>,
    ) -> anyhow::Result<Self> {
        let sockets = Sockets::new()?;
        let mut agencies = Vec::new();
        for (id, connection) in (1..).zip(connections) {
            let (connection, next_chunk) = connection?;
            rustix::io::ioctl_fionbio(connection.stream.socket(), true)?;
            sockets.add(connection.stream.socket(), agencies.len())?;
            agencies.push(Agency {
                id,
                connection,
                next_chunk,
                due: VecDeque::new(),
                in_flight: VecDeque::new(),
                unsent: Vec::new(),
                waits_for_room: false,
                received: Vec::new(),
            });
        }
        Ok(Self { agencies, sockets })
    }

    /// The chunk that each agency sends next.
    pub(crate) fn next_chunks(&self) -> impl Iterator<Item = u32> {
        self.agencies.iter().map(|agency| agency.next_chunk)
    }

    /// Sends by the plan, and waits for the last acknowledgement.
    pub(crate) fn send(&mut self, plan: &Plan) -> anyhow::Result<Sent> {
        let mut sent = Sent::nothing()?;
        let mut may_send: Vec<usize> = (0..self.agencies.len()).collect();
        let (mut bets_sent, mut batches_due) = (0, 0);
        let (started, cpu_before) = (Instant::now(), thread_cpu()?);
        loop {
            interruption::check()?;
            let more = match plan.until {
                Until::Elapsed(time) => started.elapsed() < time,
                Until::Bets(bets) => bets_sent < bets,
            };
            let mut sleep = SLEEP_TIME_MAX;
            if let (Some(rate), true) = (plan.rate, more) {
                let next = loop {
                    let due = started + due_after(batches_due, rate);
                    if due > Instant::now() {
                        break due;
                    }
                    let at = usize::try_from(batches_due)? % self.agencies.len();
                    self.agencies[at].due.push_back(due);
                    may_send.push(at);
                    batches_due += 1;
                };
                sleep = sleep.min(next.saturating_duration_since(Instant::now()));
            }
            for at in may_send.drain(..) {
                let agency = &mut self.agencies[at];
                bets_sent += agency.send(plan, more)?;
                let waits = !agency.unsent.is_empty();
                if std::mem::replace(&mut agency.waits_for_room, waits) != waits {
                    self.sockets.watch_room(agency.connection.stream.socket(), at, waits)?;
                }
            }
            if !more && self.agencies.iter().all(Agency::is_done) {
                sent.took = started.elapsed();
                sent.cpu = thread_cpu()?.saturating_sub(cpu_before);
                return Ok(sent);
            }
            let ready = self.sockets.wait(Some(sleep))?;
            if ready.is_empty() {
                let now = Instant::now();
                let silent = self.agencies.iter().any(|it| it.has_waited(now) > PATIENCE);
                ensure!(!silent, "acknowledgements stopped");
            }
            for at in ready {
                let agency = &mut self.agencies[at];
                agency.receive(plan, &mut sent).with_context(|| format!("agency {}", agency.id))?;
                may_send.push(at);
            }
        }
    }
}

impl Agency {
    /// Sends what it may now; gives how many bets that were.
    fn send(&mut self, plan: &Plan, more: bool) -> anyhow::Result<u64> {
        let mut bets = 0;
        while self.in_flight.len() < plan.window {
            let due = match plan.rate {
                None if more => Instant::now(),
                None => break,
                Some(_) => match self.due.pop_front() {
                    Some(due) => due,
                    None => break,
                },
            };
            let chunk = self.next_chunk;
            self.connection.speech.add(&mut self.unsent, self.id, chunk)?;
            self.in_flight.push_back(Flight { chunk, due });
            self.next_chunk += 1;
            bets += plan.batches.of(self.id, chunk).bets;
        }
        // With nothing to write, TLS would read instead, and nobody would be told of it.
        if self.unsent.is_empty() {
            return Ok(bets);
        }
        // What the socket does not take now goes when there is room.
        match self.connection.stream.write(&self.unsent) {
            Ok(len) => drop(self.unsent.drain(..len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("can't send"),
        }
        Ok(bets)
    }

    /// Reads once, and takes the replies that are whole.
    fn receive(&mut self, plan: &Plan, sent: &mut Sent) -> anyhow::Result<()> {
        let mut bytes = [0; 4096];
        let len = match self.connection.stream.read(&mut bytes) {
            Ok(len) => len,
            // Of TLS, only a part came; or there was room to write.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("can't receive"),
        };
        ensure!(len > 0, "the connection was closed");
        self.received.extend_from_slice(&bytes[..len]);
        let (now, mut taken) = (Instant::now(), 0);
        loop {
            let chunk = self.in_flight.front().map(|flight| flight.chunk);
            let reply = self.connection.speech.reply(&self.received[taken..], chunk)?;
            let Some(reply) = reply else { break };
            taken += reply.len;
            if !reply.acknowledges {
                continue;
            }
            let flight = self.in_flight.pop_front().context("an acknowledgement of nothing")?;
            let batch = plan.batches.of(self.id, flight.chunk);
            sent.batches += 1;
            sent.bets += batch.bets;
            sent.bets_bytes += batch.text.len() as u64;
            sent.ack_us.record(microseconds(now - flight.due))?;
        }
        self.received.drain(..taken);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.in_flight.is_empty() && self.due.is_empty()
    }

    /// How long it has waited for its next acknowledgement.
    fn has_waited(&self, now: Instant) -> Duration {
        self.in_flight.front().map_or(Duration::ZERO, |flight| now - flight.due)
    }
}

/// Processor time that this thread took so far.
pub(crate) fn thread_cpu() -> anyhow::Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}

/// How long after the start a batch is due, at so many a second.
fn due_after(batches: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(batches as f64 / rate)
}
