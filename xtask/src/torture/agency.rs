//! An agency of a round: its process, what was acknowledged to it, and what it was told.

use std::process::ExitStatus;

use anyhow::{Context as _, bail, ensure};

use super::audit::Sheet;
use super::number_in;
use crate::program::Process;

pub(super) struct Agency {
    pub(super) sheet: Sheet,
    /// While it runs.
    pub(super) process: Option<Process>,
    /// The winners that it printed before it ended on its own.
    printed: Option<String>,
}

impl Agency {
    pub(super) fn new(sheet: Sheet) -> Self {
        Self { sheet, process: None, printed: None }
    }

    /// Whether it ended on its own, well.
    pub(super) fn has_ended(&self) -> bool {
        self.printed.is_some()
    }

    /// Reads what it logged since the last time. Fails when it ended badly.
    pub(super) fn hear(&mut self) -> anyhow::Result<()> {
        let (id, ended) = (self.sheet.agency, self.read()?);
        let bad = ended.filter(|status| !status.success());
        bad.map_or(Ok(()), |status| bail!("agency {id} ended on its own with {status}"))
    }

    /// Kills it, unless it ends well just before.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.process.as_mut().context("it does not run")?.kill()?;
        self.read()?;
        Ok(())
    }

    /// Checks that it was told its winners, and only those.
    pub(super) fn check_winners(&self, number: &str) -> anyhow::Result<()> {
        let mut printed: Vec<_> = self.printed.iter().flat_map(|text| text.lines()).collect();
        printed.sort_unstable();
        let (id, winners) = (self.sheet.agency, self.sheet.winners(number));
        ensure!(printed == winners, "agency {id} printed {printed:?}, its winners are {winners:?}");
        Ok(())
    }

    /// Reads its log; returns how it ended, if it has.
    fn read(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let Some(mut process) = self.process.take() else { return Ok(None) };
        // Asked before the log is read, so that its last words are in it.
        let ended = process.ended()?;
        for line in process.log()? {
            self.note(&line)?;
        }
        match ended {
            None => self.process = Some(process),
            Some(status) if status.success() => self.printed = Some(process.printed()?),
            Some(_) => {}
        }
        Ok(ended)
    }

    fn note(&mut self, line: &str) -> anyhow::Result<()> {
        ensure!(!line.contains("panicked"), "agency {}: {line}", self.sheet.agency);
        if line.contains("action: apuesta_enviada | result: success") {
            let chunk = number_in(line, "chunk_id").context("an acknowledgement of no chunk")?;
            let bets = number_in(line, "cantidad").context("an acknowledgement of no bets")?;
            self.sheet.acknowledged.insert(chunk, bets);
        }
        Ok(())
    }
}
