//! What all requests have in common.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use lottery::limits::REASON_LEN_MAX;
use lottery::{Act, Acted, Actor, AgencyId, Label, Reason, Registration, Signed};
use operators::{Attempts, ChangeError, Password, PasswordHash, People, PeopleError, Roster};
use operators::{Name, Secret, Sessions};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::http::board::Lookout;
use crate::http::deed::{Deed, Note};
use crate::http::origin::Origin;
use crate::http::problem::Problem;
use crate::http::proxies::Proxies;
use crate::http::who::{By, Who, cookie_name};
use crate::http::{Host, HttpOptions};
use crate::limits::{EXPORTS_MAX, HASHINGS_MAX, HttpLimits, READINGS_MAX};
use crate::paced::Paced;
use crate::places::Places;
use crate::service::{Change, Service};

/// The topic of all notes that are put on record here.
pub(super) const NOTES_TOPIC: &str = "operators";

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
    pub(super) requests: Arc<Places>,
    /// Boards that are watched.
    pub(super) boards: Arc<Places>,
    /// What the cookie that holds a session's secret is called.
    pub(super) cookie_name: String,
    pub(super) lookout: Lookout,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    /// Attempts to log in that were too many.
    pub(super) too_many_attempts: Mutex<Paced>,
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
            lookout: Lookout::new(Arc::clone(&service), Arc::clone(&host)),
            service,
            clock,
            host,
            roster: Arc::new(Roster::in_folder(&data)),
            requests: Places::new(limits.requests_max, limits.requests_per_client_max),
            boards: Places::new(limits.boards_max, limits.boards_per_client_max),
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

    /// Changes the people, once it is recorded who did that. When the file can't be written after
    /// all, that is recorded too.
    pub(super) async fn change_people<T: Send + 'static>(
        self: &Arc<Self>,
        who: &Who,
        deed: Deed,
        change: impl FnOnce(&mut People) -> Result<T, PeopleError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (state, who, runtime) = (Arc::clone(self), who.clone(), Handle::current());
        // The file is locked meanwhile, and others may hold it: not on a thread that serves.
        let changing = tokio::task::spawn_blocking(move || {
            let not_done = Deed::NotWritten(Box::new(deed.clone()));
            let mut recorded = false;
            let changed = state.roster.change(|people| {
                // Another change, of which they had to wait for the end, may have been of them.
                if !who.is_among(people) {
                    return Err(Problem::not_authenticated("the session or the token is over"));
                }
                let changed = change(people).map_err(Problem::from)?;
                runtime.block_on(state.note(&who, deed))?;
                recorded = true;
                Ok(changed)
            });
            let changed = changed.map_err(|error| match error {
                ChangeError::Refused(problem) => problem,
                ChangeError::File(error) => error.into(),
            });
            if recorded && changed.is_err() {
                runtime.block_on(state.note(&who, not_done))?;
            }
            changed
        });
        changing.await.map_err(|_| Problem::unavailable("the change broke off"))?
    }

    /// Records what an operator does, before it is done; and with which token, if it is a program.
    pub(super) async fn note(&self, who: &Who, deed: Deed) -> Result<(), Problem> {
        let token = match &who.by {
            By::Session(_) => None,
            By::Token { id, label } => Some(format!("{id} {label:?}")),
        };
        let text = Note { token, deed }.to_string();
        let note = Act::Note { topic: label(NOTES_TOPIC), text: reason(&text) };
        self.act(who, Reason::default(), note).await.map(drop)
    }

    /// Puts an act of an operator on record, and has it take effect.
    pub(super) async fn act(&self, who: &Who, why: Reason, act: Act) -> Result<Acted, Problem> {
        Ok(self.service.act(Signed { by: actor(who), why, act }).await?)
    }

    /// Changes what is known of an agency; gives what it is now.
    pub(super) async fn change_agency(
        &self,
        who: &Who,
        why: Reason,
        agency: AgencyId,
        change: Change,
    ) -> Result<(Registration, Acted), Problem> {
        let changed = self.service.change_agency(actor(who), why, agency, change).await?;
        changed.ok_or_else(|| {
            Problem::not_found(format!("there is no agency {} registered", agency.0))
        })
    }

    /// Leave to read much of the ledger: few do at once, so that agencies have the disk and the
    /// processors.
    pub(super) async fn reading(&self) -> OwnedSemaphorePermit {
        let turn = Arc::clone(&self.readings).acquire_owned().await;
        turn.expect("the semaphore is never closed")
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

fn actor(who: &Who) -> Actor {
    Actor::Operator(label(who.name.as_str()))
}

fn label(text: &str) -> Label {
    Label::new(text).expect("names of operators and ours are labels")
}

/// As much of a text as a record holds.
fn reason(text: &str) -> Reason {
    let end = text.floor_char_boundary(REASON_LEN_MAX);
    Reason::new(&text[..end]).expect("names, labels and our words have no control characters")
}
