//! The scrub: a background thread that slowly rereads all sealed segments, including bets.
//!
//! - Opening does not read the batches of sealed segments. The scrub does, once after opening and
//!   then at an interval, and verifies that the records are those acknowledged and that the index
//!   matches.
//! - It pauses after each step, so that intake is not slowed down, and sleeps between passes.
//! - It does not pause in a segment that no one has compared since opening while nothing is written:
//!   the first reader of its bets would have to wait for that. Such a reader begins with the oldest
//!   segment, so a pass begins with the newest.
//! - Damage is only recorded and reported. Intake goes on, and readers verify what they read
//!   themselves.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Fault;
use crate::limits::{SCRUB_INTERVAL_TIME, SCRUB_PAUSE_TIME, SCRUB_STEP_LEN};
use crate::segments::{Segment, Segments};
use engine::sync::thread::{self, JoinHandle};
use engine::sync::{Condvar, Mutex, lock, wait_at_most};

/// A running scrub. Dropping it stops it.
pub struct Scrub {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How fast and how often a scrub reads.
#[derive(Clone, Copy, Debug)]
pub struct ScrubPace {
    /// Pause after each [`SCRUB_STEP_LEN`] bytes.
    pub pause_time: Duration,
    /// Wait between the end of one pass and the start of the next.
    pub interval_time: Duration,
}

/// Decides when a pass pauses.
struct Gait {
    pause_time: Duration,
    /// Bytes read since the last step ended.
    unpaused: usize,
    /// Where the ledger ended when the last step did.
    tip: (usize, u64),
}

/// A result of a scrub, reported as it happens.
pub enum ScrubNews<'a> {
    /// A segment is damaged or can't be read.
    Damaged(&'a Fault),
    /// A pass over all segments that were sealed at its start has ended.
    Passed {
        /// How many segments were sound.
        sound: u64,
    },
}

/// A shared handle to what a scrub has found so far.
#[derive(Clone)]
pub struct ScrubFindings(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    closing: bool,
    passes: u64,
    /// By segment number.
    damage: BTreeMap<u64, String>,
}

type Tell = Box<dyn Fn(ScrubNews<'_>) + Send>;

impl Default for ScrubPace {
    fn default() -> Self {
        Self { pause_time: SCRUB_PAUSE_TIME, interval_time: SCRUB_INTERVAL_TIME }
    }
}

impl Gait {
    fn new(pause_time: Duration, tip: (usize, u64)) -> Self {
        Self { pause_time, unpaused: 0, tip }
    }

    /// Returns how long to pause after reading `len` bytes of a segment; `None` within a step. `tip`
    /// tells where the ledger ends now; `hurry` is set when a reader may have to wait for the segment.
    fn pause_after(
        &mut self,
        len: usize,
        tip: impl FnOnce() -> (usize, u64),
        hurry: bool,
    ) -> Option<Duration> {
        self.unpaused += len;
        if self.unpaused < SCRUB_STEP_LEN {
            return None;
        }
        self.unpaused = 0;
        let tip = tip();
        let writer_pauses = std::mem::replace(&mut self.tip, tip) == tip;
        Some(if hurry && writer_pauses { Duration::ZERO } else { self.pause_time })
    }
}

impl Scrub {
    pub(crate) fn start(segments: Segments, pace: ScrubPace, tell: Tell) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("ledger-scrub".to_owned())
            .spawn(move || of_thread.run(&segments, pace, &tell))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns a handle to the findings, which stays valid after the scrub has ended.
    #[must_use]
    pub fn findings(&self) -> ScrubFindings {
        ScrubFindings(Arc::clone(&self.shared))
    }
}

impl Drop for Scrub {
    fn drop(&mut self) {
        lock(&self.shared.state).closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic there, and the thread changes nothing.
            let _ = thread.join();
        }
    }
}

impl ScrubFindings {
    /// Returns how many passes over all sealed segments were completed.
    #[must_use]
    pub fn passes(&self) -> u64 {
        lock(&self.0.state).passes
    }

    /// Returns how many segments were damaged when last read.
    #[must_use]
    pub fn damaged_segments(&self) -> u64 {
        lock(&self.0.state).damage.len() as u64
    }

    /// Returns the flaw of the first damaged segment.
    #[must_use]
    pub fn first_damage(&self) -> Option<String> {
        lock(&self.0.state).damage.values().next().cloned()
    }
}

impl Shared {
    fn run(&self, segments: &Segments, pace: ScrubPace, tell: &Tell) {
        let mut gait = Gait::new(pace.pause_time, segments.tip());
        loop {
            let mut sound = 0;
            for segment in segments.snapshot().iter().rev() {
                if segment.index.get().is_none() {
                    continue;
                }
                let Some(found) = self.read(segment, segments, &mut gait) else { return };
                sound += u64::from(found.is_ok());
                if let Err(fault) = found {
                    tell(ScrubNews::Damaged(&fault));
                }
            }
            lock(&self.state).passes += 1;
            tell(ScrubNews::Passed { sound });
            if self.wait(pace.interval_time) {
                return;
            }
        }
    }

    /// Reads and verifies a segment; `None` when the scrub is stopped meanwhile.
    fn read(
        &self,
        segment: &Segment,
        segments: &Segments,
        gait: &mut Gait,
    ) -> Option<Result<(), Fault>> {
        let found = segment.compare(&mut |len| {
            let pause = gait.pause_after(len, || segments.tip(), !segment.is_compared());
            if pause.is_some_and(|time| self.wait(time)) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok(())
        });
        let mut state = lock(&self.state);
        if state.closing {
            return None;
        }
        let number = segment.header.number;
        match &found {
            Ok(()) => drop(state.damage.remove(&number)),
            Err(fault) => drop(state.damage.insert(number, fault.to_string())),
        }
        Some(found)
    }

    /// Waits, and returns whether the scrub is to stop.
    fn wait(&self, time: Duration) -> bool {
        let state = lock(&self.state);
        state.closing || wait_at_most(&self.changed, &self.state, state, time).closing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_pauses_after_each_step_but_where_a_reader_may_wait_and_nothing_is_written() {
        let pause_time = Duration::from_millis(7);
        let mut gait = Gait::new(pause_time, (1, 10));
        let (half, whole) = (SCRUB_STEP_LEN / 2, SCRUB_STEP_LEN);
        let cases = [
            (half, (1, 10), true, None),
            (half, (1, 10), true, Some(Duration::ZERO)),
            (whole, (1, 10), false, Some(pause_time)),
            (whole, (1, 18), true, Some(pause_time)),
            (whole, (1, 18), true, Some(Duration::ZERO)),
            (half, (2, 18), true, None),
            (half, (2, 18), true, Some(pause_time)),
            (whole, (2, 18), true, Some(Duration::ZERO)),
        ];
        for (at, (len, tip, hurry, pause)) in cases.into_iter().enumerate() {
            assert_eq!(gait.pause_after(len, || tip, hurry), pause, "step {at}");
        }
    }
}
