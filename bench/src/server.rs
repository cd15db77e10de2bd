//! Servers as processes of their own, and the programs that go with them.

use std::io::{PipeReader, Read as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use crate::interruption;

/// Longest time that a server takes to start, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
/// Of a server's log, what is told when it fails.
const LAST_LINES: usize = 5;
/// Of a server's log, what is kept: its end.
const LOG_LEN_MAX: usize = 64 << 10;

/// A server. Ended when dropped.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
    /// What makes it end, at once and leaving nothing running.
    end: Signal,
}

impl Server {
    /// Starts one.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        end: Signal,
    ) -> anyhow::Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        // A Ctrl-C is for this program, which then ends its servers in order.
        command.process_group(0);
        let child = command.spawn().with_context(|| format!("can't start {name}"))?;
        let log = Arc::default();
        let of_reader = Arc::clone(&log);
        thread::spawn(move || keep_end(reader, &of_reader));
        Ok(Self { name, child, log, end })
    }

    /// Waits until `look` finds what shows that it is ready; it is given the log so far.
    pub(crate) fn ready<T>(&mut self, look: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            interruption::check()?;
            if let Some(found) = look(&self.log()) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start ({status}): {}", self.name, self.last_words());
            }
            thread::sleep(PAUSE);
        }
        bail!("{} is not ready after {PATIENCE:?}: {}", self.name, self.last_words())
    }

    /// Its number in the system.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, and sees to it that it ends well.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.signal();
        let status = self.child.wait()?;
        ensure!(status.success(), "{} failed ({status}): {}", self.name, self.last_words());
        Ok(())
    }

    fn signal(&self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have ended already.
            let _ = kill_process(pid, self.end);
        }
    }

    fn log(&self) -> String {
        let log = self.log.lock();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn last_words(&self) -> String {
        // What it said last may not have been read yet.
        thread::sleep(PAUSE);
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("; ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.signal();
        let started = Instant::now();
        while started.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a log to its end, so that its writer never waits, and keeps the last part of it.
fn keep_end(mut reader: PipeReader, log: &Mutex<Vec<u8>>) {
    let mut part = vec![0; LOG_LEN_MAX];
    while let Ok(len @ 1..) = reader.read(&mut part) {
        let mut log = log.lock();
        let over = (log.len() + len).saturating_sub(LOG_LEN_MAX).min(log.len());
        log.drain(..over);
        log.extend_from_slice(&part[..len]);
    }
}

/// A program's path, wherever the system looks for programs.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
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

/// An address of this machine on which nobody listens.
pub(crate) fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// The port of an address.
pub(crate) fn port_of(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_the_system_looks_for_them() {
        assert!(program("sh").is_some() && program("no-such-program").is_none());
    }

    #[test]
    fn a_server_that_ends_at_its_start_is_told_with_its_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no memory; exit 3"]);
        let mut server = Server::start("a server", command, Signal::TERM).unwrap();
        let error = server.ready(|_| None::<()>).unwrap_err().to_string();
        assert_eq!(error, "a server ended at its start (exit status: 3): no memory");
    }
}
