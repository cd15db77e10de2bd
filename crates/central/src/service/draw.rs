//! A draw that somebody means: its number and its terms, which never change.

use std::sync::Arc;

use lottery::{DrawId, DrawStatus, DrawTerms};

/// See the module's documentation.
#[derive(Debug)]
pub struct Draw {
    /// Its number in the store.
    pub id: DrawId,
    /// What it was announced or opened with.
    pub terms: DrawTerms,
}

impl Draw {
    /// As the store shows it.
    pub(super) fn of(status: DrawStatus) -> Arc<Self> {
        Arc::new(Self { id: status.id, terms: status.terms })
    }
}

#[cfg(test)]
impl Draw {
    /// One of so many agencies from 1 on.
    pub(super) fn for_agencies(agencies: u32) -> Arc<Self> {
        let name = lottery::DrawName::new("sorteo").unwrap();
        let agencies = lottery::Agencies::first(agencies).unwrap();
        let terms = DrawTerms { name, agencies, numbers: lottery::NumberRange::default() };
        Arc::new(Self { id: DrawId(1), terms })
    }
}
