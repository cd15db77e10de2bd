//! Tracks the batches that were sent and not yet acknowledged, and which comes next.
//!
//! ```text
//! chunk 0        confirmed          pending.len()                  end of the file
//! | acknowledged  | sent | not sent  | not read yet                 |
//!                        ^ sent, on this connection
//! ```
//!
//! Does no I/O except reading the file. Invariants:
//! - a batch and its id are kept until it is acknowledged: after a lost connection exactly the
//!   unacknowledged batches are sent again;
//! - acknowledgements come in the order of sending, which the session guarantees;
//! - the batches are those that were checked: if the file's totals differ, that is an error.

use std::collections::VecDeque;
use std::io::Read;

use crate::error::Lines;
use crate::plan::{Batch, Plan, PlanError, Prefix, Terms, Totals};

/// The batches of a file that are being sent.
#[derive(Debug)]
pub(crate) struct Outbox<R> {
    plan: Plan<R>,
    /// The totals found when the file was checked.
    expected: Totals,
    confirmed: Prefix,
    /// The lines of the confirmed batches.
    confirmed_lines: Option<Lines>,
    pending: VecDeque<Batch>,
    sent: usize,
}

/// Why the next batch can't be produced.
#[derive(Debug)]
pub(crate) enum OutboxError {
    Plan(PlanError),
    /// The file is not the one that was checked.
    Changed,
    /// The central holds so many bets, and they are not the first ones of this file.
    OtherBets {
        bets: u64,
    },
    /// The central holds fewer bets than it acknowledged.
    LostByCentral {
        acknowledged: u64,
        stored: u64,
    },
}

/// Batches that the central reports as stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Batches sent on an earlier connection of this run.
    pub(crate) sent: Vec<Batch>,
    /// Number of batches never sent by this run.
    pub(crate) unsent: u64,
}

impl<R: Read> Outbox<R> {
    pub(crate) fn new(plan: Plan<R>, expected: Totals) -> Self {
        Self {
            plan,
            expected,
            confirmed: Prefix::EMPTY,
            confirmed_lines: None,
            pending: VecDeque::new(),
            sent: 0,
        }
    }

    /// Returns the terms that the batches are made with.
    pub(crate) fn terms(&self) -> Terms {
        self.plan.terms()
    }

    /// Returns the batches known to be stored.
    pub(crate) fn confirmed(&self) -> Prefix {
        self.confirmed
    }

    /// Returns the lines of the bets known to be stored.
    pub(crate) fn confirmed_lines(&self) -> Option<Lines> {
        self.confirmed_lines
    }

    /// Drops all bets not known to be stored and returns their lines, reading the rest of the file.
    /// Nothing more can be sent afterwards.
    ///
    /// # Errors
    /// As [`Outbox::send_next`].
    pub(crate) fn drop_rest(&mut self) -> Result<Option<Lines>, OutboxError> {
        self.reconnected();
        let mut lines = None;
        loop {
            let batch = match self.pending.pop_front() {
                Some(batch) => batch,
                None => match self.read_next()? {
                    Some(batch) => batch,
                    None => return Ok(lines),
                },
            };
            lines = Lines::with(lines, &batch.lines);
        }
    }

    fn confirm(&mut self, batch: &Batch) {
        self.confirmed = batch.prefix;
        self.confirmed_lines = Lines::with(self.confirmed_lines, &batch.lines);
    }

    /// Returns the number of batches sent on this connection and not acknowledged.
    pub(crate) fn in_flight(&self) -> usize {
        self.sent
    }

    /// Returns the oldest batch in flight.
    pub(crate) fn oldest(&self) -> Option<&Batch> {
        self.pending.front().filter(|_| self.sent > 0)
    }

    /// Returns the next batch and marks it as sent; `None` when all batches are sent.
    ///
    /// # Errors
    /// When the file can't be read, makes too many batches, or is not the one that was checked.
    pub(crate) fn send_next(&mut self) -> Result<Option<&Batch>, OutboxError> {
        if !self.has_unsent()? {
            return Ok(None);
        }
        self.sent += 1;
        Ok(self.pending.get(self.sent - 1))
    }

    /// Returns whether there is a batch that was not sent on this connection.
    fn has_unsent(&mut self) -> Result<bool, OutboxError> {
        if self.sent == self.pending.len() {
            let Some(batch) = self.read_next()? else {
                return Ok(false);
            };
            self.pending.push_back(batch);
        }
        Ok(true)
    }

    /// Marks the oldest batch in flight as stored and returns it.
    pub(crate) fn acknowledge(&mut self) -> Option<Batch> {
        if self.sent == 0 {
            return None;
        }
        let batch = self.pending.pop_front()?;
        self.sent -= 1;
        self.confirm(&batch);
        Some(batch)
    }

    /// Resets the state for a new connection, which has nothing in flight.
    pub(crate) fn reconnected(&mut self) {
        self.sent = 0;
    }

    /// Skips the batches that the central has stored, if they are those of this file.
    ///
    /// # Errors
    /// When they are not, when the central holds fewer batches than it acknowledged, and as
    /// [`Outbox::send_next`].
    pub(crate) fn resume(&mut self, stored: Prefix) -> Result<Found, OutboxError> {
        self.reconnected();
        if stored.chunks < self.confirmed.chunks {
            return Err(OutboxError::LostByCentral {
                acknowledged: self.confirmed.bets,
                stored: stored.bets,
            });
        }
        let other_bets = OutboxError::OtherBets { bets: stored.bets };
        let mut found = Found::default();
        while self.confirmed.chunks < stored.chunks {
            if let Some(batch) = self.pending.pop_front() {
                self.confirm(&batch);
                found.sent.push(batch);
            } else if let Some(batch) = self.read_next()? {
                self.confirm(&batch);
                found.unsent += 1;
            } else {
                return Err(other_bets);
            }
        }
        if self.confirmed == stored { Ok(found) } else { Err(other_bets) }
    }

    fn read_next(&mut self) -> Result<Option<Batch>, OutboxError> {
        let batch = self.plan.next_batch(&mut |_, _| {}).map_err(OutboxError::Plan)?;
        let (totals, expected) = (self.plan.totals(), self.expected);
        let as_checked = if batch.is_some() {
            totals.refused <= expected.refused && totals.batches <= expected.batches
        } else {
            totals == expected
        };
        if as_checked { Ok(batch) } else { Err(OutboxError::Changed) }
    }
}

#[cfg(test)]
mod tests {
    use lottery::{AgencyId, NumberRange};

    use super::*;
    use crate::form::Form;
    use crate::rows::Rows;

    const ROWS: &str = "a,b,0,2000-01-01,0\na,b,1,2000-01-01,1\na,b,2,2000-01-01,2\n";

    /// Returns an outbox of three batches of one bet.
    fn outbox_of(text: &'static str) -> Outbox<&'static [u8]> {
        let terms = Terms {
            agency: AgencyId(1),
            bets_max: 1,
            frame_len_max: 8192,
            numbers: NumberRange::default(),
        };
        let expected = Totals { bets: 3, batches: 3, refused: 0 };
        Outbox::new(Plan::new(Rows::new(text.as_bytes(), Form::default()), terms), expected)
    }

    fn prefix(chunks: u64) -> Prefix {
        let mut outbox = outbox_of(ROWS);
        for _ in 0..chunks {
            outbox.send_next().unwrap();
            outbox.acknowledge().unwrap();
        }
        outbox.confirmed()
    }

    fn send(outbox: &mut Outbox<&[u8]>) -> Option<u32> {
        outbox.send_next().unwrap().map(|batch| batch.chunk)
    }

    #[test]
    fn what_an_earlier_run_stored_is_skipped() {
        let mut outbox = outbox_of(ROWS);
        assert_eq!(outbox.resume(prefix(2)).unwrap().unsent, 2);
        assert_eq!([send(&mut outbox), send(&mut outbox)], [Some(2), None]);
    }

    #[test]
    fn other_bets_at_the_central_are_noticed() {
        let other = |change: fn(&mut Prefix)| {
            let mut stored = prefix(2);
            change(&mut stored);
            let resumed = outbox_of(ROWS).resume(stored);
            matches!(resumed, Err(OutboxError::OtherBets { .. }))
        };
        assert!(!other(|_| ()));
        assert!(other(|stored| stored.digest.0[31] ^= 1));
        assert!(other(|stored| stored.bets += 1));
        assert!(other(|stored| stored.chunks = 1));
        assert!(other(|stored| stored.chunks = 4));
    }

    #[test]
    fn a_file_with_other_rows_than_were_checked_is_noticed() {
        for (text, good) in [
            ("a,b,0,2000-01-01,0\na,b,1,2000-01-01,x\na,b,2,2000-01-01,2\n", 1),
            ("a,b,0,2000-01-01,0\na,b,1,2000-01-01,1\n", 2),
            ("a,b,0,2000-01-01,0\na,b,1,2000-01-01,1\na,b,2,2000-01-01,2\na,b,3,2000-01-01,3\n", 3),
        ] {
            let mut outbox = outbox_of(text);
            for chunk in 0..good {
                assert_eq!(send(&mut outbox), Some(chunk), "{text}");
            }
            let next = outbox.send_next();
            assert!(matches!(next, Err(OutboxError::Changed)), "{next:?}");
        }
    }
}
