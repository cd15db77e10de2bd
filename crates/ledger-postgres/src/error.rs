//! Why a store can't be used.

use thiserror::Error;
use tokio_postgres::error::SqlState;

use crate::session::AskError;

/// Why a store can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No server that can be written to was reached. A later attempt may succeed.
    #[error("no server of the store can be written to now: {0}")]
    Away(String),
    /// A server answered, and must not or can't be used as it is; the text says what to do.
    #[error("{0}")]
    Unsuitable(String),
    /// The user of the URL has no right to it; the text says which role has.
    #[error("{0}")]
    NotAllowed(String),
    /// What is stored is not what was written.
    #[error("the store is damaged: {0}; restore the database from a good copy")]
    Damaged(String),
}

impl StoreError {
    /// Why a host did not do what it was asked.
    pub(crate) fn of(host: &str, error: &AskError) -> Self {
        if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            return Self::NotAllowed(format!(
                "{host}: {error}: grant the user the role bolillero_central, or bolillero_reader \
                 if it verifies and exports only"
            ));
        }
        Self::Away(format!("{host}: {error}"))
    }
}
