//! Every limit of the service, by name, with its default.

use std::time::Duration;

/// Most connections that a central tells those that share its store: as many as it takes by default.
pub const CONNECTIONS_TOLD_MAX: usize = 16_000;

/// Longest sleep until the next certificate of a connection expires: the clock may be set.
pub(crate) const EXPIRY_LOOK_TIME_MAX: Duration = Duration::from_secs(60);

/// Least time between two throttled log lines of the same kind.
pub(crate) const LOG_THROTTLE_TIME: Duration = Duration::from_secs(1);

/// Most bytes of draws' names in a refusal: with the advice it fits an ERROR message.
pub(crate) const DRAW_NAMES_LEN_MAX: usize = 240;

/// Number of draws whose refused batches are remembered, the newest ones: more than can be unmade.
pub(crate) const REFUSED_DRAWS_MAX: usize = 512;

/// Number of refusals that are remembered for each draw, the latest ones.
pub(crate) const REFUSED_LATEST_MAX: usize = 5;

/// Time until an act of the clock that found the log full is tried again.
pub(crate) const DRAW_RETRY_TIME: Duration = Duration::from_secs(1);

/// Time between two checks of the log: a lost folder is noticed within two seconds.
pub(crate) const STORE_CHECK_TIME: Duration = Duration::from_secs(1);

/// Longest sleep of the clock's task while a draw is due to open or close: the clock may be set. Bets
/// are refused from the close on regardless.
pub(crate) const CLOCK_SLEEP_TIME_MAX: Duration = Duration::from_secs(1);

/// Default for the longest shutdown: with the end of the runtime and the log, well within the 10 s
/// after which service managers kill a process.
pub const SHUTDOWN_TIME_MAX_DEFAULT: Duration = Duration::from_secs(4);

/// Shrinks a limit in proportion to another; at least 1.
#[must_use]
pub fn in_proportion(limit: usize, (now, before): (usize, usize)) -> usize {
    let left = limit as u128 * now as u128 / before.max(1) as u128;
    usize::try_from(left).unwrap_or(limit).max(1)
}
