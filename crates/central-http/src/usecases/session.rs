//! Log in and log out; wall screens.

use std::net::IpAddr;

use central::counted_as;
use lottery::{Act, Actor, AuditedAction, LogInFailed, Reason, RecordedAct};
use operators::{Name, Password, Role, Secret, SessionUser};
use tokio::time::Instant;

use crate::access::caller::{Caller, Credential};
use crate::access::identify::screen_of;
use crate::access::refusal::Refusal;
use crate::access::state::{Access, moment};
use crate::usecases::app::State;

/// Checks the password and starts a session; returns the caller and the session's secret.
pub(crate) async fn begin(
    app: &State,
    peer: IpAddr,
    name: Option<Name>,
    password: Password,
) -> Result<(Caller, Secret), Refusal> {
    let (user, role) = verified(app, peer, name, password).await?;
    let secret = app.access.secret()?;
    let SessionUser { name, generation } = user.clone();
    let who = Caller { name, generation, role, by: Credential::Session(secret.clone()) };
    // The operator may have changed while the password was being checked.
    app.record_login(&who).await?;
    let session = secret.digest();
    app.access.ask(move |operators| operators.begin_session(user, session)).await?;
    Ok((who, secret))
}

/// Checks the token of a wall screen; returns how many seconds it is still valid.
pub(crate) async fn begin_screen(
    app: &State,
    peer: IpAddr,
    token: Option<Secret>,
) -> Result<(Secret, u64), Refusal> {
    let access = &app.access;
    // Tokens share the counter of invalid names.
    begin_attempt(access, "", peer).await?;
    let screen = async {
        let token = token.ok_or(Refusal::Screen)?;
        screen_of(access, &token).await.map(|who| (who, token))
    };
    let (who, token) = screen.await.inspect_err(|error| {
        tracing::warn!(action = "log_in", result = "fail", operator = "", ip = %peer, %error);
    })?;
    attempt_succeeded(access, "", peer).await?;
    app.record_login(&who).await?;
    let Credential::Token { id, .. } = who.by else { return Err(Refusal::Screen) };
    let people = access.people().await?;
    let expires_ms = people.token(id).map_or(0, |token| token.expires_ms);
    Ok((token, expires_ms.saturating_sub(access.clock.now().0) / 1000))
}

/// Ends the caller's session.
pub(crate) async fn end(app: &State, who: &Caller) -> Result<(), Refusal> {
    let session = who.session()?.digest();
    if !app.access.ask(move |operators| operators.end_session(session)).await? {
        return Err(Refusal::not_authenticated("the session has ended"));
    }
    app.record_freely(who, AuditedAction::LogOut).await
}

/// Checks the caller's own password, with the same rate limit as logging in.
pub(crate) async fn verify_own_password(
    app: &State,
    peer: IpAddr,
    who: &Caller,
    password: Password,
) -> Result<(), Refusal> {
    verified(app, peer, Some(who.name.clone()), password).await.map(drop)
}

/// Returns the operator of this name if the password is theirs; attempts are rate-limited.
async fn verified(
    app: &State,
    peer: IpAddr,
    name: Option<Name>,
    password: Password,
) -> Result<(SessionUser, Role), Refusal> {
    let access = &app.access;
    // All invalid names share one counter.
    let counted = name.as_ref().map_or("", Name::as_str);
    begin_attempt(access, counted, peer).await?;
    let people = access.people().await?;
    let operator = name.as_ref().and_then(|name| people.operator(name));
    let kept = operator.map(|operator| operator.password.clone());
    let is_theirs = access.password_is_of(password, kept).await?;
    if let (Some(name), Some(operator)) = (&name, operator)
        && is_theirs
        && !operator.disabled
    {
        attempt_succeeded(access, counted, peer).await?;
        let left = access.failures.lock().take_unrecorded(counted);
        if let Some((attempts, address)) = left {
            record_failures(app, name, attempts, address);
        }
        let generation = operator.generation;
        return Ok((SessionUser { name: name.clone(), generation }, operator.role));
    }
    if let Some(name) = name.as_ref().filter(|_| operator.is_some()) {
        note_failure(app, name, peer);
    }
    let error = "wrong name or password";
    tracing::warn!(action = "log_in", result = "fail", operator = counted, ip = %peer, error);
    Err(Refusal::Login)
}

/// Records a failed log-in of an existing operator: unknown names may be passwords that were typed
/// into the wrong field. The answer does not wait for the record, so that it takes as long as for an
/// unknown name.
fn note_failure(app: &State, name: &Name, peer: IpAddr) {
    let due = app.access.failures.lock().count(name.as_str(), peer, moment());
    if let Some(attempts) = due {
        record_failures(app, name, attempts, peer);
    }
}

fn record_failures(app: &State, name: &Name, attempts: u32, address: IpAddr) {
    let action = AuditedAction::LogInFailed(LogInFailed { attempts, address });
    let by = Actor::Operator(name.label());
    app.service.note(RecordedAct::new(by, Reason::default(), Act::Audited(action)));
}

/// Counts a log-in attempt, or rejects it if there were too many.
async fn begin_attempt(access: &Access, counted: &str, peer: IpAddr) -> Result<(), Refusal> {
    let (name, address) = (counted.to_owned(), counted_as(peer));
    let wait = access.ask(move |operators| operators.begin_attempt(&name, address)).await?;
    wait.map_or(Ok(()), |wait| {
        log_too_many(access, counted, peer);
        Err(Refusal::too_many_attempts(wait))
    })
}

async fn attempt_succeeded(access: &Access, counted: &str, peer: IpAddr) -> Result<(), Refusal> {
    let (name, address) = (counted.to_owned(), counted_as(peer));
    access.ask(move |operators| operators.attempt_succeeded(&name, address)).await
}

/// Logs rejected attempts; several share a line, because they are cheap to send in large numbers.
fn log_too_many(access: &Access, name: &str, peer: IpAddr) {
    if let Some(count) = access.too_many_attempts.lock().due(Instant::now()) {
        tracing::warn!(
            action = "log_in",
            result = "fail",
            operator = name,
            ip = %peer,
            attempts = count,
            error = "too many attempts",
        );
    }
}
