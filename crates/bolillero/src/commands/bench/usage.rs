//! What a process used so far, as the system counts it (proc(5)).

use anyhow::Context as _;

/// Use by a process. Also the difference of two.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Seconds of processor time.
    pub(super) cpu_s: f64,
    /// Bytes that it caused to be written to the disk.
    pub(super) written_bytes: u64,
}

impl Usage {
    /// Of the process with this number; none: of this one.
    pub(super) fn of(process: Option<u32>) -> anyhow::Result<Self> {
        let stat = read(process, "stat")?;
        // Behind the name, which is in parentheses and may hold anything.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
        let (user, system) = (ticks(11), ticks(12));
        let ticks = user.zip(system).context("can't tell the processor time from stat")?;
        let per_second = rustix::param::clock_ticks_per_second();
        let per_second = u32::try_from(per_second).context("impossible ticks a second")?;
        let written_bytes = number_behind(&read(process, "io")?, "write_bytes:")?;
        let cpu_s = (f64::from(ticks.0) + f64::from(ticks.1)) / f64::from(per_second);
        Ok(Self { cpu_s, written_bytes })
    }

    /// What was used since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            written_bytes: self.written_bytes - before.written_bytes,
        }
    }
}

/// Bytes of memory that a process holds.
pub(super) fn memory_bytes(process: u32) -> anyhow::Result<u64> {
    Ok(number_behind(&read(Some(process), "status")?, "VmRSS:")? * 1024)
}

fn read(process: Option<u32>, what: &str) -> anyhow::Result<String> {
    let process = process.map_or("self".to_owned(), |process| process.to_string());
    let path = format!("/proc/{process}/{what}");
    std::fs::read_to_string(&path).with_context(|| format!("can't read {path}"))
}

fn number_behind(text: &str, label: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("there is no {label}"))
}
