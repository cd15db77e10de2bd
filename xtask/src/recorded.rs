//! Figures that are counted, and compared with those recorded in the repository.

use std::fs;

use anyhow::{Context as _, ensure};

use crate::steps::root;

/// More above or below the recorded figure than this is a failure.
const CHANGE_PERCENT_MAX: u64 = 10;

/// What is counted.
pub(crate) struct Figure {
    /// The file with the recorded figure: a number and nothing else.
    pub(crate) file: &'static str,
    /// What takes so many: `to read a bet takes`.
    pub(crate) subject: &'static str,
    /// What they are: `instructions`.
    pub(crate) unit: &'static str,
    /// How to find out why they are more or fewer, and how to record them.
    pub(crate) advice: String,
}

impl Figure {
    /// Compares with what is recorded, or records.
    pub(crate) fn check(&self, counted: u64, record: bool) -> anyhow::Result<()> {
        let Self { file, subject, unit, .. } = self;
        let path = root().join(file);
        if record {
            println!("{subject} {counted} {unit}, recorded in {file}");
            return fs::write(&path, format!("{counted}\n")).context(*file);
        }
        let recorded = fs::read_to_string(&path).context(*file)?;
        let recorded = recorded.trim().parse().context("the recorded figure is no number")?;
        println!("{subject} {counted} {unit}, {recorded} recorded");
        self.compare(counted, recorded)
    }

    /// Fewer is a failure too: a figure that is too high would let as many come back unseen.
    fn compare(&self, counted: u64, recorded: u64) -> anyhow::Result<()> {
        let Self { subject, unit, advice, .. } = self;
        ensure!(
            counted.abs_diff(recorded) * 100 <= recorded * CHANGE_PERCENT_MAX,
            "{subject} {counted} {unit}, {recorded} are recorded: {advice}"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_a_tenth_more_or_fewer() {
        let figure = Figure {
            file: "",
            subject: "to read a bet takes",
            unit: "instructions",
            advice: "find out why".to_owned(),
        };
        for (counted, recorded) in
            [(450, 500), (500, 500), (550, 500), (2_250, 2_500), (2_500, 2_500), (2_750, 2_500)]
        {
            figure.compare(counted, recorded).unwrap();
        }
        for (counted, recorded) in [(449, 500), (551, 500), (2_249, 2_500), (2_751, 2_500)] {
            let error = figure.compare(counted, recorded).unwrap_err().to_string();
            let expected = format!("{counted} instructions, {recorded} are recorded: find out why");
            assert!(error.contains(&expected), "{error}");
        }
    }
}
