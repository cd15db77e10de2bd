//! Agencies that send as fast as they are acknowledged, each on a thread of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use tokio::time::Instant;
use wire::{AgencyMessage, BetsEncoder, DrawName};

use super::super::generate;
use super::super::processes::Central;
use super::usage::Usage;

/// Bets in a batch: what the field's agencies send by default.
pub(super) const BATCH_BETS: u32 = wire::limits::BATCH_BETS;
/// Different batches that an agency sends in turn.
const CONTENTS: usize = 64;
/// An acknowledgement: its id and the chunk.
const ACK_LEN: usize = 6;
/// Longer than any reply takes.
const PATIENCE: Duration = Duration::from_secs(30);
const LATENCY_US_MAX: u64 = 60_000_000;

/// What the agencies send next.
pub(super) struct Chunks {
    /// For each agency, the bets of the batches that it sends in turn, as they are sent.
    contents: Vec<Vec<Vec<u8>>>,
    next: Vec<u32>,
}

/// What one turn of a scenario gave.
pub(super) struct Slice {
    pub(super) batches: u64,
    pub(super) bets_bytes: u64,
    pub(super) took: Duration,
    /// From sending a batch to its acknowledgement, in microseconds.
    pub(super) ack_us: Histogram<u64>,
    pub(super) central: Usage,
    pub(super) load: Usage,
}

impl Chunks {
    /// Batches of plausible bets.
    pub(super) fn plausible(agencies: u32) -> anyhow::Result<Self> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut contents = Vec::new();
        for agency in 1..=agencies {
            let batches = (0..CONTENTS).map(|_| content(agency, &mut random));
            contents.push(batches.collect::<anyhow::Result<_>>()?);
        }
        let next = contents.iter().map(|_| 0).collect();
        Ok(Self { contents, next })
    }

    /// Bytes of a batch's bets, on average.
    pub(super) fn bytes_per_batch(&self) -> usize {
        let all = self.contents.iter().flatten();
        all.clone().map(Vec::len).sum::<usize>() / all.count()
    }
}

impl Slice {
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub(super) fn batches_per_second(&self) -> f64 {
        self.batches as f64 / self.took.as_secs_f64()
    }
}

/// An empty record of latencies.
pub(super) fn latencies() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(LATENCY_US_MAX, 3)?)
}

/// Has every agency send for `time`, with `window` batches in flight.
pub(super) async fn measure(
    central: &Central,
    chunks: &mut Chunks,
    window: usize,
    time: Duration,
) -> anyhow::Result<Slice> {
    let before = (Usage::of(Some(central.process()))?, Usage::of(None)?);
    let started = Instant::now();
    let until = started + time;
    let mut agencies = Vec::new();
    for (agency, first) in (1..).zip(&chunks.next) {
        let stream = greeted(central.address(), agency)?;
        let contents = std::mem::take(&mut chunks.contents[agency as usize - 1]);
        let mut sender = Agency { agency, stream, contents, chunk: *first, frame: Vec::new() };
        agencies.push(tokio::task::spawn_blocking(move || {
            let sent = sender.send_until(until, window);
            (sender, sent)
        }));
    }
    let mut slice = Slice {
        batches: 0,
        bets_bytes: 0,
        took: Duration::ZERO,
        ack_us: latencies()?,
        central: Usage::default(),
        load: Usage::default(),
    };
    for (at, agency) in agencies.into_iter().enumerate() {
        let (sender, sent) = agency.await?;
        let (ack_us, bets_bytes) = sent.with_context(|| format!("agency {}", sender.agency))?;
        slice.batches += ack_us.len();
        slice.bets_bytes += bets_bytes;
        slice.ack_us.add(&ack_us)?;
        chunks.next[at] = sender.chunk;
        chunks.contents[at] = sender.contents;
    }
    slice.took = started.elapsed();
    slice.central = Usage::of(Some(central.process()))?.since(before.0);
    slice.load = Usage::of(None)?.since(before.1);
    Ok(slice)
}

/// A connection that said HELLO and was welcomed.
pub(super) fn greeted(address: &str, agency: u32) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("can't connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut hello = Vec::new();
    let draw_name = DrawName::default();
    let message = wire::message::Hello { version: wire::limits::VERSION, agency, draw_name };
    AgencyMessage::Hello(message).encode(&mut hello);
    stream.write_all(&hello)?;
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let mut welcome = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]]))];
    stream.read_exact(&mut welcome)?;
    Ok(stream)
}

struct Agency {
    agency: u32,
    stream: TcpStream,
    contents: Vec<Vec<u8>>,
    chunk: u32,
    frame: Vec<u8>,
}

impl Agency {
    /// Gives the latencies and how many bytes of bets were acknowledged.
    fn send_until(
        &mut self,
        until: Instant,
        window: usize,
    ) -> anyhow::Result<(Histogram<u64>, u64)> {
        let mut ack_us = latencies()?;
        let mut bets_bytes = 0;
        let mut sent_at = std::collections::VecDeque::with_capacity(window);
        let mut acks = vec![0; ACK_LEN * window];
        let mut held = 0;
        loop {
            let more = if Instant::now() < until { window - sent_at.len() } else { 0 };
            self.frame.clear();
            for _ in 0..more {
                bets_bytes += self.add_next();
            }
            // Latencies are from before the write, in which a full socket may hold a batch up.
            let now = Instant::now();
            self.stream.write_all(&self.frame)?;
            sent_at.extend(std::iter::repeat_n(now, more));
            if sent_at.is_empty() {
                return Ok((ack_us, bets_bytes));
            }
            let len = self.stream.read(&mut acks[held..])?;
            ensure!(len > 0, "the central closed the connection");
            held += len;
            let now = Instant::now();
            let whole = held / ACK_LEN;
            for ack in acks[..whole * ACK_LEN].chunks(ACK_LEN) {
                ensure!(ack[..2] == [0, 13], "the central did not acknowledge: {ack:?}");
                let sent = sent_at.pop_front().context("an acknowledgement of nothing")?;
                let us = u64::try_from((now - sent).as_micros())?;
                ack_us.record(us.min(LATENCY_US_MAX))?;
            }
            acks.copy_within(whole * ACK_LEN..held, 0);
            held -= whole * ACK_LEN;
        }
    }

    /// Adds the next batch to what is to be written; gives the bytes of its bets.
    fn add_next(&mut self) -> u64 {
        let content = &self.contents[self.chunk as usize % self.contents.len()];
        let start = format!("{}&{}&", self.agency, self.chunk);
        let len = u16::try_from(start.len() + content.len()).expect("content() fits a message");
        self.frame.extend_from_slice(&[0, 12]);
        self.frame.extend_from_slice(&len.to_be_bytes());
        self.frame.extend_from_slice(start.as_bytes());
        self.frame.extend_from_slice(content);
        self.chunk += 1;
        content.len() as u64
    }
}

fn content(agency: u32, random: &mut fastrand::Rng) -> anyhow::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for _ in 0..BATCH_BETS {
        generate::write_bet(&mut lines, random)?;
    }
    let lines = String::from_utf8(lines)?;
    let mut encoder = BetsEncoder::new(agency, u32::MAX, wire::limits::FRAME_LEN_MAX);
    for line in lines.lines() {
        let fields: Vec<_> = line.split(',').collect();
        let fields = fields.try_into().ok().context("a generated bet has five fields")?;
        ensure!(encoder.try_push(&fields)?, "the bets of a batch fit a message");
    }
    Ok(encoder.bets_text().to_vec())
}
