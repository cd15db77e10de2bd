//! Runs this program in child processes: a central and agencies.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

/// How many bytes of a central's log are read at once.
const LOG_READ_LEN: usize = 64 << 10;
/// Upper bound on the length of a log line.
const LINE_LEN_MAX: usize = 16 << 10;

/// A central in a child process; killed when dropped.
pub(super) struct Central {
    process: Child,
    number: u32,
    address: String,
    /// The task that reads the log to its end, so that the central never blocks on it, and returns
    /// the last line.
    log: Option<JoinHandle<String>>,
    last_words: String,
}

/// Agencies, each in a child process; killed when dropped.
pub(super) struct Agencies {
    processes: Vec<Child>,
}

impl Central {
    /// Starts a central on a free port and waits until it listens.
    pub(super) async fn start(data: &Path, agencies: u32) -> anyhow::Result<Self> {
        let mut command = this_program()?;
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.arg("--data").arg(data).args(["--agencies", &agencies.to_string()]);
        let mut process =
            command.stderr(Stdio::piped()).spawn().context("can't start a central")?;
        let stderr = process.stderr.take().context("the central's log is missing")?;
        let mut log = BufReader::with_capacity(LOG_READ_LEN, stderr).lines();
        let mut last = String::new();
        while let Some(line) = log.next_line().await? {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let listens = event["action"] == "listen";
            if let Some(address) = event["address"].as_str().filter(|_| listens) {
                let number = process.id().context("the central has ended")?;
                let log = Some(tokio::spawn(last_line(log.into_inner())));
                let address = address.to_owned();
                return Ok(Self { process, number, address, log, last_words: String::new() });
            }
            last = line;
        }
        bail!("the central ended before it listened: {last}")
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the process ends on its own and returns the last line of its log.
    pub(super) async fn ended(&mut self) -> String {
        if let Some(log) = &mut self.log {
            self.last_words = log.await.unwrap_or_default();
            self.log = None;
        }
        self.last_words.clone()
    }

    /// Stops the central in an orderly way.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = Pid::from_raw(self.number.cast_signed()) {
            kill_process(pid, Signal::TERM).context("can't end the central")?;
        }
        let last = self.ended().await;
        let status = self.process.wait().await?;
        if status.success() { Ok(()) } else { bail!("the central failed ({status}): {last}") }
    }
}

impl Agencies {
    /// Starts an agency for each file.
    pub(super) fn start(files: &[PathBuf], central: &str) -> anyhow::Result<Self> {
        let start = |(id, file): (u32, &PathBuf)| {
            let mut command = this_program()?;
            command.args(["agency", "--quiet", "--central", central]);
            // A generated file may have no bets; the ledger is a temporary one.
            command.arg("--allow-empty");
            command.args(["--id", &id.to_string()]).arg("--bets").arg(file);
            command.stdout(Stdio::piped()).spawn().context("can't start an agency")
        };
        let processes = (1..).zip(files).map(start).collect::<anyhow::Result<_>>()?;
        Ok(Self { processes })
    }

    /// Waits until all agencies have ended and returns the winners of each.
    pub(super) async fn winners(
        self,
        mut one_more: impl FnMut(),
    ) -> anyhow::Result<Vec<Vec<String>>> {
        let mut winners = Vec::new();
        for (id, mut process) in (1_u32..).zip(self.processes) {
            let mut text = String::new();
            let mut out = process.stdout.take().context("an agency's output is missing")?;
            out.read_to_string(&mut text).await?;
            let status: ExitStatus = process.wait().await?;
            if !status.success() {
                bail!("agency {id} failed ({status})");
            }
            winners.push(text.lines().map(str::to_owned).collect());
            one_more();
        }
        Ok(winners)
    }
}

/// Reads a log to its end and returns the last line. Splits lines only at the end, since under load
/// there are many.
async fn last_line(mut log: BufReader<ChildStderr>) -> String {
    let mut tail = Vec::new();
    while let Ok(piece @ [_, ..]) = log.fill_buf().await {
        let len = piece.len();
        tail.drain(..tail.len().saturating_sub(LINE_LEN_MAX));
        tail.extend_from_slice(piece);
        log.consume(len);
    }
    String::from_utf8_lossy(&tail).lines().last().unwrap_or_default().to_owned()
}

/// Returns a command that starts this program again, without settings from the environment and
/// killed when dropped.
fn this_program() -> anyhow::Result<Command> {
    let path = std::env::current_exe().context("can't find this program's path")?;
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BOLILLERO_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}
