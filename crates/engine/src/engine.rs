//! The engine: a queue of requests, and access to the view and the log's reader.

use std::ops::ControlFlow;
use std::sync::Arc;

use lottery::{
    ActError, Acted, AgencyId, AgencyProgress, AppendError, Appended, AuditSpan, Batch, Bet,
    BetName, DrawId, DrawState, DrawStatus, DrawTerms, Draws, FinishError, Finished, Judge,
    OpenDrawError, ProgressError, ReadError, RecordedAct, Ruling, SealedNumber, StoreFault,
    StoredBatch, StoredEvent, View, Winners, WinningResult,
};

use crate::chain::{Chain, LedgerId};
use crate::clock::Clock;
use crate::committer::Committer;
use crate::groups::Groups;
use crate::log::{Gone, Log, Reader, Record};
use crate::requests::Request;
use crate::sync::mpsc::{self, Sender};
use crate::sync::thread::{self, JoinHandle};

/// A callback that receives the outcome of a request, once. Runs on the commit thread, so it must
/// be short; it may make requests but must not wait for their answers.
pub type Done<T> = Box<dyn FnOnce(T) + Send>;

/// Where requests wait to be decided.
pub trait Queue: Send + Sync {
    /// Adds a request, to be decided after all earlier ones.
    fn put(&self, request: Request);
}

/// The lottery engine. Dropping it answers all pending requests.
///
/// Requests of one thread are decided in order. After an answer, its effect is in the view and seen
/// by every later request. The order of answers is not guaranteed.
pub struct Engine {
    queue: Option<Box<dyn Queue>>,
    view: View,
    reader: Arc<dyn Reader>,
    groups: Arc<Groups>,
    commit_thread: Option<JoinHandle<()>>,
}

impl Queue for Sender<Request> {
    fn put(&self, request: Request) {
        if let Err(unsent) = self.send(request) {
            // The commit thread has panicked.
            unsent.0.refuse(StoreFault::Failed("the committing thread has ended".to_owned()));
        }
    }
}

impl Engine {
    /// Starts an engine over `log`, with its own commit thread.
    ///
    /// # Errors
    /// When the log can't be recovered or the thread can't be started.
    pub fn start(log: Box<dyn Log>, clock: Arc<dyn Clock>) -> Result<Self, Gone> {
        let (mut engine, committer) = Self::stepped(log, clock)?;
        let commit_thread = thread::Builder::new()
            .name("engine-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| Gone::Failed(format!("starting a thread: {error}")))?;
        engine.commit_thread = Some(commit_thread);
        Ok(engine)
    }

    /// Creates an engine without a commit thread: the caller runs the [`Committer`].
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
            commit_thread: None,
        };
        Ok((engine, committer))
    }

    /// Returns the engine with its queue wrapped in another one.
    #[must_use]
    pub fn behind(mut self, queue: impl FnOnce(Box<dyn Queue>) -> Box<dyn Queue>) -> Self {
        self.queue = self.queue.take().map(queue);
        self
    }

    /// Returns the engine with its reader wrapped in another one.
    #[must_use]
    pub fn read_by(mut self, reader: impl FnOnce(Arc<dyn Reader>) -> Arc<dyn Reader>) -> Self {
        self.reader = reader(Arc::clone(&self.reader));
        self
    }

    /// Opens an automatic draw, to be made with `number` when its last agency has finished; or
    /// returns the draw of that name if it has the same terms and number.
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

    /// Finishes a draw for an agency, once. The last agency closes, makes and publishes an
    /// automatic draw in one decision.
    pub fn finish(
        &self,
        draw: DrawId,
        agency: AgencyId,
        done: impl FnOnce(Result<Finished, FinishError>) + Send + 'static,
    ) {
        self.put(Request::ruled(move |draws, _| draws.decide_finish(draw, agency), done));
    }

    /// Returns an agency's progress after all earlier requests.
    pub fn progress(
        &self,
        draw: DrawId,
        agency: AgencyId,
        done: impl FnOnce(Result<AgencyProgress, ProgressError>) + Send + 'static,
    ) {
        self.put(Request::query(move |draws| draws.progress(draw, agency), done));
    }

    /// Records an act and applies it, unless `judge` rejects it when it is decided.
    pub fn act(
        &self,
        recorded: RecordedAct,
        judge: Judge,
        done: impl FnOnce(Result<Acted, ActError>) + Send + 'static,
    ) {
        let decide = move |draws: &Draws, now| draws.decide_act(&recorded, &judge, now);
        self.put(Request::ruled(decide, done));
    }

    /// As [`Engine::act`], with an act that depends on the state in which it is decided; `None` if
    /// there is nothing to do.
    pub fn act_by(
        &self,
        make: impl Fn(&Draws) -> Option<RecordedAct> + Send + 'static,
        judge: Judge,
        done: impl FnOnce(Result<Option<(RecordedAct, Acted)>, ActError>) + Send + 'static,
    ) {
        let decide = move |draws: &Draws, now| {
            let Some(act) = make(draws) else { return Ok(Ruling { outcome: None, event: None }) };
            let Ruling { outcome, event } = draws.decide_act(&act, &judge, now)?;
            Ok(Ruling { outcome: Some((act, outcome)), event })
        };
        self.put(Request::ruled(decide, done));
    }

    /// Decides what the clock has due.
    pub fn keep_time(&self, done: impl FnOnce(Result<(), StoreFault>) + Send + 'static) {
        self.put(Request::time(done));
    }

    /// Checks whether the log still works. To be called now and then, to notice faults while there
    /// are no requests.
    pub fn check(&self, done: impl FnOnce(Result<(), StoreFault>) + Send + 'static) {
        self.put(Request::check(done));
    }

    /// Returns the published view: all that was answered and is durable. Reading it waits for no
    /// write.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Returns the sizes of durable groups since the engine started.
    #[must_use]
    pub fn groups(&self) -> &Arc<Groups> {
        &self.groups
    }

    /// Returns the winners of a draw that was made. Blocks while it reads.
    ///
    /// # Errors
    /// When the draw is unknown or not made, or the log can't be read.
    pub fn winners(&self, draw: DrawId) -> Result<Winners, ReadError> {
        let mut winners = Winners::default();
        self.winning_bets(draw, &mut |name, bet| {
            winners.add(name.agency, bet.document());
            ControlFlow::Continue(())
        })?;
        Ok(winners)
    }

    /// Calls `visit` with the winning bets of a draw that was made, in the order of acceptance,
    /// until it breaks. Blocks while it reads.
    ///
    /// # Errors
    /// When the draw is unknown or not made, or the log can't be read.
    pub fn winning_bets(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(BetName, &Bet<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let DrawState::Drawn { number } = self.status(draw)?.state else {
            return Err(ReadError::NotDrawn);
        };
        let read = self.reader.winning_bets(draw, WinningResult { number }, visit);
        read.map_err(ReadError::Unreadable)
    }

    /// Calls `visit` with the batches of a draw in the order of acceptance, until it breaks. Covers
    /// at least what was acknowledged before the call. Blocks while it reads.
    ///
    /// # Errors
    /// When the draw is unknown, or the log can't be read.
    pub fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.status(draw)?;
        self.reader.scan(draw, visit).map_err(ReadError::Unreadable)
    }

    /// Calls `visit` with the events of `span` that are not batches, and the chain up to each, until
    /// it breaks. Covers at least what was acknowledged before the call. Blocks while it reads.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn audit_log(
        &self,
        span: AuditSpan,
        visit: &mut dyn FnMut(StoredEvent, Chain) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.reader.audit_log(span, visit).map_err(ReadError::Unreadable)
    }

    /// Calls `visit` with all events from number `from` on, in order, until it breaks. Covers at
    /// least what was acknowledged before the call. Blocks while it reads.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn records(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.reader.records(from, visit).map_err(ReadError::Unreadable)
    }

    /// Returns the ledger's id.
    #[must_use]
    pub fn id(&self) -> LedgerId {
        self.reader.id()
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
        let commit_thread = self.commit_thread.take();
        // The last owner may be a callback on the commit thread itself, which ends on its own as
        // there are no more requests.
        if let Some(commit_thread) =
            commit_thread.filter(|it| it.thread().id() != thread::current().id())
        {
            // The panic hook has reported a panic; everything acknowledged is durable.
            let _ = commit_thread.join();
        }
    }
}
