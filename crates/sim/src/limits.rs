//! Every limit of the simulation, as a named constant. Times are in ticks.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Number of agencies.
pub const AGENCIES: RangeInclusive<u32> = 3..=5;
/// Number of bets of one agency when batches are small; [`BETS_MANY`] when they fill segments.
pub const BETS_FEW: RangeInclusive<usize> = 0..=40;
/// See [`BETS_FEW`].
pub const BETS_MANY: RangeInclusive<usize> = 300..=900;
/// Maximum number of unacknowledged chunks of an agency.
pub const WINDOW: RangeInclusive<u16> = 1..=8;
/// Length of the ledger's segments: the minimum, so that some runs fill several.
pub const SEGMENT_LEN: u64 = ledger::limits::SEGMENT_LEN_MIN;
/// The tick when faults stop.
pub const FAULTS_TIME: RangeInclusive<u64> = 100..=1_500;
/// Maximum duration of a run after faults have stopped.
pub const END_TIME_MAX: u64 = 20_000;
/// Delay of a piece of data, and of an agency's notice that its connection is lost.
pub const DELAY_TIME: RangeInclusive<u64> = 1..=12;
/// Delay until the central notices a lost connection.
pub const STALE_TIME: RangeInclusive<u64> = 1..=60;
/// Delay from which a lost connection that one side still uses counts as half-open.
pub const HALF_OPEN_TIME: u64 = 30;
/// Downtime of the central, or of an agency, after a crash.
pub const AWAY_TIME: RangeInclusive<u64> = 1..=40;
/// Pause of an agency before it reconnects or asks again.
pub const PAUSE_TIME: RangeInclusive<u64> = 1..=25;
/// How long the central holds a request for winners before it replies that there are none yet.
pub const WINNERS_WAIT: RangeInclusive<u64> = 10..=150;
/// Maximum time to receive a message from its first byte on. A tick is a millisecond.
pub const MESSAGE_TIME_MAX: Duration = Duration::from_secs(2);
/// Bytes per tick on a slow connection.
pub const SLOW_BYTES: RangeInclusive<usize> = 48..=512;
/// While a draw's last FINISH is pending, one in this many ticks brings a crash during a write.
pub const DECISION_CRASH_RATE: u64 = 8;
/// How long a full disk stays full.
pub const FULL_TIME: RangeInclusive<u64> = 50..=400;
/// How long a malicious client stays connected.
pub const VISIT_TIME: RangeInclusive<u64> = 5..=120;
/// Maximum error of the central's clock: about ten years.
pub const CLOCK_ERROR_MS_MAX: i64 = 315_360_000_000;
/// Number of draws when engines share a log; [`SHARED_AGENCIES`] is the number of agencies.
pub const SHARED_DRAWS: RangeInclusive<usize> = 1..=3;
/// See [`SHARED_DRAWS`].
pub const SHARED_AGENCIES: RangeInclusive<u32> = 1..=3;
/// Number of chunks of an agency in a draw, in the shared run.
pub const SHARED_CHUNKS: RangeInclusive<u32> = 0..=8;
/// Delay from the announcement of a draw to its scheduled opening, in the shared run.
pub const SHARED_OPENS_AFTER_MS: RangeInclusive<u64> = 1..=20_000;
/// Delay from the announcement of a draw to its scheduled close, in the shared run.
pub const SHARED_CLOSES_AFTER_MS: RangeInclusive<u64> = 20_001..=120_000;
/// The tick when faults stop, in the shared run.
pub const SHARED_FAULTS_TIME: RangeInclusive<u64> = 50..=250;
/// Maximum duration after faults have stopped, in the shared run.
pub const SHARED_END_TIME_MAX: u64 = 5_000;
/// Maximum error of an engine's clock, in the shared run.
pub const SKEW_MS_MAX: i64 = 30_000;
/// Number of trace notes that are reported with a failure.
pub const NOTES_TOLD: usize = 40;

// Relations between the limits.
const _: () = {
    assert!(*FAULTS_TIME.end() < END_TIME_MAX && *SHARED_FAULTS_TIME.end() < SHARED_END_TIME_MAX);
    // Some lost connections count as half-open.
    assert!(HALF_OPEN_TIME <= *STALE_TIME.end());
    assert!(*SHARED_OPENS_AFTER_MS.end() < *SHARED_CLOSES_AFTER_MS.start());
    assert!(*WINDOW.end() <= wire::limits::WINDOW_MAX);
};
