//! What a central is started with.

use std::time::Duration;

use lottery::DrawTerms;

use crate::limits::Limits;

/// What a central is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The draw that it serves: opened at the start, or found when it has the same terms.
    pub terms: DrawTerms,
    /// Where the served draw's winning number comes from.
    pub winning_number: WinningNumber,
    /// The longest that a GET_WINNERS waits for the draw. Zero: it is answered at once.
    pub winners_wait: Duration,
    /// See [`Limits`].
    pub limits: Limits,
}

/// Where a winning number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WinningNumber {
    /// It was given beforehand.
    Fixed(u32),
}
