//! What all requests have in common.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use engine::Clock;
use lottery::{
    Act, ActError, Acted, Actor, AgencyId, AuditedAction, Judge, Label, OperatorsChange, Reason,
    RecordedAct, Registration, always_allowed,
};
use operators::{Attempts, ChangeError, Password, PasswordHash, People, PeopleError, Roster};
use operators::{Name, Permission, Secret, Sessions};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::board::BoardPoller;
use crate::caller::{Caller, Credential, cookie_name};
use crate::limits::{EXPORTS_MAX, HASHINGS_MAX, HttpLimits, READINGS_MAX};
use crate::origin::Origin;
use crate::problem::Problem;
use crate::proxies::Proxies;
use crate::{Host, HttpOptions};
use central::ConnectionLimiter;
use central::LogThrottle;
use central::{Change, Service};

/// What every handler is given.
pub(super) type App = Arc<State>;

/// See [`App`].
pub(super) struct State {
    pub(super) service: Arc<Service>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) host: Arc<dyn Host>,
    pub(super) roster: Arc<Roster>,
    pub(super) limits: HttpLimits,
    /// How browsers reach the central.
    pub(super) origin: Option<Origin>,
    proxies: Option<Proxies>,
    /// Requests under way, but for those of boards, health and metrics.
    pub(super) requests: Arc<ConnectionLimiter>,
    /// Boards that are watched.
    pub(super) boards: Arc<ConnectionLimiter>,
    /// What the cookie that holds a session's secret is called.
    pub(super) cookie_name: String,
    pub(super) poller: BoardPoller,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    /// Attempts to log in that were too many.
    pub(super) too_many_attempts: Mutex<LogThrottle>,
    hashings: Semaphore,
    readings: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    /// No more requests: what would go on for long ends.
    pub(super) stopping: CancellationToken,
}

impl State {
    pub(super) fn new(
        service: Arc<Service>,
        clock: Arc<dyn Clock>,
        options: HttpOptions,
        listening_at: u16,
        stopping: CancellationToken,
    ) -> App {
        let HttpOptions { origin, proxies, data, host, limits } = options;
        Arc::new(Self {
            poller: BoardPoller::new(Arc::clone(&service), Arc::clone(&host), stopping.clone()),
            service,
            clock,
            host,
            roster: Arc::new(Roster::in_folder(&data)),
            requests: ConnectionLimiter::new(limits.requests_max, limits.requests_per_client_max),
            boards: ConnectionLimiter::new(limits.boards_max, limits.boards_per_client_max),
            limits,
            proxies,
            cookie_name: cookie_name(origin.as_ref(), listening_at),
            origin,
            sessions: Mutex::default(),
            attempts: Mutex::default(),
            too_many_attempts: Mutex::default(),
            hashings: Semaphore::new(HASHINGS_MAX),
            readings: Arc::new(Semaphore::new(READINGS_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            stopping,
        })
    }

    /// Whether browsers reach the central with encryption.
    pub(super) fn is_encrypted(&self) -> bool {
        self.origin.as_ref().is_some_and(Origin::is_encrypted)
    }

    /// The address that a request comes from, whose connection comes from this peer.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.as_ref().map_or(peer, |proxies| proxies.client(peer, headers))
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Each change of the map leaves it whole.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        // As those of the sessions.
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A secret that nobody has yet.
    pub(super) fn secret(&self) -> Result<Secret, Problem> {
        self.random().map(Secret::from_random)
    }

    /// Whether the password is this operator's. Takes the same time when there is none such.
    pub(super) async fn password_is_of(
        &self,
        password: Password,
        kept: Option<PasswordHash>,
    ) -> Result<bool, Problem> {
        self.hashing(move || password.is_of(kept.as_ref())).await
    }

    /// Hashes a new password.
    pub(super) async fn hash(
        &self,
        password: Password,
        name: Name,
    ) -> Result<PasswordHash, Problem> {
        let salt = self.random()?;
        self.hashing(move || password.hash(&name, salt)).await?.map_err(Problem::from)
    }

    /// Changes the people, once it is recorded who did that, who is judged while nobody else can
    /// change them. When the file can't be written after all, that is recorded too.
    pub(super) async fn change_people<T: Send + 'static>(
        self: &Arc<Self>,
        who: &Caller,
        needed: Option<Permission>,
        recorded: OperatorsChange,
        change: impl FnOnce(&mut People) -> Result<T, PeopleError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (state, who, runtime) = (Arc::clone(self), who.clone(), Handle::current());
        // The file is locked meanwhile, and others may hold it: not on a thread that serves.
        let changing = tokio::task::spawn_blocking(move || {
            let not_changed = AuditedAction::OperatorsNotChanged(recorded.clone());
            let mut is_recorded = false;
            let changed = state.roster.change(
                |people| {
                    // Another change, of which they had to wait for the end, may have been of them.
                    who.must_be_among(people, state.clock.now(), needed)?;
                    change(people).map_err(Problem::from)
                },
                || {
                    // By the people as they were: the change may be of who makes it.
                    let action = AuditedAction::ChangeOperators(recorded);
                    runtime.block_on(state.record_if(&who, state.goes_on(&who), action))?;
                    is_recorded = true;
                    Ok(())
                },
            );
            let changed = changed.map_err(|error| match error {
                ChangeError::Refused(problem) => problem,
                ChangeError::File(error) => error.into(),
            });
            if is_recorded && changed.is_err() {
                runtime.block_on(state.record_if(&who, always_allowed(), not_changed))?;
            }
            changed
        });
        changing.await.map_err(|_| Problem::unavailable("the change broke off"))?
    }

    /// Records what an operator does, before it is done, if they may still do it by then.
    pub(super) async fn record(
        self: &Arc<Self>,
        who: &Caller,
        needed: Permission,
        action: AuditedAction,
    ) -> Result<(), Problem> {
        let needed = Some(needed);
        let recorded = self.record_if(who, self.judge(who, needed), action).await;
        recorded.map_err(|error| self.refused(error, who, needed))
    }

    /// Records what an operator does, if the judge allows it by then.
    pub(super) async fn record_if(
        &self,
        who: &Caller,
        judge: Judge,
        action: AuditedAction,
    ) -> Result<(), ActError> {
        let recorded = RecordedAct::new(actor(who), Reason::default(), Act::Audited(action));
        self.service.act(recorded, judge).await.map(drop)
    }

    /// Puts an act of an operator on record, and has it take effect, if they may still do it when
    /// it is decided.
    pub(super) async fn act(
        self: &Arc<Self>,
        who: &Caller,
        why: Reason,
        act: Act,
    ) -> Result<Acted, Problem> {
        let needed = Some(Permission::RunDraws);
        let recorded = RecordedAct::new(actor(who), why, act);
        let acted = self.service.act(recorded, self.judge(who, needed)).await;
        acted.map_err(|error| self.refused(error, who, needed))
    }

    /// Changes what is known of an agency, as [`act`](Self::act) does; gives what it is now.
    pub(super) async fn change_agency(
        self: &Arc<Self>,
        who: &Caller,
        why: Reason,
        agency: AgencyId,
        change: Change,
    ) -> Result<(Registration, Acted), Problem> {
        let needed = Some(Permission::ManageAgencies);
        let judge = self.judge(who, needed);
        let changed = self.service.change_agency(actor(who), why, agency, change, judge).await;
        changed.map_err(|error| self.refused(error, who, needed))?.ok_or_else(|| {
            Problem::not_found(format!("there is no agency {} registered", agency.0))
        })
    }

    /// Says, when an act is decided, by which version of the operators whoever asked for it may
    /// still do that.
    fn judge(self: &Arc<Self>, who: &Caller, needed: Option<Permission>) -> Judge {
        let (state, who) = (Arc::clone(self), who.clone());
        Box::new(move || who.must_still(&state, needed).ok())
    }

    /// Says, when it is recorded that somebody changed the people, whether they are still logged
    /// in: all else was judged, and can't change meanwhile.
    fn goes_on(self: &Arc<Self>, who: &Caller) -> Judge {
        let (state, who) = (Arc::clone(self), who.clone());
        Box::new(move || {
            let people = state.roster.people().ok()?;
            who.is_logged_in(&state).then(|| people.version())
        })
    }

    /// What is told of a refusal: of one by the judge, what it had against it.
    fn refused(
        self: &Arc<Self>,
        error: ActError,
        who: &Caller,
        needed: Option<Permission>,
    ) -> Problem {
        let judged = error == ActError::NotAllowed;
        let reason = judged.then(|| who.must_still(self, needed).err()).flatten();
        reason.unwrap_or_else(|| error.into())
    }

    /// Leave to read much of the ledger, for who may still do so when it is their turn: few do at
    /// once, so that agencies have the disk and the processors.
    pub(super) async fn reading(
        self: &Arc<Self>,
        who: &Caller,
        needed: Permission,
    ) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = Arc::clone(&self.readings).acquire_owned().await;
        who.must_still(self, Some(needed))?;
        Ok(turn.expect("the semaphore is never closed"))
    }

    /// Leave to export; whoever takes one may be slow, and hold up nobody but other exports.
    pub(super) fn exporting(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.exports).try_acquire_owned();
        place.map_err(|_| Problem::too_many_exports(EXPORTS_MAX))
    }

    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let _turn = self.hashings.acquire().await.expect("the semaphore is never closed");
        let hashed = tokio::task::spawn_blocking(work).await;
        hashed.map_err(|_| Problem::unavailable("hashing the password broke off"))
    }

    fn random<const LEN: usize>(&self) -> Result<[u8; LEN], Problem> {
        let mut bytes = [0; LEN];
        self.host.random(&mut bytes).map_err(|error| {
            tracing::error!(action = "pedir_azar", result = "fail", error = %error);
            Problem::unavailable("the system gives no random bytes")
        })?;
        Ok(bytes)
    }
}

fn actor(who: &Caller) -> Actor {
    let owner = label_of(&who.name);
    match &who.by {
        Credential::Session(_) => Actor::Operator(owner),
        Credential::Token { id, label } => {
            Actor::Token { owner, number: id.0, label: Label::nearest(label) }
        }
    }
}

/// An operator's name, as it is put on record.
pub(super) fn label_of(name: &Name) -> Label {
    Label::new(name.as_str()).expect("an operator's name is a short word")
}
