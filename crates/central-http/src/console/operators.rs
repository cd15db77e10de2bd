//! Operators.

use ::operators::{Name, Password, Permission, Role};
use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::current_user::{At, CurrentUser, Form, FormOutcome, Posted};
use super::shell::{Shell, role_name, show_as};
use crate::operators;
use crate::problem::Problem;
use crate::state::App;

#[derive(Template)]
#[template(path = "operators.html")]
struct OperatorsPage {
    p: Shell,
    operators: Vec<OperatorsRow>,
    roles: Vec<(&'static str, &'static str)>,
    form: Form,
}

struct OperatorsRow {
    name: String,
    role: &'static str,
    disabled: bool,
}

pub(super) async fn page(State(app): State<App>, user: CurrentUser) -> Result<Response, Problem> {
    user.must(Permission::ManageOperators)?;
    page_with(&app, &user, FormOutcome::default())
}

pub(super) async fn add(
    State(app): State<App>,
    Posted(user, form): Posted,
) -> Result<Response, Problem> {
    user.must(Permission::ManageOperators)?;
    let l = user.language;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == form.get("role"));
    let (Ok(name), Some(role)) = (Name::new(form.get("name").to_owned()), role) else {
        let text = l.t(
            "El nombre lleva letras minúsculas, cifras, punto, guion; hasta 32.",
            "A name has lower-case letters, digits, dots, dashes; up to 32.",
        );
        return page_with(&app, &user, FormOutcome::wrong(text, form));
    };
    let password = Password::given(form.secret("password"));
    let outcome = match operators::add(&app, &user.who, name, role, password).await {
        Ok(()) => FormOutcome::done(l.t("Operador agregado.", "Operator added.")),
        Err(problem) => FormOutcome::refused(problem, form, l)?,
    };
    page_with(&app, &user, outcome)
}

pub(super) async fn change(
    State(app): State<App>,
    At((name, change)): At<(Name, String)>,
    Posted(user, form): Posted,
) -> Result<Response, Problem> {
    user.must(Permission::ManageOperators)?;
    let l = user.language;
    let changed = match change.as_str() {
        "disable" => operators::disable(&app, &user.who, name).await,
        "enable" => operators::enable(&app, &user.who, name).await,
        _ => return Err(Problem::no_such_path()),
    };
    let outcome = match changed {
        Ok(()) => FormOutcome::done(l.t("Hecho.", "Done.")),
        Err(problem) => FormOutcome::refused(problem, form, l)?,
    };
    page_with(&app, &user, outcome)
}

fn page_with(app: &App, user: &CurrentUser, outcome: FormOutcome) -> Result<Response, Problem> {
    let FormOutcome { status, notice, form } = outcome;
    let people = app.roster.people()?;
    let l = user.language;
    let rows = people.operators().map(|(name, it)| OperatorsRow {
        name: name.to_string(),
        role: role_name(it.role, l),
        disabled: it.disabled,
    });
    let operators = rows.collect();
    let roles = Role::ALL.map(|role| (role.as_str(), role_name(role, l))).into();
    Ok(show_as(status, &OperatorsPage { p: Shell::of(user, notice), operators, roles, form }))
}
