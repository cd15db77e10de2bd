//! Agencies that send and are acknowledged: all on one thread, so that the load leaves the two
//! processors to the central as far as it can.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use tokio::time::Instant;
use wire::CentralMessage;

use super::batches::Batches;
use super::interruption;
use super::line::Line;
use super::sockets::Sockets;

/// An acknowledgement: its id and the chunk.
const ACK_LEN: usize = 6;
const LATENCY_US_MAX: u64 = 60_000_000;
/// The longest sleep: nothing that is waited for is later than that.
const SLEEP_TIME_MAX: Duration = Duration::from_millis(100);
/// An agency that is not acknowledged for so long never will be.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to send.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) batches: Batches,
    /// Batches that an agency may have sent and not yet seen acknowledged.
    pub(super) window: usize,
    /// Batches a second of all agencies together; none: as fast as they are acknowledged.
    pub(super) rate: Option<f64>,
    /// When to stop.
    pub(super) until: Until,
}

/// When agencies stop sending.
#[derive(Clone, Copy)]
pub(super) enum Until {
    Elapsed(Duration),
    /// So many bets have been sent.
    Bets(u64),
}

/// What was sent, and how it was acknowledged.
pub(super) struct Sent {
    pub(super) batches: u64,
    pub(super) bets: u64,
    pub(super) bets_bytes: u64,
    pub(super) took: Duration,
    /// Microseconds from the moment when a batch was due to its acknowledgement. Due is when it
    /// should be sent at a given rate, and when it is sent without one.
    pub(super) ack_us: Histogram<u64>,
}

/// Agencies that are connected.
pub(super) struct Fleet {
    agencies: Vec<Agency>,
    sockets: Sockets,
}

struct Agency {
    id: u32,
    line: Line,
    next_chunk: u32,
    /// When each batch not yet sent was due, at a given rate.
    due: VecDeque<Instant>,
    in_flight: VecDeque<Flight>,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
    /// Acknowledgements, of which the last may have come in part.
    received: Vec<u8>,
}

struct Flight {
    chunk: u32,
    due: Instant,
}

impl Sent {
    fn nothing() -> anyhow::Result<Self> {
        let took = Duration::ZERO;
        Ok(Self { batches: 0, bets: 0, bets_bytes: 0, took, ack_us: latencies()? })
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub(super) fn batches_per_second(&self) -> f64 {
        self.batches as f64 / self.took.as_secs_f64()
    }
}

/// An empty record of latencies.
pub(super) fn latencies() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(LATENCY_US_MAX, 3)?)
}

/// In microseconds, never zero, so that ratios of latencies exist.
pub(super) fn microseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).clamp(1, LATENCY_US_MAX)
}

impl Fleet {
    /// Of agencies numbered from 1, each by its connection, on which nothing is to be read.
    pub(super) fn new(lines: Vec<Line>) -> anyhow::Result<Self> {
        let sockets = Sockets::new()?;
        let mut agencies = Vec::new();
        for (id, line) in (1..).zip(lines) {
            line.socket().set_nonblocking(true)?;
            sockets.add(&line, agencies.len())?;
            agencies.push(Agency {
                id,
                line,
                next_chunk: 0,
                due: VecDeque::new(),
                in_flight: VecDeque::new(),
                unsent: Vec::new(),
                received: Vec::new(),
            });
        }
        Ok(Self { agencies, sockets })
    }

    /// Sends by the plan, and waits for the last acknowledgement.
    pub(super) fn send(&mut self, plan: &Plan) -> anyhow::Result<Sent> {
        let mut sent = Sent::nothing()?;
        let mut may_send: Vec<usize> = (0..self.agencies.len()).collect();
        let (mut bets_sent, mut batches_due) = (0, 0);
        let started = Instant::now();
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
                bets_sent += self.agencies[at].send(plan, more)?;
            }
            if !more && self.agencies.iter().all(Agency::is_done) {
                sent.took = started.elapsed();
                return Ok(sent);
            }
            let ready = self.sockets.wait(Some(sleep))?;
            if ready.is_empty() {
                let now = Instant::now();
                let silent = self.agencies.iter().any(|it| it.has_waited(now) > PATIENCE);
                ensure!(!silent, "the central acknowledges nothing more");
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
            let batch = plan.batches.of(self.id, self.next_chunk);
            batch.encode(self.id, self.next_chunk, &mut self.unsent);
            self.in_flight.push_back(Flight { chunk: self.next_chunk, due });
            self.next_chunk += 1;
            bets += u64::from(batch.bets);
        }
        // With nothing to write, TLS would read instead, and nobody would be told of it.
        if self.unsent.is_empty() {
            return Ok(bets);
        }
        // What the socket does not take now goes when an acknowledgement has made room.
        match self.line.write(&self.unsent) {
            Ok(len) => drop(self.unsent.drain(..len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("can't send"),
        }
        Ok(bets)
    }

    /// Reads once, and takes the acknowledgements that are whole.
    fn receive(&mut self, plan: &Plan, sent: &mut Sent) -> anyhow::Result<()> {
        let mut bytes = [0; 4096];
        let len = match self.line.read(&mut bytes) {
            Ok(len) => len,
            // Of TLS, only a part came.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("can't receive"),
        };
        ensure!(len > 0, "the central closed the connection");
        self.received.extend_from_slice(&bytes[..len]);
        let now = Instant::now();
        let (acks, _) = self.received.as_chunks::<ACK_LEN>();
        for ack in acks {
            let flight = self.in_flight.pop_front().context("an acknowledgement of nothing")?;
            let mut expected = Vec::with_capacity(ACK_LEN);
            CentralMessage::BetsAck { chunk: flight.chunk }.encode(&mut expected);
            ensure!(ack[..] == expected, "chunk {} was answered {ack:?}", flight.chunk);
            let batch = plan.batches.of(self.id, flight.chunk);
            sent.batches += 1;
            sent.bets += u64::from(batch.bets);
            sent.bets_bytes += batch.text.len() as u64;
            sent.ack_us.record(microseconds(now - flight.due))?;
        }
        let taken = acks.len() * ACK_LEN;
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

/// How long after the start a batch is due, at so many a second.
#[expect(clippy::cast_precision_loss, reason = "exact as far as any run goes")]
fn due_after(batches: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(batches as f64 / rate)
}
