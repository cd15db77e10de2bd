//! A single-threaded engine over a ledger, for simulations: requests are only decided when a turn
//! is taken.
//!
//! It uses the same [`Engine`] and the same recovery as [`Ledger`]. Calls are queued. A turn is one
//! group commit of all pending requests and runs their completions before it returns. Segments are
//! created on demand and sealed as soon as they are full, inline. So with one caller, the calls and
//! turns determine every operation on the disk.
//!
//! Out of scope: the spare segments of [`crate::segment_pool`] and their zeroing.

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::sync::Mutex;
use engine::{Clock, Committer, Engine, LedgerId, Queue, Request};
use lottery::StoreFault;

use crate::disk::{Disk, DiskFile};
use crate::error::Fault;
use crate::log::{Ledger, Options, SegmentSource};
use crate::recovery::Report;
use crate::segment_pool::{alarm_of, new_segment};
use crate::segments::{Segment, Segments};

/// An engine whose turns the caller takes. Dropping it refuses pending requests.
pub struct SimulatedEngine {
    engine: Engine,
    committer: Mutex<Committer>,
    pending: Arc<AtomicUsize>,
    segments: Segments,
    report: Report,
}

/// A queue that counts the requests waiting for a turn.
struct Counted {
    queue: Box<dyn Queue>,
    pending: Arc<AtomicUsize>,
}

/// The id of every new ledger: fixed, so that a run depends on its seed only.
const ID: LedgerId = LedgerId([7; 16]);

/// A segment source that creates and seals segments inline.
struct Inline {
    disk: Arc<dyn Disk>,
    segment_len: u64,
    alarm: Option<String>,
}

impl SimulatedEngine {
    /// Opens the ledger on `disk`. New segments are `segment_len` bytes long.
    ///
    /// # Errors
    /// As [`Ledger::open`](crate::Ledger::open).
    pub fn open_on(
        disk: Arc<dyn Disk>,
        segment_len: u64,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let options = Options { segment_len, ..Options::new(ID) };
        let ledger = Ledger::open_with(&disk.clone(), options, |_| {
            Ok(Box::new(Inline { disk, segment_len, alarm: None }))
        })?;
        let (report, segments) = (ledger.report(), ledger.segments().clone());
        let (engine, committer) =
            Engine::stepped(Box::new(ledger), clock).expect("it is just opened");
        let pending = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&pending);
        let engine = engine.behind(|queue| Box::new(Counted { queue, pending: counts }));
        Ok(Self { engine, committer: Mutex::new(committer), pending, segments, report })
    }

    /// Returns what recovery found and did.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report
    }

    /// Takes a turn: decides all pending requests, commits them as one group and runs their
    /// completions. Returns whether there were any; `false` while another turn is in progress, for
    /// example when called from a completion.
    pub fn commit_group(&self) -> bool {
        let Ok(mut committer) = self.committer.try_lock() else { return false };
        self.pending.store(0, Ordering::Relaxed);
        committer.commit_group()
    }

    /// Verifies all sealed segments as the scrub does, and returns the flaw of each damaged one.
    #[must_use]
    pub fn scrub_now(&self) -> Vec<String> {
        let segments = self.segments.snapshot();
        let found = segments.iter().filter_map(|it| it.compare(&mut |_| Ok(())).err());
        found.map(|fault| fault.to_string()).collect()
    }

    /// Returns how many requests wait for a turn.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }
}

impl Deref for SimulatedEngine {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Queue for Counted {
    fn put(&self, request: Request) {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.queue.put(request);
    }
}

impl SegmentSource for Inline {
    fn next(&mut self, number: u64) -> Result<Box<dyn DiskFile>, StoreFault> {
        new_segment(&*self.disk, number, self.segment_len)
    }

    fn stock_up(&mut self) {}

    fn index(&mut self, segment: Arc<Segment>) {
        self.alarm = segment.index(|_| {}).err().and_then(alarm_of).or(self.alarm.take());
    }

    fn alarm(&self) -> Option<String> {
        self.alarm.clone()
    }

    fn check_place(&self) -> io::Result<()> {
        self.disk.check_place()
    }
}

#[cfg(test)]
mod tests {
    use engine::conformance::{self, Reopening, TestClock, submit};
    use lottery::{
        AgencyId, AppendError, Appended, Batch, DrawId, DrawTerms, SealedNumber, Timestamp, View,
    };

    use super::*;
    use crate::disk::simulated::{Failure, SimulatedDisk};

    const SEGMENT_LEN: u64 = 96 << 10;

    fn open(disk: &SimulatedDisk) -> SimulatedEngine {
        let clock = Arc::new(TestClock::at(Timestamp(1)));
        SimulatedEngine::open_on(Arc::new(disk.clone()), SEGMENT_LEN, clock).unwrap()
    }

    fn eager(disk: &SimulatedDisk, clock: Arc<TestClock>) -> Engine {
        let SimulatedEngine { engine, committer, .. } =
            SimulatedEngine::open_on(Arc::new(disk.clone()), SEGMENT_LEN, clock).unwrap();
        let committer = committer.into_inner().unwrap();
        engine.behind(|queue| conformance::eager(queue, committer))
    }

    fn on_simulated_disk() -> Reopening {
        let disk = SimulatedDisk::new();
        Reopening::new(move |clock| eager(&disk, clock))
    }

    mod suite {
        engine::conformance_suite!(super::on_simulated_disk());
    }

    #[test]
    fn nothing_is_decided_written_or_answered_before_a_turn() {
        let disk = SimulatedDisk::new();
        let ledger = open(&disk);
        let before = disk.operations();
        let terms = DrawTerms {
            name: lottery::DrawName::new("sorteo").unwrap(),
            agencies: lottery::Agencies::first(1).unwrap(),
            numbers: lottery::NumberRange::default(),
        };
        let opened = submit(|done| ledger.open_draw(terms, SealedNumber(7), done));
        assert_eq!((ledger.pending_count(), disk.operations()), (1, before));
        assert!(ledger.commit_group());
        assert_eq!(opened.answer(), Ok(DrawId(1)));
        assert_eq!(disk.operations(), before + 1);
        assert!(!ledger.commit_group(), "nothing is pending");
    }

    /// Appends batches until a second segment is created or one is refused. Returns the number of
    /// disk operations before the last batch, and its outcome.
    fn fill_a_segment(disk: &SimulatedDisk, ledger: &Engine) -> (u64, Result<(), AppendError>) {
        let terms = DrawTerms {
            name: lottery::DrawName::new("sorteo").unwrap(),
            agencies: lottery::Agencies::first(1).unwrap(),
            numbers: lottery::NumberRange::default(),
        };
        submit(|done| ledger.open_draw(terms, SealedNumber(7), done)).answer().unwrap();
        let mut chunk = 0;
        loop {
            let before = disk.operations();
            let outcome = append(ledger, chunk);
            if outcome.is_err() || disk.names().unwrap().len() > 1 {
                return (before, outcome.map(drop));
            }
            chunk += 1;
        }
    }

    fn append(ledger: &Engine, chunk: u32) -> Result<Appended, AppendError> {
        let text = vec!["Ana|Díaz|30904465|1990-01-02|7"; 200].join("&");
        let bets = lottery::Bets::parse(&text, lottery::NumberRange::default()).unwrap();
        let (draw, agency, chunk) = (DrawId(1), AgencyId(1), lottery::ChunkId(chunk));
        let batch = Batch { draw, agency, chunk, bets };
        submit(|done| ledger.append(batch, done)).answer()
    }

    #[test]
    fn what_was_decided_and_not_written_is_not_in_the_view() {
        for failure in [Failure::NotDurable, Failure::Forgotten, Failure::Clean] {
            let disk = SimulatedDisk::new();
            let ledger = open(&disk);
            let terms = DrawTerms {
                name: lottery::DrawName::new("sorteo").unwrap(),
                agencies: lottery::Agencies::first(2).unwrap(),
                numbers: lottery::NumberRange::default(),
            };
            let opened = submit(|done| {
                ledger.open_draw(terms.clone(), SealedNumber(7), done);
            });
            ledger.commit_group();
            assert_eq!(opened.answer(), Ok(DrawId(1)));
            let shown = |view: &View| {
                let agencies = view.all_agencies(DrawId(1)).collect::<Vec<_>>();
                (view.draw(DrawId(1)), agencies, view.draw_count(), view.registered_count())
            };
            let before = shown(ledger.view());
            disk.fail_after(0, failure);
            let other = DrawTerms { name: lottery::DrawName::new("otro").unwrap(), ..terms };
            let other = submit(|done| {
                ledger.open_draw(other, SealedNumber(7), done);
            });
            let finished = submit(|done| ledger.finish(DrawId(1), AgencyId(1), done));
            let bets = lottery::Bets::none();
            let (draw, agency, chunk) = (DrawId(1), AgencyId(2), lottery::ChunkId(0));
            let batch = Batch { draw, agency, chunk, bets };
            let appended = submit(|done| ledger.append(batch, done));
            ledger.commit_group();
            assert!(other.answer().is_err() && finished.answer().is_err(), "{failure:?}");
            assert!(appended.answer().is_err(), "{failure:?}");
            assert_eq!(shown(ledger.view()), before, "{failure:?}");
            // Nor does a later request bring it there.
            drop(submit(|done| ledger.check(done)));
            ledger.commit_group();
            assert_eq!(shown(ledger.view()), before, "{failure:?}");
        }
    }

    #[test]
    fn after_a_segment_could_not_be_made_nothing_is_tried_again() {
        let disk = SimulatedDisk::new();
        let (sound, outcome) = fill_a_segment(&disk, &eager(&disk, Arc::default()));
        outcome.unwrap();
        // The file's creation, allocation and sync, the sync of names, and the header's write.
        for step in 0..5 {
            let disk = SimulatedDisk::new();
            let ledger = eager(&disk, Arc::default());
            disk.fail_after(sound - disk.operations() + step, Failure::Forgotten);
            let (_, outcome) = fill_a_segment(&disk, &ledger);
            assert!(matches!(outcome, Err(AppendError::Store(StoreFault::Failed(_)))));
            let tried = disk.operations();
            for chunk in 1_000..1_003 {
                assert!(append(&ledger, chunk).is_err(), "step {step}");
            }
            assert_eq!(disk.operations(), tried, "step {step}");
        }
    }

    #[test]
    fn what_is_pending_when_it_is_dropped_is_refused() {
        let ledger = open(&SimulatedDisk::new());
        let checked = submit(|done| ledger.check(done));
        drop(ledger);
        assert_eq!(checked.answer(), Err(StoreFault::Closed));
    }
}

#[cfg(all(test, models))]
mod models;
