//! Copies a history into another log: order, times and chain stay as they are.
//!
//! Nothing is decided again. The chain is computed anew, so that the end of the copy has the chain
//! of the original only if every event is the same. What the other log already holds is compared
//! and skipped: a copy that was interrupted, or an older one, is continued.

use std::collections::VecDeque;
use std::sync::Arc;

use lottery::{Batch, BatchSummary, Bets, Draws, Event, NumberRange, Timestamp};
use thiserror::Error;

use crate::chain::{Chain, LedgerId};
use crate::limits::COPY_GROUP_LEN_MAX;
use crate::log::{Entry, Gone, Log, Recovered, Tip};

/// Writes a history to a log that nobody else writes to.
pub struct Copier {
    log: Box<dyn Log>,
    /// What the log holds.
    held: Tip,
    draws: Draws,
    /// The position of the next event.
    next: Tip,
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
    /// Begins to copy the history of the ledger `id` to a log.
    ///
    /// # Errors
    /// When the log can't be used.
    pub fn to(mut log: Box<dyn Log>, id: LedgerId) -> Result<Self, CopyError> {
        let Recovered { tip: held, .. } = log.recover()?;
        log.commit(&[])?;
        let next = Tip { sequence: 0, chain: Chain::first(id), at: Timestamp(0) };
        if held.sequence == 0 && held.chain != next.chain {
            return Err(CopyError::OtherHistory);
        }
        Ok(Self {
            log,
            held,
            draws: Draws::default(),
            next,
            following: VecDeque::new(),
            group: Vec::new(),
            len: 0,
        })
    }

    /// Adds the next event, with its bets if it is a batch.
    ///
    /// # Errors
    /// When it is not one that a central wrote here, or the log does not take it.
    pub fn add(&mut self, at: Timestamp, event: &Event, bets: &str) -> Result<(), CopyError> {
        let sequence = self.next.sequence;
        let wrong = |why| Err(CopyError::Source { sequence, why });
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
            Event::BatchAccepted(batch) => match batch_of(batch, bets) {
                Some(batch) => Some(Arc::new(batch)),
                None => return wrong("has bets that are not bets"),
            },
            _ => None,
        };
        let entry = Entry::new(self.next, at, left, event.clone(), batch);
        self.next = entry.tip();
        if self.next.sequence == self.held.sequence && self.next.chain != self.held.chain {
            return Err(CopyError::OtherHistory);
        }
        if self.next.sequence > self.held.sequence {
            self.len += entry.len();
            self.group.push(entry);
        }
        if self.following.is_empty() && self.len >= COPY_GROUP_LEN_MAX {
            self.flush()?;
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
        if self.held.sequence > self.next.sequence {
            return Err(CopyError::OtherHistory);
        }
        Ok(self.next)
    }

    fn flush(&mut self) -> Result<(), CopyError> {
        self.log.commit(&self.group)?;
        self.group.clear();
        self.len = 0;
        Ok(())
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
