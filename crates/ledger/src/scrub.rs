//! The scrub: a slow reading of all sealed segments, bets too, on a thread of its own.
//!
//! Opening leaves the batches of sealed segments unread. The scrub reads them, once after opening
//! and again at an interval: whether the records are those that were acknowledged, and the index is
//! theirs. It waits after each part that it read, so that intake does not notice, and between two
//! passes it sleeps.
//!
//! Damage changes nothing by itself: it is kept and told. What is read for somebody is compared all
//! the same, and intake goes on.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::error::Fault;
use crate::limits::{SCRUB_INTERVAL_TIME, SCRUB_PAUSE_TIME, SCRUB_STEP_LEN};
use crate::segments::{Segment, Segments};
use engine::sync::thread::{self, JoinHandle};
use engine::sync::{Condvar, Mutex, MutexGuard, wait_at_most};

/// A scrub at work. Dropping it ends it.
pub struct Scrub {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How fast a scrub reads, and how often.
#[derive(Clone, Copy, Debug)]
pub struct ScrubPace {
    /// How long it waits after each [`SCRUB_STEP_LEN`] bytes.
    pub pause_time: Duration,
    /// How long it waits between the end of one pass and the next.
    pub interval_time: Duration,
}

/// What a scrub has to tell, as it happens.
pub enum ScrubNews<'a> {
    /// A segment is not as it was written, or can't be read.
    Damaged(&'a Fault),
    /// All segments that were sealed when it began were read; so many were sound.
    Passed {
        /// How many.
        sound: u64,
    },
}

/// What a scrub has found so far, for whoever asks.
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
    /// By the number of the segment.
    damage: BTreeMap<u64, String>,
}

type Tell = Box<dyn Fn(ScrubNews<'_>) + Send>;

impl Default for ScrubPace {
    fn default() -> Self {
        Self { pause_time: SCRUB_PAUSE_TIME, interval_time: SCRUB_INTERVAL_TIME }
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

    /// What it finds, also after it has ended.
    #[must_use]
    pub fn findings(&self) -> ScrubFindings {
        ScrubFindings(Arc::clone(&self.shared))
    }
}

impl Drop for Scrub {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic hook, and the thread changes nothing.
            let _ = thread.join();
        }
    }
}

impl ScrubFindings {
    /// How many times all sealed segments were read.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.0.lock().passes
    }

    /// How many segments were not as they were written when they were last read.
    #[must_use]
    pub fn damaged_segments(&self) -> u64 {
        self.0.lock().damage.len() as u64
    }

    /// What is wrong with the first of them.
    #[must_use]
    pub fn first_damage(&self) -> Option<String> {
        self.0.lock().damage.values().next().cloned()
    }
}

impl Shared {
    fn run(&self, segments: &Segments, pace: ScrubPace, tell: &Tell) {
        loop {
            let mut sound = 0;
            for segment in segments.snapshot() {
                if segment.index.get().is_none() {
                    continue;
                }
                let Some(found) = self.read(&segment, pace) else { return };
                sound += u64::from(found.is_ok());
                if let Err(fault) = found {
                    tell(ScrubNews::Damaged(&fault));
                }
            }
            self.lock().passes += 1;
            tell(ScrubNews::Passed { sound });
            if self.wait(pace.interval_time) {
                return;
            }
        }
    }

    /// Reads a segment; nothing when that was broken off because the scrub ends.
    fn read(&self, segment: &Segment, pace: ScrubPace) -> Option<Result<(), Fault>> {
        let mut unpaused = 0;
        let found = segment.compare(&mut |len| {
            unpaused += len;
            if unpaused < SCRUB_STEP_LEN {
                return Ok(());
            }
            unpaused = 0;
            if self.wait(pace.pause_time) { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
        });
        let mut state = self.lock();
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

    /// Waits; says whether the scrub ends.
    fn wait(&self, time: Duration) -> bool {
        let state = self.lock();
        state.closing || wait_at_most(&self.changed, &self.state, state, time).closing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
