//! Who asks: by a session's cookie or a token, held against the operators at each request.
//!
//! A change by cookie needs the session's other secret as a header, which a page of another site
//! cannot know.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::time::Instant;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use lottery::Timestamp;
use operators::{Bearer, Name, Operator, People, Permission, Role, Secret, SessionUser, TokenId};

use crate::origin::Origin;
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;
use crate::state::App;

/// What the name of the cookie that holds a session's secret begins with.
pub(super) const COOKIE: &str = "bolillero_session_";
/// The same where browsers come with encryption: they take it from nobody else, nor without.
const ENCRYPTED_COOKIE: &str = "__Host-bolillero_session_";
/// The header that holds its other secret.
const CSRF_HEADER: &str = "x-csrf-token";
const CSRF_PURPOSE: &str = "bolillero csrf";

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) name: Name,
    /// Theirs when they were identified; once they have another they are somebody no more.
    generation: u32,
    pub(super) role: Role,
    pub(super) by: Credential,
}

/// How they showed it.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    Session(Secret),
    Token { id: TokenId, label: String },
}

/// The address that a request comes from: the client's, also where a trusted proxy speaks for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Ends the connection that a request came by.
#[derive(Clone, Debug)]
pub(super) struct Ending(pub(super) CancellationToken);

/// Who asks, who has that permission.
pub(super) struct Allowed<P>(pub(super) Caller, pub(super) PhantomData<P>);

/// A permission as a type, for the signatures of handlers.
pub(super) trait Permitted {
    const PERMISSION: Permission;
}

macro_rules! permitted {
    ($($permission:ident),+) => {$(
        pub(super) struct $permission;

        impl Permitted for $permission {
            const PERMISSION: Permission = Permission::$permission;
        }
    )+};
}

permitted!(ManageAgencies, ManageOperators, ReadAudit, ReadWinners, RunDraws, ViewBoard);

/// Rejects unauthenticated requests; puts [`Caller`] into the others.
pub(super) async fn authenticate(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let who = identify(&app, request.headers(), request.method())?;
    request.extensions_mut().insert(who);
    Ok(next.run(request).await)
}

/// Who asks with these headers, if it is somebody.
pub(super) fn identify(app: &App, headers: &HeaderMap, method: &Method) -> Result<Caller, Problem> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        return by_token(app, given.as_bytes());
    }
    let secret = cookie(app, headers).ok_or_else(shows_nothing)?;
    let user = app.sessions().user(&secret, moment()).cloned();
    let who = by_session(app, secret.clone(), user)?;
    if !method.is_safe() && !proves_origin(headers, &secret) {
        return Err(Problem::csrf());
    }
    Ok(who)
}

/// Who watches with these headers: that does not keep their session alive.
pub(super) fn identify_passively(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    watching(app, cookie(app, headers).ok_or_else(shows_nothing)?)
}

/// A session's other secret.
pub(super) fn csrf_token(session: &Secret) -> Secret {
    session.derived(CSRF_PURPOSE)
}

fn by_token(app: &App, given: &[u8]) -> Result<Caller, Problem> {
    let given = std::str::from_utf8(given).ok().and_then(|given| given.split_once(' '));
    let secret = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let digest = secret.and_then(|(_, secret)| Secret::parse(secret)).map(|it| it.digest());
    let people = app.roster.people()?;
    let bearer = digest.and_then(|digest| people.bearer(&digest, app.clock.now().0));
    let wrong = || Problem::not_authenticated("the token is none, has expired or was revoked");
    let bearer = bearer.ok_or_else(wrong)?;
    let Bearer { token: id, label, name, generation, role } = bearer;
    Ok(Caller { name, generation, role, by: Credential::Token { id, label } })
}

fn watching(app: &App, secret: Secret) -> Result<Caller, Problem> {
    let user = app.sessions().watcher(&secret, moment()).cloned();
    by_session(app, secret, user)
}

fn by_session(app: &App, secret: Secret, user: Option<SessionUser>) -> Result<Caller, Problem> {
    let over = || Problem::not_authenticated("the session is over");
    let user = user.ok_or_else(over)?;
    let people = app.roster.people()?;
    let SessionUser { name, generation } = user;
    match known(&people, &name, generation) {
        Some(operator) => Ok(Caller::in_session(name, generation, operator.role, secret)),
        None => {
            app.sessions().end(&secret);
            Err(over())
        }
    }
}

/// Who has this name, if they are still who they were.
fn known<'a>(people: &'a People, name: &Name, generation: u32) -> Option<&'a Operator> {
    people.operator(name).filter(|it| !it.disabled && it.generation == generation)
}

fn shows_nothing() -> Problem {
    Problem::not_authenticated("the request shows neither a session nor a token")
}

/// Now, for what lasts.
pub(super) fn moment() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The name of the cookie that holds a session's secret. It ends in the port that browsers connect
/// to: they send cookies to all ports of a host, where another central may have its own.
pub(super) fn cookie_name(origin: Option<&Origin>, listening_at: u16) -> String {
    let is_encrypted = origin.is_some_and(Origin::is_encrypted);
    let prefix = if is_encrypted { ENCRYPTED_COOKIE } else { COOKIE };
    format!("{prefix}{}", origin.map_or(listening_at, Origin::port))
}

fn cookie(app: &App, headers: &HeaderMap) -> Option<Secret> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|it| it.split_once('='));
    let (_, secret) = pairs.find(|(name, _)| name.trim() == app.cookie_name)?;
    Secret::parse(secret.trim())
}

/// Whether this is the session's other secret.
pub(super) fn is_csrf_token(given: &str, session: &Secret) -> bool {
    // Digests: how long comparing them takes tells nothing of how near the secret was.
    Secret::parse(given).is_some_and(|it| it.digest() == csrf_token(session).digest())
}

fn proves_origin(headers: &HeaderMap, session: &Secret) -> bool {
    let given = headers.get(CSRF_HEADER).and_then(|given| given.to_str().ok());
    given.is_some_and(|given| is_csrf_token(given, session))
}

impl Caller {
    pub(super) fn in_session(name: Name, generation: u32, role: Role, secret: Secret) -> Self {
        Self { name, generation, role, by: Credential::Session(secret) }
    }

    /// That they may still do this, by which version of the operators: other requests go on beside
    /// theirs.
    pub(super) fn must_still(&self, app: &App, needed: Option<Permission>) -> Result<u64, Problem> {
        if !self.is_logged_in(app) {
            return Err(over());
        }
        self.must_be_known(app, needed)
    }

    /// As [`must_still`](Self::must_still), whether or not their session has begun.
    pub(super) fn must_be_known(
        &self,
        app: &App,
        needed: Option<Permission>,
    ) -> Result<u64, Problem> {
        let (judging, now) = (app.roster.judging()?, app.clock.now());
        judging.iter().try_for_each(|people| self.must_be_among(people, now, needed))?;
        Ok(judging.last().map_or(0, |people| people.version()))
    }

    /// That they are one of these people, and may do this.
    pub(super) fn must_be_among(
        &self,
        people: &People,
        now: Timestamp,
        needed: Option<Permission>,
    ) -> Result<(), Problem> {
        let operator = known(people, &self.name, self.generation).ok_or_else(over)?;
        let role = match &self.by {
            Credential::Session(_) => operator.role,
            Credential::Token { id, .. } => people.bearer_of(*id, now.0).ok_or_else(over)?.role,
        };
        needed.map_or(Ok(()), |needed| role_must(role, needed))
    }

    /// Whether their session goes on, if they have one.
    pub(super) fn is_logged_in(&self, app: &App) -> bool {
        match &self.by {
            Credential::Session(secret) => app.sessions().watcher(secret, moment()).is_some(),
            Credential::Token { .. } => true,
        }
    }

    /// Whether they are nobody any more.
    pub(super) fn is_over(&self, app: &App) -> bool {
        self.must_still(app, None).is_err()
    }

    /// The session that they have.
    pub(super) fn session(&self) -> Result<&Secret, Problem> {
        match &self.by {
            Credential::Session(secret) => Ok(secret),
            Credential::Token { .. } => Err(Problem::session_needed()),
        }
    }

    pub(super) fn must(&self, permission: Permission) -> Result<(), Problem> {
        role_must(self.role, permission)
    }
}

fn role_must(role: Role, permission: Permission) -> Result<(), Problem> {
    if permission.is_held_by(role) { Ok(()) } else { Err(Problem::not_permitted(permission)) }
}

fn over() -> Problem {
    Problem::not_authenticated("the session or the token is over")
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let who = parts.extensions.get::<Self>().cloned();
        Ok(who.expect("a handler that asks who it is stands behind `authenticate`"))
    }
}

impl<S: Sync, P: Permitted> FromRequestParts<S> for Allowed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let who = Caller::from_request_parts(parts, state).await?;
        who.must(P::PERMISSION)?;
        Ok(Self(who, PhantomData))
    }
}

impl<S: Sync> FromRequestParts<S> for Ending {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let ending = parts.extensions.get::<Self>().cloned();
        Ok(ending.expect("every request brings what ends its connection"))
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Self>().copied();
        Ok(peer.expect("the listener tells of every request where it comes from"))
    }
}
