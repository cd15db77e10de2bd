//! Models of the whole ledger, with its callers, committing thread and pool, under many schedules:
//! every request is answered, and what an answer says is durable by then.
#![allow(clippy::unwrap_used, reason = "tests, under more conditions than clippy knows")]

use std::ops::ControlFlow;
use std::sync::{LazyLock, Mutex as StdMutex};

use engine::Engine;
use engine::conformance::TestClock;
use engine::sync::mpsc::{self, Receiver};
use engine::sync::thread::{self, JoinHandle};
use lottery::{
    Agencies, AgencyId, AppendError, Batch, Bets, ChunkId, DrawId, DrawName, DrawTerms,
    NumberRange, OpenDrawError, ReadError,
};
use shuttle::rand::Rng;

use super::*;
use crate::disk::simulated::Failure;
use crate::models::{HeldDisk, every_schedule, planted, sampled};

const OPTIONS: Options = Options { id: LedgerId([7; 16]), segment_len: SEGMENT_LEN_MIN, spares: 1 };
const DRAW: DrawId = DrawId(1);
const NUMBER: u32 = 7;
/// Roughly how many disk operations a run with two segments does after its start.
const OPERATIONS: u64 = 16;

/// Two of these do not fit one segment.
static LARGE: LazyLock<Bets> = LazyLock::new(|| {
    let bet = |at: u32| format!("Ana|Díaz|{}|1990-01-02|{}", 10_000_000 + at, at % 100);
    parse(&(0..1_500).map(bet).collect::<Vec<_>>().join("&"))
});
static SMALL: LazyLock<Bets> = LazyLock::new(|| parse("Ana|Díaz|30904465|1999-03-17|7"));

/// An open ledger and what it has acknowledged.
#[derive(Clone)]
struct Run {
    ledger: Arc<Engine>,
    disk: HeldDisk,
    told: Told,
}

/// The acknowledged facts, each with the disk after a crash at that moment. Its lock is not the
/// checker's: it is never held across a thread switch.
#[derive(Clone, Default)]
struct Told(Arc<StdMutex<Vec<(Fact, HeldDisk)>>>);

#[derive(Clone, Copy, Debug)]
enum Fact {
    Opened,
    /// So many chunks of an agency.
    Stored(AgencyId, u32),
    Finished(AgencyId),
}

/// An answer that may not have arrived yet.
struct Pending<T>(Receiver<T>);

impl<T> Pending<T> {
    fn answer(self) -> T {
        self.0.recv().expect("every completion is run")
    }
}

impl Told {
    fn note(&self, fact: Fact, disk: &HeldDisk) {
        let left = disk.crash();
        self.0.lock().unwrap().push((fact, left));
    }

    /// Checks that each fact was durable when it was acknowledged, and is now.
    fn check(&self, disk: &HeldDisk) {
        let at_last = recovered(&disk.crash());
        let told = std::mem::take(&mut *self.0.lock().unwrap());
        for (fact, left) in told {
            assert!(fact.holds(&recovered(&left)), "{fact:?} was told before it was durable");
            assert!(fact.holds(&at_last), "{fact:?} was told, and is gone");
        }
    }
}

impl Fact {
    fn holds(self, draws: &lottery::Draws) -> bool {
        let of = |agency| draws.progress(DRAW, agency);
        match self {
            Self::Opened => draws.statuses().len() == 1,
            Self::Stored(agency, chunks) => {
                of(agency).is_ok_and(|progress| progress.chunks_stored >= chunks.into())
            }
            Self::Finished(agency) => of(agency).is_ok_and(|progress| progress.finished),
        }
    }
}

impl Run {
    /// Opens a ledger with a draw of `agencies`.
    fn begin(disk: HeldDisk, agencies: u32) -> Self {
        let ledger = Ledger::open_on(Arc::new(disk.clone()), OPTIONS).unwrap();
        let ledger =
            Arc::new(Engine::start(Box::new(ledger), Arc::<TestClock>::default()).unwrap());
        let run = Self { ledger, disk, told: Told::default() };
        assert_eq!(run.open_draw(agencies), Ok(DRAW));
        run
    }

    /// Returns a completion that records a success and forwards the answer, and the pending answer.
    fn done<T: Send + 'static, E: Send + 'static>(
        &self,
        fact: Fact,
    ) -> (engine::Done<Result<T, E>>, Pending<Result<T, E>>) {
        let (sender, receiver) = mpsc::channel();
        let (told, disk) = (self.told.clone(), self.disk.clone());
        let done = move |outcome: Result<T, E>| {
            if outcome.is_ok() {
                told.note(fact, &disk);
            }
            // The receiver may be gone.
            let _ = sender.send(outcome);
        };
        (Box::new(done), Pending(receiver))
    }

    fn open_draw(&self, agencies: u32) -> Result<DrawId, OpenDrawError> {
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Agencies::first(agencies).unwrap(),
            numbers: NumberRange::default(),
        };
        let (done, pending) = self.done(Fact::Opened);
        self.ledger.open_draw(terms, lottery::SealedNumber(NUMBER), done);
        pending.answer()
    }

    fn append(
        &self,
        agency: u32,
        chunk: u32,
        bets: &Bets,
    ) -> Pending<Result<lottery::Appended, AppendError>> {
        let agency = AgencyId(agency);
        let (done, pending) = self.done(Fact::Stored(agency, chunk + 1));
        let batch = Batch { draw: DRAW, agency, chunk: ChunkId(chunk), bets: bets.clone() };
        self.ledger.append(batch, done);
        pending
    }

    fn finish(&self, agency: u32) -> Pending<Result<lottery::Finished, lottery::FinishError>> {
        let (done, pending) = self.done(Fact::Finished(AgencyId(agency)));
        self.ledger.finish(DRAW, AgencyId(agency), done);
        pending
    }

    /// Returns an agency's chunks as a reader finds them, in log order.
    fn scan(&self, agency: u32) -> Vec<u32> {
        let mut chunks = Vec::new();
        let scanned = self.ledger.scan(DRAW, &mut |batch| {
            if batch.agency == AgencyId(agency) {
                chunks.push(batch.chunk.0);
            }
            ControlFlow::Continue(())
        });
        scanned.unwrap();
        chunks
    }

    /// Drops the ledger and returns what is needed to check its end.
    fn leave(self) -> (HeldDisk, Told) {
        (self.disk, self.told)
    }
}

fn parse(text: &str) -> Bets {
    Bets::parse(text, NumberRange::default()).unwrap()
}

fn recovered(disk: &HeldDisk) -> lottery::Draws {
    let _lock = disk.lock(Claim::Write).unwrap();
    recovery::recover(disk).unwrap().draws
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new().spawn(work).unwrap()
}

/// Each caller submits all its requests, drops the ledger, and only then reads the answers.
fn callers_share_groups() {
    let run = Run::begin(HeldDisk::new(), 2);
    let callers = [1, 2].map(|agency| {
        let run = run.clone();
        spawn(move || {
            let (first, second) = (run.append(agency, 0, &SMALL), run.append(agency, 1, &SMALL));
            let finished = run.finish(agency);
            drop(run);
            // Requests are decided in call order: an append after the finish would be refused.
            assert!(first.answer().is_ok() && second.answer().is_ok());
            assert!(finished.answer().is_ok());
        })
    });
    let (disk, told) = run.leave();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    told.check(&disk);
}

/// Every batch starts a new segment, concurrently with another caller and readers.
fn segments_are_left_one_by_one() {
    let run = Run::begin(HeldDisk::new(), 2);
    let other = run.clone();
    let other = spawn(move || {
        assert!(other.append(2, 0, &SMALL).answer().is_ok());
        assert_eq!(other.scan(2), [0], "what was acknowledged is found");
    });
    for chunk in 0..3 {
        assert!(run.append(1, chunk, &LARGE).answer().is_ok());
        assert_eq!(run.scan(1), (0..=chunk).collect::<Vec<_>>());
    }
    other.join().unwrap();
    let (disk, told) = run.leave();
    told.check(&disk);
}

/// The ledger is dropped by its completion or by its caller, whichever is later.
fn the_last_to_let_go_may_be_a_completion() {
    let run = Run::begin(HeldDisk::new(), 1);
    let pending = run.append(1, 0, &SMALL);
    let (holder, (gone, left)) = (Arc::clone(&run.ledger), mpsc::channel());
    run.ledger.check(move |checked| {
        assert!(checked.is_ok());
        drop(holder);
        let _ = gone.send(());
    });
    let (disk, told) = run.leave();
    left.recv().expect("every completion is run");
    assert!(pending.answer().is_ok());
    // The ledger's own thread may still be ending.
    match Ledger::open_on(Arc::new(disk.clone()), OPTIONS) {
        Err(Fault::InUse) => {}
        Err(other) => panic!("{other}"),
        Ok(again) => assert_eq!(again.report().records, 2),
    }
    told.check(&disk);
}

/// There is no space for a second segment for a while.
fn room_is_short_for_a_while() {
    let run = Run::begin(HeldDisk::new(), 1);
    run.disk.disk.limit_room(Some(0));
    let asked = [run.append(1, 0, &LARGE), run.append(1, 1, &LARGE), run.append(1, 2, &LARGE)];
    let outcomes = asked.map(Pending::answer);
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok(), "one segment was ready: {outcomes:?}");
    let is_full = matches!(outcomes[2], Err(AppendError::Store(StoreFault::Full(_))));
    assert!(is_full, "{outcomes:?}");
    run.disk.disk.limit_room(None);
    // An attempt of the pool in progress may fail once more, but none after it.
    let again = run.append(1, 2, &LARGE).answer();
    assert!(again.is_ok() || run.append(1, 2, &LARGE).answer().is_ok(), "there is room again");
    let (disk, told) = run.leave();
    told.check(&disk);
}

/// The disk fails at some operation of the pool or the writer, and at all later ones.
fn the_disk_fails() {
    let run = Run::begin(HeldDisk::new(), 1);
    let after = shuttle::rand::thread_rng().gen_range(0..OPERATIONS);
    run.disk.disk.fail_after(after, Failure::NotDurable);
    let asked = [run.append(1, 0, &LARGE), run.append(1, 1, &SMALL), run.append(1, 2, &LARGE)];
    let (disk, told) = run.leave();
    let stored = asked.map(Pending::answer).map(|outcome| outcome.is_ok());
    assert!(stored.is_sorted_by(|before, after| before >= after), "good after bad: {stored:?}");
    told.check(&disk);
}

/// Both agencies finish; the one that learns that all have makes the draw and asks for winners.
fn the_last_to_finish_makes_the_draw() {
    let run = Run::begin(HeldDisk::new(), 2);
    let callers = [1, 2].map(|agency| {
        let run = run.clone();
        spawn(move || {
            let _ = run.append(agency, 0, &SMALL);
            let finished = run.finish(agency).answer().unwrap();
            let early = run.ledger.winners(DRAW);
            // The winners of both agencies.
            let full = |winners: &lottery::Winners| winners.iter().count() == 2;
            assert!(
                early.as_ref().map_or_else(|error| *error == ReadError::NotDrawn, full),
                "winners are those of the draw, or none: {early:?}"
            );
            if !finished.all {
                return 0;
            }
            // Twice at once, as by an agency that retries.
            let twice = run.clone();
            let twice = spawn(move || twice.finish(agency).answer());
            let again = [run.finish(agency).answer(), twice.join().unwrap()];
            assert!(again.into_iter().all(|again| again.is_ok_and(|it| it.repeated && it.all)));
            assert!(run.ledger.winners(DRAW).is_ok_and(|winners| full(&winners)));
            1
        })
    });
    let (disk, told) = run.leave();
    let made: u32 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
    assert_eq!(made, 1, "one draw is made");
    told.check(&disk);
}

#[test]
fn what_is_acknowledged_is_durable_and_in_the_order_of_the_calls() {
    every_schedule(1, callers_share_groups);
    sampled(4_000, callers_share_groups);
}

#[test]
fn segments_are_changed_and_sealed_beside_callers_and_readers() {
    sampled(2_000, segments_are_left_one_by_one);
}

#[test]
fn the_folder_is_released_after_the_last_write() {
    every_schedule(1, the_last_to_let_go_may_be_a_completion);
    sampled(4_000, the_last_to_let_go_may_be_a_completion);
}

#[test]
fn want_of_room_is_answered_and_passes() {
    sampled(2_000, room_is_short_for_a_while);
}

#[test]
fn every_request_is_answered_when_the_disk_fails() {
    sampled(4_000, the_disk_fails);
}

#[test]
fn one_draw_is_made_and_winners_are_read_only_after() {
    sampled(4_000, the_last_to_finish_makes_the_draw);
}

#[test]
#[should_panic(expected = "was told before it was durable")]
fn an_answer_before_its_record_is_durable_would_be_found() {
    planted(0, || {
        let (disk, told) = Run::begin(HeldDisk::forgetful(), 1).leave();
        told.check(&disk);
    });
}
