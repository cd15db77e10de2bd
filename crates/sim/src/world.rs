//! What everybody in a run shares: the time, the dice, the network, and those who take notes.

use fastrand::Rng;

use crate::auditor::Auditor;
use crate::faults::Faults;
use crate::network::Network;
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
    /// Whether faults may still happen.
    pub(crate) faulty: bool,
}

/// Something that must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) String);

/// Mistakes that a test plants in the central, to see that they are found. None in a real run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bugs {
    /// A batch is acknowledged when it is asked for, and not when it is durable.
    pub(crate) acknowledge_before_turn: bool,
    /// Winners are given once as many FINISHes came as there are agencies, whoever sent them.
    pub(crate) count_finishes: bool,
}

impl World {
    pub(crate) fn note(&mut self, what: &'static str, about: [u64; 2]) {
        self.trace.note(self.now, what, about);
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
