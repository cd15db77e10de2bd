//! Copies a history into another log: order, times and chain stay as they are.
//!
//! Nothing is decided again. The chain is computed anew and compared at every event, so that the
//! copy has the chain of the original. What the other log already holds is skipped, once the history
//! is seen to have the same chain where the other log ends: a copy that was interrupted, or an older
//! one, is continued.

use std::collections::VecDeque;
use std::sync::Arc;

use lottery::{Batch, BatchSummary, Bets, Draws, Event, NumberRange};
use thiserror::Error;

use crate::chain::{Chain, LedgerId};
use crate::limits::COPY_GROUP_LEN_MAX;
use crate::log::{Entry, Gone, Log, Record, Recovered, Tip};

/// Writes a history to a log that nobody else writes to.
pub struct Copier {
    log: Box<dyn Log>,
    draws: Draws,
    /// The position of the next event that the log needs.
    next: Tip,
    /// The number of events up to the last one that was added.
    seen: u64,
    /// What must follow from the last decision.
    following: VecDeque<Event>,
    group: Vec<Entry>,
    len: usize,
}

/// Why a history can't be copied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CopyError {
    /// The other log holds a history that is not the beginning of this one.
    #[error("the target holds other events than the source; copy to an empty one")]
    OtherHistory,
    /// The other log does not take the events.
    #[error("the target: {0}")]
    Target(#[from] Gone),
    /// The history is not one that a central wrote.
    #[error("the source: event {sequence} {why}")]
    Source {
        /// The number of events before it.
        sequence: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Copier {
    /// Begins to copy the history of the ledger `id` to a log, or goes on where the log ends.
    ///
    /// # Errors
    /// When the log can't be used.
    pub fn to(mut log: Box<dyn Log>, id: LedgerId) -> Result<Self, CopyError> {
        let Recovered { draws, tip: next } = log.recover()?;
        log.commit(&[])?;
        if next.sequence == 0 && next.chain != Chain::first(id) {
            return Err(CopyError::OtherHistory);
        }
        let (following, group) = (VecDeque::new(), Vec::new());
        Ok(Self { log, draws, next, seen: 0, following, group, len: 0 })
    }

    /// Returns the position of the next event that the log needs.
    #[must_use]
    pub fn tip(&self) -> Tip {
        self.next
    }

    /// Adds the next event. Events that the log holds may come before it, in order.
    ///
    /// # Errors
    /// When it is not one that a central wrote here, or the log holds another history or does not
    /// take it.
    pub fn add(&mut self, record: &Record<'_>) -> Result<(), CopyError> {
        let Record { sequence, at, event, .. } = *record;
        self.seen = sequence + 1;
        if sequence < self.next.sequence {
            let is_last = self.seen == self.next.sequence;
            let is_other = is_last && record.chain != self.next.chain;
            return if is_other { Err(CopyError::OtherHistory) } else { Ok(()) };
        }
        let wrong = |why| Err(CopyError::Source { sequence, why });
        if sequence > self.next.sequence {
            return wrong("is not the next one");
        }
        match self.following.pop_front() {
            Some(expected) if expected == *event => {}
            Some(_) => return wrong("does not follow from the decision before it"),
            None => {
                let mut taken = self.draws.replay(event, at);
                while let (Ok(()), Some(due)) = (&taken, self.draws.due().cloned()) {
                    taken = self.draws.replay(&due, at);
                    self.following.push_back(due);
                }
                if taken.is_err() {
                    return wrong("is one that the rules forbid");
                }
            }
        }
        let Ok(left) = u16::try_from(self.following.len()) else {
            return wrong("has too many consequences");
        };
        let batch = match event {
            Event::BatchAccepted(batch) => match batch_of(batch, record.text) {
                Some(batch) => Some(Arc::new(batch)),
                None => return wrong("has bets that are not bets"),
            },
            _ => None,
        };
        let entry = Entry::new(self.next, at, left, event.clone(), batch);
        if entry.chain != record.chain {
            return wrong("does not continue the chain of those that the target holds");
        }
        self.next = entry.tip();
        self.len += entry.len();
        self.group.push(entry);
        if self.len >= COPY_GROUP_LEN_MAX { self.flush() } else { Ok(()) }
    }

    /// Makes what was added durable, unless the last decision is not whole yet.
    ///
    /// # Errors
    /// When the log does not take it.
    pub fn flush(&mut self) -> Result<(), CopyError> {
        if self.following.is_empty() {
            self.log.commit(&self.group)?;
            self.group.clear();
            self.len = 0;
        }
        Ok(())
    }

    /// Ends the copy; returns its end.
    ///
    /// # Errors
    /// When the log does not take the last events, or holds more than the history.
    pub fn finish(mut self) -> Result<Tip, CopyError> {
        if !self.following.is_empty() {
            let (sequence, why) =
                (self.next.sequence, "is missing: the last decision is not whole");
            return Err(CopyError::Source { sequence, why });
        }
        self.flush()?;
        if self.seen < self.next.sequence { Err(CopyError::OtherHistory) } else { Ok(self.next) }
    }
}

fn batch_of(summary: &BatchSummary, text: &str) -> Option<Batch> {
    let BatchSummary { draw, agency, chunk, .. } = *summary;
    let bets = match (summary.bets, text) {
        (0, "") => Bets::none(),
        // The range was checked when they were accepted.
        _ => Bets::parse(text, NumberRange::new(0, u32::MAX).ok()?).ok()?,
    };
    let batch = Batch { draw, agency, chunk, bets };
    (BatchSummary::of(&batch) == *summary).then_some(batch)
}

#[cfg(test)]
mod tests {
    use lottery::{
        Agencies, AgencyId, ChunkId, DrawId, DrawName, DrawTerms, SealedNumber, Timestamp,
    };

    use super::*;
    use crate::memory::MemoryLog;

    const ID: LedgerId = LedgerId([7; 16]);

    /// The events of an automatic draw with `batches` batches; the last FINISH decides four.
    fn history(batches: u32) -> Vec<Entry> {
        let (draw, agency, at) = (DrawId(1), AgencyId(1), Timestamp(1));
        let (mut draws, mut entries) = (Draws::default(), Vec::new());
        let mut tip = Tip { sequence: 0, chain: Chain::first(ID), at };
        let mut decide = |event: Event, batch: Option<Batch>| {
            let following = draws.carry_out(&event, at);
            let events = std::iter::once((event, batch.map(Arc::new)));
            let events: Vec<_> =
                events.chain(following.into_iter().map(|event| (event, None))).collect();
            for (left, (event, batch)) in (0..events.len()).rev().zip(events) {
                let entry = Entry::new(tip, at, u16::try_from(left).unwrap(), event, batch);
                tip = entry.tip();
                entries.push(entry);
            }
        };
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Agencies::first(1).unwrap(),
            numbers: NumberRange::default(),
        };
        decide(Event::DrawOpened { draw, terms, number: SealedNumber(7) }, None);
        for chunk in 0..batches {
            let text = format!("Ana|Paz|{chunk}|2000-01-01|7");
            let bets = Bets::parse(&text, NumberRange::default()).unwrap();
            let batch = Batch { draw, agency, chunk: ChunkId(chunk), bets };
            decide(Event::BatchAccepted(BatchSummary::of(&batch)), Some(batch));
        }
        decide(Event::AgencyFinished { draw, agency }, None);
        entries
    }

    fn copied(log: &MemoryLog, entries: &[Entry]) -> Result<Tip, CopyError> {
        let mut copier = Copier::to(Box::new(log.clone()), ID)?;
        entries.iter().try_for_each(|entry| copier.add(&entry.record()))?;
        copier.finish()
    }

    #[test]
    fn a_copy_goes_on_where_its_target_ends_with_or_without_what_that_holds() {
        let entries = history(5);
        let end = entries.last().unwrap().tip();
        // The draw is decided by the last four.
        for held in 0..=entries.len() - 4 {
            for first in [0, held] {
                let log = MemoryLog::new(ID);
                if held > 0 {
                    assert_eq!(copied(&log, &entries[..held]), Ok(entries[held - 1].tip()));
                }
                assert_eq!(copied(&log, &entries[first..]), Ok(end), "{held} {first}");
                assert_eq!(log.clone().recover().unwrap().tip, end);
            }
        }
    }

    #[test]
    fn another_history_a_shorter_one_and_half_a_decision_are_refused() {
        let (entries, other) = (history(5), history(6));
        let log = MemoryLog::new(ID);
        copied(&log, &entries).unwrap();
        assert_eq!(copied(&log, &other), Err(CopyError::OtherHistory));
        assert_eq!(copied(&log, &entries[..3]), Err(CopyError::OtherHistory));
        let log = MemoryLog::new(ID);
        copied(&log, &entries[..2]).unwrap();
        let refused = copied(&log, &other[7..]);
        assert!(matches!(refused, Err(CopyError::Source { sequence: 7, .. })), "{refused:?}");
        let refused = copied(&log, &entries[..entries.len() - 1]);
        assert!(matches!(refused, Err(CopyError::Source { .. })), "{refused:?}");
        // What was whole is there.
        assert_eq!(log.clone().recover().unwrap().tip, entries[1].tip());
        let mut forged = entries[2].clone();
        forged.chain = Chain([9; 32]);
        let refused = copied(&log, &[forged]);
        assert!(matches!(refused, Err(CopyError::Source { sequence: 2, .. })), "{refused:?}");
    }

    #[test]
    fn what_is_flushed_is_there_at_once_but_never_half_a_decision() {
        let entries = history(1);
        let log = MemoryLog::new(ID);
        let mut copier = Copier::to(Box::new(log.clone()), ID).unwrap();
        for (count, entry) in (1..).zip(&entries) {
            copier.add(&entry.record()).unwrap();
            copier.flush().unwrap();
            let held = log.clone().recover().unwrap().tip.sequence;
            assert_eq!(held, if count < 3 || count == 6 { count } else { 2 }, "{count}");
            assert_eq!(copier.tip(), entry.tip());
        }
    }
}
