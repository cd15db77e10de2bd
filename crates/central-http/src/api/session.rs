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

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The operator's name.
    #[schema(example = "ana")]
    name: String,
    /// Their password.
    password: String,
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
struct Me {
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

/// Paths that anybody may ask.
pub(super) fn open_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(log_in))
}

/// Paths for authenticated callers.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(who_am_i, log_out))
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
async fn log_in(
    State(app): State<App>,
    Peer(peer): Peer,
    Body(login): Body<Login>,
) -> Result<Response, Refusal> {
    let name = Name::new(login.name).ok();
    let password = Password::given(login.password);
    let (who, secret) = session::begin(&app, peer, name, password).await?;
    let cookie = set_cookie(&app.access, Some(&secret));
    Ok(([(header::SET_COOKIE, cookie)], Json(Me::of(&who))).into_response())
}

/// Who am I
#[utoipa::path(
    get,
    path = "/api/v1/session",
    tag = "session",
    responses((status = 200, description = "Who asks", body = Me), Refusals)
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
    let cookie = set_cookie(&app.access, None);
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
