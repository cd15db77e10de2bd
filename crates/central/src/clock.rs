//! Where the central's time comes from.
//!
//! Only the time that is recorded with an event. How long something lasts is measured with tokio's
//! clock, which tests can stop and wind.

use lottery::Timestamp;

/// The central's clock: the one that counts for sales and draws.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// A clock that stands still.
#[cfg(test)]
pub(crate) struct Stopped(pub(crate) Timestamp);

#[cfg(test)]
impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}
