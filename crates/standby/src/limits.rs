//! The limits of a standby.

use std::time::Duration;

/// Longest time to connect to the central, and then to agree on TLS.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the head of an answer, and for each next part of its body. The central waits
/// for 10 s before it ends an answer without news.
pub const SILENCE_TIME_MAX: Duration = Duration::from_secs(30);
/// First pause before the central is asked again after a failure; it doubles each time.
pub const RETRY_TIME_MIN: Duration = Duration::from_millis(100);
/// Longest such pause.
pub const RETRY_TIME_MAX: Duration = Duration::from_secs(5);
/// Shortest time from one question to the next after an answer.
pub const ANSWER_TIME_MIN: Duration = Duration::from_secs(1);
/// Parts of an answer that wait to be stored. A part has some 400 KiB at most.
pub const PARTS_MAX: usize = 16;
/// Longest answer that is no record stream, in bytes.
pub const DOCUMENT_LEN_MAX: usize = 16 << 20;
/// Longest time for such an answer, all of it.
pub const DOCUMENT_TIME_MAX: Duration = Duration::from_secs(60);
/// How much of a refusal is told, in characters.
pub const REFUSAL_CHARS_MAX: usize = 1_000;
/// How often progress is told until the copy has caught up.
pub const PROGRESS_TIME: Duration = Duration::from_secs(5);
/// A copy that is behind by more records than this has not caught up.
pub const BEHIND_RECORDS_MAX: u64 = 1_000;

// Relations between the limits.
const _: () = {
    assert!(DOCUMENT_LEN_MAX as u64 >= operators::limits::FILE_LEN_MAX);
    assert!(RETRY_TIME_MIN.as_millis() < RETRY_TIME_MAX.as_millis());
    assert!(CONNECT_TIME_MAX.as_millis() < SILENCE_TIME_MAX.as_millis());
};
