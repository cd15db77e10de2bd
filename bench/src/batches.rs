//! The batches that are sent: generated bets, encoded before any clock starts.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use wire::BetsEncoder;

use crate::server::said;

/// Different batches that all agencies send in turn: more than a processor's fastest caches hold.
const COUNT: usize = 256;
/// Bets that are generated: enough for all of the largest batches.
const BETS: usize = COUNT * 200;

/// Batches of about one size.
pub(crate) struct Batches {
    list: Vec<Batch>,
}

/// The bets of one batch.
pub(crate) struct Batch {
    /// As agencies send them: fields joined by `|`, bets by `&`.
    pub(crate) text: String,
    pub(crate) bets: u64,
}

/// A file of plausible bets, the same ones every time.
pub(crate) fn generated(mut bolillero: Command, to: &Path) -> anyhow::Result<String> {
    bolillero.args(["generate", "--agencies", "1", "--seed", "1", "--out"]).arg(to);
    said(bolillero.args(["--bets", &BETS.to_string()]))?;
    Ok(std::fs::read_to_string(to.join("agency-1.csv"))?)
}

impl Batches {
    /// Of a file's lines, as many to a batch as fit a message, but not more than `bets_max`.
    pub(crate) fn of_lines(file: &str, bets_max: u32) -> anyhow::Result<Self> {
        let mut lines = file.lines();
        let list = (0..COUNT).map(|_| Batch::of(&mut lines, bets_max.into()));
        Ok(Self { list: list.collect::<anyhow::Result<_>>()? })
    }

    /// The same bets, so many batches joined into one.
    pub(crate) fn joined(&self, count: usize) -> Self {
        let joined = |group: &[Batch]| {
            let texts: Vec<_> = group.iter().map(|batch| batch.text.as_str()).collect();
            Batch { text: texts.join("&"), bets: group.iter().map(|batch| batch.bets).sum() }
        };
        Self { list: self.list.chunks_exact(count).map(joined).collect() }
    }

    /// The batch that an agency sends as this chunk. Agencies begin at different ones.
    pub(crate) fn of(&self, agency: u32, chunk: u32) -> &Batch {
        &self.list[self.index(agency, chunk)]
    }

    /// Where [`Self::of`] is among all of them.
    pub(crate) fn index(&self, agency: u32, chunk: u32) -> usize {
        (agency as usize + chunk as usize) % self.list.len()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Batch> + Clone {
        self.list.iter()
    }

    /// Bytes of a batch's bets, on average.
    pub(crate) fn bytes_each(&self) -> usize {
        self.iter().map(|batch| batch.text.len()).sum::<usize>() / self.list.len()
    }

    /// Bets of a batch, on average.
    pub(crate) fn bets_each(&self) -> f64 {
        self.iter().map(|batch| batch.bets).sum::<u64>() as f64 / self.list.len() as f64
    }
}

impl Batch {
    fn of<'a>(lines: &mut impl Iterator<Item = &'a str>, bets_max: u64) -> anyhow::Result<Self> {
        let mut encoder = BetsEncoder::new(u32::MAX, u32::MAX, wire::limits::FRAME_LEN_MAX);
        let mut bets = 0;
        while bets < bets_max {
            let line = lines.next().context("not enough bets were generated")?;
            let fields: Vec<_> = line.split(',').collect();
            let fields = fields.try_into().ok().context("a generated bet has five fields")?;
            if !encoder.try_push(&fields)? {
                break;
            }
            bets += 1;
        }
        ensure!(bets > 0, "no bet fits a message");
        Ok(Self { text: String::from_utf8(encoder.bets_text().to_vec())?, bets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_what_they_say_and_full_ones_leave_no_room_for_another_bet() {
        let line = "José María,D'Angelo Fernández,30123456,1990-12-31,7574\r\n";
        for (bets_max, full) in [(wire::limits::BATCH_BETS, false), (u32::MAX, true)] {
            for batch in Batches::of_lines(&line.repeat(BETS), bets_max).unwrap().iter() {
                assert_eq!(batch.text.split('&').count() as u64, batch.bets);
                let room = wire::limits::FRAME_LEN_MAX as usize - batch.text.len();
                assert_eq!(room < 100, full);
            }
        }
        assert!(Batches::of_lines(line, 1).is_err());
    }
}
