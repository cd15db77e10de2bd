//! `bolillero bench`: measures how fast this machine acknowledges bets.
//!
//! A short measurement of a machine and its disk. The central runs as a separate process, over real
//! sockets, on a real ledger in a temporary folder; this process generates the load.
//!
//! Out of scope: other loads, what limits the rate, and other stores. `cargo xtask bench` measures
//! those, from the source.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::{Args, value_parser};
use fastrand::Rng;
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use wire::{AgencyMessage, BetsEncoder, BetsFrame, CentralMessage, DrawName, FrameReader, Hello};

use super::generate;
use super::processes::Central;
use crate::exit::Ending;
use crate::signals;

const EXAMPLES: &str = "\
Examples:
  bolillero bench
  bolillero bench --data /var/lib --seconds 30
  bolillero bench --connections 100 --window 1 --json

Starts a central on a new ledger, sends it generated batches of 93 bets, and removes the ledger. The
load runs on the same machine and uses some of its processors.";

/// Number of distinct batches, which are sent repeatedly.
const BATCHES: usize = 256;
const LATENCY_US_MAX: u64 = 60_000_000;
/// Timeout, longer than any acknowledgement takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// Duration of the measurement in seconds.
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u64).range(1..=3600))]
    seconds: u64,

    /// Number of agencies that send at the same time, each on its own connection.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = value_parser!(u32).range(1..=500))]
    connections: u32,

    /// Most unacknowledged batches of an agency.
    #[arg(long, value_name = "N", default_value_t = wire::limits::WINDOW)]
    #[arg(value_parser = value_parser!(u16).range(1..=i64::from(wire::limits::WINDOW_MAX)))]
    window: u16,

    /// Folder for the temporary ledger, on the disk to measure; by default the system's temporary
    /// folder.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs the measurement and prints the result.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let (seconds, ack_us) = runtime.block_on(async {
        // On a signal, stops the central before its folder is removed.
        let interrupted = signals::shutdown_token().context("can't listen for signals")?;
        let folder = match &args.data {
            Some(within) => tempfile::tempdir_in(within),
            None => tempfile::tempdir(),
        };
        let folder = folder.context("can't create a temporary folder")?;
        let mut central = Central::start(&folder.path().join("data"), args.connections).await?;
        let address = central.address().to_owned();
        let measured = tokio::select! {
            measured = measure(args, &address) => measured,
            last = central.ended() => Err(anyhow!("the central ended: {last}")),
            () = interrupted.cancelled() => Err(anyhow!("interrupted")),
        };
        central.stop().await?;
        measured
    })?;
    let text = text(args, seconds, &ack_us)?;
    writeln!(std::io::stdout(), "{text}").context("can't write the figures")?;
    Ok(())
}

/// Formats the result as JSON or as text.
fn text(args: &BenchArgs, seconds: f64, ack_us: &Histogram<u64>) -> anyhow::Result<String> {
    let BenchArgs { connections, window, .. } = args;
    let processors = std::thread::available_parallelism()?;
    let bets = ack_us.len() * u64::from(wire::limits::BATCH_BETS);
    let bets_per_second = bets as f64 / seconds;
    let [p50, p99] = [0.5, 0.99].map(|part| ack_us.value_at_quantile(part));
    if args.json {
        let figures = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "processors": processors,
            "connections": connections,
            "window": window,
            "seconds": seconds,
            "bets": bets,
            "bets_per_second": bets_per_second,
            "ack_us_p50": p50,
            "ack_us_p99": p99,
        });
        return Ok(serde_json::to_string_pretty(&figures)?);
    }
    let [p50, p99] = [p50, p99].map(|us| us as f64 / 1e3);
    Ok(format!(
        "{bets_per_second:.0} bets/s acknowledged; a batch in {p50:.2} ms (median), {p99:.2} ms \
         (99 %)\n{connections} connections, {window} batches in flight each, for {seconds:.1} s; \
         {processors} processors, the load on the same"
    ))
}

/// Has all agencies send at the same time. Returns the elapsed seconds and the latency of each
/// batch in microseconds.
async fn measure(args: &BenchArgs, address: &str) -> anyhow::Result<(f64, Histogram<u64>)> {
    let batches = Arc::new(generated()?);
    let started = Instant::now();
    let until = started + Duration::from_secs(args.seconds);
    let mut sending = JoinSet::new();
    for agency in 1..=args.connections {
        let (address, batches) = (address.to_owned(), Arc::clone(&batches));
        let window = args.window.into();
        sending.spawn(async move {
            let mut connection = Connection::open(&address).await?;
            connection.greet(agency).await?;
            connection.send(agency, &batches, window, until).await
        });
    }
    let mut ack_us = latencies()?;
    while let Some(of_one) = sending.join_next().await {
        ack_us.add(of_one.context("a connection panicked")??)?;
    }
    Ok((started.elapsed().as_secs_f64(), ack_us))
}

/// Generates the encoded bets of each batch.
fn generated() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut random = Rng::with_seed(1);
    let batch = |_| {
        let mut encoder = BetsEncoder::new(u32::MAX, u32::MAX, wire::limits::FRAME_LEN_MAX);
        for _ in 0..wire::limits::BATCH_BETS {
            let mut line = Vec::new();
            generate::write_bet(&mut line, &mut random)?;
            let line = String::from_utf8(line)?;
            let fields: Vec<_> = line.trim_end().split(',').collect();
            let fields = fields.try_into().ok().context("a generated bet has five fields")?;
            ensure!(encoder.try_push(&fields)?, "a batch does not fit a message");
        }
        Ok(encoder.bets_text().to_vec())
    };
    (0..BATCHES).map(batch).collect()
}

/// A connection that acts as an agency.
struct Connection {
    stream: TcpStream,
    received: FrameReader,
}

impl Connection {
    async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("can't connect")?;
        stream.set_nodelay(true)?;
        let received = FrameReader::new(wire::Sender::Central, wire::limits::MESSAGE_LEN_MAX);
        Ok(Self { stream, received })
    }

    /// Sends HELLO for an agency.
    async fn greet(&mut self, agency: u32) -> anyhow::Result<()> {
        let (version, draw_name) = (wire::limits::VERSION, DrawName::default());
        let mut hello = Vec::new();
        AgencyMessage::Hello(Hello { version, agency, draw_name }).encode(&mut hello);
        self.stream.write_all(&hello).await?;
        while !self.received.has_next() {
            self.read().await?;
        }
        let frame = self.received.next_frame()?.context("the central sent nothing")?;
        match CentralMessage::from_frame(frame)? {
            CentralMessage::Welcome(_) => Ok(()),
            other => bail!("{} instead of WELCOME", other.name()),
        }
    }

    /// Sends batches until the time is up and waits for the last acknowledgement. Returns the
    /// latency of each batch in microseconds, measured from before it is sent.
    async fn send(
        &mut self,
        agency: u32,
        batches: &[Vec<u8>],
        window: usize,
        until: Instant,
    ) -> anyhow::Result<Histogram<u64>> {
        let mut ack_us = latencies()?;
        let (mut in_flight, mut next_chunk, mut out) = (VecDeque::new(), 0, Vec::new());
        loop {
            let now = Instant::now();
            while now < until && in_flight.len() < window {
                // Each agency starts at a different batch.
                let at = (agency as usize + next_chunk as usize) % batches.len();
                let frame = BetsFrame { agency, chunk: next_chunk, bets: Some(&batches[at]) };
                AgencyMessage::Bets(frame).encode(&mut out);
                in_flight.push_back((next_chunk, now));
                next_chunk += 1;
            }
            if in_flight.is_empty() {
                return Ok(ack_us);
            }
            self.stream.write_all(&out).await.context("can't send")?;
            out.clear();
            self.read().await?;
            let now = Instant::now();
            while let Some(frame) = self.received.next_frame()? {
                let (expected, sent_at) = in_flight.pop_front().context("nothing was sent")?;
                match CentralMessage::from_frame(frame)? {
                    CentralMessage::BetsAck { chunk } if chunk == expected => {}
                    other => bail!("{} instead of an acknowledgement", other.name()),
                }
                let us = u64::try_from((now - sent_at).as_micros())?;
                ack_us.record(us.clamp(1, LATENCY_US_MAX))?;
            }
        }
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let read = timeout(PATIENCE, self.stream.read(self.received.space())).await;
        let len = read.context("acknowledgements stopped")?.context("can't receive")?;
        ensure!(len > 0, "the central closed the connection");
        self.received.filled(len);
        Ok(())
    }
}

fn latencies() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(LATENCY_US_MAX, 3)?)
}
