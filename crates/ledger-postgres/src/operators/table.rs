//! Operators on the command line.

use std::sync::Arc;

use ::operators::People;
use tokio::runtime::Runtime;

use super::document::{Document, OperatorsChangeError, READ, replace};
use crate::error::StoreError;
use crate::primary::Primary;
use crate::schema;
use crate::session::{Session, runtime};
use crate::target::Target;

/// The operators of a store, on the command line. All of it blocks.
pub struct OperatorsTable {
    runtime: Runtime,
    session: Session,
    host: String,
}

impl OperatorsTable {
    /// Opens those of a store.
    ///
    /// # Errors
    /// When no server can be written to, or it has no ledger that this program knows.
    pub fn open(target: &Target) -> Result<Self, StoreError> {
        let runtime = runtime()?;
        let (Primary { session, host, .. }, _) = runtime.block_on(schema::opened(target))?;
        Ok(Self { runtime, session, host })
    }

    /// Reads the operators.
    ///
    /// # Errors
    /// When they can't be read, or the user of the URL may not.
    pub fn read(&mut self) -> Result<People, StoreError> {
        let Self { runtime, session, host } = self;
        let asked = session.ask(async |client| client.query_one(READ, &[]).await);
        let row = runtime.block_on(asked).map_err(|error| StoreError::of(host, &error))?;
        let document = Document::read(&row).map_err(StoreError::Damaged)?;
        Ok(Arc::unwrap_or_clone(document.people))
    }

    /// Replaces the operators by what `change` makes of them, durably.
    ///
    /// # Errors
    /// When `change` refuses, or they can't be read or written.
    pub fn change<E: std::error::Error + 'static>(
        &mut self,
        change: impl FnOnce(&People) -> Result<People, E>,
    ) -> Result<(), OperatorsChangeError<E>> {
        let Self { runtime, session, .. } = self;
        runtime.block_on(replace(session, change))
    }
}
