//! Which draw the messages of a connection are for.
//!
//! Each message is judged by the agency that it names. Once HELLO named a draw it is that one; for
//! an agency that named none it stays the one that was found for its first message here, though
//! others were opened since: what it sends next continues what it sent before.

use std::sync::Arc;

use lottery::{AgencyId, DrawName};
use wire::AgencyMessage;

use crate::limits::DRAWS_FOUND_MAX;
use central::{AgencyDraws, Draw, NoDraw};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct DrawLookup {
    /// The listener's, where operators bound it to one.
    bound: Option<Arc<DrawName>>,
    /// HELLO's.
    greeted: Option<Arc<Draw>>,
    /// Those of agencies that named none, at most [`DRAWS_FOUND_MAX`]. One that is forgotten is
    /// looked for again: then it is the same one, or none can be told.
    found: Vec<(AgencyId, Arc<Draw>)>,
}

impl DrawLookup {
    /// A connection to a listener that is bound to this draw, if it is to one.
    pub(super) fn at(bound: Option<Arc<DrawName>>) -> Self {
        Self { bound, ..Self::default() }
    }

    /// HELLO was accepted for this one.
    pub(super) fn greet(&mut self, draw: Arc<Draw>) {
        self.greeted = Some(draw);
    }

    /// The one that a message is for.
    pub(super) fn of(
        &mut self,
        message: &AgencyMessage<'_>,
        draws: AgencyDraws<'_>,
    ) -> Result<Arc<Draw>, NoDraw> {
        let agency = AgencyId(message.agency());
        match message {
            AgencyMessage::Hello(hello) if hello.draw_name.is_empty() => {
                draws.unnamed(agency, self.bound.as_deref())
            }
            AgencyMessage::Hello(hello) => draws.named(agency, hello.draw_name.as_str()),
            _ => self.known_to(agency, draws),
        }
    }

    fn known_to(&mut self, agency: AgencyId, draws: AgencyDraws<'_>) -> Result<Arc<Draw>, NoDraw> {
        let found = self.found.iter().find(|(of, _)| *of == agency).map(|(_, draw)| draw);
        if let Some(draw) = self.greeted.as_ref().or(found) {
            return Ok(Arc::clone(draw));
        }
        let draw = draws.unnamed(agency, self.bound.as_deref())?;
        if self.found.len() == DRAWS_FOUND_MAX {
            self.found.remove(0);
        }
        self.found.push((agency, Arc::clone(&draw)));
        Ok(draw)
    }
}
