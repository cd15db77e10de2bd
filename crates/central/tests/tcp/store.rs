//! A store that keeps the contract, or holds answers back, is full, or fails, as it is told.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lottery::{
    ActError, Acted, AgencyId, AgencyProgress, AppendError, Appended, Batch, Done, DrawId,
    DrawTerms, FinishError, Finished, Judge, MemoryStore, OpenDrawError, ProgressError, ReadError,
    SealedNumber, Signed, Store, StoreFault, StoredBatch, Timestamp, Trace, View, Winners,
};
use tokio::sync::{oneshot, watch};

/// Longest that a change may take to come to the store, so that one that waits for something else
/// fails a test instead of hanging.
const HELD_TIME_MAX: Duration = Duration::from_secs(10);

/// What becomes of changes.
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

/// Told after [`HELD_TIME_MAX`] by the system's clock, as that of a test may stand still or jump;
/// not any more once the first is dropped.
fn too_late() -> (std::sync::mpsc::Sender<()>, oneshot::Receiver<()>) {
    let (waiting, waits) = std::sync::mpsc::channel();
    let (over, is_over) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = waits.recv_timeout(HELD_TIME_MAX);
        let _ = over.send(());
    });
    (waiting, is_over)
}

type Held = Box<dyn FnOnce(&MemoryStore) + Send>;

pub(crate) struct TestStore {
    pub(crate) memory: MemoryStore,
    mode: Mutex<Mode>,
    held: Mutex<Vec<Held>>,
    held_count: watch::Sender<usize>,
    pub(crate) unreadable: AtomicBool,
    pub(crate) winners_read: AtomicUsize,
    /// Calls of `act`.
    pub(crate) acts_asked: AtomicUsize,
    /// What a check finds.
    pub(crate) checked: Mutex<Result<(), StoreFault>>,
}

impl Default for TestStore {
    fn default() -> Self {
        Self {
            memory: MemoryStore::new(),
            mode: Mutex::new(Mode::Works),
            held: Mutex::default(),
            held_count: watch::channel(0).0,
            unreadable: AtomicBool::new(false),
            winners_read: AtomicUsize::new(0),
            acts_asked: AtomicUsize::new(0),
            checked: Mutex::new(Ok(())),
        }
    }
}

impl TestStore {
    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// Waits until so many changes are held back.
    ///
    /// # Panics
    /// When they don't come: whoever was to ask for them waits for something else.
    pub(crate) async fn holds(&self, count: usize) {
        let mut held = self.held_count.subscribe();
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
        self.held.lock().unwrap().len()
    }

    /// Answers the oldest `count` changes that are held back.
    pub(crate) fn release(&self, count: usize) {
        let released: Vec<_> = self.held.lock().unwrap().drain(..count).collect();
        self.held_count.send_modify(|held| *held -= count);
        for held in released {
            held(&self.memory);
        }
    }

    /// Answers the newest change that is held back, before the older ones.
    #[allow(dead_code, reason = "each test file uses its part")]
    pub(crate) fn release_last(&self) {
        let last = self.held.lock().unwrap().pop().unwrap();
        self.held_count.send_modify(|held| *held -= 1);
        last(&self.memory);
    }

    /// Answers those that are held back, and holds no more.
    pub(crate) fn release_all(&self) {
        self.set(Mode::Works);
        self.release(self.held());
    }

    /// How many bets are stored.
    pub(crate) fn bets(&self) -> u64 {
        self.memory.view().all_draws().map(|draw| draw.bets).sum()
    }

    fn change<T, E>(
        &self,
        done: Done<Result<T, E>>,
        call: impl FnOnce(&MemoryStore, Done<Result<T, E>>) + Send + 'static,
    ) where
        T: 'static,
        E: From<StoreFault> + 'static,
    {
        let mode = self.mode.lock().unwrap().clone();
        match mode {
            Mode::Works => call(&self.memory, done),
            Mode::Holds => {
                self.held.lock().unwrap().push(Box::new(|memory| call(memory, done)));
                self.held_count.send_modify(|held| *held += 1);
            }
            Mode::Refuses(fault) => done(Err(fault.into())),
            Mode::Drops => drop(done),
        }
    }
}

impl Store for TestStore {
    fn open_draw(
        &self,
        terms: DrawTerms,
        number: SealedNumber,
        at: Timestamp,
        done: Done<Result<DrawId, OpenDrawError>>,
    ) {
        self.memory.open_draw(terms, number, at, done);
    }

    fn append(&self, batch: Batch, at: Timestamp, done: Done<Result<Appended, AppendError>>) {
        self.change(done, move |memory, done| memory.append(batch, at, done));
    }

    fn finish(
        &self,
        draw: DrawId,
        agency: AgencyId,
        at: Timestamp,
        done: Done<Result<Finished, FinishError>>,
    ) {
        self.change(done, move |memory, done| memory.finish(draw, agency, at, done));
    }

    fn view(&self) -> &View {
        self.memory.view()
    }

    fn progress(
        &self,
        draw: DrawId,
        agency: AgencyId,
        done: Done<Result<AgencyProgress, ProgressError>>,
    ) {
        self.change(done, move |memory, done| memory.progress(draw, agency, done));
    }

    fn check(&self, done: Done<Result<(), StoreFault>>) {
        done(self.checked.lock().unwrap().clone());
    }

    fn winners(&self, draw: DrawId) -> Result<Winners, ReadError> {
        self.winners_read.fetch_add(1, Ordering::Relaxed);
        if self.unreadable.load(Ordering::Relaxed) {
            return Err(ReadError::Unreadable("damaged at byte 7".to_owned()));
        }
        self.memory.winners(draw)
    }

    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.memory.scan(draw, visit)
    }

    fn act(
        &self,
        signed: Signed,
        judge: Judge,
        at: Timestamp,
        done: Done<Result<Acted, ActError>>,
    ) {
        self.acts_asked.fetch_add(1, Ordering::Relaxed);
        self.change(done, move |memory, done| memory.act(signed, judge, at, done));
    }

    fn trail(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Trace) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.memory.trail(from, visit)
    }
}
