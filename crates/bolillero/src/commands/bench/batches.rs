//! The batches that are sent: plausible bets, encoded before any clock starts.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use wire::BetsEncoder;

use super::super::generate;

/// Different batches that all agencies send in turn: more than a processor's fastest caches hold.
const COUNT: usize = 256;

/// Batches of about one size.
#[derive(Clone)]
pub(super) struct Batches {
    list: Arc<[Batch]>,
}

/// The bets of one batch.
pub(super) struct Batch {
    /// As they are sent, joined by `&`.
    pub(super) text: Vec<u8>,
    pub(super) bets: u32,
}

impl Batches {
    /// Batches with as many bets as fit a message, but not more than `bets_max`.
    pub(super) fn plausible(bets_max: u32) -> anyhow::Result<Self> {
        let mut random = fastrand::Rng::with_seed(1);
        let list = (0..COUNT).map(|_| Batch::plausible(bets_max, &mut random));
        Ok(Self { list: list.collect::<anyhow::Result<_>>()? })
    }

    /// The batch that an agency sends as this chunk. Agencies begin at different ones.
    pub(super) fn of(&self, agency: u32, chunk: u32) -> &Batch {
        &self.list[(agency as usize + chunk as usize) % self.list.len()]
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Batch> + Clone {
        self.list.iter()
    }

    /// Bytes of a batch's bets, on average.
    pub(super) fn bytes_each(&self) -> usize {
        self.iter().map(|batch| batch.text.len()).sum::<usize>() / self.list.len()
    }

    /// Bets of a batch, on average.
    pub(super) fn bets_each(&self) -> f64 {
        let bets: u32 = self.iter().map(|batch| batch.bets).sum();
        f64::from(bets) / f64::from(u32::try_from(self.list.len()).unwrap_or(u32::MAX))
    }
}

impl Batch {
    /// Appends the message by which `agency` sends it as `chunk`.
    pub(super) fn encode(&self, agency: u32, chunk: u32, out: &mut Vec<u8>) {
        let bets = Some(&self.text[..]);
        let frame = wire::BetsFrame { agency, chunk, bets };
        wire::AgencyMessage::Bets(frame).encode(out);
    }

    fn plausible(bets_max: u32, random: &mut fastrand::Rng) -> anyhow::Result<Self> {
        let frame_len_max = wire::limits::FRAME_LEN_MAX;
        let mut encoder = BetsEncoder::new(u32::MAX, u32::MAX, frame_len_max);
        let mut bets = 0;
        while bets < bets_max {
            let mut line = Vec::new();
            generate::write_bet(&mut line, random)?;
            let line = String::from_utf8(line)?;
            let fields: Vec<_> = line.trim_end().split(',').collect();
            let fields = fields.try_into().ok().context("a generated bet has five fields")?;
            if !encoder.try_push(&fields)? {
                break;
            }
            bets += 1;
        }
        ensure!(bets > 0, "no bet fits a message");
        Ok(Self { text: encoder.bets_text().to_vec(), bets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_what_they_say_and_full_ones_leave_no_room_for_another_bet() {
        let longest_bet = 100;
        for (bets_max, full) in [(wire::limits::BATCH_BETS, false), (u32::MAX, true)] {
            let batches = Batches::plausible(bets_max).unwrap();
            for (chunk, batch) in (0..).zip(batches.iter()) {
                let mut frame = Vec::new();
                batch.encode(5, chunk, &mut frame);
                let message = wire::AgencyMessage::decode(&frame).unwrap();
                let wire::AgencyMessage::Bets(bets) = message else { panic!("{message:?}") };
                assert_eq!(bets.raw_bets().unwrap().count(), batch.bets as usize);
                assert!(frame.len() <= wire::limits::FRAME_LEN_MAX as usize);
                assert_eq!(frame.len() + longest_bet > wire::limits::FRAME_LEN_MAX as usize, full);
            }
        }
    }
}
