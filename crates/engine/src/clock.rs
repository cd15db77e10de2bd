//! Where the time of decisions comes from.

use lottery::Timestamp;

/// The clock that counts for sales and draws. Asked once a turn.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}
