//! A filter of the audit log, for those who read it: by author, kind, draw and time.

use crate::act::{Act, Actor};
use crate::draw::{DrawId, Timestamp};
use crate::event::Event;
use crate::label::Label;

/// The part of the audit log that is read, and its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditSpan {
    /// From this sequence on, oldest first.
    From(u64),
    /// Before this sequence, newest first.
    Before(u64),
}

/// The events that are wanted; all by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only acts of this operator, in person or by a token.
    pub by: Option<Label>,
    /// Only events of this kind, one of [`ACTIONS`](crate::ACTIONS).
    pub action: Option<&'static str>,
    /// Only events of this draw.
    pub draw: Option<DrawId>,
    /// Only events at this time or later.
    pub since: Option<Timestamp>,
    /// Only events before this time.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether an event is wanted; `draw` is the draw that it is of, if any.
    #[must_use]
    pub fn takes(&self, at: Timestamp, event: &Event, draw: Option<DrawId>) -> bool {
        !self.is_past(at)
            && self.until.is_none_or(|until| at < until)
            && self.by.as_ref().is_none_or(|by| operator_of(event) == Some(by))
            && self.action.is_none_or(|action| event.describe().action == action)
            && (self.draw.is_none() || self.draw == draw)
    }

    /// Whether an event at this time, and so all before it, are earlier than those wanted.
    #[must_use]
    pub fn is_past(&self, at: Timestamp) -> bool {
        self.since.is_some_and(|since| at < since)
    }
}

/// Returns the operator who acted, in person or by a token.
fn operator_of(event: &Event) -> Option<&Label> {
    let Event::Acted(recorded) = event else { return None };
    match &recorded.by {
        Actor::Operator(name) | Actor::Token { owner: name, .. } => Some(name),
        Actor::Clock => None,
    }
}

impl Event {
    /// Whether it announces a draw, whose number it does not hold: that of the next one.
    #[must_use]
    pub fn announces(&self) -> bool {
        matches!(self, Self::Acted(recorded) if matches!(recorded.act, Act::Announce { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgencyId, AuditedAction, Reason, RecordedAct};

    #[test]
    fn each_part_of_a_filter_leaves_out_what_does_not_fit() {
        let label = |name: &str| Label::new(name).unwrap();
        let token = Actor::Token { owner: label("ana"), number: 3, label: label("robot") };
        let act = |by, act| Event::Acted(Box::new(RecordedAct::new(by, Reason::default(), act)));
        let draw = DrawId(2);
        let opened = act(token, Act::Open(draw));
        let logged_in = act(Actor::Operator(label("eva")), Act::Audited(AuditedAction::LogIn));
        let finished = Event::AgencyFinished { draw: DrawId(3), agency: AgencyId(1) };
        let events = [(5, &opened), (6, &logged_in), (7, &finished)];
        let taken = |filter: AuditFilter| {
            let of = |event: &Event| event.describe().draw;
            events.map(|(at, event)| filter.takes(Timestamp(at), event, of(event)))
        };
        let all = AuditFilter::default;
        assert_eq!(taken(all()), [true, true, true]);
        let by = |name: &str| AuditFilter { by: Some(label(name)), ..all() };
        assert_eq!(taken(by("ana")), [true, false, false]);
        assert_eq!(taken(by("eva")), [false, true, false]);
        let action = AuditFilter { action: Some("agency-finished"), ..all() };
        assert_eq!(taken(action), [false, false, true]);
        assert_eq!(taken(AuditFilter { draw: Some(draw), ..all() }), [true, false, false]);
        let between = AuditFilter { since: Some(Timestamp(6)), until: Some(Timestamp(7)), ..all() };
        assert_eq!(taken(between), [false, true, false]);
    }
}
