//! Limits the log lines of one connection: endless refused or repeated batches must not fill the log.
//!
//! Each kind of line has its own limit. Lines left out are counted, and the counts are logged when the
//! connection ends. Not limited: a refusal that ends a connection, and stored batches.

use std::net::IpAddr;

use crate::limits::CONNECTION_LOG_LINES_MAX;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct LogLimit {
    refusals: u64,
    repeats: u64,
}

impl LogLimit {
    /// Counts a refusal, and returns whether to log it.
    pub(super) fn refusal(&mut self) -> bool {
        self.refusals += 1;
        left_out(self.refusals) == 0
    }

    /// Counts a repeated request, and returns whether to log it.
    pub(super) fn repeat(&mut self) -> bool {
        self.repeats += 1;
        left_out(self.repeats) == 0
    }

    /// Logs how many lines were left out, at the end of a connection from `peer`.
    pub(super) fn end(&self, peer: IpAddr) {
        let (refusals, repeats) = (left_out(self.refusals), left_out(self.repeats));
        if refusals + repeats > 0 {
            tracing::warn!(
                action = "suppress_lines",
                result = "success",
                ip = %peer,
                refusals,
                repeats,
            );
        }
    }
}

fn left_out(count: u64) -> u64 {
    count.saturating_sub(CONNECTION_LOG_LINES_MAX)
}
