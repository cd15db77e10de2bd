//! Operators.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use operators::{Name, Password, Permission, Role};

use super::frame::{Frame, role_name, show_as};
use super::visitor::{At, Form, Outcome, Posted, Visitor};
use crate::people;
use crate::problem::Problem;
use crate::state::App;

#[derive(Template)]
#[template(path = "operators.html")]
struct Page {
    p: Frame,
    operators: Vec<Row>,
    roles: Vec<(&'static str, &'static str)>,
    form: Form,
}

struct Row {
    name: String,
    role: &'static str,
    disabled: bool,
}

pub(super) async fn page(State(app): State<App>, visitor: Visitor) -> Result<Response, Problem> {
    visitor.must(Permission::ManageOperators)?;
    page_with(&app, &visitor, Outcome::default())
}

pub(super) async fn add(
    State(app): State<App>,
    Posted(visitor, form): Posted,
) -> Result<Response, Problem> {
    visitor.must(Permission::ManageOperators)?;
    let l = visitor.language;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == form.get("role"));
    let (Ok(name), Some(role)) = (Name::new(form.get("name").to_owned()), role) else {
        let text = l.t(
            "El nombre lleva letras minúsculas, cifras, punto, guion; hasta 32.",
            "A name has lower-case letters, digits, dots, dashes; up to 32.",
        );
        return page_with(&app, &visitor, Outcome::wrong(text, form));
    };
    let password = Password::given(form.secret("password"));
    let outcome = match people::add(&app, &visitor.who, name, role, password).await {
        Ok(()) => Outcome::done(l.t("Operador agregado.", "Operator added.")),
        Err(problem) => Outcome::refused(problem, form, l)?,
    };
    page_with(&app, &visitor, outcome)
}

pub(super) async fn change(
    State(app): State<App>,
    At((name, change)): At<(Name, String)>,
    Posted(visitor, form): Posted,
) -> Result<Response, Problem> {
    visitor.must(Permission::ManageOperators)?;
    let l = visitor.language;
    let changed = match change.as_str() {
        "disable" => people::disable(&app, &visitor.who, name).await,
        "enable" => people::enable(&app, &visitor.who, name).await,
        _ => return Err(Problem::no_such_path()),
    };
    let outcome = match changed {
        Ok(()) => Outcome::done(l.t("Hecho.", "Done.")),
        Err(problem) => Outcome::refused(problem, form, l)?,
    };
    page_with(&app, &visitor, outcome)
}

fn page_with(app: &App, visitor: &Visitor, outcome: Outcome) -> Result<Response, Problem> {
    let Outcome { status, notice, form } = outcome;
    let people = app.roster.people()?;
    let l = visitor.language;
    let rows = people.operators().map(|(name, it)| Row {
        name: name.to_string(),
        role: role_name(it.role, l),
        disabled: it.disabled,
    });
    let operators = rows.collect();
    let roles = Role::ALL.map(|role| (role.as_str(), role_name(role, l))).into();
    Ok(show_as(status, &Page { p: Frame::of(visitor, notice), operators, roles, form }))
}
