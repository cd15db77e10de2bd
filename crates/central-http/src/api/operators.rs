//! Operators and their tokens.

use ::operators::{Name, Operator, Password, PeopleError, Role, Token, TokenId, role_name};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, ManageOperators};
use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::api::common::{Refusals, created, part, reason};
use crate::usecases::app::App;
use crate::usecases::operators;
use crate::web::input::{Body, InPath, InQuery};
use crate::web::paging::{Page, PageParams};
use crate::web::peer::Peer;

/// An operator.
#[derive(Serialize, ToSchema)]
struct OperatorView {
    /// Their name.
    name: String,
    /// Their role.
    #[schema(value_type = RoleName)]
    #[serde(with = "role_name")]
    role: Role,
    /// Whether they are disabled.
    disabled: bool,
}

/// The role of an operator.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the description of `operators::Role`")]
enum RoleName {
    Viewer,
    Operator,
    Auditor,
    Admin,
}

/// A new operator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOperator {
    /// 1 to 32 of a-z, 0-9, '.', '-' and '_', starting with a letter.
    #[schema(value_type = String, example = "bea", pattern = "^[a-z][a-z0-9._-]{0,31}$")]
    name: Name,
    /// Their role.
    #[schema(value_type = RoleName)]
    #[serde(with = "role_name")]
    role: Role,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
}

/// Why an operator is disabled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhyDisabled {
    /// For the audit log: 1 to 500 bytes.
    #[schema(min_length = 1, max_length = 500)]
    why: String,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
    /// The caller's current password: required to change their own.
    current_password: Option<String>,
}

/// A token.
#[derive(Serialize, ToSchema)]
struct TokenView {
    /// Its number.
    id: u32,
    /// Its owner.
    owner: String,
    /// Its purpose.
    label: String,
    /// Its role.
    #[schema(value_type = RoleName)]
    #[serde(with = "role_name")]
    role: Role,
    /// When it was created, in milliseconds since 1970.
    created_ms: u64,
    /// When it expires.
    expires_ms: u64,
    /// Whether it is revoked.
    revoked: bool,
}

/// A new token of the caller.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// Its purpose: 1 to 64 bytes.
    #[schema(min_length = 1, max_length = 64, example = "board in the hall")]
    label: String,
    /// Its role, at most the caller's.
    #[schema(value_type = RoleName)]
    #[serde(with = "role_name")]
    role: Role,
    /// Its validity in days, at most 366.
    #[schema(minimum = 1, maximum = 366)]
    days: u32,
}

/// A new token with its secret.
#[derive(Serialize, ToSchema)]
struct GivenToken {
    /// Its number.
    id: u32,
    /// The secret to send as `Authorization: Bearer`. Shown only once.
    secret: String,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(operators, add_operator))
        .routes(routes!(operator))
        .routes(routes!(disable_operator))
        .routes(routes!(enable_operator))
        .routes(routes!(change_password))
        .routes(routes!(tokens, give_token))
        .routes(routes!(token, revoke_token))
}

/// List operators by name
#[utoipa::path(
    get, path = "/api/v1/operators", tag = "operators", params(PageParams),
    responses((status = 200, description = "Operators", body = Page<OperatorView>), Refusals)
)]
async fn operators(
    State(app): State<App>,
    _: Allowed<ManageOperators>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<OperatorView>>, Refusal> {
    let people = app.access.people().await?;
    let all = people.operators().map(|(name, it)| (name.clone(), OperatorView::of(name, it)));
    part(all, &page)
}

/// Add an operator
///
/// Requires a session; tokens are rejected.
#[utoipa::path(
    post, path = "/api/v1/operators", tag = "operators", request_body = NewOperator,
    responses((status = 201, description = "Added", body = OperatorView), Refusals)
)]
async fn add_operator(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ManageOperators>,
    Body(new): Body<NewOperator>,
) -> Result<impl IntoResponse, Refusal> {
    let NewOperator { name, role, password } = new;
    operators::add(&app, &who, name.clone(), role, Password::given(password)).await?;
    let view = OperatorView { name: name.to_string(), role, disabled: false };
    Ok(created(&format!("operators/{name}"), view))
}

/// Get an operator
#[utoipa::path(
    get, path = "/api/v1/operators/{name}", tag = "operators",
    params(("name" = String, Path, description = "Name of the operator")),
    responses((status = 200, description = "The operator", body = OperatorView), Refusals)
)]
async fn operator(
    State(app): State<App>,
    _: Allowed<ManageOperators>,
    InPath(name): InPath<Name>,
) -> Result<Json<OperatorView>, Refusal> {
    let people = app.access.people().await?;
    let found = people.operator(&name).ok_or_else(|| PeopleError::Unknown(name.clone()))?;
    Ok(Json(OperatorView::of(&name, found)))
}

/// Disable an operator
///
/// Their sessions end and their tokens are revoked.
#[utoipa::path(
    post, path = "/api/v1/operators/{name}/disable", tag = "operators",
    params(("name" = String, Path, description = "Name of the operator")),
    request_body = WhyDisabled,
    responses((status = 204, description = "Disabled"), Refusals)
)]
async fn disable_operator(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ManageOperators>,
    InPath(name): InPath<Name>,
    Body(WhyDisabled { why }): Body<WhyDisabled>,
) -> Result<StatusCode, Refusal> {
    operators::disable(&app, &who, name, reason(&why)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Enable an operator
///
/// Requires a session; tokens are rejected.
#[utoipa::path(
    post, path = "/api/v1/operators/{name}/enable", tag = "operators",
    params(("name" = String, Path, description = "Name of the operator")),
    responses((status = 204, description = "Enabled"), Refusals)
)]
async fn enable_operator(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ManageOperators>,
    InPath(name): InPath<Name>,
) -> Result<StatusCode, Refusal> {
    operators::enable(&app, &who, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change a password
///
/// The caller's own, with the current one; or another operator's, if the caller may manage
/// operators. Requires a session; tokens are rejected. All sessions and tokens of that operator
/// end, including this session.
#[utoipa::path(
    put, path = "/api/v1/operators/{name}/password", tag = "operators",
    params(("name" = String, Path, description = "Name of the operator")),
    request_body = NewPassword,
    responses((status = 204, description = "Changed"), Refusals)
)]
async fn change_password(
    State(app): State<App>,
    who: Caller,
    Peer(peer): Peer,
    InPath(name): InPath<Name>,
    Body(new): Body<NewPassword>,
) -> Result<StatusCode, Refusal> {
    let NewPassword { password, current_password } = new;
    let [new, current] = [password, current_password.unwrap_or_default()].map(Password::given);
    operators::change_password(&app, &who, peer, name, new, current).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List tokens
///
/// The caller's own; all of them if the caller may manage operators.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "tokens", params(PageParams),
    responses((status = 200, description = "Tokens", body = Page<TokenView>), Refusals)
)]
async fn tokens(
    State(app): State<App>,
    who: Caller,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<TokenView>>, Refusal> {
    let people = app.access.people().await?;
    let seen = people.tokens().filter(|(_, token)| operators::sees(&who, token));
    let seen = seen.map(|(id, token)| (id.0, TokenView::of(id, token)));
    part(seen, &page)
}

/// Create a token
///
/// For the caller, who must have logged in with a password.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "Created", body = GivenToken), Refusals)
)]
async fn give_token(
    State(app): State<App>,
    who: Caller,
    Body(new): Body<NewToken>,
) -> Result<impl IntoResponse, Refusal> {
    let NewToken { label, role, days } = new;
    let (TokenId(id), secret) = operators::give_token(&app, &who, label, role, days).await?;
    Ok(created(&format!("tokens/{id}"), GivenToken { id, secret: secret.text() }))
}

/// Get a token
///
/// The caller's own, or any if the caller may manage operators. Without its secret.
#[utoipa::path(
    get, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The token", body = TokenView), Refusals)
)]
async fn token(
    State(app): State<App>,
    who: Caller,
    InPath(id): InPath<u32>,
) -> Result<Json<TokenView>, Refusal> {
    let (people, id) = (app.access.people().await?, TokenId(id));
    let seen = people.token(id).filter(|token| operators::sees(&who, token));
    Ok(Json(TokenView::of(id, seen.ok_or(PeopleError::UnknownToken(id))?)))
}

/// Revoke a token
///
/// The caller's own, or any if the caller may manage operators.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 204, description = "Revoked"), Refusals)
)]
async fn revoke_token(
    State(app): State<App>,
    who: Caller,
    InPath(id): InPath<u32>,
) -> Result<StatusCode, Refusal> {
    operators::revoke_token(&app, &who, TokenId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl OperatorView {
    fn of(name: &Name, operator: &Operator) -> Self {
        let Operator { role, disabled, .. } = *operator;
        Self { name: name.to_string(), role, disabled }
    }
}

impl TokenView {
    fn of(id: TokenId, token: &Token) -> Self {
        let Token { role, created_ms, expires_ms, revoked, .. } = *token;
        let (owner, label) = (token.owner.to_string(), token.label.clone());
        Self { id: id.0, owner, label, role, created_ms, expires_ms, revoked }
    }
}
