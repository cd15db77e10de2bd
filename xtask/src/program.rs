//! The program as real processes: run to the end, or started, listened to and killed.
//!
//! What a process writes goes to files, so what it wrote before it was killed is not lost with it.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process, setpriority_process};

/// The priority of a process that only gets the processor time that others leave.
const LOWEST_PRIORITY: i32 = 19;
/// How often a process that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A process under way. Killed when dropped.
pub(crate) struct Process {
    pub(crate) started: Instant,
    child: Child,
    printed: PathBuf,
    log: File,
    /// The beginning of a line of the log whose end is not written yet.
    unfinished: Vec<u8>,
}

impl Process {
    /// Starts the program; its log goes to `NAME.log` of the folder, its output to `NAME.out`.
    pub(crate) fn start(mut program: Command, folder: &Path, name: &str) -> anyhow::Result<Self> {
        let (log, printed) = (format!("{name}.log"), format!("{name}.out"));
        let (log, printed) = (folder.join(log), folder.join(printed));
        program.stderr(File::create(&log)?).stdout(File::create(&printed)?);
        let started = now();
        let child = program.spawn().with_context(|| format!("can't start {program:?}"))?;
        let log = File::open(&log)?;
        Ok(Self { started, child, printed, log, unfinished: Vec::new() })
    }

    /// Kills it as kill -9 does, and waits for its end.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("can't kill a process")?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends it SIGTERM.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        Ok(kill_process(self.pid()?, Signal::TERM)?)
    }

    /// Gives it the lowest priority, and all processes that it starts from now on.
    pub(crate) fn take_lowest_priority(&self) -> anyhow::Result<()> {
        Ok(setpriority_process(Some(self.pid()?), LOWEST_PRIORITY)?)
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.context("a process without a number")
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// The lines that it logged since this was last asked.
    pub(crate) fn log(&mut self) -> anyhow::Result<Vec<String>> {
        self.log.read_to_end(&mut self.unfinished)?;
        let whole = self.unfinished.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let lines = self.unfinished.drain(..whole).collect::<Vec<_>>();
        Ok(String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect())
    }

    /// What it printed.
    pub(crate) fn printed(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(&self.printed)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of the program, without the settings of whoever runs this.
pub(crate) fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BOLILLERO_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to a good end; returns what it printed.
pub(crate) fn run(mut command: Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("can't start {command:?}"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}: {}", output.status, message.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Waits until something is so, for at most a time; returns whether it is so.
pub(crate) fn wait_until(
    time: Duration,
    mut so: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let asked = now();
    while !so()? {
        if asked.elapsed() >= time {
            return Ok(false);
        }
        pause(LOOK_EVERY);
    }
    Ok(true)
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::target;

    #[test]
    fn reads_whole_lines_of_the_log_and_what_was_printed() {
        let folder = target().join(format!("program-test-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let script = "echo one >&2; printf tw >&2; sleep 0.1; echo o >&2; echo won; exit 3";
        let command = command(Path::new("sh"), &["-c", script]);
        let mut process = Process::start(command, &folder, "shell").unwrap();
        let mut lines = Vec::new();
        let ended = wait_until(Duration::from_secs(10), || {
            lines.extend(process.log()?);
            Ok(process.ended()?.is_some())
        });
        assert!(ended.unwrap());
        lines.extend(process.log().unwrap());
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(process.printed().unwrap(), "won\n");
        assert_eq!(process.ended().unwrap().unwrap().code(), Some(3));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_process_of_the_lowest_priority_starts_others_of_it() {
        let folder = target().join(format!("priority-test-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        // `nice` prints the priority that it was started with.
        let script = "until [ $(nice) = 19 ]; do :; done";
        let command = command(Path::new("sh"), &["-c", script]);
        let mut process = Process::start(command, &folder, "shell").unwrap();
        process.take_lowest_priority().unwrap();
        let ended = wait_until(Duration::from_secs(10), || Ok(process.ended()?.is_some()));
        assert!(ended.unwrap());
        fs::remove_dir_all(folder).unwrap();
    }
}
