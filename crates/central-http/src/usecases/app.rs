//! State that all use cases share. Acts are written to the ledger, and their callers' permissions
//! are checked again when the act is decided.

use std::sync::Arc;

use central::{ConnectionLimiter, Service};
use lottery::{
    Act, ActError, Acted, AuditedAction, Judge, Label, Reason, RecordedAct, always_allowed,
};
use operators::Permission;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::access::state::{Access, Denied};
use crate::host::Host;
use crate::limits::{ACTS_MAX, COPIES_MAX, EXPORTS_MAX, HttpLimits, READINGS_MAX};
use crate::usecases::board::BoardPoller;
use crate::usecases::copy::Standbys;

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
    /// Limits the copies of the ledger under way.
    pub(crate) copies: Arc<ConnectionLimiter>,
    pub(crate) standbys: Arc<Standbys>,
    /// Limits the acts under way: those that wait for a store that is away take memory and threads.
    acts: Arc<Semaphore>,
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
            copies: ConnectionLimiter::new(COPIES_MAX, COPIES_MAX),
            standbys: Arc::default(),
            boards: ConnectionLimiter::new(limits.boards_max, limits.boards_per_client_max),
            limits,
            letterhead,
            acts: Arc::new(Semaphore::new(ACTS_MAX)),
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

    /// Records an action that needs no permission.
    pub(crate) async fn record_freely(
        &self,
        who: &Caller,
        action: AuditedAction,
    ) -> Result<(), Refusal> {
        self.stored(recorded(who, action), always_allowed()).await?.map(drop).map_err(Refusal::from)
    }

    /// Records a login, if the operator or the token may still log in by then.
    pub(crate) async fn record_login(&self, who: &Caller) -> Result<(), Refusal> {
        let denied = Denied::default();
        let judge = self.access.judge_before_session(who, &denied);
        match self.stored(recorded(who, AuditedAction::LogIn), judge).await? {
            Ok(_) => Ok(()),
            Err(ActError::NotAllowed) if !denied.is_so() => Err(not_checked()),
            Err(error) => Err(error.into()),
        }
    }

    async fn act_as(
        &self,
        who: &Caller,
        needed: Permission,
        act: RecordedAct,
    ) -> Result<Acted, Refusal> {
        let denied = Denied::default();
        match self.stored(act, self.access.judge_of(who, Some(needed), &denied)).await? {
            Ok(acted) => Ok(acted),
            Err(error) => Err(self.refused(error, who, Some(needed), &denied).await),
        }
    }

    async fn stored(
        &self,
        act: RecordedAct,
        judge: Judge,
    ) -> Result<Result<Acted, ActError>, Refusal> {
        let service = Arc::clone(&self.service);
        self.known_in_time(async move { Ok(service.act(act, judge).await) }).await
    }

    /// Waits for the outcome of an act. When that takes too long, the act goes on and its outcome is
    /// not known; if it could not even begin, it is not done.
    pub(crate) async fn known_in_time<T: Send + 'static>(
        &self,
        acting: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let end = Instant::now() + self.limits.act_time_max;
        let place = timeout_at(end, Arc::clone(&self.acts).acquire_owned()).await;
        let place = place.map_err(|_| Refusal::unavailable("the store does not answer now"))?;
        let acting = tokio::spawn(async move {
            let _place = place;
            acting.await
        });
        match timeout_at(end, acting).await {
            Ok(acted) => acted.map_err(|_| Refusal::unavailable("the act broke off"))?,
            Err(_) => Err(Refusal::NotKnown),
        }
    }

    /// Converts the error of an act to a refusal. If the judge rejected it, returns the judge's
    /// reason.
    pub(crate) async fn refused(
        &self,
        error: ActError,
        who: &Caller,
        needed: Option<Permission>,
        denied: &Denied,
    ) -> Refusal {
        if error != ActError::NotAllowed {
            return error.into();
        }
        match self.access.must_still(who, needed).await {
            Err(refusal) => refusal,
            Ok(()) if denied.is_so() => error.into(),
            Ok(()) => not_checked(),
        }
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

/// The refusal of an act whose judge could not ask for the operators.
fn not_checked() -> Refusal {
    Refusal::unavailable("the operators could not be read when this was decided")
}

fn recorded(who: &Caller, action: AuditedAction) -> RecordedAct {
    RecordedAct::new(who.actor(), Reason::default(), Act::Audited(action))
}
