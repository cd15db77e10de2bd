//! The domain service: what the central does with bets and draws, whoever asks for it.
//!
//! ```text
//! Service       asks the store, makes the served draw once all have finished, reads winners
//! operators     what operators do, and the clock for them; what they may look at
//! answers       every request is answered once; a store that failed is noticed
//! draw          a draw and how far its winners are
//! meant         which draw an agency means that names none
//! names         draws by their names
//! presence      who is connected now
//! ```
//!
//! Invariants:
//! - a draw that goes by itself is closed and made when the last agency finishes, once; one that
//!   operators lead when two have entered the same number. What a crash left in between is mended
//!   by [`Service::open`];
//! - winners of a draw that operators lead are told when they are published, not before;
//! - a draw's winners are read once and kept, and not by a thread that serves connections;
//! - winners that can't be read are an error, never an empty answer.
//!
//! Deliberately absent: sockets, messages, and the making of other draws that go by themselves than
//! the one of the start: the winning number that this central was given is not theirs.

mod answers;
mod draw;
mod meant;
mod names;
mod operators;
mod presence;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lottery::{
    Agencies, AgencyId, AgencyProgress, AppendError, Appended, Batch, CloseError, Done, DrawError,
    DrawId, DrawName, DrawState, DrawStatus, DrawTerms, FinishError, Finished, NumberRange,
    OpenDrawError, ProgressError, Store, StoreFault,
};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::limits::{DRAW_RETRY_TIME, LimitsError, STORE_CHECK_TIME};
use crate::metrics::Metrics;
use crate::options::{Mode, Options};
use crate::zone::Zone;
pub(crate) use answers::Failure;
use answers::{Outcome, StoreError, watched};
pub(crate) use draw::{Draw, DrawWinners, Stage};
pub use meant::{Candidate, NoDraw, unnamed_draw};
pub use names::{NameRefused, draw_name};
pub use operators::Change;
pub(crate) use presence::Attendance;
pub(crate) use presence::Configs;
pub use presence::{Connected, Identity, OfAgency, Presence};

/// The domain service. One a store.
pub struct Service {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    automatic: Option<Automatic>,
    winners_wait: Duration,
    zone: Zone,
    /// All the store's draws, by number: only this service opens one.
    draws: RwLock<Vec<Arc<Draw>>>,
    disabled: RwLock<BTreeSet<AgencyId>>,
    /// Held while what is known of an agency is changed: by one at a time, in the store's order.
    registering: tokio::sync::Mutex<()>,
    /// Told after each act: the clock may have something else to do next.
    plan_changed: tokio::sync::Notify,
    presence: Arc<Presence>,
    failure: Arc<Failure>,
    metrics: Arc<Metrics>,
    runtime: Handle,
    /// What must end before the store is left.
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// The draw that goes by itself.
#[derive(Clone, Copy)]
struct Automatic {
    draw: DrawId,
    winning_number: u32,
}

/// Why a central could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Limits that nobody could be served with.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// A number that could not win.
    #[error("the winning number {number} is outside the range {range} of the draw")]
    WinningNumber {
        /// The number given.
        number: u32,
        /// The draw's range.
        range: NumberRange,
    },
    /// See [`NameRefused`].
    #[error(transparent)]
    Name(#[from] NameRefused),
    /// The draw was not opened.
    #[error(transparent)]
    OpenDraw(#[from] OpenDrawError),
    /// The store does not say what it holds.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The draw found was to be made, and was not.
    #[error("all agencies have finished, but the draw could not be made: {0}")]
    MakeDraw(#[from] MakeDrawError),
}

/// Why a draw could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MakeDrawError {
    /// It was not closed.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// It was closed, and no more.
    #[error(transparent)]
    Draw(#[from] DrawError),
}

/// Why winners can't be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WinnersError {
    /// The draw has no such agency.
    #[error("agency {agency} is not registered in this draw; its agencies are {registered}")]
    UnknownAgency {
        /// Who asked.
        agency: AgencyId,
        /// Those of the draw.
        registered: Agencies,
    },
}

impl Service {
    /// Opens the draw of `options`, or finds it, and makes every draw that only a crash kept from
    /// being made.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: &Options,
    ) -> Result<Arc<Self>, OpenError> {
        let failure = Arc::new(Failure::default());
        let automatic = match &options.mode {
            Mode::Operated => None,
            Mode::Automatic { terms, winning_number } => {
                let (number, range) = (*winning_number, terms.numbers);
                if !range.contains(number) {
                    return Err(OpenError::WinningNumber { number, range });
                }
                let name = draw_name(store.view(), &terms.name)?;
                let terms = DrawTerms { name, ..terms.clone() };
                let draw = ask(&failure, |done| store.open_draw(terms, clock.now(), done)).await?;
                Some(Automatic { draw, winning_number: number })
            }
        };
        let statuses: Vec<_> = store.view().all_draws().collect();
        let registered = store.view().all_registrations();
        let disabled = registered.filter(|it| !it.enabled).map(|it| it.agency).collect();
        let draws = statuses.iter().cloned().map(|status| Arc::new(Draw::new(status))).collect();
        let presence = Presence::new(Arc::clone(&clock));
        let service = Arc::new(Self {
            store,
            clock,
            automatic,
            winners_wait: options.winners_wait,
            zone: options.zone,
            draws: RwLock::new(draws),
            disabled: RwLock::new(disabled),
            registering: tokio::sync::Mutex::default(),
            plan_changed: tokio::sync::Notify::new(),
            presence,
            failure,
            metrics: Arc::default(),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        for status in &statuses {
            service.mend(status).await?;
        }
        service.draws().iter().filter(|draw| service.is_left(draw)).for_each(|draw| warn_of(draw));
        Ok(service)
    }

    /// Asks the store now and then whether it can go on, so that what happens to it is noticed
    /// though nobody asks it for anything; for as long as it is polled.
    pub(crate) async fn watch_store(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(STORE_CHECK_TIME).await;
            // What is found is noted as its answer passes.
            let _ = ask(&self.failure, |done| self.store.check(done)).await;
        }
    }

    /// The draw that an agency means when it names none: the one that goes by itself, or the one
    /// that operators `bound` its way in to, or else the one that it can't mistake.
    pub(crate) fn unnamed_draw(
        &self,
        agency: AgencyId,
        bound: Option<&DrawName>,
    ) -> Result<Arc<Draw>, NoDraw> {
        if let Some(automatic) = self.automatic {
            return Ok(self.draw(automatic.draw).expect("it was opened at the start"));
        }
        if let Some(name) = bound {
            let draw = self.draw_named(name.as_str());
            return begun(draw.ok_or_else(|| NoDraw::NotAnnounced(name.clone()))?);
        }
        let draws = self.draws.read().unwrap_or_else(PoisonError::into_inner);
        let meant = unnamed_draw(agency, draws.iter().map(|draw| draw.candidate()))?;
        let mut draws = draws.iter().filter(|draw| draw.id == meant && !self.is_left(draw));
        draws.next().map(Arc::clone).ok_or(NoDraw::NoneOpen(agency))
    }

    /// The draw that an agency named, once it takes bets or did.
    pub(crate) fn begun_draw(&self, agency: AgencyId, name: &str) -> Result<Arc<Draw>, NoDraw> {
        match self.draw_named(name) {
            Some(draw) => begun(draw),
            None => {
                let draws = self.draws();
                let led = draws.iter().filter(|draw| draw.schedule.is_some());
                Err(NoDraw::unknown(name, agency, led.map(|draw| draw.candidate())))
            }
        }
    }

    /// The draw of a name, if the store knows one.
    fn draw_named(&self, name: &str) -> Option<Arc<Draw>> {
        let draws = self.draws.read().unwrap_or_else(PoisonError::into_inner);
        DrawName::find(&draws, name, |draw| &draw.terms.name).map(Arc::clone)
    }

    /// The draw of a number, if the store knows one.
    pub(crate) fn draw(&self, id: DrawId) -> Option<Arc<Draw>> {
        self.find(|draw| draw.id == id)
    }

    /// All draws, in the order of their numbers.
    pub(crate) fn draws(&self) -> Vec<Arc<Draw>> {
        self.draws.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether operators disabled an agency.
    pub(crate) fn is_disabled(&self, agency: AgencyId) -> bool {
        self.disabled.read().unwrap_or_else(PoisonError::into_inner).contains(&agency)
    }

    /// The longest that somebody waits for a draw's winners.
    pub(crate) fn winners_wait(&self) -> Duration {
        self.winners_wait
    }

    /// Where people read and type times.
    pub(crate) fn zone(&self) -> Zone {
        self.zone
    }

    /// Who is connected.
    pub(crate) fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    /// Stores a batch. `done` must be short: it runs on a thread of the store's.
    pub(crate) fn append(
        &self,
        batch: Batch,
        done: impl FnOnce(Result<Appended, AppendError>) + Send + 'static,
    ) {
        self.store.append(batch, self.clock.now(), watched(&self.failure, done));
    }

    /// Notes that an agency has finished; if it was the last, makes the draw. `done` must be short.
    pub(crate) fn finish(
        self: &Arc<Self>,
        draw: &Arc<Draw>,
        agency: AgencyId,
        done: impl FnOnce(Result<Finished, FinishError>) + Send + 'static,
    ) {
        let (service, finishing) = (Arc::clone(self), Arc::clone(draw));
        let done = watched(&self.failure, move |outcome: Result<Finished, _>| {
            if outcome.as_ref().is_ok_and(|finished| finished.all) {
                service.make_automatic_draw(&finishing);
            }
            done(outcome);
        });
        self.store.finish(draw.id, agency, self.clock.now(), done);
    }

    /// Asks how far an agency has come. `done` must be short.
    pub(crate) fn progress(
        &self,
        draw: &Draw,
        agency: AgencyId,
        done: impl FnOnce(Result<AgencyProgress, ProgressError>) + Send + 'static,
    ) {
        self.store.progress(draw.id, agency, watched(&self.failure, done));
    }

    /// Where to wait for a draw's winners. Has them read, if nobody had.
    pub(crate) fn winners(
        self: &Arc<Self>,
        draw: &Arc<Draw>,
        agency: AgencyId,
    ) -> Result<watch::Receiver<Stage>, WinnersError> {
        if !draw.terms.agencies.contains(agency) {
            let registered = draw.terms.agencies.clone();
            return Err(WinnersError::UnknownAgency { agency, registered });
        }
        self.read_winners(draw);
        Ok(draw.subscribe())
    }

    /// What is counted while agencies are served.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Whether the store failed, or is full.
    pub(crate) fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Begins nothing more; ends when a draw that is being made is made, or given up.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Makes a draw if a crash came between what decided about it and its making.
    async fn mend(self: &Arc<Self>, status: &DrawStatus) -> Result<(), MakeDrawError> {
        let Some(draw) = self.draw(status.id) else { return Ok(()) };
        let given = self.automatic.filter(|automatic| automatic.draw == draw.id);
        let given = given.map(|automatic| automatic.winning_number);
        let agreed = status.operated.as_ref().and_then(|operated| operated.agreed);
        match (status.state, given.or(agreed)) {
            (DrawState::Drawn { number }, Some(ignored)) if number != ignored => {
                // The operator should know that the number given now has no effect.
                tracing::warn!(
                    action = "abrir_sorteo",
                    result = "success",
                    sorteo = %status.terms.name,
                    numero_sorteado = number,
                    numero_ignorado = ignored,
                );
                Ok(())
            }
            (DrawState::Open, Some(number)) if status.all_finished() => {
                draw.begin_making();
                self.close_and_draw(&draw, number).await
            }
            (DrawState::Closed, Some(number)) => self.draw_made(&draw, number).await,
            _ => Ok(()),
        }
    }

    /// Whether a draw goes by itself, was not made, and another central was started for it: nobody
    /// makes it, and nobody means it without naming it.
    fn is_left(&self, draw: &Draw) -> bool {
        let is_own = self.automatic.is_some_and(|automatic| automatic.draw == draw.id);
        let is_drawn = matches!(draw.state(), DrawState::Drawn { .. });
        draw.schedule.is_none() && !is_own && !is_drawn
    }

    fn find(&self, is_meant: impl Fn(&Draw) -> bool) -> Option<Arc<Draw>> {
        let draws = self.draws.read().unwrap_or_else(PoisonError::into_inner);
        draws.iter().find(|draw| is_meant(draw)).map(Arc::clone)
    }

    fn make_automatic_draw(self: &Arc<Self>, draw: &Arc<Draw>) {
        let Some(Automatic { winning_number, .. }) =
            self.automatic.filter(|automatic| automatic.draw == draw.id)
        else {
            return;
        };
        if !draw.begin_making() {
            return;
        }
        let (service, draw) = (Arc::clone(self), Arc::clone(draw));
        // On the runtime of `open`: a store's completion may run on any thread.
        let making = async move { service.make_draw_or_retry(&draw, winning_number).await };
        self.tasks.spawn_on(making, &self.runtime);
    }

    async fn make_draw_or_retry(self: Arc<Self>, draw: &Arc<Draw>, number: u32) {
        while let Err(error) = self.close_and_draw(draw, number).await {
            tracing::error!(action = "sorteo", result = "fail", error = %error);
            let pause = tokio::time::sleep(DRAW_RETRY_TIME);
            let waited = self.stopping.run_until_cancelled(pause).await.is_some();
            if !error.may_pass() || !waited {
                return draw.give_up_making();
            }
        }
    }

    async fn close_and_draw(
        self: &Arc<Self>,
        draw: &Arc<Draw>,
        number: u32,
    ) -> Result<(), MakeDrawError> {
        ask(&self.failure, |done| self.store.close(draw.id, self.clock.now(), done)).await?;
        draw.is_now(DrawState::Closed);
        self.draw_made(draw, number).await
    }

    /// Makes a draw that is closed. One that goes by itself is published by that.
    async fn draw_made(
        self: &Arc<Self>,
        draw: &Arc<Draw>,
        number: u32,
    ) -> Result<(), MakeDrawError> {
        let drawn = ask(&self.failure, |done| {
            self.store.draw(draw.id, number, self.clock.now(), done);
        });
        let drawn = drawn.await?;
        draw.is_now(DrawState::Drawn { number: drawn.number });
        if !drawn.repeated {
            tracing::info!(action = "sorteo", result = "success");
        }
        if draw.schedule.is_none() {
            draw.made();
            self.read_winners(draw);
        }
        Ok(())
    }

    fn read_winners(self: &Arc<Self>, draw: &Arc<Draw>) {
        if !draw.begin_reading() {
            return;
        }
        let (store, draw) = (Arc::clone(&self.store), Arc::clone(draw));
        let reading = self.runtime.spawn_blocking({
            let id = draw.id;
            move || store.winners(id).map(|winners| DrawWinners::new(&winners))
        });
        self.runtime.spawn(async move {
            let error = match reading.await {
                Ok(Ok(winners)) => return draw.publish(winners),
                Ok(Err(error)) => error.to_string(),
                Err(broken_off) => broken_off.to_string(),
            };
            tracing::error!(action = "leer_ganadores", result = "fail", error = error);
            draw.unreadable();
        });
    }
}

impl MakeDrawError {
    /// Whether trying again later makes sense.
    fn may_pass(&self) -> bool {
        match self {
            Self::Close(CloseError::Store(fault)) | Self::Draw(DrawError::Store(fault)) => {
                fault.may_pass()
            }
            _ => false,
        }
    }
}

/// A draw that was named, unless it takes no bets yet.
fn begun(draw: Arc<Draw>) -> Result<Arc<Draw>, NoDraw> {
    match draw.state() {
        DrawState::Announced => Err(draw.candidate().not_open_yet()),
        _ => Ok(draw),
    }
}

fn warn_of(left: &Draw) {
    tracing::warn!(
        action = "abrir_sorteo",
        result = "fail",
        sorteo = %left.terms.name,
        error = "a draw that goes by itself is left unmade: a central started for it, with \
                 --agencies, --draw and --winning-number, makes it",
    );
}

/// Waits for the store's answer to `request`.
async fn ask<T, E>(failure: &Arc<Failure>, request: impl FnOnce(Done<Result<T, E>>)) -> Result<T, E>
where
    T: Outcome + Send + 'static,
    E: StoreError + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    request(watched(failure, move |outcome| drop(answer.send(outcome))));
    answered.await.unwrap_or_else(|_| Err(StoreFault::Closed.into()))
}
