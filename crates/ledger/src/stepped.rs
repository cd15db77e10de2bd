//! The store without threads, for simulations: nothing happens until it is told to take a turn.
//!
//! The same [`Engine`] and the same recovery as [`Ledger`](crate::Ledger). Calls queue; a turn is
//! one group commit of what is pending, and runs the completions before it returns. Segments are
//! made when they are needed and sealed as soon as they are full, inline. So with one caller all
//! that a run does to its disk follows from the calls and turns alone.
//!
//! Deliberately absent: what [`crate::keeper`] is for, spare segments and their zeroing.

use std::io;
use std::sync::{Arc, PoisonError};

use lottery::planted::{Bug, planted};
use lottery::{StoreFault, View};

use crate::contract::{RunsEngine, store_by_requests};
use crate::disk::{Claim, Disk, DiskFile};
use crate::engine::{Engine, Request, SegmentSource};
use crate::error::Fault;
use crate::keeper::{alarm_of, new_segment};
use crate::ledger::{check_segment_len, refused, take};
use crate::limits::GROUP_REQUESTS_MAX;
use crate::record::LedgerId;
use crate::recovery::{self, Report};
use crate::segments::{Segment, Segments};
use crate::sync::{Mutex, MutexGuard};

/// See the module's documentation. Dropping it refuses what is pending.
pub struct SteppedLedger {
    pending: Mutex<Vec<Request>>,
    engine: Mutex<Engine>,
    view: View,
    segments: Segments,
    report: Report,
    _lock: Option<Box<dyn Send + Sync>>,
}

/// Of every new ledger: what a run does follows from its seed.
const ID: LedgerId = LedgerId([7; 16]);

/// Makes and seals segments where it is called.
struct Inline {
    disk: Arc<dyn Disk>,
    segment_len: u64,
    alarm: Option<String>,
}

impl SteppedLedger {
    /// Opens the ledger on `disk`; new segments are `segment_len` bytes long.
    ///
    /// # Errors
    /// As [`Ledger::open`](crate::Ledger::open).
    pub fn open_on(disk: Arc<dyn Disk>, segment_len: u64) -> Result<Self, Fault> {
        check_segment_len(segment_len)?;
        let lock = take(&*disk, Claim::Write)?;
        let recovered = recovery::recover(&*disk)?;
        let (segments, report) = (recovered.segments.clone(), recovered.report);
        let source = Inline { disk, segment_len, alarm: None };
        let mut engine = Engine::new(recovered, Box::new(source), segment_len, ID)?;
        engine.start().map_err(refused)?;
        let view = engine.view().clone();
        let (pending, engine) = (Mutex::new(Vec::new()), Mutex::new(engine));
        let lock = (!planted(Bug::LockReleasedEarly)).then_some(lock);
        Ok(Self { pending, engine, view, segments, report, _lock: lock })
    }

    /// What was found and done at opening.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report
    }

    /// Decides what is pending, makes it durable and runs the completions, as one group commit.
    /// Says whether there was something; not while another turn is under way, which is so for a
    /// completion that asks.
    pub fn turn(&self) -> bool {
        // Before the requests are taken, so that they are decided in the order of the calls.
        let Ok(mut engine) = self.engine.try_lock() else { return false };
        let mut pending = self.pending();
        let count = pending.len().min(GROUP_REQUESTS_MAX);
        let requests: Vec<_> = pending.drain(..count).collect();
        // Completions may call.
        drop(pending);
        if count > 0 {
            engine.turn(requests.into_iter());
        }
        count > 0
    }

    /// Reads all sealed segments as the scrub does; says what is wrong with each that is damaged.
    #[must_use]
    pub fn scrub_now(&self) -> Vec<String> {
        let segments = self.segments.snapshot();
        let found = segments.iter().filter_map(|it| it.compare(&mut |_| Ok(())).err());
        found.map(|fault| fault.to_string()).collect()
    }

    /// How many calls wait for a turn.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending().len()
    }

    fn pending(&self) -> MutexGuard<'_, Vec<Request>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunsEngine for SteppedLedger {
    fn submit(&self, request: Request) {
        self.pending().push(request);
    }

    fn published(&self) -> &View {
        &self.view
    }

    fn segments(&self) -> &Segments {
        &self.segments
    }
}

store_by_requests!(SteppedLedger);

impl Drop for SteppedLedger {
    fn drop(&mut self) {
        let pending = std::mem::take(&mut *self.pending());
        for request in pending {
            request.refuse(StoreFault::Closed);
        }
    }
}

impl SegmentSource for Inline {
    fn next(&mut self, number: u64) -> Result<Box<dyn DiskFile>, StoreFault> {
        new_segment(&*self.disk, number, self.segment_len)
    }

    fn stock_up(&mut self) {}

    fn seal(&mut self, segment: Arc<Segment>) {
        self.alarm = segment.seal(|_| {}).err().and_then(alarm_of).or(self.alarm.take());
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
    use std::ops::ControlFlow;

    use lottery::conformance::{Subject, submit};
    use lottery::{
        ActError, Acted, AgencyId, AgencyProgress, AppendError, Appended, Batch, Done, DrawId,
        DrawTerms, FinishError, Finished, Judge, OpenDrawError, ProgressError, ReadError,
        SealedNumber, Signed, Store, StoredBatch, Timestamp, Trace, Winners,
    };

    use super::*;
    use crate::disk::simulated::{Failure, SimulatedDisk};

    const SEGMENT_LEN: u64 = 96 << 10;

    fn open(disk: &SimulatedDisk) -> Arc<SteppedLedger> {
        Arc::new(SteppedLedger::open_on(Arc::new(disk.clone()), SEGMENT_LEN).unwrap())
    }

    /// Takes a turn after each call.
    struct Eager(Arc<SteppedLedger>);

    impl Eager {
        fn then_turn<T>(&self, call: impl FnOnce(&SteppedLedger) -> T) -> T {
            let given = call(&self.0);
            // Who finds another turning may leave: that one looks again when its turn is over.
            while self.0.pending_count() > 0 && self.0.turn() {}
            given
        }
    }

    impl Store for Eager {
        fn open_draw(
            &self,
            terms: DrawTerms,
            number: SealedNumber,
            at: Timestamp,
            done: Done<Result<DrawId, OpenDrawError>>,
        ) {
            self.then_turn(|ledger| ledger.open_draw(terms, number, at, done));
        }

        fn append(&self, batch: Batch, at: Timestamp, done: Done<Result<Appended, AppendError>>) {
            self.then_turn(|ledger| ledger.append(batch, at, done));
        }

        fn finish(
            &self,
            draw: DrawId,
            agency: AgencyId,
            at: Timestamp,
            done: Done<Result<Finished, FinishError>>,
        ) {
            self.then_turn(|ledger| ledger.finish(draw, agency, at, done));
        }

        fn view(&self) -> &View {
            self.0.view()
        }

        fn progress(
            &self,
            draw: DrawId,
            agency: AgencyId,
            done: Done<Result<AgencyProgress, ProgressError>>,
        ) {
            self.then_turn(|ledger| ledger.progress(draw, agency, done));
        }

        fn check(&self, done: Done<Result<(), StoreFault>>) {
            self.then_turn(|ledger| ledger.check(done));
        }

        fn winners(&self, draw: DrawId) -> Result<Winners, ReadError> {
            self.then_turn(|ledger| ledger.winners(draw))
        }

        fn scan(
            &self,
            draw: DrawId,
            visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
        ) -> Result<(), ReadError> {
            self.then_turn(|ledger| ledger.scan(draw, visit))
        }

        fn act(
            &self,
            signed: Signed,
            judge: Judge,
            at: Timestamp,
            done: Done<Result<Acted, ActError>>,
        ) {
            self.then_turn(|ledger| ledger.act(signed, judge, at, done));
        }

        fn trail(
            &self,
            from: u64,
            visit: &mut dyn FnMut(Trace) -> ControlFlow<()>,
        ) -> Result<(), ReadError> {
            self.then_turn(|ledger| ledger.trail(from, visit))
        }
    }

    struct OnSimulatedDisk {
        disk: SimulatedDisk,
        eager: Option<Arc<Eager>>,
    }

    impl OnSimulatedDisk {
        fn new() -> Self {
            let disk = SimulatedDisk::new();
            let eager = Some(Arc::new(Eager(open(&disk))));
            Self { disk, eager }
        }
    }

    impl Subject for OnSimulatedDisk {
        fn store(&self) -> Arc<dyn Store> {
            Arc::clone(self.eager.as_ref().unwrap()) as Arc<dyn Store>
        }

        fn reopen(&mut self) {
            let eager = Arc::into_inner(self.eager.take().unwrap());
            drop(eager.expect("a check lets go of the store before it reopens"));
            self.eager = Some(Arc::new(Eager(open(&self.disk))));
        }
    }

    mod suite {
        lottery::conformance_suite!(super::OnSimulatedDisk::new());
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
        let opened = submit(|done| ledger.open_draw(terms, SealedNumber(7), Timestamp(1), done));
        assert_eq!((ledger.pending_count(), disk.operations()), (1, before));
        assert!(ledger.turn());
        assert_eq!(opened.answer(), Ok(DrawId(1)));
        assert_eq!(disk.operations(), before + 1);
        assert!(!ledger.turn(), "nothing is pending");
    }

    /// Appends batches until the ledger goes on to a second segment, or refuses. How many
    /// operations the disk had done before the last one.
    fn fill_a_segment(disk: &SimulatedDisk, ledger: &Eager) -> (u64, Result<(), AppendError>) {
        let terms = DrawTerms {
            name: lottery::DrawName::new("sorteo").unwrap(),
            agencies: lottery::Agencies::first(1).unwrap(),
            numbers: lottery::NumberRange::default(),
        };
        submit(|done| ledger.open_draw(terms, SealedNumber(7), Timestamp(1), done))
            .answer()
            .unwrap();
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

    fn append(ledger: &Eager, chunk: u32) -> Result<Appended, AppendError> {
        let text = vec!["Ana|Díaz|30904465|1990-01-02|7"; 200].join("&");
        let bets = lottery::Bets::parse(&text, lottery::NumberRange::default()).unwrap();
        let (draw, agency, chunk) = (DrawId(1), AgencyId(1), lottery::ChunkId(chunk));
        let batch = Batch { draw, agency, chunk, bets };
        submit(|done| ledger.append(batch, Timestamp(1), done)).answer()
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
                ledger.open_draw(terms.clone(), SealedNumber(7), Timestamp(1), done);
            });
            ledger.turn();
            assert_eq!(opened.answer(), Ok(DrawId(1)));
            let shown = |view: &View| {
                let agencies = view.all_agencies(DrawId(1)).collect::<Vec<_>>();
                (view.draw(DrawId(1)), agencies, view.draw_count(), view.registered_count())
            };
            let before = shown(ledger.view());
            disk.fail_after(0, failure);
            let other = DrawTerms { name: lottery::DrawName::new("otro").unwrap(), ..terms };
            let other = submit(|done| {
                ledger.open_draw(other, SealedNumber(7), Timestamp(1), done);
            });
            let finished = submit(|done| ledger.finish(DrawId(1), AgencyId(1), Timestamp(1), done));
            let bets = lottery::Bets::none();
            let (draw, agency, chunk) = (DrawId(1), AgencyId(2), lottery::ChunkId(0));
            let batch = Batch { draw, agency, chunk, bets };
            let appended = submit(|done| ledger.append(batch, Timestamp(1), done));
            ledger.turn();
            assert!(other.answer().is_err() && finished.answer().is_err(), "{failure:?}");
            assert!(appended.answer().is_err(), "{failure:?}");
            assert_eq!(shown(ledger.view()), before, "{failure:?}");
            // Nor does it get there with what is asked next.
            drop(submit(|done| ledger.check(done)));
            ledger.turn();
            assert_eq!(shown(ledger.view()), before, "{failure:?}");
        }
    }

    #[test]
    fn after_a_segment_could_not_be_made_nothing_is_tried_again() {
        let disk = SimulatedDisk::new();
        let (sound, outcome) = fill_a_segment(&disk, &Eager(open(&disk)));
        outcome.unwrap();
        // Its creation, length, sync and name, and its header.
        for step in 0..5 {
            let disk = SimulatedDisk::new();
            let ledger = Eager(open(&disk));
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
