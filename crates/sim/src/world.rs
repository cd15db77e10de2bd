//! The shared state of a run: time, random generator, network, auditor and counters.

use std::collections::BTreeMap;

use fastrand::Rng;
use lottery::Timestamp;

use crate::auditor::Auditor;
use crate::faults::Faults;
use crate::limits::CLOCK_ERROR_MS_MAX;
use crate::network::{Link, Network};
use crate::trace::Trace;

/// The shared state of a run.
pub(crate) struct World {
    /// The current tick.
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) network: Network,
    pub(crate) auditor: Auditor,
    pub(crate) faults: Faults,
    pub(crate) trace: Trace,
    /// Whether the central accepts connections.
    pub(crate) central_up: bool,
    /// The number of draws opened so far.
    pub(crate) draws_open: usize,
    /// The connections to an address bound to a draw, and the draw's index.
    pub(crate) bound: BTreeMap<Link, usize>,
    /// Whether faults may still happen.
    pub(crate) faulty: bool,
    /// The error of the central's clock, in milliseconds.
    pub(crate) clock_error_ms: i64,
}

impl World {
    pub(crate) fn note(&mut self, what: &'static str, about: [u64; 2]) {
        self.trace.note(self.now, what, about);
    }

    /// Returns the time of the central's clock. A tick is a millisecond, apart from clock jumps.
    pub(crate) fn clock(&self) -> Timestamp {
        const START_MS: u64 = 1_700_000_000_000;
        Timestamp((START_MS + self.now).saturating_add_signed(self.clock_error_ms))
    }

    /// Occasionally sets the central's clock wrong.
    pub(crate) fn disturb_clock(&mut self) {
        if self.strikes(300) {
            self.clock_error_ms = self.rng.i64(-CLOCK_ERROR_MS_MAX..=CLOCK_ERROR_MS_MAX);
            self.faults.clock_jumps += 1;
        }
    }

    /// Returns whether a fault that happens once in `rate` ticks happens now.
    pub(crate) fn strikes(&mut self, rate: u64) -> bool {
        self.faulty && self.rng.u64(..rate) == 0
    }
}
