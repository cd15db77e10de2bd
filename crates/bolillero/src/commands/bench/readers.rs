//! What programs that read cost agencies: the same load with nobody reading and with readers that
//! ask for a list of a large draw over and over, in turns on one central.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::super::processes::Central;
use super::http::{add_viewer, free_address, log_in};
use super::intake::{connect, end};
use super::load::{Fleet, Plan, Sent};

pub(super) const READERS: usize = 16;
/// How often each asks.
pub(super) const REQUESTS_PER_SECOND: u64 = 20;
/// Agencies that the draw is for, few of which send.
pub(super) const DRAWS_AGENCIES: u32 = 100_000;
const LIST: &str = "/api/v1/draws/1/agencies?limit=1";

/// One turn.
pub(super) struct Turn {
    pub(super) alone: Sent,
    pub(super) read: Sent,
    /// What the readers were answered.
    pub(super) answers: u64,
}

impl Turn {
    /// Measures a turn of agencies that send by the plan; who goes first is the caller's to change
    /// from turn to turn.
    pub(super) async fn measure(
        folder: &Path,
        agencies: u32,
        plan: &Plan,
        read_first: bool,
    ) -> anyhow::Result<Self> {
        let data = folder.join("read");
        let http = tokio::task::block_in_place(|| add_viewer(&data).and_then(|()| free_address()))?;
        let central = Central::start(&data, DRAWS_AGENCIES, &["--http", &http]).await?;
        let mut fleet = connect(&central, agencies)?;
        let before = if read_first { None } else { Some(send(&mut fleet, plan)?) };
        let (read, answers) = send_while_read(&mut fleet, plan, &http).await?;
        let alone = before.map_or_else(|| send(&mut fleet, plan), Ok)?;
        drop(fleet);
        end(central, &data).await?;
        Ok(Self { alone, read, answers })
    }
}

fn send(fleet: &mut Fleet, plan: &Plan) -> anyhow::Result<Sent> {
    tokio::task::block_in_place(|| fleet.send(plan))
}

async fn send_while_read(
    fleet: &mut Fleet,
    plan: &Plan,
    http: &str,
) -> anyhow::Result<(Sent, u64)> {
    let cookie = tokio::task::block_in_place(|| log_in(http))?;
    let request: Arc<str> = format!("GET {LIST} HTTP/1.1\r\nHost: x\r\n{cookie}\r\n\r\n").into();
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let stream = TcpStream::connect(http).await?;
        readers.push(tokio::spawn(read(stream, Arc::clone(&request), Arc::clone(&over))));
    }
    let sent = send(fleet, plan)?;
    over.store(true, Ordering::Relaxed);
    let mut answers = 0;
    for reader in readers {
        answers += answers_of(reader).await?;
    }
    Ok((sent, answers))
}

async fn answers_of(reader: JoinHandle<anyhow::Result<u64>>) -> anyhow::Result<u64> {
    let answers = reader.await.context("a reader broke off")??;
    ensure!(answers > 0, "a reader was never answered");
    Ok(answers)
}

/// Asks until it is over; gives how often it was answered.
async fn read(
    mut stream: TcpStream,
    request: Arc<str>,
    over: Arc<AtomicBool>,
) -> anyhow::Result<u64> {
    let mut due = interval(Duration::from_secs(1) / u32::try_from(REQUESTS_PER_SECOND)?);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answers = 0;
    while !over.load(Ordering::Relaxed) {
        due.tick().await;
        stream.write_all(request.as_bytes()).await?;
        take_answer(&mut stream).await?;
        answers += 1;
    }
    Ok(answers)
}

async fn take_answer(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut answer = BufReader::new(stream);
    let (mut line, mut body_len) = (String::new(), 0);
    answer.read_line(&mut line).await?;
    ensure!(line.contains(" 200 "), "a reader was refused: {line}");
    while !line.trim().is_empty() {
        if let Some(len) = line.strip_prefix("content-length: ") {
            body_len = len.trim().parse().context("a length is a number")?;
        }
        line.clear();
        answer.read_line(&mut line).await?;
    }
    let mut body = vec![0; body_len];
    answer.read_exact(&mut body).await?;
    Ok(())
}
