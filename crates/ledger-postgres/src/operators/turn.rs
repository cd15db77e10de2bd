//! The operators by which the acts of a turn are judged, and the changes that are decided in it.

use std::sync::Arc;
use std::time::Instant;

use ::operators::People;
use engine::{Entry, Tip};
use lottery::{Act, AuditedAction, Event};
use parking_lot::Mutex;

use super::document::{Document, DocumentDigest};
use crate::limits::JUDGED_TIME_MAX;
use crate::session::now;

/// What a turn of the log and the operators' store share.
#[derive(Default)]
pub(crate) struct OperatorsTurn {
    pub(super) state: Mutex<Option<Turn>>,
}

pub(super) struct Turn {
    /// After that, nothing more is judged in it.
    pub(super) judged_until: Instant,
    /// What the turn has read: whoever judges asks a server that has it.
    pub(super) known: Tip,
    /// The digest of the operators, as the turn found it.
    pub(super) digest: DocumentDigest,
    /// The operators as changes that were decided in this turn leave them, and how many these are.
    pub(super) next: Option<(Arc<People>, usize)>,
}

impl OperatorsTurn {
    /// Nothing is judged any more.
    pub(crate) fn end(&self) {
        *self.state.lock() = None;
    }

    /// A turn begins: the operators are these, and nothing is decided.
    pub(crate) fn begin(&self, known: Tip, digest: DocumentDigest) {
        let judged_until = now() + JUDGED_TIME_MAX;
        *self.state.lock() = Some(Turn { judged_until, known, digest, next: None });
    }

    /// Returns the digest of the operators by which this turn's acts are judged; `None` where
    /// nothing is judged, as by a copy.
    pub(crate) fn digest(&self) -> Option<DocumentDigest> {
        self.state.lock().as_ref().map(|turn| turn.digest)
    }

    /// Returns the operators as a group leaves them, if it changes them.
    pub(crate) fn take_changed_by(&self, group: &[Entry]) -> Result<Option<Document>, String> {
        let changes = group.iter().filter(|entry| match &entry.event {
            Event::Acted(recorded) => {
                matches!(recorded.act, Act::Audited(AuditedAction::ChangeOperators(_)))
            }
            _ => false,
        });
        let count = changes.count();
        let mut state = self.state.lock();
        let Some(turn) = state.as_mut() else { return Ok(None) };
        match turn.next.take() {
            // A change that was decided and is not in the group had no room.
            _ if count == 0 => Ok(None),
            Some((people, changes)) if changes == count => Ok(Some(Document::of(people))),
            _ => Err("a change of the operators has no document".to_owned()),
        }
    }
}
