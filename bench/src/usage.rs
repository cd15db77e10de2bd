//! What a central used so far, as the system counts it (proc(5)).

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::interruption;

/// The thread of the central that writes the ledger.
const WRITER: &str = "engine-commit";
/// How long a process must use nothing to be at rest.
const REST_TIME: Duration = Duration::from_millis(60);
/// A central that works in the background for longer is not waited for.
const REST_WAIT_MAX: Duration = Duration::from_secs(20);

/// What a central used. Also the difference of two.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Seconds of processor time.
    pub(crate) cpu_s: f64,
    /// Bytes that it caused to be written to the disk.
    pub(crate) written_bytes: u64,
    /// Those among them that the ledger's writer wrote, and in how many writes.
    pub(crate) log_bytes: u64,
    pub(crate) log_writes: u64,
    /// Bytes of memory that it holds; of a difference, those at its end.
    pub(crate) memory_bytes: u64,
}

impl Usage {
    /// Of the process with this number.
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let folder = format!("/proc/{process}");
        let cpu_s = cpu_s(process)?;
        let written_bytes = number_behind(&read(&format!("{folder}/io"))?, "write_bytes:")?;
        let io = read(&format!("{}/io", thread_named(&folder, WRITER)?))?;
        let log_bytes = number_behind(&io, "write_bytes:")?;
        let log_writes = number_behind(&io, "syscw:")?;
        let memory_bytes = number_behind(&read(&format!("{folder}/status"))?, "VmRSS:")? * 1024;
        Ok(Self { cpu_s, written_bytes, log_bytes, log_writes, memory_bytes })
    }

    /// Of a process once it is at rest: what it does in the background is done.
    pub(crate) fn at_rest(process: u32) -> anyhow::Result<Self> {
        let asked = Instant::now();
        let mut before = Self::of(process)?;
        loop {
            interruption::check()?;
            thread::sleep(REST_TIME);
            let now = Self::of(process)?;
            let used = now.since(before);
            let rests = used.written_bytes == 0 && used.cpu_s * 2.0 < REST_TIME.as_secs_f64();
            if rests || asked.elapsed() > REST_WAIT_MAX {
                return Ok(now);
            }
            before = now;
        }
    }

    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
            log_bytes: self.log_bytes.saturating_sub(before.log_bytes),
            log_writes: self.log_writes.saturating_sub(before.log_writes),
            memory_bytes: self.memory_bytes,
        }
    }
}

/// Seconds of processor time that a process took so far.
pub(crate) fn cpu_s(process: u32) -> anyhow::Result<f64> {
    let stat = read(&format!("/proc/{process}/stat"))?;
    // Behind the name, which is in parentheses and may hold anything.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
    let (user, system) = (ticks(11), ticks(12));
    let ticks = user.zip(system).context("can't tell the processor time from stat")?;
    let per_second = rustix::param::clock_ticks_per_second();
    let per_second = u32::try_from(per_second).context("impossible ticks a second")?;
    Ok((f64::from(ticks.0) + f64::from(ticks.1)) / f64::from(per_second))
}

fn thread_named(folder: &str, name: &str) -> anyhow::Result<String> {
    let list = std::fs::read_dir(format!("{folder}/task")).context("can't list the threads")?;
    for thread in list {
        let thread = thread?.path().display().to_string();
        // One that has ended since it was listed is not the writer.
        let its_name = std::fs::read_to_string(format!("{thread}/comm")).unwrap_or_default();
        if its_name.trim_end() == name {
            return Ok(thread);
        }
    }
    bail!("the central has no thread named {name}")
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read {path}"))
}

fn number_behind(text: &str, label: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("there is no {label}"))
}
