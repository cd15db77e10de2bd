//! How much of one connection is logged: who sends bad batches, or the same ones again, without
//! end must not fill the log.
//!
//! Each kind of line has its own bound: one never hides the other. What is left out is counted, and
//! told in one line when the connection ends, however it does. A refusal that ends a connection is
//! logged beside this, as is each batch that is stored: those take room in the ledger too.

use std::net::IpAddr;

use crate::limits::CONNECTION_LOG_LINES_MAX;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct LogLimit {
    peer: IpAddr,
    refusals: u64,
    repeats: u64,
}

impl LogLimit {
    /// Nothing was logged of this connection yet.
    pub(super) fn new(peer: IpAddr) -> Self {
        Self { peer, refusals: 0, repeats: 0 }
    }

    /// Whether one more refusal is to be logged.
    pub(super) fn refusal(&mut self) -> bool {
        self.refusals += 1;
        left_out(self.refusals) == 0
    }

    /// Whether one more repeated request is to be logged.
    pub(super) fn repeat(&mut self) -> bool {
        self.repeats += 1;
        left_out(self.repeats) == 0
    }
}

impl Drop for LogLimit {
    fn drop(&mut self) {
        let (refusals, repeats) = (left_out(self.refusals), left_out(self.repeats));
        if refusals + repeats > 0 {
            tracing::warn!(
                action = "omitir_lineas",
                result = "success",
                ip = %self.peer,
                rechazos = refusals,
                repetidos = repeats,
            );
        }
    }
}

fn left_out(count: u64) -> u64 {
    count.saturating_sub(CONNECTION_LOG_LINES_MAX)
}
