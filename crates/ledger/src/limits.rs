//! All bounds and sizes of the ledger. Those marked frozen are part of the file format.

use std::time::Duration;

use engine::limits::BODY_LEN_MAX;

/// Unit of direct writes: their offsets, lengths and addresses are multiples of it. Frozen.
pub const BLOCK_LEN: usize = 4096;
/// The unit that a disk writes atomically. Frozen: recovery tells a torn tail from damage by it.
pub const SECTOR_LEN: usize = 512;
/// Offset of a segment's first record, after its header block. Frozen.
pub const RECORDS_OFFSET: usize = BLOCK_LEN;
/// Default length of a segment, without its index, in bytes.
pub const SEGMENT_LEN_DEFAULT: u64 = 64 << 20;
/// Minimum length of a segment: room for the header and the largest decision.
pub const SEGMENT_LEN_MIN: u64 = 96 << 10;
/// Maximum length of a segment: offsets fit `u32`, and a segment can be held in memory.
pub const SEGMENT_LEN_MAX: u64 = 1 << 30;
/// Bytes reserved in a group for the events that the rules derive from one: a close, a making, a
/// publication.
pub const FOLLOWING_LEN_MAX: usize = 512;
/// Maximum length of one durable write's group, in bytes.
pub const GROUP_LEN_MAX: usize = 4 << 20;
/// Default number of segments preallocated ahead of the active one.
pub const SPARES_DEFAULT: usize = 2;
/// Maximum number of full segments that wait for their index. Each takes two descriptors, and
/// memory for its contents.
pub const UNINDEXED_MAX: usize = 16;
/// Maximum number of sealed segments kept open for readers: 2 GiB of segments of the default
/// length.
pub const FILES_AT_REST_MAX: usize = 32;
/// Bytes zeroed in one write, or checked for zeros in one read.
pub const ZERO_STEP_LEN: usize = 1 << 20;
/// After this time without a write the writer counts as pausing, and spare segments are zeroed.
pub const PAUSE_TIME: Duration = Duration::from_millis(5);
/// Records that are found at once, when records are read one by one.
pub const RECORDS_AT_ONCE_MAX: usize = 256;
/// Bytes read at once where records other than batches are read by an index.
pub const WINDOW_LEN: usize = 32 << 10;
/// Bytes that the scrub reads between two pauses.
pub const SCRUB_STEP_LEN: usize = 256 << 10;
/// Length of the scrub's pauses, which limits it to some 12 MB per second.
pub const SCRUB_PAUSE_TIME: Duration = Duration::from_millis(10);
/// Time between the end of one scrub pass and the start of the next.
pub const SCRUB_INTERVAL_TIME: Duration = Duration::from_hours(24);
/// How long the pool pauses between two reads of a full segment to let the writer go ahead.
pub const READ_PAUSE_TIME: Duration = Duration::from_micros(200);

// Relations between the limits.
const _: () = {
    assert!(BLOCK_LEN.is_multiple_of(SECTOR_LEN) && RECORDS_OFFSET.is_multiple_of(BLOCK_LEN));
    assert!(ZERO_STEP_LEN.is_multiple_of(BLOCK_LEN));
    assert!(SEGMENT_LEN_MIN <= SEGMENT_LEN_DEFAULT && SEGMENT_LEN_DEFAULT <= SEGMENT_LEN_MAX);
    assert!(SEGMENT_LEN_MAX <= u32::MAX as u64);
    // The largest decision fits one segment and one group.
    let largest = (RECORDS_OFFSET + BODY_LEN_MAX + FOLLOWING_LEN_MAX) as u64;
    assert!(largest < SEGMENT_LEN_MIN);
    assert!(BODY_LEN_MAX + FOLLOWING_LEN_MAX <= GROUP_LEN_MAX);
    assert!(engine::limits::ACT_LEN_MAX + FOLLOWING_LEN_MAX <= BODY_LEN_MAX);
};
