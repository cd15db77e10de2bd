//! Every bound of the simulation, by name. Times are in ticks.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How many agencies take part.
pub const AGENCIES: RangeInclusive<u32> = 3..=5;
/// Bets of one agency when batches are small, and when they fill segments.
pub const BETS_FEW: RangeInclusive<usize> = 0..=40;
/// See [`BETS_FEW`].
pub const BETS_MANY: RangeInclusive<usize> = 300..=900;
/// Chunks that an agency keeps unanswered.
pub const WINDOW: RangeInclusive<u16> = 1..=8;
/// Length of the ledger's segments: the least, so that some runs fill several.
pub const SEGMENT_LEN: u64 = ledger::limits::SEGMENT_LEN_MIN;
/// When faults stop.
pub const FAULTS_TIME: RangeInclusive<u64> = 100..=1_500;
/// How long after that a run may take to its end.
pub const END_TIME_MAX: u64 = 20_000;
/// How long the network keeps a piece of bytes, or from an agency that its connection is lost.
pub const DELAY_TIME: RangeInclusive<u64> = 1..=12;
/// How long the central takes a lost connection for a good one.
pub const STALE_TIME: RangeInclusive<u64> = 1..=60;
/// From when on a lost connection that one side takes for good counts as half-open.
pub const HALF_OPEN_TIME: u64 = 30;
/// How long the central, or an agency, is away after a crash.
pub const AWAY_TIME: RangeInclusive<u64> = 1..=40;
/// How long an agency pauses before it connects again or asks again.
pub const PAUSE_TIME: RangeInclusive<u64> = 1..=25;
/// How long the central lets a request for winners wait before it says that there are none yet.
pub const WINNERS_WAIT: RangeInclusive<u64> = 10..=150;
/// How long an agency may take for a message once it began to send it. A tick is a millisecond.
pub const MESSAGE_TIME_MAX: Duration = Duration::from_secs(2);
/// How many bytes a slow connection carries in a tick.
pub const SLOW_BYTES: RangeInclusive<usize> = 48..=512;
/// Once in how many ticks a crash in a write comes while a draw's last FINISH is under way.
pub const DECISION_CRASH_RATE: u64 = 8;
/// How long a full disk stays full.
pub const FULL_TIME: RangeInclusive<u64> = 50..=400;
/// How long a client that means no good stays.
pub const VISIT_TIME: RangeInclusive<u64> = 5..=120;
/// How far the central's clock may be set wrong: some ten years.
pub const CLOCK_ERROR_MS_MAX: i64 = 315_360_000_000;
/// How many draws there are, and agencies in each, when engines share a log.
pub const SHARED_DRAWS: RangeInclusive<usize> = 1..=3;
/// See [`SHARED_DRAWS`].
pub const SHARED_AGENCIES: RangeInclusive<u32> = 1..=3;
/// Chunks of an agency in a draw there.
pub const SHARED_CHUNKS: RangeInclusive<u32> = 0..=8;
/// When a draw there is opened and closed by the clock, after it was announced.
pub const SHARED_OPENS_AFTER_MS: RangeInclusive<u64> = 1..=20_000;
/// See [`SHARED_OPENS_AFTER_MS`].
pub const SHARED_CLOSES_AFTER_MS: RangeInclusive<u64> = 20_001..=120_000;
/// When faults stop there.
pub const SHARED_FAULTS_TIME: RangeInclusive<u64> = 50..=250;
/// How long after that a run may take there.
pub const SHARED_END_TIME_MAX: u64 = 5_000;
/// How far the clock of one of them may be set wrong.
pub const SKEW_MS_MAX: i64 = 30_000;
/// How many of the last notes of a run are told with its failure.
pub const NOTES_TOLD: usize = 40;
