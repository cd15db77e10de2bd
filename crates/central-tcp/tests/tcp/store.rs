//! A test engine that answers at once, holds changes back, is full, or fails, as a test selects.

use std::ops::{ControlFlow, Deref};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use engine::conformance::{TestClock, eager};
use engine::{
    Chain, Engine, Entry, Gone, LedgerId, Log, MemoryLog, News, Queue, Reader, Record, Recovered,
    Request,
};
use lottery::{
    AuditSpan, Bet, BetName, DrawId, Event, StoreFault, StoredBatch, StoredEvent, Timestamp,
    WinningResult,
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{oneshot, watch};

/// The time of the clock, unless a test sets it.
pub(crate) const NOW: u64 = 1_724_278_275_000;

/// Timeout for a change to reach the store, so that a test fails instead of hanging.
const HELD_TIME_MAX: Duration = Duration::from_secs(10);

/// How changes are handled.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    Works,
    /// They wait for [`TestStore::release`].
    Holds,
    /// They are refused.
    Refuses(StoreFault),
    /// They are dropped without an answer.
    Drops,
}

/// Returns a guard and a receiver that is notified after [`HELD_TIME_MAX`], or when the guard is
/// dropped. Uses the system's clock, since a test's clock may stand still or jump.
fn too_late() -> (std::sync::mpsc::Sender<()>, oneshot::Receiver<()>) {
    let (waiting, waits) = std::sync::mpsc::channel();
    let (over, is_over) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = waits.recv_timeout(HELD_TIME_MAX);
        let _ = over.send(());
    });
    (waiting, is_over)
}

pub(crate) struct TestStore {
    engine: Arc<Engine>,
    pub(crate) clock: Arc<TestClock>,
    control: Arc<Control>,
}

/// What a test controls and counts.
struct Control {
    mode: Mutex<Mode>,
    held: Mutex<Vec<Request>>,
    held_count: watch::Sender<usize>,
    queue: Mutex<Option<Arc<dyn Queue>>>,
    unreadable: AtomicBool,
    winners_read: AtomicUsize,
    changes_asked: AtomicUsize,
    checked: Mutex<Result<(), Gone>>,
}

struct Controlled(Arc<Control>);

struct CheckedLog(MemoryLog, Arc<Control>);

struct CountedReader(Arc<dyn Reader>, Arc<Control>);

impl Default for TestStore {
    fn default() -> Self {
        let clock = Arc::new(TestClock::at(Timestamp(NOW)));
        let control = Arc::new(Control {
            mode: Mutex::new(Mode::Works),
            held: Mutex::default(),
            held_count: watch::channel(0).0,
            queue: Mutex::default(),
            unreadable: AtomicBool::new(false),
            winners_read: AtomicUsize::new(0),
            changes_asked: AtomicUsize::new(0),
            checked: Mutex::new(Ok(())),
        });
        let log = CheckedLog(MemoryLog::new(LedgerId([7; 16])), Arc::clone(&control));
        let (engine, committer) = Engine::stepped(Box::new(log), Arc::clone(&clock) as _).unwrap();
        let (of_queue, of_reader) = (Arc::clone(&control), Arc::clone(&control));
        let engine = engine
            .behind(|queue| {
                *of_queue.queue.lock() = Some(eager(queue, committer).into());
                Box::new(Controlled(of_queue))
            })
            .read_by(|reader| Arc::new(CountedReader(reader, of_reader)));
        Self { engine: Arc::new(engine), clock, control }
    }
}

impl Deref for TestStore {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

#[allow(dead_code, reason = "each test file uses its part")]
impl TestStore {
    pub(crate) fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.control.mode.lock() = mode;
    }

    /// Sets the result of checks from now on.
    pub(crate) fn set_checked(&self, checked: Result<(), Gone>) {
        *self.control.checked.lock() = checked;
    }

    pub(crate) fn set_unreadable(&self, unreadable: bool) {
        self.control.unreadable.store(unreadable, Ordering::Relaxed);
    }

    /// Returns how often winners were read.
    pub(crate) fn winners_read(&self) -> usize {
        self.control.winners_read.load(Ordering::Relaxed)
    }

    /// Returns how many changes were requested.
    pub(crate) fn changes_asked(&self) -> usize {
        self.control.changes_asked.load(Ordering::Relaxed)
    }

    /// Waits until this many changes are held back.
    ///
    /// # Panics
    /// If they do not arrive within [`HELD_TIME_MAX`].
    pub(crate) async fn holds(&self, count: usize) {
        let mut held = self.control.held_count.subscribe();
        let (_waiting, is_over) = too_late();
        tokio::select! {
            held = held.wait_for(|held| *held >= count) => drop(held.unwrap()),
            _ = is_over => panic!(
                "{} changes are held back and not {count}, {HELD_TIME_MAX:?} later",
                self.held()
            ),
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.control.held().len()
    }

    /// Lets the oldest `count` held changes be decided.
    pub(crate) fn release(&self, count: usize) {
        let released: Vec<_> = self.control.held().drain(..count).collect();
        self.control.pass_on(released);
    }

    /// Lets the newest held change be decided before the older ones.
    pub(crate) fn release_last(&self) {
        let last = self.control.held().pop().unwrap();
        self.control.pass_on(vec![last]);
    }

    /// Lets all held changes be decided, and holds no more.
    pub(crate) fn release_all(&self) {
        self.set(Mode::Works);
        self.release(self.held());
    }

    /// Returns how many bets are stored.
    pub(crate) fn bets(&self) -> u64 {
        self.view().all_draws().map(|draw| draw.bets).sum()
    }
}

impl Control {
    fn held(&self) -> MutexGuard<'_, Vec<Request>> {
        self.held.lock()
    }

    fn pass_on(&self, released: Vec<Request>) {
        self.held_count.send_modify(|held| *held -= released.len());
        released.into_iter().for_each(|request| self.put(request));
    }

    fn put(&self, request: Request) {
        let queue = Arc::clone(self.queue.lock().as_ref().unwrap());
        queue.put(request);
    }
}

impl Queue for Controlled {
    fn put(&self, request: Request) {
        if !request.changes() {
            return self.0.put(request);
        }
        self.0.changes_asked.fetch_add(1, Ordering::Relaxed);
        let mode = self.0.mode.lock().clone();
        match mode {
            Mode::Works => self.0.put(request),
            Mode::Holds => {
                self.0.held().push(request);
                self.0.held_count.send_modify(|held| *held += 1);
            }
            Mode::Refuses(fault) => request.refuse(fault),
            Mode::Drops => drop(request),
        }
    }
}

impl Log for CheckedLog {
    fn recover(&mut self) -> Result<Recovered, Gone> {
        self.0.recover()
    }

    fn begin(&mut self, news: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone> {
        self.0.begin(news)
    }

    fn room_for(&self, first: usize) -> usize {
        self.0.room_for(first)
    }

    fn commit(&mut self, group: &[Entry]) -> Result<(), Gone> {
        // Changes due by the clock were not requested by a connection.
        match &*self.1.mode.lock() {
            Mode::Refuses(StoreFault::Full(why)) if !group.is_empty() => {
                Err(Gone::Full(why.clone()))
            }
            _ => self.0.commit(group),
        }
    }

    fn check(&mut self) -> Result<(), Gone> {
        self.1.checked.lock().clone()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.0.reader()
    }
}

impl Reader for CountedReader {
    fn id(&self) -> LedgerId {
        self.0.id()
    }

    fn records(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        self.0.records(from, visit)
    }

    fn winning_bets(
        &self,
        draw: DrawId,
        result: WinningResult,
        visit: &mut dyn FnMut(BetName, &Bet<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        self.1.winners_read.fetch_add(1, Ordering::Relaxed);
        if self.1.unreadable.load(Ordering::Relaxed) {
            return Err("damaged at byte 7".to_owned());
        }
        self.0.winning_bets(draw, result, visit)
    }

    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        self.0.scan(draw, visit)
    }

    fn audit_log(
        &self,
        span: AuditSpan,
        visit: &mut dyn FnMut(StoredEvent, Chain) -> ControlFlow<()>,
    ) -> Result<(), String> {
        self.0.audit_log(span, visit)
    }
}
