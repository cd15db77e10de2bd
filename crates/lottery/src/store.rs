//! How a store fails.

use thiserror::Error;

use crate::draw::DrawId;

/// A failure of the store itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreFault {
    /// A permanent failure: nothing more is acknowledged.
    #[error("the store failed and accepts nothing more: {0}")]
    Failed(String),
    /// There is no space now; a retry may succeed.
    #[error("the store is full: {0}")]
    Full(String),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreFault {
    /// Whether a retry may succeed.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

/// Why stored data could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// There is no such draw.
    #[error("there is no draw {0}")]
    UnknownDraw(DrawId),
    /// The draw has no winners yet.
    #[error("the draw has not been made")]
    NotDrawn,
    /// The data is unreadable or damaged; the text says where.
    #[error("{0}")]
    Unreadable(String),
}
