//! The domain service: what the central does with bets and draws, whoever asks for it.
//!
//! ```text
//! Service       asks the store, makes the served draw once all have finished, reads winners
//! answers       every request is answered once; a store that failed is noticed
//! draw          a draw and how far its winners are
//! presence      who is connected now
//! ```
//!
//! Invariants:
//! - the served draw is closed and made when the last agency finishes, once; what a crash left in
//!   between is mended by [`Service::open`];
//! - a draw's winners are read once and kept, and not by a thread that serves connections;
//! - winners that can't be read are an error, never an empty answer.
//!
//! Deliberately absent: sockets, messages, and the making of other draws than the served one: the
//! winning number that this central was given is not theirs.

mod answers;
mod draw;
mod presence;

use std::sync::Arc;
use std::time::Duration;

use lottery::{
    Agencies, AgencyId, AgencyProgress, AppendError, Appended, Batch, CloseError, Done, DrawError,
    DrawState, DrawStatus, FinishError, Finished, NumberRange, OpenDrawError, ProgressError, Store,
    StoreFault,
};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::limits::{DRAW_RETRY_TIME, LimitsError};
use crate::options::{Options, WinningNumber};
pub(crate) use answers::Failure;
use answers::{StoreError, watched};
pub(crate) use draw::{Draw, DrawWinners, Stage};
pub(crate) use presence::Attendance;
pub use presence::{Connected, Identity, Presence};

/// The domain service. One a store.
pub(crate) struct Service {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    winning_number: WinningNumber,
    winners_wait: Duration,
    /// All the store's draws: only this service opens one.
    draws: Vec<Arc<Draw>>,
    served: Arc<Draw>,
    presence: Arc<Presence>,
    failure: Arc<Failure>,
    runtime: Handle,
    /// What must end before the store is left.
    tasks: TaskTracker,
    stopping: CancellationToken,
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
    /// Opens the draw of `options`, or finds it, and makes it if all its agencies had finished.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: &Options,
    ) -> Result<Arc<Self>, OpenError> {
        let WinningNumber::Fixed(number) = options.winning_number;
        let range = options.terms.numbers;
        if !range.contains(number) {
            return Err(OpenError::WinningNumber { number, range });
        }
        let failure = Arc::new(Failure::default());
        let terms = options.terms.clone();
        let opened = ask(&failure, |done| store.open_draw(terms, clock.now(), done)).await?;
        let statuses = ask(&failure, |done| store.draws(done)).await?;
        let status = statuses.iter().find(|status| status.id == opened);
        let status = status.expect("a store knows the draw that it opened").clone();
        let draws: Vec<_> = statuses.into_iter().map(|status| Arc::new(draw_of(status))).collect();
        let served = draws.iter().find(|draw| draw.id == opened);
        let served = Arc::clone(served.expect("it is among the draws, as its status was"));
        let presence = Presence::new(Arc::clone(&clock));
        let service = Arc::new(Self {
            store,
            clock,
            winning_number: options.winning_number,
            winners_wait: options.winners_wait,
            draws,
            served,
            presence,
            failure,
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        service.mend(&status).await?;
        Ok(service)
    }

    /// The draw of those who name none.
    pub(crate) fn served(&self) -> &Arc<Draw> {
        &self.served
    }

    /// The draw of a name, if the store knows one.
    pub(crate) fn draw_named(&self, name: &str) -> Option<&Arc<Draw>> {
        self.draws.iter().find(|draw| draw.terms.name.as_str() == name)
    }

    /// The longest that somebody waits for a draw's winners.
    pub(crate) fn winners_wait(&self) -> Duration {
        self.winners_wait
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
                service.make_draw(&finishing);
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

    /// Whether the store failed.
    pub(crate) fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Begins nothing more; ends when a draw that is being made is made, or given up.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Makes the served draw if a crash came between the last FINISH and the draw.
    async fn mend(self: &Arc<Self>, status: &DrawStatus) -> Result<(), MakeDrawError> {
        let WinningNumber::Fixed(given) = self.winning_number;
        match status.state {
            DrawState::Drawn { number } if number != given => {
                // The operator should know that the number given now has no effect.
                tracing::warn!(
                    action = "abrir_sorteo",
                    result = "success",
                    sorteo = %status.terms.name,
                    numero_sorteado = number,
                    numero_ignorado = given,
                );
                Ok(())
            }
            DrawState::Open if !status.all_finished() => Ok(()),
            DrawState::Drawn { .. } => Ok(()),
            DrawState::Open | DrawState::Closed => {
                self.served.begin_making();
                self.close_and_draw(&self.served).await?;
                self.read_winners(&self.served);
                Ok(())
            }
        }
    }

    fn make_draw(self: &Arc<Self>, draw: &Arc<Draw>) {
        if draw.id != self.served.id || !draw.begin_making() {
            return;
        }
        let (service, draw) = (Arc::clone(self), Arc::clone(draw));
        // On the runtime of `open`: a store's completion may run on any thread.
        let making = async move { service.make_draw_or_retry(&draw).await };
        self.tasks.spawn_on(making, &self.runtime);
    }

    async fn make_draw_or_retry(self: Arc<Self>, draw: &Arc<Draw>) {
        while let Err(error) = self.close_and_draw(draw).await {
            tracing::error!(action = "sorteo", result = "fail", error = %error);
            let pause = tokio::time::sleep(DRAW_RETRY_TIME);
            let waited = self.stopping.run_until_cancelled(pause).await.is_some();
            if !error.may_pass() || !waited {
                return draw.give_up_making();
            }
        }
        self.read_winners(draw);
    }

    async fn close_and_draw(&self, draw: &Draw) -> Result<(), MakeDrawError> {
        let WinningNumber::Fixed(number) = self.winning_number;
        let (failure, store) = (&self.failure, &self.store);
        ask(failure, |done| store.close(draw.id, self.clock.now(), done)).await?;
        let drawn =
            ask(failure, |done| store.draw(draw.id, number, self.clock.now(), done)).await?;
        if !drawn.repeated {
            tracing::info!(action = "sorteo", result = "success");
        }
        draw.made();
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

/// Waits for the store's answer to `request`.
async fn ask<T, E>(failure: &Arc<Failure>, request: impl FnOnce(Done<Result<T, E>>)) -> Result<T, E>
where
    T: Send + 'static,
    E: StoreError + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    request(watched(failure, move |outcome| drop(answer.send(outcome))));
    answered.await.unwrap_or_else(|_| Err(StoreFault::Closed.into()))
}

fn draw_of(status: DrawStatus) -> Draw {
    let stage = match status.state {
        DrawState::Open | DrawState::Closed => Stage::NotMade,
        DrawState::Drawn { .. } => Stage::Made,
    };
    Draw::new(status.id, status.terms, stage)
}
