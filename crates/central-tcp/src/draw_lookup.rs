//! Finds the draw that each message of a connection is for.
//!
//! After HELLO it is HELLO's draw. Without HELLO it is the one found for the agency's first message on
//! this connection, also when others were opened since: later messages continue earlier ones.

use std::sync::Arc;

use lottery::{AgencyId, DrawName};
use wire::AgencyMessage;

use crate::limits::DRAWS_FOUND_MAX;
use central::{AgencyDraws, Draw, NoDraw};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct DrawLookup {
    /// The draw that operators bound the listener to.
    bound: Option<Arc<DrawName>>,
    /// The draw of HELLO.
    greeted: Option<Arc<Draw>>,
    /// The draws of agencies without HELLO, at most [`DRAWS_FOUND_MAX`]. One that is dropped is looked
    /// up again: then it is the same, or a refusal.
    found: Vec<(AgencyId, Arc<Draw>)>,
}

impl DrawLookup {
    /// Of a connection to a listener that is bound to a draw, or to none.
    pub(super) fn at(bound: Option<Arc<DrawName>>) -> Self {
        Self { bound, ..Self::default() }
    }

    /// Sets the draw of an accepted HELLO.
    pub(super) fn greet(&mut self, draw: Arc<Draw>) {
        self.greeted = Some(draw);
    }

    /// Returns the draw that a message is for.
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
