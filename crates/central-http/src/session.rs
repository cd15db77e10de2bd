//! Log in, who am I, log out.

use std::sync::PoisonError;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lottery::{AuditedAction, always_allowed};
use operators::{Name, Password, Permission, Role, Secret, SessionUser, role_name};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::api::Refusals;
use crate::caller::{Caller, Peer, csrf_token, moment};
use crate::input::Body;
use crate::problem::Problem;
use crate::state::{App, State as AppState};
use central::counted_as;

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The operator's name.
    #[schema(example = "ana")]
    name: String,
    /// Their password.
    password: String,
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// Their name.
    name: String,
    /// What they are for.
    #[schema(value_type = String, example = "operator")]
    #[serde(with = "role_name")]
    role: Role,
    /// What they may do.
    #[schema(value_type = Vec<String>)]
    permissions: Vec<String>,
    /// To be sent as X-CSRF-Token with every change. Nothing for a token, which needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
}

/// Log in
///
/// The answer's cookie is the session. How often may be tried is limited, by name and by address; a
/// refusal tells how long to wait.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    request_body = Login,
    responses((status = 200, description = "Logged in", body = Me), Refusals),
    security()
)]
pub(super) async fn log_in(
    State(app): State<App>,
    Peer(peer): Peer,
    Body(login): Body<Login>,
) -> Result<Response, Problem> {
    let name = Name::new(login.name).ok();
    let (who, cookie) = begin(&app, peer, name, Password::given(login.password)).await?;
    Ok(([(header::SET_COOKIE, cookie)], Json(Me::of(&who))).into_response())
}

/// Who am I
#[utoipa::path(
    get,
    path = "/api/v1/session",
    tag = "session",
    responses((status = 200, description = "Who asks", body = Me), Refusals)
)]
pub(super) async fn who_am_i(who: Caller) -> Json<Me> {
    Json(Me::of(&who))
}

/// Log out
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "session",
    responses((status = 204, description = "Logged out"), Refusals)
)]
pub(super) async fn log_out(State(app): State<App>, who: Caller) -> Result<Response, Problem> {
    let cookie = end(&app, &who).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Begins a session of who knows the password; gives who it is, and the cookie.
pub(super) async fn begin(
    app: &App,
    peer: std::net::IpAddr,
    name: Option<Name>,
    password: Password,
) -> Result<(Caller, HeaderValue), Problem> {
    let (name, generation, role) = verified(app, peer, name, password).await?;
    let secret = app.secret()?;
    let who = Caller::in_session(name.clone(), generation, role, secret.clone());
    // Checking a password takes its time, and another one may hold by now.
    let (state, known) = (App::clone(app), who.clone());
    let judge = Box::new(move || known.must_be_known(&state, None).ok());
    app.record_if(&who, judge, AuditedAction::LogIn).await?;
    app.sessions().begin(SessionUser { name, generation }, &secret, moment());
    Ok((who, set_cookie(app, &secret.text(), "")))
}

/// Ends a session; gives the cookie that forgets it.
pub(super) async fn end(app: &App, who: &Caller) -> Result<HeaderValue, Problem> {
    if !app.sessions().end(who.session()?) {
        return Err(Problem::not_authenticated("the session is over"));
    }
    app.record_if(who, always_allowed(), AuditedAction::LogOut).await?;
    Ok(set_cookie(app, "", "; Max-Age=0"))
}

/// The operator of this name, if that is their password: limited in how often it may be tried.
async fn verified(
    app: &App,
    peer: std::net::IpAddr,
    name: Option<Name>,
    password: Password,
) -> Result<(Name, u32, Role), Problem> {
    // All names that nobody can have count as one.
    let counted = name.as_ref().map_or("", Name::as_str);
    let address = counted_as(peer);
    let begun = app.attempts().begin(counted, address, moment());
    if let Err(wait) = begun {
        log_too_many(app, counted, peer);
        return Err(Problem::too_many_attempts(wait));
    }
    let people = app.roster.people()?;
    let operator = name.as_ref().and_then(|name| people.operator(name));
    let kept = operator.map(|operator| operator.password.clone());
    let is_theirs = app.password_is_of(password, kept).await?;
    match (name, operator) {
        (Some(name), Some(operator)) if is_theirs && !operator.disabled => {
            app.attempts().succeeded(name.as_str(), address);
            Ok((name, operator.generation, operator.role))
        }
        (name, _) => {
            log_refused(name.as_ref().map_or("", Name::as_str), peer, "wrong name or password");
            Err(Problem::wrong_login())
        }
    }
}

/// Whether this is the password of who asks: limited as logging in is.
pub(super) async fn verify_own_password(
    app: &App,
    peer: std::net::IpAddr,
    who: &Caller,
    password: String,
) -> Result<(), Problem> {
    verified(app, peer, Some(who.name.clone()), Password::given(password)).await.map(drop)
}

fn log_refused(name: &str, peer: std::net::IpAddr, why: &str) {
    tracing::warn!(action = "ingresar", result = "fail", operador = name, ip = %peer, error = why);
}

/// Each costs nothing to make, so they share a line.
fn log_too_many(app: &App, name: &str, peer: std::net::IpAddr) {
    let mut paced = app.too_many_attempts.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(count) = paced.due(Instant::now()) {
        tracing::warn!(
            action = "ingresar",
            result = "fail",
            operador = name,
            ip = %peer,
            cantidad = count,
            error = "too many attempts",
        );
    }
}

fn set_cookie(app: &AppState, value: &str, more: &str) -> HeaderValue {
    let (name, secure) = (&app.cookie_name, if app.is_encrypted() { "; Secure" } else { "" });
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
    HeaderValue::from_str(&cookie).expect("it is made of visible characters")
}

impl Me {
    fn of(who: &Caller) -> Self {
        let of_session = |secret: &Secret| csrf_token(secret).text();
        let permissions = Permission::ALL.into_iter().filter(|it| it.is_held_by(who.role));
        Self {
            name: who.name.to_string(),
            role: who.role,
            permissions: permissions.map(|it| format!("{it:?}")).collect(),
            csrf_token: who.session().ok().map(of_session),
        }
    }
}
