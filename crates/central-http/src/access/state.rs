//! State that callers are authenticated against: operators, sessions and login attempts.
//!
//! Invariants:
//! - `async` functions read the operators' file and hash passwords on the threads for blocking
//!   work;
//! - other functions that read the file are documented as blocking.

use std::sync::Arc;
use std::time::Instant;

use central::LogThrottle;
use engine::Clock;
use lottery::Judge;
use operators::{
    Attempts, Name, Password, PasswordHash, People, Permission, Roster, Secret, Sessions,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::access::caller::{Caller, Credential, over};
use crate::access::refusal::Refusal;
use crate::host::Host;
use crate::limits::HASHINGS_MAX;
use crate::web::origin::Origin;

/// Prefix of the name of the session cookie.
pub(crate) const COOKIE: &str = "bolillero_session_";
/// Prefix of the session cookie's name over HTTPS. Browsers accept `__Host-` cookies only over
/// encrypted connections and only from the host itself.
const ENCRYPTED_COOKIE: &str = "__Host-bolillero_session_";

/// State that callers are authenticated against.
pub(crate) struct Access {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) roster: Arc<Roster>,
    /// The origin under which browsers reach the central, if configured.
    pub(crate) origin: Option<Origin>,
    /// The name of the session cookie.
    pub(crate) cookie_name: String,
    host: Arc<dyn Host>,
    pub(crate) sessions: Mutex<Sessions>,
    pub(crate) attempts: Mutex<Attempts>,
    /// Limits log lines about too many login attempts.
    pub(crate) too_many_attempts: Mutex<LogThrottle>,
    hashings: Semaphore,
}

impl Access {
    pub(crate) fn new(
        roster: Roster,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
        origin: Option<Origin>,
        listening_at: u16,
    ) -> Arc<Self> {
        Arc::new(Self {
            clock,
            roster: Arc::new(roster),
            cookie_name: cookie_name(origin.as_ref(), listening_at),
            origin,
            host,
            sessions: Mutex::default(),
            attempts: Mutex::default(),
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
        let roster = Arc::clone(&self.roster);
        let people = blocking("reading the operators failed", move || roster.people());
        Ok(people.await??)
    }

    /// Rejects callers who no longer have the permission: operators can change during a request.
    pub(crate) async fn must_still(
        self: &Arc<Self>,
        who: &Caller,
        needed: Option<Permission>,
    ) -> Result<(), Refusal> {
        let (access, who) = (Arc::clone(self), who.clone());
        let judged = move || access.judge(&who, needed).map(drop);
        blocking("checking the caller failed", judged).await?
    }

    /// Returns whether the caller's session or token has ended.
    pub(crate) async fn is_over(self: &Arc<Self>, who: &Caller) -> bool {
        self.must_still(who, None).await.is_err()
    }

    /// Returns a judge that checks, at the moment an act is decided, whether the caller still has
    /// the permission. It yields the version of the operators that it checked.
    pub(crate) fn judge_of(self: &Arc<Self>, who: &Caller, needed: Option<Permission>) -> Judge {
        let (access, who) = (Arc::clone(self), who.clone());
        Box::new(move || access.judge(&who, needed).ok())
    }

    /// Checks that the caller still has the permission; returns the version of the operators.
    /// Blocks.
    pub(crate) fn judge(&self, who: &Caller, needed: Option<Permission>) -> Result<u64, Refusal> {
        if !self.is_logged_in(who) {
            return Err(over());
        }
        self.judge_before_session(who, needed)
    }

    /// As [`judge`](Self::judge), for a session that has not begun yet. Blocks.
    pub(crate) fn judge_before_session(
        &self,
        who: &Caller,
        needed: Option<Permission>,
    ) -> Result<u64, Refusal> {
        let (judging, now) = (self.roster.judging()?, self.clock.now());
        judging.iter().try_for_each(|people| who.must_be_among(people, now, needed))?;
        Ok(judging.last().map_or(0, |people| people.version()))
    }

    /// Returns whether the caller's session is still valid; always true for tokens.
    pub(crate) fn is_logged_in(&self, who: &Caller) -> bool {
        match &who.by {
            Credential::Session(secret) => self.sessions.lock().watcher(secret, moment()).is_some(),
            Credential::Token { .. } => true,
        }
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
pub(crate) fn moment() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns the name of the session cookie. It ends in the port that browsers connect to, because
/// they send cookies to all ports of a host, where another central may have its own.
fn cookie_name(origin: Option<&Origin>, listening_at: u16) -> String {
    let is_encrypted = origin.is_some_and(Origin::is_encrypted);
    let prefix = if is_encrypted { ENCRYPTED_COOKIE } else { COOKIE };
    format!("{prefix}{}", origin.map_or(listening_at, Origin::port))
}
