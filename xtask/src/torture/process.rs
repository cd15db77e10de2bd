//! A real process of the program: started, listened to, killed.
//!
//! What it says arrives through a pipe that this process holds, so what it had written when it was
//! killed is not lost with it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A line of a process's log, or its end.
pub(super) struct Said {
    /// Which process: a number that is given once.
    pub(super) by: usize,
    pub(super) at: Instant,
    /// None: it says nothing more.
    pub(super) line: Option<String>,
}

/// A process. Killed when dropped.
pub(super) struct Process {
    pub(super) number: usize,
    pub(super) started: Instant,
    child: Child,
    printed: Option<JoinHandle<String>>,
}

impl Process {
    /// Starts one; its log goes to `said`.
    pub(super) fn start(
        program: &Path,
        arguments: &[&str],
        number: usize,
        said: Sender<Said>,
    ) -> anyhow::Result<Self> {
        let started = now();
        let mut command = bare(program);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| program.display().to_string())?;
        let log = child.stderr.take().context("the log is not there")?;
        thread::spawn(move || {
            let lines = BufReader::new(log).lines().map_while(Result::ok).map(Some);
            for line in lines.chain([None]) {
                // Nobody listens any more once the round is over.
                let _ = said.send(Said { by: number, at: now(), line });
            }
        });
        let mut stdout = child.stdout.take().context("the output is not there")?;
        let printed = thread::spawn(move || {
            let mut printed = String::new();
            let _ = stdout.read_to_string(&mut printed);
            printed
        });
        Ok(Self { number, started, child, printed: Some(printed) })
    }

    /// As kill -9 does.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("can't kill a process")
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process without a number")?;
        kill_process(pid, Signal::TERM).context("can't send SIGTERM")
    }

    /// Waits for its end; gives what it printed too.
    pub(super) fn ended(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let status = self.child.wait()?;
        let printed = self.printed.take().and_then(|reader| reader.join().ok());
        Ok((status, printed.unwrap_or_default()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to a good end; gives what it printed.
pub(super) fn run(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = bare(program).args(arguments).output()?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        bail!("`bolillero {}`: {}: {}", arguments.join(" "), output.status, told.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The time, for durations.
#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The program without the settings of whoever runs this.
fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BOLILLERO_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}
