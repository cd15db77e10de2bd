//! Honest agencies that send at a fixed pace and measure the time to each acknowledgement.
//!
//! The pace does not depend on the replies, so that a delayed central gets the same load as any
//! other, and every batch sent meanwhile counts.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::PATIENCE;
use crate::support::raw::{ack, bets, finish, hello};

/// Interval between two batches of one agency.
const PACE: Duration = Duration::from_millis(2);
const BETS: usize = 10;
const ACK_LEN: usize = 6;

/// Interval between two checks whether everything is acknowledged.
const LOOK_TIME: Duration = Duration::from_millis(5);

/// Honest agencies that send until told to finish. They never pause, so that no work of the central
/// goes unmeasured.
pub(crate) struct Probes {
    agencies: Vec<(u32, JoinHandle<usize>)>,
    seen: Arc<Mutex<Seen>>,
    finish: CancellationToken,
}

/// What the probes observed since the last measurement.
#[derive(Default)]
struct Seen {
    /// When each batch was sent, and the microseconds to its acknowledgement.
    acknowledged: Vec<(Instant, u64)>,
    /// By agency, when its last acknowledged batch was sent.
    last: BTreeMap<u32, Instant>,
}

struct Probe {
    agency: u32,
    stream: TcpStream,
    seen: Arc<Mutex<Seen>>,
    finish: CancellationToken,
}

impl Probes {
    /// Connects the agencies and starts sending.
    pub(crate) async fn start(agencies: RangeInclusive<u32>, central: &str) -> Self {
        let (seen, finish) = (Arc::default(), CancellationToken::new());
        let mut started = Vec::new();
        for agency in agencies {
            let stream = greeted(agency, central).await;
            let (seen, finish) = (Arc::clone(&seen), finish.clone());
            let probe = Probe { agency, stream, seen, finish };
            started.push((agency, tokio::spawn(probe.send())));
        }
        Self { agencies: started, seen, finish }
    }

    /// Waits for `time`; returns the sorted microseconds to the acknowledgement of every batch sent
    /// meanwhile.
    pub(crate) async fn measure(&self, time: Duration) -> Vec<u64> {
        let begin = Instant::now();
        sleep(time).await;
        let end = Instant::now();
        while self.agencies.iter().any(|(agency, _)| !self.is_behind(*agency, end)) {
            assert!(end.elapsed() < PATIENCE, "batches are not acknowledged");
            sleep(LOOK_TIME).await;
        }
        let acknowledged = std::mem::take(&mut self.seen.lock().acknowledged);
        let of_then = acknowledged.into_iter().filter(|(at, _)| (begin..end).contains(at));
        let mut took_us: Vec<_> = of_then.map(|(_, took_us)| took_us).collect();
        took_us.sort_unstable();
        took_us
    }

    /// Has all agencies finish; returns how many bets each has sent.
    pub(crate) async fn finish(self) -> BTreeMap<u32, usize> {
        self.finish.cancel();
        let mut bets = BTreeMap::new();
        for (agency, sending) in self.agencies {
            bets.insert(agency, sending.await.unwrap());
        }
        bets
    }

    fn is_behind(&self, agency: u32, end: Instant) -> bool {
        self.seen.lock().last.get(&agency).is_some_and(|last| *last >= end)
    }
}

impl Probe {
    /// Sends at the fixed pace until told to finish; returns how many bets were sent.
    async fn send(mut self) -> usize {
        let mut tick = interval(PACE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut unanswered: VecDeque<(u32, Instant)> = VecDeque::new();
        let (mut chunk, mut received, mut held) = (0, [0; 64 * ACK_LEN], 0);
        let (mut reading, mut writing) = self.stream.split();
        while !self.finish.is_cancelled() || !unanswered.is_empty() {
            tokio::select! {
                read = reading.read(&mut received[held..]) => {
                    let len = read.unwrap();
                    assert!(len > 0, "agency {}: the central closed", self.agency);
                    held += len;
                    let (now, whole) = (Instant::now(), held / ACK_LEN * ACK_LEN);
                    let mut seen = self.seen.lock();
                    for bytes in received[..whole].chunks(ACK_LEN) {
                        let (chunk, at) = unanswered.pop_front().unwrap();
                        assert_eq!(bytes, ack(chunk), "agency {}", self.agency);
                        let took_us = u64::try_from((now - at).as_micros()).unwrap();
                        seen.acknowledged.push((at, took_us));
                        seen.last.insert(self.agency, at);
                    }
                    received.copy_within(whole..held, 0);
                    held -= whole;
                }
                _ = tick.tick(), if !self.finish.is_cancelled() => {
                    unanswered.push_back((chunk, Instant::now()));
                    writing.write_all(&batch(self.agency, chunk)).await.unwrap();
                    chunk += 1;
                }
            }
        }
        writing.write_all(&finish(self.agency)).await.unwrap();
        let mut noted = [0; ACK_LEN];
        reading.read_exact(&mut noted).await.unwrap();
        assert_eq!(noted[..], finish(self.agency));
        chunk as usize * BETS
    }
}

/// Returns a connection that sent HELLO and received WELCOME.
async fn greeted(agency: u32, central: &str) -> TcpStream {
    let mut stream = TcpStream::connect(central).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&hello(agency, "")).await.unwrap();
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.unwrap();
    assert_eq!(header[..2], [0, 19]);
    let mut welcome = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]]))];
    stream.read_exact(&mut welcome).await.unwrap();
    stream
}

/// Returns the given percentile of sorted values.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}

fn batch(agency: u32, chunk: u32) -> Vec<u8> {
    let bet = format!("Ana|Paz|{}|2000-01-01|1", 30_000_000 + chunk);
    bets(agency, chunk, &[bet.as_str(); BETS])
}
