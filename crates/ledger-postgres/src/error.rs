//! Why a store can't be used.

use thiserror::Error;

/// Why a store can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No server that can be written to was reached. A later attempt may succeed.
    #[error("no server of the store can be written to now: {0}")]
    Away(String),
    /// A server answered, and must not or can't be used as it is; the text says what to do.
    #[error("{0}")]
    Unsuitable(String),
    /// What is stored is not what was written.
    #[error("the store is damaged: {0}; restore the database from a good copy")]
    Damaged(String),
}
