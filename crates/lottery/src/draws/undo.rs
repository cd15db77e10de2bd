//! The undo log: reverts changes that could not be stored.
//!
//! An entry is as large as its change, independent of how much is stored.

use super::ahead::Waiting;
use super::{Draws, draw_id};
use crate::act::Registration;
use crate::agencies::AgencyId;
use crate::bets::PrefixDigest;
use crate::draw::{DrawId, DrawState, DrawTerms, Timestamp};
use crate::lifecycle::DrawLife;

#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq))]
pub(super) enum Undo {
    Batch(UndoBatch),
    Finish {
        draw: DrawId,
        agency: AgencyId,
        /// The agency had neither bet nor finished.
        is_new: bool,
    },
    /// The agency had finished.
    Reopen {
        draw: DrawId,
        agency: AgencyId,
    },
    /// The draw's previous terms.
    Terms {
        draw: DrawId,
        terms: Box<DrawTerms>,
    },
    /// The draw was cancelled.
    Cancel(DrawId),
    /// The draw's previous state.
    Life {
        draw: DrawId,
        state: DrawState,
        life: Box<DrawLife>,
    },
    Added,
    /// A change on the command line was remembered, in place of the oldest one.
    OnCommandLine(Option<(Timestamp, u64)>),
    /// An agency's previous registration.
    Registration(AgencyId, Option<Box<Registration>>),
}

/// An agency's state before a batch.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq))]
pub(super) struct UndoBatch {
    pub(super) draw: DrawId,
    pub(super) agency: AgencyId,
    pub(super) chunk: u32,
    pub(super) bets: u32,
    /// The agency had neither bet nor finished.
    pub(super) is_new: bool,
    pub(super) contiguous: usize,
    pub(super) prefix_digest: PrefixDigest,
    pub(super) prefix_bets: u64,
    /// The batches after the gap that this one closed.
    pub(super) closed_gap: Vec<Waiting>,
}

impl Draws {
    /// Reverts all changes that are not settled.
    pub fn undo(&mut self) {
        self.events = self.events_settled;
        while let Some(change) = self.undo.pop() {
            match change {
                Undo::Batch(batch) => self.undo_batch(batch),
                Undo::Finish { draw, agency, is_new } => {
                    let draw = self.get_mut(draw);
                    draw.set_finished(agency, false);
                    if is_new {
                        draw.agencies.remove(&agency);
                    }
                }
                Undo::Reopen { draw, agency } => self.get_mut(draw).set_finished(agency, true),
                Undo::Terms { draw, terms } => drop(self.set_terms(draw, *terms)),
                Undo::Cancel(draw) => self.add_name(draw),
                Undo::Life { draw: id, state, life } => {
                    let draw = self.get_mut(id);
                    (draw.state, draw.life) = (state, *life);
                    self.reschedule(id);
                }
                Undo::Added => self.undo_added(),
                Undo::OnCommandLine(oldest) => {
                    self.on_command_line.pop_back();
                    if let Some(oldest) = oldest {
                        self.on_command_line.push_front(oldest);
                    }
                }
                Undo::Registration(agency, before) => {
                    self.register_as(agency, before.map(|before| *before));
                }
            }
        }
    }

    fn undo_batch(&mut self, before: UndoBatch) {
        let draw = self.get_mut(before.draw);
        draw.batches -= 1;
        draw.bets -= u64::from(before.bets);
        if before.is_new {
            draw.agencies.remove(&before.agency);
            return;
        }
        let agency = draw.agency_mut(before.agency);
        agency.bets -= u64::from(before.bets);
        if agency.contiguous.len() == before.contiguous {
            return agency.ahead.remove(before.chunk);
        }
        agency.contiguous.truncate(before.contiguous);
        (agency.prefix_digest, agency.prefix_bets) = (before.prefix_digest, before.prefix_bets);
        before.closed_gap.into_iter().for_each(|batch| agency.ahead.insert(batch));
    }

    fn undo_added(&mut self) {
        let id = draw_id(self.draws.len() - 1);
        self.plan.forget(id);
        self.remove_name(id);
        let draw = self.draws.pop().expect("it was added");
        self.forget_unused(&draw.terms.agencies);
    }
}
