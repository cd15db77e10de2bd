//! The source of the time of decisions.

use lottery::Timestamp;

/// The clock of decisions, read once per group.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}
