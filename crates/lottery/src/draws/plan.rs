//! The schedule of the clock's acts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Draw, Draws};
use crate::act::{Act, Actor, RecordedAct};
use crate::draw::{DrawId, DrawState, Timestamp};
use crate::event::Event;
use crate::label::Reason;
use crate::lifecycle::{DrawStatus, Lifecycle};

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, PartialEq))]
pub(super) struct Plan {
    at: BTreeMap<DrawId, Timestamp>,
    by_time: BTreeSet<(Timestamp, DrawId)>,
}

impl Plan {
    pub(super) fn forget(&mut self, draw: DrawId) {
        if let Some(at) = self.at.remove(&draw) {
            self.by_time.remove(&(at, draw));
        }
    }

    fn set(&mut self, draw: DrawId, at: Option<Timestamp>) {
        self.forget(draw);
        if let Some(at) = at {
            self.at.insert(draw, at);
            self.by_time.insert((at, draw));
        }
    }
}

impl Draws {
    /// Returns the first act that the clock must do by `now`, as an event to carry out.
    #[must_use]
    pub fn due_by_the_clock(&self, now: Timestamp) -> Option<Event> {
        let due = self.plan.by_time.range(..=(now, DrawId(u32::MAX)));
        let act = due.map(|(_, id)| *id).find_map(|id| {
            let draw = self.get(id)?;
            next(id, draw.state, draw.life.shown(), now).map(|(_, act)| act)
        })?;
        Some(Event::Acted(Box::new(RecordedAct::new(Actor::Clock, Reason::default(), act))))
    }

    pub(super) fn reschedule(&mut self, id: DrawId) {
        let Draw { state, life, .. } = self.get(id).expect("it was found before");
        let next = next(id, *state, life.shown(), Timestamp(0));
        self.plan.set(id, next.map(|(at, _)| at));
    }
}

impl DrawStatus {
    /// Returns when the clock next acts in this draw, as of `now`.
    #[must_use]
    pub fn next_act_of_the_clock(&self, now: Timestamp) -> Option<Timestamp> {
        next(self.id, self.state, &self.life, now).map(|(at, _)| at)
    }
}

/// Returns the clock's next act in a draw and its time. A draw that expired before it opened has
/// none.
fn next(
    id: DrawId,
    state: DrawState,
    life: &Lifecycle,
    now: Timestamp,
) -> Option<(Timestamp, Act)> {
    match state {
        DrawState::Announced if life.is_expired(now) => None,
        DrawState::Announced => life.schedule.opens_at.map(|at| (at, Act::Open(id))),
        DrawState::Open => life.schedule.closes_at.map(|at| (at, Act::Close(id))),
        DrawState::Closed | DrawState::Drawn { .. } | DrawState::Cancelled => None,
    }
}
