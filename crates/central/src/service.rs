//! The service: requests of agencies and operators to the engine, and what follows from its events.
//!
//! ```text
//! Service       requests to the engine; follows the view
//! operators     operators' acts and readings; the clock
//! answers       each request is answered once; a failed log is noticed
//! agency_draws  which draw an agency's message is for
//! draw, names   what never changes of a draw; its name
//! winners       the winners of draws, once they are read
//! presence      who is connected
//! nodes         what centrals that share a store know of each other
//! ```
//!
//! Invariants:
//! - the state of draws and agencies is in the published view alone, and effects follow it: winners
//!   are read when a draw is published, connections ended when their agency is disabled;
//! - no winners are sent before they are published; each draw's are read once, on the blocking pool;
//! - unreadable winners are an error, never an empty answer.
//!
//! Deliberately absent: sockets, messages, pages, and the rules.

mod agency_draws;
mod answers;
mod draw;
mod names;
mod nodes;
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
pub use nodes::{Connected, Node, Nodes};
pub use operators::Change;
pub use presence::Configs;
pub use presence::PresenceGuard;
pub use presence::{At, Identity, OfAgency, Presence};
pub use winners::{DrawWinners, Stage, WinnersStages};

/// See the module's documentation. One for an engine.
pub struct Service {
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    /// The draw that this central was started for.
    own_draw: OnceLock<DrawId>,
    winners_wait: Duration,
    zone: Zone,
    waiting: WinnersStages,
    /// Notified when a draw changed: another one may be due next.
    plan_changed: tokio::sync::Notify,
    /// Notified when events became durable.
    events: watch::Sender<()>,
    presence: Arc<Presence>,
    failure: Arc<Failure>,
    metrics: Arc<Metrics>,
    runtime: Handle,
    /// Acts that must end before the engine is dropped.
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
    /// The log can't be read.
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
                plan_changed: tokio::sync::Notify::new(),
                events: watch::Sender::new(()),
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
            // The number given now has no effect, which the log says.
            tracing::warn!(
                action = "open_draw",
                result = "success",
                draw = %terms.name,
                number_drawn = made,
                number_ignored = number,
            );
        }
        Ok(draw)
    }

    /// Causes the effects of published events. Runs on the committing thread.
    fn follow(self: &Arc<Self>, news: News) {
        match news {
            News::Events => return self.events.send_replace(()),
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

    /// Checks the log periodically while polled, so that its failure is noticed without requests.
    pub(crate) async fn watch_store(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(STORE_CHECK_TIME).await;
            // The completion notes a fault.
            let _ = ask(&self.failure, |done| self.engine.check(done)).await;
        }
    }

    /// Finds the draw that an agency's message is for.
    pub fn agency_draws(&self) -> AgencyDraws<'_> {
        AgencyDraws::new(self.view(), self.own_draw.get().copied())
    }

    /// The published view of draws, agencies and the register. It includes what was answered.
    #[must_use]
    pub fn view(&self) -> &View {
        self.engine.view()
    }

    /// Notifies of further events that are durable.
    #[must_use]
    pub fn events(&self) -> watch::Receiver<()> {
        self.events.subscribe()
    }

    /// How long a request waits for a draw's winners at most.
    pub fn winners_wait(&self) -> Duration {
        self.winners_wait
    }

    /// The lottery's time zone.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Who is connected.
    pub fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    /// Stores a batch. `done` must be short: it runs on the committing thread.
    pub fn append(
        &self,
        batch: Batch,
        done: impl FnOnce(Result<Appended, AppendError>) + Send + 'static,
    ) {
        self.engine.append(batch, watched(&self.failure, done));
    }

    /// Stores that an agency has finished. `done` must be short.
    pub fn finish(
        &self,
        draw: &Draw,
        agency: AgencyId,
        done: impl FnOnce(Result<Finished, FinishError>) + Send + 'static,
    ) {
        self.engine.finish(draw.id, agency, watched(&self.failure, done));
    }

    /// Gives `done` an agency's progress. `done` must be short.
    pub fn progress(
        &self,
        draw: &Draw,
        agency: AgencyId,
        done: impl FnOnce(Result<AgencyProgress, ProgressError>) + Send + 'static,
    ) {
        self.engine.progress(draw.id, agency, watched(&self.failure, done));
    }

    /// Returns where to await a draw's winners. Has them read if they are published.
    pub fn winners(self: &Arc<Self>, draw: DrawId) -> watch::Receiver<Stage> {
        // Before the look at the view: a publication from now on finds the waiting request.
        let stage = self.waiting.follow(draw);
        if self.view().draw(draw).is_some_and(|draw| draw.is_published()) {
            self.read_winners(draw);
        }
        stage
    }

    /// Whether some draw's winners could not be read.
    pub fn has_unreadable(&self) -> bool {
        self.waiting.has_unreadable()
    }

    /// The service's counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Whether the log failed, or is full.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Waits for the acts under way.
    pub(crate) async fn stop(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Reads the winners of a published draw.
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
            tracing::error!(action = "read_winners", result = "fail", error = error);
            service.waiting.tell(draw, Stage::Unreadable);
        });
    }
}

/// Makes `request`, and awaits its answer.
async fn ask<T, E>(failure: &Arc<Failure>, request: impl FnOnce(Done<Result<T, E>>)) -> Result<T, E>
where
    T: StoreOutcome + Send + 'static,
    E: StoreError + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    request(watched(failure, move |outcome| drop(answer.send(outcome))));
    answered.await.unwrap_or_else(|_| Err(StoreFault::Closed.into()))
}
