//! What callers are judged by: the operators, their sessions, and how often they try to log in.
//!
//! The operators' file is looked at, and passwords are hashed, where blocking holds up nobody: on
//! the threads for blocking work, by the functions that are `async` here. The others that look at
//! the file say that they block.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use central::{LogThrottle, locked};
use engine::Clock;
use lottery::Judge;
use operators::{
    Attempts, Name, Password, PasswordHash, People, Permission, Roster, Secret, Sessions,
};
use tokio::sync::Semaphore;

use crate::access::caller::{Caller, Credential, over};
use crate::access::refusal::Refusal;
use crate::host::Host;
use crate::limits::HASHINGS_MAX;
use crate::web::origin::Origin;

/// What the name of the cookie that holds a session's secret begins with.
pub(crate) const COOKIE: &str = "bolillero_session_";
/// The same where browsers come with encryption: they take it from nobody else, nor without.
const ENCRYPTED_COOKIE: &str = "__Host-bolillero_session_";

/// What callers are judged by.
pub(crate) struct Access {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) roster: Arc<Roster>,
    /// How browsers reach the central.
    pub(crate) origin: Option<Origin>,
    /// What the cookie that holds a session's secret is called.
    pub(crate) cookie_name: String,
    host: Arc<dyn Host>,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    too_many_attempts: Mutex<LogThrottle>,
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

    /// Whether browsers reach the central with encryption.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.origin.as_ref().is_some_and(Origin::is_encrypted)
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        locked(&self.sessions)
    }

    pub(crate) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        locked(&self.attempts)
    }

    /// How often attempts to log in that were too many are logged.
    pub(crate) fn too_many_attempts(&self) -> MutexGuard<'_, LogThrottle> {
        locked(&self.too_many_attempts)
    }

    /// The operators now.
    pub(crate) async fn people(&self) -> Result<Arc<People>, Refusal> {
        let roster = Arc::clone(&self.roster);
        let people = blocking("looking at the operators broke off", move || roster.people());
        Ok(people.await??)
    }

    /// Refuses callers who may no longer do this: operators change while requests are under way.
    pub(crate) async fn must_still(
        self: &Arc<Self>,
        who: &Caller,
        needed: Option<Permission>,
    ) -> Result<(), Refusal> {
        let (access, who) = (Arc::clone(self), who.clone());
        let judged = move || access.judge(&who, needed).map(drop);
        blocking("judging who asks broke off", judged).await?
    }

    /// Whether the session or token has ended.
    pub(crate) async fn is_over(self: &Arc<Self>, who: &Caller) -> bool {
        self.must_still(who, None).await.is_err()
    }

    /// Judges, when an act is decided, whether the caller may still do it, and by which version of
    /// the operators.
    pub(crate) fn judge_of(self: &Arc<Self>, who: &Caller, needed: Option<Permission>) -> Judge {
        let (access, who) = (Arc::clone(self), who.clone());
        Box::new(move || access.judge(&who, needed).ok())
    }

    /// The version of the operators by which the caller may still do this. Blocks.
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

    /// Whether the caller's session goes on; tokens have none to end.
    pub(crate) fn is_logged_in(&self, who: &Caller) -> bool {
        match &who.by {
            Credential::Session(secret) => self.sessions().watcher(secret, moment()).is_some(),
            Credential::Token { .. } => true,
        }
    }

    /// A secret that nobody has yet.
    pub(crate) fn secret(&self) -> Result<Secret, Refusal> {
        self.random().map(Secret::from_random)
    }

    /// Whether the password matches. Takes the same time when there is no such operator.
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
        blocking("hashing the password broke off", work).await
    }

    fn random<const LEN: usize>(&self) -> Result<[u8; LEN], Refusal> {
        let mut bytes = [0; LEN];
        self.host.random(&mut bytes).map_err(|error| {
            tracing::error!(action = "pedir_azar", result = "fail", error = %error);
            Refusal::unavailable("the system gives no random bytes")
        })?;
        Ok(bytes)
    }
}

/// Runs blocking work on another thread; if it panics, the request is refused with this text.
pub(crate) async fn blocking<T: Send + 'static>(
    broke_off: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::unavailable(broke_off))
}

/// Now, for what lasts.
pub(crate) fn moment() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The name of the cookie that holds a session's secret. It ends in the port that browsers connect
/// to: they send cookies to all ports of a host, where another central may have its own.
fn cookie_name(origin: Option<&Origin>, listening_at: u16) -> String {
    let is_encrypted = origin.is_some_and(Origin::is_encrypted);
    let prefix = if is_encrypted { ENCRYPTED_COOKIE } else { COOKIE };
    format!("{prefix}{}", origin.map_or(listening_at, Origin::port))
}
