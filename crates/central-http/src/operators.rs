//! Operators and their tokens.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lottery::{Label, OperatorsChange};
use operators::{
    Name, Operator, Password, People, Permission, Role, Token, TokenGrant, TokenId, role_name,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::Refusals;
use crate::caller::{Allowed, Caller, Credential, ManageOperators, Peer};
use crate::input::{Body, InPath, InQuery};
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::session::verify_own_password;
use crate::state::{App, label_of};

/// What changing others needs.
const MANAGES: Option<Permission> = Some(Permission::ManageOperators);

/// An operator.
#[derive(Serialize, ToSchema)]
pub(super) struct OperatorView {
    /// Their name.
    name: String,
    /// What they are for.
    #[schema(value_type = RoleName)]
    #[serde(with = "role_name")]
    role: Role,
    /// Not let in for now.
    disabled: bool,
}

/// What an operator is for.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the description of `operators::Role`")]
pub(super) enum RoleName {
    Viewer,
    Operator,
    Auditor,
    Admin,
}

/// An operator to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOperator {
    /// 1 to 32 of a-z, 0-9, '.', '-' and '_', a letter first.
    #[schema(value_type = String, example = "bea", pattern = "^[a-z][a-z0-9._-]{0,31}$")]
    name: Name,
    /// What they are for.
    #[schema(value_type = RoleName)]
    #[serde(with = "role_name")]
    role: Role,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
    /// The one until now, of who asks: needed to change one's own.
    current_password: Option<String>,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenView {
    /// Its number.
    id: u32,
    /// Whose it is.
    owner: String,
    /// What it is for.
    label: String,
    /// As what it lets in.
    #[schema(value_type = RoleName)]
    #[serde(with = "role_name")]
    role: Role,
    /// When it was given, in milliseconds since 1970.
    created_ms: u64,
    /// From when on it is worth nothing.
    expires_ms: u64,
    /// Taken back.
    revoked: bool,
}

/// A token to be, of who asks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What it is for: 1 to 64 bytes.
    #[schema(min_length = 1, max_length = 64, example = "board in the hall")]
    label: String,
    /// As what; never more than who asks may.
    #[schema(value_type = RoleName)]
    #[serde(with = "role_name")]
    role: Role,
    /// For how many days, at most 366.
    #[schema(minimum = 1, maximum = 366)]
    days: u32,
}

/// A token just given.
#[derive(Serialize, ToSchema)]
pub(super) struct GivenToken {
    /// Its number.
    id: u32,
    /// What to send as `Authorization: Bearer`. Told now and never again.
    secret: String,
}

/// Operators by name
#[utoipa::path(
    get, path = "/api/v1/operators", tag = "operators", params(PageParams),
    responses((status = 200, description = "Operators", body = Page<OperatorView>), Refusals)
)]
pub(super) async fn operators(
    State(app): State<App>,
    _: Allowed<ManageOperators>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<OperatorView>>, Problem> {
    let people = app.roster.people()?;
    let all = people.operators().map(|(name, it)| (name.clone(), OperatorView::of(name, it)));
    Page::of(all, &page).map(Json)
}

/// Add an operator
///
/// In a session: a token does not.
#[utoipa::path(
    post, path = "/api/v1/operators", tag = "operators", request_body = NewOperator,
    responses((status = 201, description = "Added", body = OperatorView), Refusals)
)]
pub(super) async fn add_operator(
    State(app): State<App>,
    Allowed(who, _): Allowed<ManageOperators>,
    Body(new): Body<NewOperator>,
) -> Result<(StatusCode, Json<OperatorView>), Problem> {
    let NewOperator { name, role, password } = new;
    add(&app, &who, name.clone(), role, Password::given(password)).await?;
    let view = OperatorView { name: name.to_string(), role, disabled: false };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Disable an operator
///
/// Their sessions and their tokens end, for good.
#[utoipa::path(
    post, path = "/api/v1/operators/{name}/disable", tag = "operators",
    params(("name" = String, Path, description = "Whom")),
    responses((status = 204, description = "Disabled"), Refusals)
)]
pub(super) async fn disable_operator(
    State(app): State<App>,
    Allowed(who, _): Allowed<ManageOperators>,
    InPath(name): InPath<Name>,
) -> Result<StatusCode, Problem> {
    disable(&app, &who, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Enable an operator
///
/// In a session: a token does not.
#[utoipa::path(
    post, path = "/api/v1/operators/{name}/enable", tag = "operators",
    params(("name" = String, Path, description = "Whom")),
    responses((status = 204, description = "Enabled"), Refusals)
)]
pub(super) async fn enable_operator(
    State(app): State<App>,
    Allowed(who, _): Allowed<ManageOperators>,
    InPath(name): InPath<Name>,
) -> Result<StatusCode, Problem> {
    enable(&app, &who, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds an operator. A person does that: a program with one more password would be one more of the
/// two who enter a number.
pub(super) async fn add(
    app: &App,
    who: &Caller,
    name: Name,
    role: Role,
    password: Password,
) -> Result<(), Problem> {
    who.session()?;
    let hash = app.hash(password, name.clone()).await?;
    let recorded = OperatorsChange::Add { name: label_of(&name), role };
    app.change_people(who, MANAGES, recorded, move |people| people.add(name, role, hash)).await
}

/// Disables an operator, and ends their sessions.
pub(super) async fn disable(app: &App, who: &Caller, name: Name) -> Result<(), Problem> {
    let (recorded, whom) = (OperatorsChange::Disable(label_of(&name)), name.clone());
    app.change_people(who, MANAGES, recorded, move |people| people.disable(&whom)).await?;
    app.sessions().end_all_of(&name);
    Ok(())
}

/// Enables an operator. A person does that, as [`add`].
pub(super) async fn enable(app: &App, who: &Caller, name: Name) -> Result<(), Problem> {
    who.session()?;
    let recorded = OperatorsChange::Enable(label_of(&name));
    app.change_people(who, MANAGES, recorded, move |people| people.enable(&name)).await
}

/// Change a password
///
/// One's own, with the current one; or another's, who may manage operators. In a session: a token
/// does not. All sessions of that operator end, this one too if it is theirs, and all their tokens.
#[utoipa::path(
    put, path = "/api/v1/operators/{name}/password", tag = "operators",
    params(("name" = String, Path, description = "Whose")), request_body = NewPassword,
    responses((status = 204, description = "Changed"), Refusals)
)]
pub(super) async fn change_password(
    State(app): State<App>,
    who: Caller,
    Peer(peer): Peer,
    InPath(name): InPath<Name>,
    Body(new): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    who.session()?;
    let needed = MANAGES.filter(|_| name != who.name);
    match needed {
        Some(needed) => who.must(needed)?,
        None => {
            verify_own_password(&app, peer, &who, new.current_password.unwrap_or_default()).await?;
        }
    }
    let hash = app.hash(Password::given(new.password), name.clone()).await?;
    let (recorded, whose) = (OperatorsChange::ChangePassword(label_of(&name)), name.clone());
    let change = move |people: &mut People| people.set_password(&whose, hash);
    app.change_people(&who, needed, recorded, change).await?;
    app.sessions().end_all_of(&name);
    Ok(StatusCode::NO_CONTENT)
}

/// Tokens
///
/// One's own; all of them for who may manage operators.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "tokens", params(PageParams),
    responses((status = 200, description = "Tokens", body = Page<TokenView>), Refusals)
)]
pub(super) async fn tokens(
    State(app): State<App>,
    who: Caller,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<TokenView>>, Problem> {
    let people = app.roster.people()?;
    let seen = people.tokens().filter(|(_, token)| sees(&who, token));
    Page::of(seen.map(|(id, token)| (id.0, TokenView::of(id, token))), &page).map(Json)
}

/// Give a token
///
/// To who asks, who must have logged in with a password.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "Given", body = GivenToken), Refusals)
)]
pub(super) async fn give_token(
    State(app): State<App>,
    who: Caller,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<GivenToken>), Problem> {
    who.session()?;
    let NewToken { label, role, days } = new;
    let (secret, now_ms) = (app.secret()?, app.clock.now().0);
    let recorded = OperatorsChange::GiveToken { role, days, label: Label::nearest(&label) };
    let grant = TokenGrant { owner: who.name.clone(), label, role, days };
    let digest = secret.digest();
    let grant = move |people: &mut People| people.grant(grant, digest, now_ms);
    let TokenId(id) = app.change_people(&who, None, recorded, grant).await?;
    Ok((StatusCode::CREATED, Json(GivenToken { id, secret: secret.text() })))
}

/// Revoke a token
///
/// One's own, or any for who may manage operators.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 204, description = "Revoked"), Refusals)
)]
pub(super) async fn revoke_token(
    State(app): State<App>,
    who: Caller,
    InPath(id): InPath<u32>,
) -> Result<StatusCode, Problem> {
    let id = TokenId(id);
    let people = app.roster.people()?;
    // Another's token is as unknown as one that there is not.
    let token = people.token(id).filter(|token| sees(&who, token));
    let token = token.ok_or(operators::PeopleError::UnknownToken(id))?;
    let needed = MANAGES.filter(|_| !is_own(&who, token));
    let recorded = OperatorsChange::RevokeToken(id.0);
    app.change_people(&who, needed, recorded, move |people| people.revoke(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn sees(who: &Caller, token: &Token) -> bool {
    is_own(who, token) || Permission::ManageOperators.is_held_by(who.role)
}

fn is_own(who: &Caller, token: &Token) -> bool {
    token.owner == who.name && matches!(who.by, Credential::Session(_))
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
