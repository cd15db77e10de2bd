//! The domain service: what the central does with bets and draws, whoever asks for it.
//!
//! ```text
//! Service       asks the store; does what follows from what came to be
//! operators     what operators do, and the clock for them; what they may look at
//! answers       every request is answered once; a store that failed is noticed
//! draw          a draw that somebody means
//! winners       who waits for winners, and the winners once they are read
//! agency_draws  which draw a message of an agency is for
//! names         draws by their names
//! presence      who is connected now
//! ```
//!
//! Invariants:
//! - what draws and agencies are is in the store's view alone; what happens by itself follows it,
//!   whoever caused it: winners are read when a draw is published, an agency's connections ended
//!   when it is disabled;
//! - winners are told when they are published, not before;
//! - a draw's winners are read once and kept, and not by a thread that serves connections;
//! - winners that can't be read are an error, never an empty answer.
//!
//! Deliberately absent: sockets, messages, and whatever the rules see to.

mod agency_draws;
mod answers;
mod draw;
mod names;
mod operators;
mod presence;

mod winners;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use engine::{Clock, Done, Engine};
use lottery::{
    AgencyId, AgencyProgress, AppendError, Appended, Batch, DrawId, DrawState, DrawStatus,
    DrawTerms, FinishError, Finished, News, OpenDrawError, ProgressError, SealedNumber, StoreFault,
    View,
};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::limits::STORE_CHECK_TIME;
use crate::metrics::Metrics;
use crate::options::{Mode, Options};
use crate::zone::Zone;
pub use agency_draws::{AgencyDraws, NoDraw};
pub use answers::Failure;
use answers::{StoreError, StoreOutcome, watched};
pub use draw::Draw;
pub use names::{NameRefused, draw_name};
pub use operators::Change;
pub use presence::Configs;
pub use presence::PresenceGuard;
pub use presence::{Connected, Identity, OfAgency, Presence};
pub use winners::{DrawWinners, Stage, WinnersStages};

/// The domain service. One a store.
pub struct Service {
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    /// The draw that this central was started for.
    own_draw: OnceLock<DrawId>,
    winners_wait: Duration,
    zone: Zone,
    waiting: WinnersStages,
    /// Held while what is known of an agency is changed: by one at a time, in the store's order.
    registering: tokio::sync::Mutex<()>,
    /// Told when a draw's life went on: the clock may have something else to do next.
    plan_changed: tokio::sync::Notify,
    presence: Arc<Presence>,
    failure: Arc<Failure>,
    metrics: Arc<Metrics>,
    runtime: Handle,
    /// What must end before the store is left.
    tasks: TaskTracker,
}

/// Why a central could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// See [`NameRefused`].
    #[error(transparent)]
    Name(#[from] NameRefused),
    /// The draw was not opened.
    #[error(transparent)]
    OpenDraw(#[from] OpenDrawError),
    /// The store does not say what it holds.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Service {
    /// Opens the draw of `options`, or finds it.
    pub(crate) async fn open(
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        options: &Options,
    ) -> Result<Arc<Self>, OpenError> {
        let failure = Arc::new(Failure::default());
        let service = Arc::new_cyclic(|service: &Weak<Self>| {
            let service = Weak::clone(service);
            let follow = move |news| {
                if let Some(service) = service.upgrade() {
                    service.follow(news);
                }
            };
            engine.view().follow(follow);
            Self {
                own_draw: OnceLock::new(),
                winners_wait: options.winners_wait,
                zone: options.zone,
                waiting: WinnersStages::default(),
                registering: tokio::sync::Mutex::default(),
                plan_changed: tokio::sync::Notify::new(),
                presence: Presence::new(Arc::clone(&clock)),
                failure,
                metrics: Arc::default(),
                runtime: Handle::current(),
                tasks: TaskTracker::new(),
                engine,
                clock,
            }
        });
        if let Mode::Automatic { terms, winning_number } = &options.mode {
            let draw = service.open_own_draw(terms, *winning_number).await?;
            service.own_draw.get_or_init(|| draw);
        }
        Ok(service)
    }

    async fn open_own_draw(&self, terms: &DrawTerms, number: u32) -> Result<DrawId, OpenError> {
        let name = draw_name(self.view(), &terms.name)?;
        let terms = DrawTerms { name, ..terms.clone() };
        let open = |done| self.engine.open_draw(terms, SealedNumber(number), done);
        let draw = ask(&self.failure, open).await?;
        let found = self.view().draw(draw);
        if let Some(DrawStatus { state: DrawState::Drawn { number: made }, terms, .. }) = found
            && made != number
        {
            // Whoever started it should know that the number given now has no effect.
            tracing::warn!(
                action = "abrir_sorteo",
                result = "success",
                sorteo = %terms.name,
                numero_sorteado = made,
                numero_ignorado = number,
            );
        }
        Ok(draw)
    }

    /// Does what follows from what came to be. Runs on the thread that decides.
    fn follow(self: &Arc<Self>, news: News) {
        match news {
            News::Drawn(_) => tracing::info!(action = "sorteo", result = "success"),
            News::ByTheClock(act) => operators::log_the_clock(act),
            News::Draw(draw) => {
                if self.view().draw(draw).is_some_and(|draw| draw.is_published()) {
                    self.read_winners(draw);
                }
            }
            News::Registration(agency) => {
                if self.agency_draws().is_disabled(agency) {
                    let presence = Arc::clone(&self.presence);
                    self.runtime.spawn(async move { presence.disconnect(agency) });
                }
            }
        }
        self.plan_changed.notify_one();
    }

    /// Asks the store now and then whether it can go on, so that what happens to it is noticed
    /// though nobody asks it for anything; for as long as it is polled.
    pub(crate) async fn watch_store(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(STORE_CHECK_TIME).await;
            // What is found is noted as its answer passes.
            let _ = ask(&self.failure, |done| self.engine.check(done)).await;
        }
    }

    /// The draws as agencies may name them or not.
    pub fn agency_draws(&self) -> AgencyDraws<'_> {
        AgencyDraws::new(self.view(), self.own_draw.get().copied())
    }

    /// What is published of the draws, their agencies and the register. Who was answered sees what
    /// they did.
    #[must_use]
    pub fn view(&self) -> &View {
        self.engine.view()
    }

    /// The longest that somebody waits for a draw's winners.
    pub fn winners_wait(&self) -> Duration {
        self.winners_wait
    }

    /// Where people read and type times.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Who is connected.
    pub fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    /// Stores a batch. `done` must be short: it runs on a thread of the store's.
    pub fn append(
        &self,
        batch: Batch,
        done: impl FnOnce(Result<Appended, AppendError>) + Send + 'static,
    ) {
        self.engine.append(batch, watched(&self.failure, done));
    }

    /// Notes that an agency has finished. `done` must be short.
    pub fn finish(
        &self,
        draw: &Draw,
        agency: AgencyId,
        done: impl FnOnce(Result<Finished, FinishError>) + Send + 'static,
    ) {
        self.engine.finish(draw.id, agency, watched(&self.failure, done));
    }

    /// Asks how far an agency has come. `done` must be short.
    pub fn progress(
        &self,
        draw: &Draw,
        agency: AgencyId,
        done: impl FnOnce(Result<AgencyProgress, ProgressError>) + Send + 'static,
    ) {
        self.engine.progress(draw.id, agency, watched(&self.failure, done));
    }

    /// Where to wait for a draw's winners. Has them read, if they are published and nobody had.
    pub fn winners(self: &Arc<Self>, draw: DrawId) -> watch::Receiver<Stage> {
        // First: whoever publishes from now on sees that somebody waits.
        let stage = self.waiting.follow(draw);
        if self.view().draw(draw).is_some_and(|draw| draw.is_published()) {
            self.read_winners(draw);
        }
        stage
    }

    /// Whether the winners of a draw were to be read and could not.
    pub fn has_unreadable(&self) -> bool {
        self.waiting.has_unreadable()
    }

    /// What is counted while agencies are served.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Whether the store failed, or is full.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Ends when what was begun has.
    pub(crate) async fn stop(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Reads the winners of a draw that was published: nothing changes them any more.
    fn read_winners(self: &Arc<Self>, draw: DrawId) {
        if !self.waiting.begin_reading(draw) {
            return;
        }
        let engine = Arc::clone(&self.engine);
        let reading = self
            .runtime
            .spawn_blocking(move || engine.winners(draw).map(|winners| DrawWinners::new(&winners)));
        let service = Arc::clone(self);
        self.runtime.spawn(async move {
            let error = match reading.await {
                Ok(Ok(winners)) => return service.waiting.tell(draw, Stage::Ready(winners.into())),
                Ok(Err(error)) => error.to_string(),
                Err(broken_off) => broken_off.to_string(),
            };
            tracing::error!(action = "leer_ganadores", result = "fail", error = error);
            service.waiting.tell(draw, Stage::Unreadable);
        });
    }
}

/// Waits for the store's answer to `request`.
async fn ask<T, E>(failure: &Arc<Failure>, request: impl FnOnce(Done<Result<T, E>>)) -> Result<T, E>
where
    T: StoreOutcome + Send + 'static,
    E: StoreError + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    request(watched(failure, move |outcome| drop(answer.send(outcome))));
    answered.await.unwrap_or_else(|_| Err(StoreFault::Closed.into()))
}
