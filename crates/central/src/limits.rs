//! Every limit of the service, by name, with its default.

use std::time::Duration;

/// While connections with certificates are there, the clock is looked at so often for the next one
/// that expires: it may be set, and the machine may have slept.
pub(crate) const EXPIRY_LOOK_TIME_MAX: Duration = Duration::from_secs(60);

/// The refusals of connections over the limit, and of logging in too often, are logged at most once
/// in this time.
pub(crate) const LOG_THROTTLE_TIME: Duration = Duration::from_secs(1);

/// Bytes of draws' names in one refusal: it fits an ERROR together with what to do.
pub(crate) const DRAW_NAMES_LEN_MAX: usize = 240;

/// How long after a store without room for it the making of a draw, or an act of the clock, is
/// tried again.
pub(crate) const DRAW_RETRY_TIME: Duration = Duration::from_secs(1);

/// How often the store is asked whether it can go on, whoever else asks it for anything: a folder
/// that is lost is to be noticed within two seconds.
pub(crate) const STORE_CHECK_TIME: Duration = Duration::from_secs(1);

/// The longest that the clock sleeps while a draw is to be opened or closed: it may be set, and the
/// machine may sleep. Bets are refused from the close on all the same.
pub(crate) const CLOCK_SLEEP_TIME_MAX: Duration = Duration::from_secs(1);

/// How long a shutdown waits for commits and for connections to end in order, unless told
/// otherwise: well within the 10 s after which others kill what they asked to end, with what comes
/// after it: the runtime's end, and the store's.
pub const SHUTDOWN_TIME_MAX_DEFAULT: Duration = Duration::from_secs(4);

/// What is left of a limit when another shrinks: one at least.
#[must_use]
pub fn in_proportion(limit: usize, (now, before): (usize, usize)) -> usize {
    let left = limit as u128 * now as u128 / before.max(1) as u128;
    usize::try_from(left).unwrap_or(limit).max(1)
}
