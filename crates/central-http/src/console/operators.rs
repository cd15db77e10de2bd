//! The operators page.

use ::operators::{Name, Password, Permission, Role};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use lottery::Reason;

use super::form::{Form, FormOutcome};
use super::language::Locale;
use super::posted::Posted;
use super::refusal;
use super::shell::{Shell, role_name, show_as};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::usecases::app::App;
use crate::usecases::operators;
use crate::web::input::At;
use crate::web::problem::Problem;

#[derive(Template)]
#[template(path = "operators.html")]
struct OperatorsPage {
    p: Shell,
    operators: Vec<OperatorsRow>,
    roles: Vec<RoleChoice>,
    form: Form,
}

/// A role to choose.
pub(super) struct RoleChoice {
    pub(super) value: &'static str,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
}

struct OperatorsRow {
    name: String,
    role: &'static str,
    disabled: bool,
}

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/operators", get(page).post(add))
        .route("/operators/{name}/{change}", post(change))
}

async fn page(State(app): State<App>, user: CurrentUser) -> Result<Response, Refusal> {
    user.must(Permission::ManageOperators)?;
    page_with(&app, &user, FormOutcome::default()).await
}

async fn add(State(app): State<App>, Posted(user, form): Posted) -> Result<Response, Refusal> {
    user.must(Permission::ManageOperators)?;
    let l = user.language;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == form.get("role"));
    let (Ok(name), Some(role)) = (Name::new(form.get("name").to_owned()), role) else {
        let text = l.t(
            "El nombre lleva letras minúsculas, cifras, punto, guion; hasta 32.",
            "A name has lower-case letters, digits, dots, dashes; up to 32.",
        );
        return page_with(&app, &user, FormOutcome::wrong(text, form)).await;
    };
    let password = Password::given(form.secret("password"));
    let added = operators::add(&app, &user.who, name, role, password).await;
    let added = added.map(|()| l.t("Operador agregado.", "Operator added."));
    page_with(&app, &user, FormOutcome::of(added, form, l)?).await
}

async fn change(
    State(app): State<App>,
    At((name, change)): At<(Name, String)>,
    Posted(user, form): Posted,
) -> Result<Response, Refusal> {
    user.must(Permission::ManageOperators)?;
    let l = user.language;
    let why = match Reason::new(form.get("why")) {
        Ok(why) => why,
        Err(error) => {
            let outcome = FormOutcome::wrong(&refusal::reason(error, l), form);
            return page_with(&app, &user, outcome).await;
        }
    };
    let changed = match change.as_str() {
        "disable" if form.get("sure").is_empty() => {
            return page_with(&app, &user, FormOutcome::unconfirmed(form, l)).await;
        }
        "disable" => operators::disable(&app, &user.who, name, why).await,
        "enable" => operators::enable(&app, &user.who, name).await,
        _ => return Err(Refusal::from(Problem::no_such_path())),
    };
    let done = changed.map(|()| l.t("Hecho.", "Done."));
    page_with(&app, &user, FormOutcome::of(done, form, l)?).await
}

impl RoleChoice {
    pub(super) fn of(role: Role, l: Locale) -> Self {
        let about = match role {
            Role::Viewer => l.t(
                "Ve el tablero, los sorteos y las agencias.",
                "Sees the board, draws and agencies.",
            ),
            Role::Operator => l.t(
                "Conduce los sorteos y registra agencias. Ve a los ganadores de un sorteo hecho; \
                 publicado el sorteo, busca y descarga apuestas.",
                "Runs draws and registers agencies. Sees the winners of a draw that was made; once \
                 it is published, searches and downloads bets.",
            ),
            Role::Auditor => l.t(
                "No conduce sorteos. Ve a los ganadores, busca y descarga apuestas antes de la \
                 publicación y lee la auditoría.",
                "Runs no draws. Sees winners, searches and downloads bets before the publication, \
                 and reads the audit log.",
            ),
            Role::Admin => l.t(
                "Hace todo lo de un operador, lee la auditoría y administra a los operadores.",
                "Does all that an operator does, reads the audit log and manages operators.",
            ),
            Role::Standby => l.t(
                "Para una central de reserva, no para personas: copia todo lo guardado y las \
                 credenciales de los operadores. No usa la consola.",
                "For a standby central, not for people: copies all that is stored and the \
                 operators' credentials. Does not use the console.",
            ),
        };
        Self { value: role.as_str(), name: role_name(role, l), about }
    }
}

async fn page_with(
    app: &App,
    user: &CurrentUser,
    outcome: FormOutcome,
) -> Result<Response, Refusal> {
    let FormOutcome { status, notice, form } = outcome;
    let people = app.access.people().await?;
    let l = user.language;
    let rows = people.operators().map(|(name, it)| OperatorsRow {
        name: name.to_string(),
        role: role_name(it.role, l),
        disabled: it.disabled,
    });
    let operators = rows.collect();
    let roles = Role::ALL.map(|role| RoleChoice::of(role, l)).into();
    Ok(show_as(status, &OperatorsPage { p: Shell::of(user, notice), operators, roles, form }))
}
