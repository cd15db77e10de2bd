//! The page of a user's own account: password, tokens, log out.

use std::net::IpAddr;

use ::operators::{Password, Permission, Role, TokenId};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use lottery::Timestamp;

use super::form::{Form, FormOutcome};
use super::operators::RoleChoice;
use super::posted::Posted;
use super::shell::{Shell, role_name, show, show_as};
use super::visitor::CurrentUser;
use crate::access::identify::set_cookie;
use crate::access::refusal::Refusal;
use crate::usecases::app::App;
use crate::usecases::{operators, session};
use crate::web::input::At;
use crate::web::peer::Peer;

/// The validity of a new token, in days, until the user chooses another.
const TOKEN_DAYS: &str = "30";

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    p: Shell,
    name: String,
    own: RoleChoice,
    /// The secret of a token that was just created.
    given: Option<String>,
    tokens: Vec<TokenRow>,
    /// The roles that a token of the user may have.
    roles: Vec<RoleChoice>,
    days: String,
    form: Form,
}

#[derive(Template)]
#[template(path = "password_changed.html")]
struct PasswordChanged {
    p: Shell,
}

struct TokenRow {
    id: u32,
    owner: String,
    label: String,
    role: &'static str,
    expires: String,
    /// Whether it is neither expired nor revoked.
    is_live: bool,
}

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/account", get(page))
        .route("/account/password", post(change_password))
        .route("/account/tokens", post(give_token))
        .route("/account/tokens/{id}/revoke", post(revoke_token))
        .route("/logout", post(log_out))
}

async fn log_out(State(app): State<App>, Posted(user, _): Posted) -> Result<Response, Refusal> {
    session::end(&app, &user.who).await?;
    let cookie = set_cookie(&app.access, None, Some(0));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response())
}

async fn page(State(app): State<App>, user: CurrentUser) -> Result<Response, Refusal> {
    page_with(&app, &user, FormOutcome::default(), None).await
}

async fn change_password(
    State(app): State<App>,
    Peer(peer): Peer,
    Posted(user, form): Posted,
) -> Result<Response, Refusal> {
    let l = user.language;
    let changed = match new_password(&form) {
        Some(new) => set_password(&app, &user, peer, new, &form).await,
        None => {
            let text = l.t("Las contraseñas nuevas no son iguales.", "The new passwords differ.");
            return page_with(&app, &user, FormOutcome::wrong(text, form), None).await;
        }
    };
    match changed {
        Ok(()) => {
            let cookie = set_cookie(&app.access, None, Some(0));
            let page = PasswordChanged { p: Shell::of_nobody(l, "/login", None) };
            Ok(([(header::SET_COOKIE, cookie)], show(&page)).into_response())
        }
        // The user is logged in: it is the current password that is wrong.
        Err(Refusal::Login) => {
            let text =
                l.t("La contraseña actual no es correcta.", "The current password is wrong.");
            page_with(&app, &user, FormOutcome::wrong(text, form), None).await
        }
        Err(refusal) => page_with(&app, &user, FormOutcome::of(Err(refusal), form, l)?, None).await,
    }
}

/// Returns the new password, if it was typed twice alike.
fn new_password(form: &Form) -> Option<Password> {
    let new = form.secret("password");
    (new == form.secret("again")).then(|| Password::given(new))
}

async fn set_password(
    app: &App,
    user: &CurrentUser,
    peer: IpAddr,
    new: Password,
    form: &Form,
) -> Result<(), Refusal> {
    let current = Password::given(form.secret("current"));
    operators::change_password(app, &user.who, peer, user.who.name.clone(), new, current).await
}

async fn give_token(
    State(app): State<App>,
    Posted(user, form): Posted,
) -> Result<Response, Refusal> {
    let l = user.language;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == form.get("role"));
    let (Some(role), Ok(days)) = (role, form.get("days").parse()) else {
        let text = l.t("Los días de un token son un número.", "The days of a token are a number.");
        return page_with(&app, &user, FormOutcome::wrong(text, form), None).await;
    };
    let label = form.get("label").to_owned();
    let given = operators::give_token(&app, &user.who, label, role, days).await;
    let (given, secret) = match given {
        Ok((_, secret)) => (Ok(l.t("Token creado.", "Token created.")), Some(secret.text())),
        Err(refusal) => (Err(refusal), None),
    };
    page_with(&app, &user, FormOutcome::of(given, form, l)?, secret).await
}

async fn revoke_token(
    State(app): State<App>,
    At(id): At<u32>,
    Posted(user, form): Posted,
) -> Result<Response, Refusal> {
    let l = user.language;
    let revoked = operators::revoke_token(&app, &user.who, TokenId(id)).await;
    let done = revoked.map(|()| l.t("Token revocado.", "Token revoked."));
    page_with(&app, &user, FormOutcome::of(done, form, l)?, None).await
}

async fn page_with(
    app: &App,
    user: &CurrentUser,
    outcome: FormOutcome,
    given: Option<String>,
) -> Result<Response, Refusal> {
    let FormOutcome { status, notice, form } = outcome;
    let (people, now, l) = (app.access.people().await?, app.access.clock.now(), user.language);
    let tokens = people.tokens().filter(|(_, token)| operators::sees(&user.who, token));
    let tokens = tokens.map(|(id, token)| TokenRow {
        id: id.0,
        owner: token.owner.to_string(),
        label: token.label.clone(),
        role: role_name(token.role, l),
        expires: l.time(Timestamp(token.expires_ms)),
        is_live: token.is_live(now.0),
    });
    let is_within =
        |role: &Role| Permission::ALL.iter().all(|it| user.who.may(*it) || !it.is_held_by(*role));
    let roles = Role::ALL.into_iter().filter(is_within).map(|role| RoleChoice::of(role, l));
    let days = if form.get("days").is_empty() { TOKEN_DAYS } else { form.get("days") };
    let page = AccountPage {
        p: Shell::of(user, notice),
        name: user.who.name.to_string(),
        own: RoleChoice::of(user.who.role, l),
        given,
        tokens: tokens.collect(),
        roles: roles.collect(),
        days: days.to_owned(),
        form,
    };
    Ok(show_as(status, &page))
}
