//! What never changes of a draw: its number and its terms.

use std::sync::Arc;

use lottery::{DrawId, DrawStatus, DrawTerms};

/// See the module's documentation.
#[derive(Debug)]
pub struct Draw {
    /// Its number.
    pub id: DrawId,
    /// Its terms.
    pub terms: DrawTerms,
}

impl Draw {
    /// Of a draw in the view.
    pub(super) fn of(status: DrawStatus) -> Arc<Self> {
        Arc::new(Self { id: status.id, terms: status.terms })
    }
}

#[cfg(test)]
impl Draw {
    /// A draw of agencies 1 to `agencies`.
    pub(super) fn for_agencies(agencies: u32) -> Arc<Self> {
        let name = lottery::DrawName::new("sorteo").unwrap();
        let agencies = lottery::Agencies::first(agencies).unwrap();
        let terms = DrawTerms { name, agencies, numbers: lottery::NumberRange::default() };
        Arc::new(Self { id: DrawId(1), terms })
    }
}
