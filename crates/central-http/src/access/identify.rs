//! Authenticates callers by a session cookie or a token, and checks them against the current
//! operators at every request.
//!
//! A change that authenticates by cookie also needs the session's CSRF token as a header, which a
//! page of another site cannot know.
//!
//! The cookie of a wall screen holds a viewer's token instead of a session. Only the board accepts
//! it, so it can change nothing, and it ends with the token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use operators::{Bearer, Role, Secret, SessionUser};

use crate::access::caller::{Caller, Credential, known};
use crate::access::refusal::Refusal;
use crate::access::state::Access;

/// The header that holds a session's CSRF token.
const CSRF_HEADER: &str = "x-csrf-token";
const CSRF_PURPOSE: &str = "bolillero csrf";

/// Rejects unauthenticated requests; adds a [`Caller`] to the others.
pub(crate) async fn authenticate(
    State(access): State<Arc<Access>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let who = identify(&access, request.headers(), request.method()).await?;
    request.extensions_mut().insert(who);
    Ok(next.run(request).await)
}

/// As [`authenticate`], for passive requests, which do not keep the session alive.
pub(crate) async fn authenticate_passively(
    State(access): State<Arc<Access>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let who = identify_passively(&access, request.headers()).await?;
    request.extensions_mut().insert(who);
    Ok(next.run(request).await)
}

/// Authenticates the caller by these headers.
pub(crate) async fn identify(
    access: &Access,
    headers: &HeaderMap,
    method: &Method,
) -> Result<Caller, Refusal> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        return by_token(access, given.as_bytes()).await;
    }
    let secret = cookie(access, headers)?;
    let who = by_session(access, secret.clone(), true).await?;
    if !method.is_safe() && !proves_origin(headers, &secret) {
        return Err(Refusal::Csrf);
    }
    Ok(who)
}

/// Authenticates the caller of a passive request, which does not keep the session alive.
pub(crate) async fn identify_passively(
    access: &Access,
    headers: &HeaderMap,
) -> Result<Caller, Refusal> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        return by_token(access, given.as_bytes()).await;
    }
    let secret = cookie(access, headers)?;
    by_session(access, secret, false).await
}

/// Authenticates a wall screen by these headers.
pub(crate) async fn identify_screen(
    access: &Access,
    headers: &HeaderMap,
) -> Result<Caller, Refusal> {
    screen_of(access, &cookie(access, headers)?).await
}

/// Returns the caller that a wall screen with this token is.
pub(crate) async fn screen_of(access: &Access, token: &Secret) -> Result<Caller, Refusal> {
    let who = bearer_of(access, token).await?;
    who.filter(|who| who.role == Role::Viewer).ok_or(Refusal::Screen)
}

/// Derives a session's CSRF token from its secret.
pub(crate) fn csrf_token(session: &Secret) -> Secret {
    session.derived(CSRF_PURPOSE)
}

/// Returns whether this is the session's CSRF token.
pub(crate) fn is_csrf_token(given: &str, session: &Secret) -> bool {
    // Compares digests, so that timing reveals nothing about the secret.
    Secret::parse(given).is_some_and(|it| it.digest() == csrf_token(session).digest())
}

/// Returns the `Set-Cookie` value that stores a secret, or, without one, the one that deletes the
/// cookie. Browsers keep it for `age_seconds`, or until they are closed.
pub(crate) fn set_cookie(
    access: &Access,
    secret: Option<&Secret>,
    age_seconds: Option<u64>,
) -> HeaderValue {
    let value = secret.map_or_else(String::new, Secret::text);
    let age = age_seconds.map_or_else(String::new, |age| format!("; Max-Age={age}"));
    cookie_text(access, &access.cookie_name, &value, &age)
}

/// Returns the `Set-Cookie` value that says that a form was done, to the page that it leads to, or
/// the one that deletes the cookie.
pub(crate) fn set_done_cookie(access: &Access, is_done: bool) -> HeaderValue {
    let (value, age) = if is_done { ("1", "; Max-Age=60") } else { ("", "; Max-Age=0") };
    cookie_text(access, &done_cookie(access), value, age)
}

/// Returns whether a form was done just before.
pub(crate) fn is_done(access: &Access, headers: &HeaderMap) -> bool {
    cookie_value(headers, &done_cookie(access)) == Some("1")
}

/// Returns whether the request names a session, which may have ended.
pub(crate) fn has_session(access: &Access, headers: &HeaderMap) -> bool {
    cookie(access, headers).is_ok()
}

fn done_cookie(access: &Access) -> String {
    format!("{}_done", access.cookie_name)
}

fn cookie_text(access: &Access, name: &str, value: &str, age: &str) -> HeaderValue {
    let secure = if access.is_encrypted() { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}");
    HeaderValue::from_str(&cookie).expect("it is made of visible characters")
}

async fn by_token(access: &Access, given: &[u8]) -> Result<Caller, Refusal> {
    let given = std::str::from_utf8(given).ok().and_then(|given| given.split_once(' '));
    let secret = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let who = match secret.and_then(|(_, secret)| Secret::parse(secret)) {
        Some(token) => bearer_of(access, &token).await?,
        None => None,
    };
    let wrong = || Refusal::not_authenticated("the token is invalid, expired or revoked");
    who.ok_or_else(wrong)
}

/// Returns the caller that a token stands for, if it is valid now.
async fn bearer_of(access: &Access, token: &Secret) -> Result<Option<Caller>, Refusal> {
    let bearer = access.people().await?.bearer(&token.digest(), access.clock.now().0);
    Ok(bearer.map(|Bearer { token: id, label, name, generation, role }| Caller {
        name,
        generation,
        role,
        by: Credential::Token { id, label },
    }))
}

async fn by_session(access: &Access, secret: Secret, is_use: bool) -> Result<Caller, Refusal> {
    let over = || Refusal::not_authenticated("the session has ended");
    let (user, people) = access.session_user(Some(secret.digest()), is_use).await?;
    let SessionUser { name, generation } = user.ok_or_else(over)?;
    match known(&people, &name, generation) {
        Some(operator) => {
            let by = Credential::Session(secret);
            Ok(Caller { name, generation, role: operator.role, by })
        }
        None => {
            let session = secret.digest();
            // It only tidies up: the session is of a former generation.
            let _ = access.ask(move |operators| operators.end_session(session)).await;
            Err(over())
        }
    }
}

fn cookie(access: &Access, headers: &HeaderMap) -> Result<Secret, Refusal> {
    cookie_value(headers, &access.cookie_name)
        .and_then(Secret::parse)
        .ok_or_else(|| Refusal::not_authenticated("the request has neither a session nor a token"))
}

fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|it| it.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

fn proves_origin(headers: &HeaderMap, session: &Secret) -> bool {
    let given = headers.get(CSRF_HEADER).and_then(|given| given.to_str().ok());
    given.is_some_and(|given| is_csrf_token(given, session))
}
