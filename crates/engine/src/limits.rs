//! Every bound of the engine, by name.

use std::time::Duration;

/// Most requests that are decided between two durable groups.
pub const GROUP_REQUESTS_MAX: usize = 4096;
/// Most bytes of what an act or an opening takes in a log, and what follows from it.
pub const ACT_LEN_MAX: usize = 16 << 10;
/// How long after a log was away it is tried again.
pub const AWAY_RETRY_TIME: Duration = Duration::from_millis(100);
