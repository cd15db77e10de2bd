//! What everybody talks to: requests go into a queue, readers to the view and the log.

use std::ops::ControlFlow;
use std::sync::Arc;

use lottery::{
    ActError, Acted, AgencyId, AgencyProgress, AppendError, Appended, Batch, DrawId, DrawState,
    DrawStatus, DrawTerms, Draws, FinishError, Finished, Judge, OpenDrawError, ProgressError,
    ReadError, RecordedAct, SealedNumber, StoreFault, StoredBatch, StoredEvent, View, Winners,
    WinningResult,
};

use crate::clock::Clock;
use crate::committer::Committer;
use crate::groups::Groups;
use crate::log::{Gone, Log, Reader};
use crate::requests::Request;
use crate::sync::mpsc::{self, Sender};
use crate::sync::thread::{self, JoinHandle};

/// What the engine runs, once, with the outcome of a request: on the thread that takes turns, so it
/// must be short, and may ask again but not wait for an answer.
pub type Done<T> = Box<dyn FnOnce(T) + Send>;

/// Where requests wait for their turn.
pub trait Queue: Send + Sync {
    /// Takes a request, to be answered after all those before it.
    fn put(&self, request: Request);
}

/// See the module's documentation. Dropping it answers what was asked.
///
/// Requests of one thread are decided in their order; what was answered is seen by every request
/// made after, and is in the view. The order in which answers are given is not promised.
pub struct Engine {
    queue: Option<Box<dyn Queue>>,
    view: View,
    reader: Arc<dyn Reader>,
    groups: Arc<Groups>,
    turning: Option<JoinHandle<()>>,
}

impl Queue for Sender<Request> {
    fn put(&self, request: Request) {
        if let Err(unsent) = self.send(request) {
            // Nobody takes turns any more, and the engine is there: only after a panic.
            unsent.0.refuse(StoreFault::Failed("nobody decides any more".to_owned()));
        }
    }
}

impl Engine {
    /// An engine over `log`, with a thread of its own that takes the turns.
    ///
    /// # Errors
    /// When the log can't be recovered, or the system gives no thread.
    pub fn start(log: Box<dyn Log>, clock: Arc<dyn Clock>) -> Result<Self, Gone> {
        let (mut engine, committer) = Self::stepped(log, clock)?;
        let turning = thread::Builder::new()
            .name("engine-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| Gone::Failed(format!("starting a thread: {error}")))?;
        engine.turning = Some(turning);
        Ok(engine)
    }

    /// An engine whose turns the caller takes.
    ///
    /// # Errors
    /// When the log can't be recovered.
    pub fn stepped(log: Box<dyn Log>, clock: Arc<dyn Clock>) -> Result<(Self, Committer), Gone> {
        let (sender, receiver) = mpsc::channel();
        let committer = Committer::new(log, clock, receiver)?;
        let engine = Self {
            queue: Some(Box::new(sender)),
            view: committer.view().clone(),
            reader: committer.log().reader(),
            groups: Arc::clone(committer.groups()),
            turning: None,
        };
        Ok((engine, committer))
    }

    /// The same engine, with its requests going through another queue first.
    #[must_use]
    pub fn behind(mut self, queue: impl FnOnce(Box<dyn Queue>) -> Box<dyn Queue>) -> Self {
        self.queue = self.queue.take().map(queue);
        self
    }

    /// The same engine, with what reads the log in the place of its own reader.
    #[must_use]
    pub fn read_by(mut self, reader: impl FnOnce(Arc<dyn Reader>) -> Arc<dyn Reader>) -> Self {
        self.reader = reader(Arc::clone(&self.reader));
        self
    }

    /// Opens a draw that goes by itself, to be made with `number` when its last agency has
    /// finished, or finds the one of that name when it has the same terms and number.
    pub fn open_draw(
        &self,
        terms: DrawTerms,
        number: SealedNumber,
        done: impl FnOnce(Result<DrawId, OpenDrawError>) + Send + 'static,
    ) {
        self.put(Request::ruled(move |draws, _| draws.decide_open(terms.clone(), number), done));
    }

    /// Stores a batch, once.
    pub fn append(
        &self,
        batch: Batch,
        done: impl FnOnce(Result<Appended, AppendError>) + Send + 'static,
    ) {
        self.put(Request::batch(batch, Draws::decide_append, done));
    }

    /// Notes, once, that an agency has no more bets. The last one closes a draw that goes by
    /// itself, makes and publishes it, all at once.
    pub fn finish(
        &self,
        draw: DrawId,
        agency: AgencyId,
        done: impl FnOnce(Result<Finished, FinishError>) + Send + 'static,
    ) {
        self.put(Request::ruled(move |draws, _| draws.decide_finish(draw, agency), done));
    }

    /// How far an agency has come in a draw, with all that was asked before.
    pub fn progress(
        &self,
        draw: DrawId,
        agency: AgencyId,
        done: impl FnOnce(Result<AgencyProgress, ProgressError>) + Send + 'static,
    ) {
        self.put(Request::question(move |draws| draws.progress(draw, agency), done));
    }

    /// Puts an act on record, and has it take effect, unless `judge` says no when it is decided:
    /// after all requests before it, and with nothing in between.
    pub fn act(
        &self,
        recorded: RecordedAct,
        judge: Judge,
        done: impl FnOnce(Result<Acted, ActError>) + Send + 'static,
    ) {
        let decide = move |draws: &Draws, now| draws.decide_act(&recorded, &judge, now);
        self.put(Request::ruled(decide, done));
    }

    /// Does what is due by the clock.
    pub fn keep_time(&self, done: impl FnOnce(Result<(), StoreFault>) + Send + 'static) {
        self.put(Request::time(done));
    }

    /// Finds whether the log can go on. To be asked now and then, so that what happens beside all
    /// requests is noticed.
    pub fn check(&self, done: impl FnOnce(Result<(), StoreFault>) + Send + 'static) {
        self.put(Request::check(done));
    }

    /// What is published of the draws, their agencies' totals and the register: what was answered
    /// is in it, and nothing that a crash could still undo. Asks nobody and waits for no write.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// How many events each durable group held since it was opened.
    #[must_use]
    pub fn groups(&self) -> &Arc<Groups> {
        &self.groups
    }

    /// The winners of a draw that was made. Blocks while it reads.
    ///
    /// # Errors
    /// When the draw is not known or not made, or what is stored can't be read.
    pub fn winners(&self, draw: DrawId) -> Result<Winners, ReadError> {
        let DrawState::Drawn { number } = self.status(draw)?.state else {
            return Err(ReadError::NotDrawn);
        };
        let winners = self.reader.winners(draw, WinningResult { number });
        winners.map_err(ReadError::Unreadable)
    }

    /// Shows `visit` the batches of a draw in the order in which they were accepted, until it
    /// breaks. Covers at least what was acknowledged before the call. Blocks while it reads.
    ///
    /// # Errors
    /// When the draw is not known, or what is stored can't be read.
    pub fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.status(draw)?;
        self.reader.scan(draw, visit).map_err(ReadError::Unreadable)
    }

    /// Shows `visit` the events that are no batches, from the sequence `from` on, in order, until
    /// it breaks. Covers at least what was acknowledged before the call. Blocks while it reads.
    ///
    /// # Errors
    /// When what is stored can't be read.
    pub fn audit_log(
        &self,
        from: u64,
        visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.reader.audit_log(from, visit).map_err(ReadError::Unreadable)
    }

    fn status(&self, draw: DrawId) -> Result<DrawStatus, ReadError> {
        self.view.draw(draw).ok_or(ReadError::UnknownDraw(draw))
    }

    fn put(&self, request: Request) {
        self.queue.as_ref().expect("it is taken only when the engine is dropped").put(request);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue = None;
        let turning = self.turning.take();
        // The last to let go may be an answer, on the very thread: that ends by itself then, as
        // there are no more requests.
        if let Some(turning) = turning.filter(|it| it.thread().id() != thread::current().id()) {
            // A panic there was reported by the panic hook; everything acknowledged is durable.
            let _ = turning.join();
        }
    }
}
