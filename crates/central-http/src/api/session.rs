//! Log in, who am I, log out.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use operators::{Name, Password, Permission, Role, Secret, role_name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::caller::Caller;
use crate::access::identify::{csrf_token, set_cookie};
use crate::access::refusal::Refusal;
use crate::api::common::Refusals;
use crate::usecases::app::App;
use crate::usecases::session;
use crate::web::input::Body;
use crate::web::peer::Peer;

/// The credentials to log in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The operator's name.
    #[schema(example = "ana")]
    name: String,
    /// Their password.
    password: String,
}

/// The authenticated caller.
#[derive(Serialize, ToSchema)]
struct Me {
    /// Their name.
    name: String,
    /// Their role.
    #[schema(value_type = String, example = "operator")]
    #[serde(with = "role_name")]
    role: Role,
    /// Their permissions.
    #[schema(value_type = Vec<String>)]
    permissions: Vec<String>,
    /// The value of X-CSRF-Token for every change. Absent for tokens, which do not need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
}

/// Paths that need no authentication.
pub(super) fn open_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(log_in))
}

/// Paths for authenticated callers.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(who_am_i, log_out))
}

/// Log in
///
/// The cookie of the response is the session. Attempts are limited by name and by address; an error
/// reports how long to wait.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    request_body = Login,
    responses((status = 200, description = "Logged in", body = Me), Refusals),
    security()
)]
async fn log_in(
    State(app): State<App>,
    Peer(peer): Peer,
    Body(login): Body<Login>,
) -> Result<Response, Refusal> {
    let name = Name::new(login.name).ok();
    let password = Password::given(login.password);
    let (who, secret) = session::begin(&app, peer, name, password).await?;
    let cookie = set_cookie(&app.access, Some(&secret), None);
    Ok(([(header::SET_COOKIE, cookie)], Json(Me::of(&who))).into_response())
}

/// Get the caller
#[utoipa::path(
    get,
    path = "/api/v1/session",
    tag = "session",
    responses((status = 200, description = "The caller", body = Me), Refusals)
)]
async fn who_am_i(who: Caller) -> Json<Me> {
    Json(Me::of(&who))
}

/// Log out
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "session",
    responses((status = 204, description = "Logged out"), Refusals)
)]
async fn log_out(State(app): State<App>, who: Caller) -> Result<Response, Refusal> {
    session::end(&app, &who).await?;
    let cookie = set_cookie(&app.access, None, Some(0));
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

impl Me {
    fn of(who: &Caller) -> Self {
        let of_session = |secret: &Secret| csrf_token(secret).text();
        let permissions = Permission::ALL.into_iter().filter(|it| who.may(*it));
        Self {
            name: who.name.to_string(),
            role: who.role,
            permissions: permissions.map(|it| format!("{it:?}")).collect(),
            csrf_token: who.session().ok().map(of_session),
        }
    }
}
