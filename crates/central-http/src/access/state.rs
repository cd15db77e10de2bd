//! State that callers are authenticated against: operators, sessions and login attempts.
//!
//! Invariants:
//! - `async` functions ask the store of operators and hash passwords on the threads for blocking
//!   work;
//! - other functions that ask it are documented as blocking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::http::StatusCode;
use central::LogThrottle;
use engine::Clock;
use lottery::Judge;
use operators::{
    Digest, LogInFailures, Name, OperatorStore, OperatorsError, Password, PasswordHash, People,
    Permission, Secret, SessionUser,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::access::caller::{Caller, over};
use crate::access::refusal::Refusal;
use crate::host::Host;
use crate::limits::HASHINGS_MAX;
use crate::web::origin::Origin;

/// Prefix of the name of the session cookie.
pub(crate) const COOKIE: &str = "bolillero_session_";
/// Prefix of the session cookie's name over HTTPS. Browsers accept `__Host-` cookies only over
/// encrypted connections and only from the host itself.
const ENCRYPTED_COOKIE: &str = "__Host-bolillero_session_";

/// Whether a judge knew the operators when it rejected an act, and not merely could not ask for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denied(Arc<AtomicBool>);

impl Denied {
    pub(crate) fn note(&self, is_denied: bool) {
        self.0.store(is_denied, Ordering::Relaxed);
    }

    pub(crate) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// State that callers are authenticated against.
pub(crate) struct Access {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) operators: Arc<dyn OperatorStore>,
    /// The origin under which browsers reach the central, if configured.
    pub(crate) origin: Option<Origin>,
    /// The name of the session cookie.
    pub(crate) cookie_name: String,
    host: Arc<dyn Host>,
    pub(crate) failures: Mutex<LogInFailures>,
    /// Limits log lines about operators that can't be read.
    unreadable: Mutex<LogThrottle>,
    /// Limits log lines about too many login attempts.
    pub(crate) too_many_attempts: Mutex<LogThrottle>,
    hashings: Semaphore,
}

impl Access {
    pub(crate) fn new(
        operators: Arc<dyn OperatorStore>,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
        origin: Option<Origin>,
        listening_at: u16,
    ) -> Arc<Self> {
        Arc::new(Self {
            clock,
            operators,
            cookie_name: cookie_name(origin.as_ref(), listening_at),
            origin,
            host,
            failures: Mutex::default(),
            unreadable: Mutex::default(),
            too_many_attempts: Mutex::default(),
            hashings: Semaphore::new(HASHINGS_MAX),
        })
    }

    /// Returns whether browsers reach the central over HTTPS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.origin.as_ref().is_some_and(Origin::is_encrypted)
    }

    /// Returns the current operators.
    pub(crate) async fn people(&self) -> Result<Arc<People>, Refusal> {
        self.ask(|operators| operators.people()).await
    }

    /// Returns the operator of a session, if there is one and it is valid, and all operators.
    pub(crate) async fn session_user(
        &self,
        session: Option<Digest>,
        is_use: bool,
    ) -> Result<(Option<SessionUser>, Arc<People>), Refusal> {
        self.ask(move |operators| {
            let user = session.map(|session| operators.session_user(session, is_use));
            Ok((user.transpose()?.flatten(), operators.people()?))
        })
        .await
    }

    /// Asks the store of operators.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn OperatorStore) -> Result<T, OperatorsError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let operators = Arc::clone(&self.operators);
        let answer = blocking("reading the operators failed", move || ask(&*operators));
        answer.await?.map_err(|error| self.unreadable(&error))
    }

    /// Logs that the operators can't be read or written; several attempts share a line. Returns the
    /// refusal.
    pub(crate) fn unreadable(&self, error: &OperatorsError) -> Refusal {
        if let Some(times) = self.unreadable.lock().due(tokio::time::Instant::now()) {
            tracing::error!(action = "read_operators", result = "fail", times, error = %error);
        }
        Refusal::unavailable("the operators can't be read or written")
    }

    /// Rejects callers who no longer have the permission: operators can change during a request.
    pub(crate) async fn must_still(
        self: &Arc<Self>,
        who: &Caller,
        needed: Option<Permission>,
    ) -> Result<(), Refusal> {
        let session = who.session_digest();
        let (user, people) = self.session_user(session, false).await?;
        if session.is_some() && user.is_none() {
            return Err(over());
        }
        who.must_be_among(&people, self.clock.now(), needed)
    }

    /// Returns whether the caller's session or token has ended, or the permission has. Not if that
    /// can't be known now.
    pub(crate) async fn is_over(
        self: &Arc<Self>,
        who: &Caller,
        needed: Option<Permission>,
    ) -> bool {
        let refusal = self.must_still(who, needed).await.err();
        refusal.is_some_and(|it| it.status() != StatusCode::SERVICE_UNAVAILABLE)
    }

    /// Returns a judge that checks, at the moment an act is decided, whether the caller still has
    /// the permission. It yields the version of the operators that it checked.
    pub(crate) fn judge_of(
        self: &Arc<Self>,
        who: &Caller,
        needed: Option<Permission>,
        denied: &Denied,
    ) -> Judge {
        let (access, who, denied) = (Arc::clone(self), who.clone(), denied.clone());
        Box::new(move || access.judge(&who, who.session_digest(), needed, &denied))
    }

    /// As [`judge_of`](Self::judge_of), for a session that has not begun yet.
    pub(crate) fn judge_before_session(self: &Arc<Self>, who: &Caller, denied: &Denied) -> Judge {
        let (access, who, denied) = (Arc::clone(self), who.clone(), denied.clone());
        Box::new(move || access.judge(&who, None, None, &denied))
    }

    /// Checks, while an act is decided, that the caller has the permission; returns the version of
    /// the operators. Blocks.
    fn judge(
        &self,
        who: &Caller,
        session: Option<Digest>,
        needed: Option<Permission>,
        denied: &Denied,
    ) -> Option<u64> {
        let (judging, now) = (self.operators.judging(session).ok()?, self.clock.now());
        let is_allowed = |people: &Arc<People>| who.must_be_among(people, now, needed).is_ok();
        let judging = judging.filter(|judging| judging.iter().all(is_allowed));
        denied.note(judging.is_none());
        judging.map(|judging| judging.last().map_or(0, |it| it.version()))
    }

    /// Generates a new random secret.
    pub(crate) fn secret(&self) -> Result<Secret, Refusal> {
        self.random().map(Secret::from_random)
    }

    /// Returns whether the password matches. Takes the same time if there is no such operator.
    pub(crate) async fn password_is_of(
        &self,
        password: Password,
        kept: Option<PasswordHash>,
    ) -> Result<bool, Refusal> {
        self.hashing(move || password.is_of(kept.as_ref())).await
    }

    /// Hashes a new password.
    pub(crate) async fn hash(
        &self,
        password: Password,
        name: Name,
    ) -> Result<PasswordHash, Refusal> {
        let salt = self.random()?;
        let hashed = self.hashing(move || password.hash(&name, salt)).await?;
        hashed.map_err(Refusal::Password)
    }

    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let _turn = self.hashings.acquire().await.expect("the semaphore is never closed");
        blocking("hashing the password failed", work).await
    }

    fn random<const LEN: usize>(&self) -> Result<[u8; LEN], Refusal> {
        let mut bytes = [0; LEN];
        self.host.random(&mut bytes).map_err(|error| {
            tracing::error!(action = "get_random", result = "fail", error = %error);
            Refusal::unavailable("the system returns no random bytes")
        })?;
        Ok(bytes)
    }
}

/// Runs blocking work on another thread. If the work panics, rejects the request with the text
/// `broke_off`.
pub(crate) async fn blocking<T: Send + 'static>(
    broke_off: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::unavailable(broke_off))
}

/// Returns the current monotonic time, from tokio's clock.
#[must_use]
pub fn moment() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns the name of the session cookie. It ends in the port that browsers connect to, because
/// they send cookies to all ports of a host, where another central may have its own.
fn cookie_name(origin: Option<&Origin>, listening_at: u16) -> String {
    let is_encrypted = origin.is_some_and(Origin::is_encrypted);
    let prefix = if is_encrypted { ENCRYPTED_COOKIE } else { COOKIE };
    format!("{prefix}{}", origin.map_or(listening_at, Origin::port))
}
