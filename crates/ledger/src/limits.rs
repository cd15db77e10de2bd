//! Every bound and size of the ledger, by name. Those that shape files are frozen with the format.

use std::time::Duration;

/// Unit of direct writes: offsets, lengths and addresses are multiples of it. Frozen.
pub const BLOCK_LEN: usize = 4096;
/// What a disk writes whole or not at all. Frozen: a cut tail is told from damage by it.
pub const SECTOR_LEN: usize = 512;
/// Where a segment's records begin, behind its header. Frozen.
pub const RECORDS_OFFSET: usize = BLOCK_LEN;
/// Default length of the part of a segment that holds its header and records, in bytes.
pub const SEGMENT_LEN_DEFAULT: u64 = 64 << 20;
/// Shortest segment: room for the header and a batch of the largest size.
pub const SEGMENT_LEN_MIN: u64 = 96 << 10;
/// Longest segment: offsets within it fit `u32`, and one can be held in memory.
pub const SEGMENT_LEN_MAX: u64 = 1 << 30;
/// Longest body of a record, in bytes: a batch of the largest size, or a draw's terms.
pub const BODY_LEN_MAX: usize = 16 + lottery::limits::BATCH_TEXT_LEN_MAX;
/// Room kept in a group for what follows from an event by the rules: a close, a making, a
/// publication.
pub const FOLLOWING_LEN_MAX: usize = 512;
/// Most bytes that go into one durable write.
pub const GROUP_LEN_MAX: usize = 4 << 20;
/// Default number of segments kept ready ahead of the one being written.
pub const SPARES_DEFAULT: usize = 2;
/// Most full segments that wait for their index: each takes two descriptors, and memory for what
/// its index will say.
pub const UNINDEXED_MAX: usize = 16;
/// Most sealed segments that are kept open, for who reads them: two gigabytes of long ones.
pub const FILES_AT_REST_MAX: usize = 32;
/// How much of a new segment is zeroed in one write, or of an unused one read at once.
pub const ZERO_STEP_LEN: usize = 1 << 20;
/// A writer that has not written for so long pauses: segments are zeroed then.
pub const PAUSE_TIME: Duration = Duration::from_millis(5);
/// After how many bytes the scrub pauses.
pub const SCRUB_STEP_LEN: usize = 256 << 10;
/// For how long the scrub pauses: it reads some 12 MB a second.
pub const SCRUB_PAUSE_TIME: Duration = Duration::from_millis(10);
/// How long after one pass the scrub begins the next.
pub const SCRUB_INTERVAL_TIME: Duration = Duration::from_hours(24);
/// How long the pool lets the writer go ahead before it reads the next part of a full segment.
pub const READ_PAUSE_TIME: Duration = Duration::from_micros(200);

// How the limits stand to each other.
const _: () = {
    assert!(BLOCK_LEN.is_multiple_of(SECTOR_LEN) && RECORDS_OFFSET.is_multiple_of(BLOCK_LEN));
    assert!(ZERO_STEP_LEN.is_multiple_of(BLOCK_LEN));
    assert!(SEGMENT_LEN_MIN <= SEGMENT_LEN_DEFAULT && SEGMENT_LEN_DEFAULT <= SEGMENT_LEN_MAX);
    assert!(SEGMENT_LEN_MAX <= u32::MAX as u64);
    // The largest decision is in one segment and one group, whatever is in them besides.
    let largest = (RECORDS_OFFSET + BODY_LEN_MAX + FOLLOWING_LEN_MAX) as u64;
    assert!(largest < SEGMENT_LEN_MIN);
    assert!(BODY_LEN_MAX + FOLLOWING_LEN_MAX <= GROUP_LEN_MAX);
    assert!(engine::limits::ACT_LEN_MAX + FOLLOWING_LEN_MAX <= BODY_LEN_MAX);
};
