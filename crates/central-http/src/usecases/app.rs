//! State that all use cases share. Acts are written to the ledger, and their callers' permissions
//! are checked again when the act is decided.

use std::sync::Arc;
use std::time::Duration;

use central::{ConnectionLimiter, Service};
use lottery::{Act, ActError, Acted, AuditedAction, Judge, Label, Reason, RecordedAct};
use operators::Permission;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::access::state::Access;
use crate::host::Host;
use crate::limits::{EXPORTS_MAX, HttpLimits, READINGS_MAX};
use crate::usecases::board::BoardPoller;

/// The state that every handler receives.
pub(crate) type App = Arc<State>;

/// What the records of draws begin with; what is not configured is left out.
#[derive(Clone, Debug, Default)]
pub struct Letterhead {
    /// The lottery's name.
    pub lottery: Option<Label>,
    /// The lottery's place.
    pub place: Option<Label>,
}

/// See [`App`].
pub(crate) struct State {
    pub(crate) service: Arc<Service>,
    pub(crate) access: Arc<Access>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) limits: HttpLimits,
    pub(crate) letterhead: Letterhead,
    /// Limits the boards that are watched.
    pub(crate) boards: Arc<ConnectionLimiter>,
    pub(crate) poller: BoardPoller,
    readings: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    /// Cancelled on shutdown: ends boards and exports, which could go on for long.
    pub(crate) stopping: CancellationToken,
}

impl State {
    pub(crate) fn new(
        service: Arc<Service>,
        access: Arc<Access>,
        host: Arc<dyn Host>,
        limits: HttpLimits,
        letterhead: Letterhead,
        stopping: CancellationToken,
    ) -> App {
        Arc::new(Self {
            poller: BoardPoller::new(Arc::clone(&service), Arc::clone(&host), stopping.clone()),
            service,
            access,
            host,
            boards: ConnectionLimiter::new(limits.boards_max, limits.boards_per_client_max),
            limits,
            letterhead,
            readings: Arc::new(Semaphore::new(READINGS_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            stopping,
        })
    }

    /// Records and performs a caller's act, if the caller still has the permission when it is
    /// decided.
    pub(crate) async fn act(&self, who: &Caller, why: Reason, act: Act) -> Result<Acted, Refusal> {
        self.act_as(who, Permission::RunDraws, RecordedAct::new(who.actor(), why, act)).await
    }

    /// Records an action in the audit log before it is performed, if the caller still has the
    /// permission by then.
    pub(crate) async fn record(
        &self,
        who: &Caller,
        needed: Permission,
        action: AuditedAction,
    ) -> Result<(), Refusal> {
        self.act_as(who, needed, recorded(who, action)).await.map(drop)
    }

    /// Records an action in the audit log, if the judge allows it by then.
    pub(crate) async fn record_if(
        &self,
        who: &Caller,
        judge: Judge,
        action: AuditedAction,
    ) -> Result<(), Refusal> {
        self.stored(recorded(who, action), judge).await?.map(drop).map_err(Refusal::from)
    }

    async fn act_as(
        &self,
        who: &Caller,
        needed: Permission,
        act: RecordedAct,
    ) -> Result<Acted, Refusal> {
        match self.stored(act, self.access.judge_of(who, Some(needed))).await? {
            Ok(acted) => Ok(acted),
            Err(error) => Err(self.refused(error, who, needed).await),
        }
    }

    async fn stored(
        &self,
        act: RecordedAct,
        judge: Judge,
    ) -> Result<Result<Acted, ActError>, Refusal> {
        let acting = async { Ok(self.service.act(act, judge).await) };
        known_within(self.limits.act_time_max, acting).await
    }

    /// Converts the error of an act to a refusal. If the judge rejected it, returns the judge's
    /// reason.
    pub(crate) async fn refused(
        &self,
        error: ActError,
        who: &Caller,
        needed: Permission,
    ) -> Refusal {
        if error == ActError::NotAllowed
            && let Err(refusal) = self.access.must_still(who, Some(needed)).await
        {
            return refusal;
        }
        error.into()
    }

    /// Waits for a permit to read much of the ledger, then checks that the caller still has the
    /// permission. Few such reads run at once, so that the disk and the processors stay free for
    /// agencies.
    pub(crate) async fn reading(
        &self,
        who: &Caller,
        needed: Permission,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        let turn = Arc::clone(&self.readings).acquire_owned().await;
        self.access.must_still(who, Some(needed)).await?;
        Ok(turn.expect("the semaphore is never closed"))
    }

    /// Returns a permit to export, or rejects the request. Exports have permits of their own
    /// because a slow client may hold one for long.
    pub(crate) fn exporting(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = Arc::clone(&self.exports).try_acquire_owned();
        place.map_err(|_| Refusal::TooManyExports)
    }
}

/// Waits for the outcome of an act that goes on by itself; when it takes too long, it is not known.
pub(crate) async fn known_within<T>(
    time_max: Duration,
    acting: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    tokio::time::timeout(time_max, acting).await.unwrap_or(Err(Refusal::NotKnown))
}

fn recorded(who: &Caller, action: AuditedAction) -> RecordedAct {
    RecordedAct::new(who.actor(), Reason::default(), Act::Audited(action))
}
