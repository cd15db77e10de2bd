//! The limits of the engine.

use std::time::Duration;

/// Most requests decided in one durable group.
pub const GROUP_REQUESTS_MAX: usize = 4096;
/// Most bytes that an act or an opening takes in a log, with all that follows from it.
pub const ACT_LEN_MAX: usize = 16 << 10;
/// Most bytes of an event's body: the largest batch, or a draw's terms.
pub const BODY_LEN_MAX: usize = 16 + lottery::limits::BATCH_TEXT_LEN_MAX;
/// Bytes of events after which a copy stores a group.
pub const COPY_GROUP_LEN_MAX: usize = 64 << 10;
/// How long to wait before an unreachable log is tried again.
pub const AWAY_RETRY_TIME: Duration = Duration::from_millis(100);

// The terms of the largest draw, with its name, the reason and the author, fit an act.
const _: () = {
    use lottery::limits::{AGENCY_RANGES_MAX, DRAW_NAME_LEN_MAX, LABEL_LEN_MAX, REASON_LEN_MAX};
    let texts = DRAW_NAME_LEN_MAX + REASON_LEN_MAX + 2 * LABEL_LEN_MAX;
    assert!(8 * AGENCY_RANGES_MAX + texts < ACT_LEN_MAX);
};
