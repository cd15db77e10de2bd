//! What a central is started with.

use std::time::Duration;

use lottery::DrawTerms;

use crate::zone::Zone;

/// What a central is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who runs its draws.
    pub mode: Mode,
    /// How long a GET_WINNERS waits for the draw at most. Zero: it is answered at once.
    pub winners_wait: Duration,
    /// Where people read and type times.
    pub zone: Zone,
    /// How long a shutdown waits for commits and for connections to end in order.
    pub shutdown_time_max: Duration,
}

/// Who runs the draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One automatic draw, made when all its agencies have finished.
    Automatic {
        /// The draw: opened at the start, or found with the same terms.
        terms: DrawTerms,
        /// Its winning number.
        winning_number: u32,
    },
    /// Operators announce draws, and run each.
    Operated,
}
