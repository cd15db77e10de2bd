//! What everybody in a run shares: the time, the dice, the network, and those who take notes.

use std::collections::BTreeMap;

use fastrand::Rng;
use lottery::Timestamp;

use crate::auditor::Auditor;
use crate::faults::Faults;
use crate::limits::CLOCK_ERROR_MS_MAX;
use crate::network::{Link, Network};
use crate::trace::Trace;

/// See the module's documentation.
pub(crate) struct World {
    /// In ticks.
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) network: Network,
    pub(crate) auditor: Auditor,
    pub(crate) faults: Faults,
    pub(crate) trace: Trace,
    /// Whether the central takes connections.
    pub(crate) central_up: bool,
    /// How many draws have been opened.
    pub(crate) draws_open: usize,
    /// Connections to an address that is bound to a draw, and its place.
    pub(crate) bound: BTreeMap<Link, usize>,
    /// Whether faults may still happen.
    pub(crate) faulty: bool,
    /// How far the central's clock is from the time, in milliseconds.
    pub(crate) clock_error_ms: i64,
}

/// Something that must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) String);

impl World {
    pub(crate) fn note(&mut self, what: &'static str, about: [u64; 2]) {
        self.trace.note(self.now, what, about);
    }

    /// What the central's clock shows. A tick is a millisecond, when nobody sets it.
    pub(crate) fn clock(&self) -> Timestamp {
        const START_MS: u64 = 1_700_000_000_000;
        Timestamp((START_MS + self.now).saturating_add_signed(self.clock_error_ms))
    }

    /// Sets the central's clock, now and then.
    pub(crate) fn disturb_clock(&mut self) {
        if self.strikes(300) {
            self.clock_error_ms = self.rng.i64(-CLOCK_ERROR_MS_MAX..=CLOCK_ERROR_MS_MAX);
            self.faults.clock_jumps += 1;
        }
    }

    /// Whether something happens now that happens once in `rate` ticks while there are faults.
    pub(crate) fn strikes(&mut self, rate: u64) -> bool {
        self.faulty && self.rng.u64(..rate) == 0
    }
}

/// The error of what is wrong.
pub(crate) fn wrong<T>(what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong(what.into()))
}

impl From<ledger::Fault> for Wrong {
    fn from(fault: ledger::Fault) -> Self {
        Self(format!("reading the ledger: {fault}"))
    }
}
