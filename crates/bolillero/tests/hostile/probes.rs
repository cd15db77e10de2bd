//! Honest agencies that send at a fixed pace, and measure how long each acknowledgement takes.
//!
//! The pace does not depend on the answers, so that a central that is held up meets as much load
//! as one that is not, and every batch sent meanwhile counts.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::support::raw::{ack, bets, finish, hello};

/// Between two batches of one agency.
const PACE: Duration = Duration::from_millis(2);
const BETS: usize = 10;
const ACK_LEN: usize = 6;

/// One honest agency.
pub(crate) struct Probe {
    pub(crate) agency: u32,
    chunk: u32,
    stream: TcpStream,
}

impl Probe {
    /// A connection that said HELLO and was welcomed.
    pub(crate) async fn connect(agency: u32, central: &str) -> Self {
        let mut stream = TcpStream::connect(central).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&hello(agency, "")).await.unwrap();
        let mut header = [0; 4];
        stream.read_exact(&mut header).await.unwrap();
        assert_eq!(header[..2], [0, 19]);
        let mut welcome = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]]))];
        stream.read_exact(&mut welcome).await.unwrap();
        Self { agency, chunk: 0, stream }
    }

    /// How many bets it has sent.
    pub(crate) fn bets(&self) -> usize {
        self.chunk as usize * BETS
    }

    /// Says that it has no more.
    pub(crate) async fn finish(&mut self) {
        self.stream.write_all(&finish(self.agency)).await.unwrap();
        let mut noted = [0; ACK_LEN];
        self.stream.read_exact(&mut noted).await.unwrap();
        assert_eq!(noted[..], finish(self.agency));
    }

    /// Sends for so long; gives the microseconds of each acknowledgement.
    async fn send_for(&mut self, time: Duration) -> Vec<u64> {
        let until = Instant::now() + time;
        let mut tick = interval(PACE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut sent: VecDeque<(u32, Instant)> = VecDeque::new();
        let (mut took_us, mut received, mut held) = (Vec::new(), [0; 64 * ACK_LEN], 0);
        let (mut reading, mut writing) = self.stream.split();
        loop {
            let sends = Instant::now() < until;
            if !sends && sent.is_empty() {
                return took_us;
            }
            tokio::select! {
                read = reading.read(&mut received[held..]) => {
                    let len = read.unwrap();
                    assert!(len > 0, "agency {}: the central closed", self.agency);
                    held += len;
                    let now = Instant::now();
                    let whole = held / ACK_LEN * ACK_LEN;
                    for bytes in received[..whole].chunks(ACK_LEN) {
                        let (chunk, at) = sent.pop_front().unwrap();
                        assert_eq!(bytes, ack(chunk), "agency {}", self.agency);
                        took_us.push(u64::try_from((now - at).as_micros()).unwrap());
                    }
                    received.copy_within(whole..held, 0);
                    held -= whole;
                }
                _ = tick.tick(), if sends => {
                    let message = batch(self.agency, self.chunk);
                    sent.push_back((self.chunk, Instant::now()));
                    writing.write_all(&message).await.unwrap();
                    self.chunk += 1;
                }
            }
        }
    }
}

/// Has all send for so long; gives the microseconds of every acknowledgement.
pub(crate) async fn measure(probes: &mut Vec<Probe>, time: Duration) -> Vec<u64> {
    let mut sending = JoinSet::new();
    for mut probe in probes.drain(..) {
        sending.spawn(async move {
            let took_us = probe.send_for(time).await;
            (probe, took_us)
        });
    }
    let mut all = Vec::new();
    while let Some(sent) = sending.join_next().await {
        let (probe, took_us) = sent.unwrap();
        probes.push(probe);
        all.extend(took_us);
    }
    all.sort_unstable();
    all
}

/// The value that so many of a hundred sorted ones are at most.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}

fn batch(agency: u32, chunk: u32) -> Vec<u8> {
    let bet = format!("Ana|Paz|{}|2000-01-01|1", 30_000_000 + chunk);
    bets(agency, chunk, &[bet.as_str(); BETS])
}
