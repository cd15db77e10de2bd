//! Operators.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use operators::{Name, Password, Permission, Role};

use super::frame::{Frame, Notice, role_name, show_as};
use super::visitor::{Form, Posted, Visitor};
use crate::http::people;
use crate::http::problem::Problem;
use crate::http::state::App;

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

pub(super) async fn page(State(app): State<App>, visitor: Visitor) -> Response {
    match visitor.refused(Permission::ManageOperators) {
        None => page_with(&app, &visitor, StatusCode::OK, None, Form::default()),
        Some(refused) => refused,
    }
}

pub(super) async fn add(State(app): State<App>, Posted(visitor, form): Posted) -> Response {
    if let Some(refused) = visitor.refused(Permission::ManageOperators) {
        return refused;
    }
    let l = visitor.language;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == form.get("role"));
    let (Ok(name), Some(role)) = (Name::new(form.get("name").to_owned()), role) else {
        let text = l.t(
            "El nombre lleva letras minúsculas, cifras, punto, guion; hasta 32.",
            "A name has lower-case letters, digits, dots, dashes; up to 32.",
        );
        let notice = Some(Notice::bad(text));
        return page_with(&app, &visitor, StatusCode::BAD_REQUEST, notice, form);
    };
    let password = Password::given(form.secret("password"));
    match people::add(&app, &visitor.who, name, role, password).await {
        Ok(()) => {
            let notice = Some(Notice::good(l.t("Operador agregado.", "Operator added.")));
            page_with(&app, &visitor, StatusCode::OK, notice, Form::default())
        }
        Err(problem) => refused(&app, &visitor, &problem, form),
    }
}

pub(super) async fn change(
    State(app): State<App>,
    Path((name, change)): Path<(String, String)>,
    Posted(visitor, form): Posted,
) -> Response {
    if let Some(refused) = visitor.refused(Permission::ManageOperators) {
        return refused;
    }
    let l = visitor.language;
    let Ok(name) = Name::new(name) else {
        return visitor.refuse(&Problem::not_found("there is no such operator"));
    };
    let changed = match change.as_str() {
        "disable" => people::disable(&app, &visitor.who, name).await,
        "enable" => people::enable(&app, &visitor.who, name).await,
        _ => Err(Problem::not_found("there is nothing at this path")),
    };
    match changed {
        Ok(()) => {
            let notice = Some(Notice::good(l.t("Hecho.", "Done.")));
            page_with(&app, &visitor, StatusCode::OK, notice, form)
        }
        Err(problem) => refused(&app, &visitor, &problem, form),
    }
}

fn refused(app: &App, visitor: &Visitor, problem: &Problem, form: Form) -> Response {
    page_with(app, visitor, problem.status(), Some(Notice::bad(problem.to_string())), form)
}

fn page_with(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    form: Form,
) -> Response {
    let people = match app.roster.people() {
        Ok(people) => people,
        Err(error) => return visitor.refuse(&error.into()),
    };
    let l = visitor.language;
    let rows = people.operators().map(|(name, it)| Row {
        name: name.to_string(),
        role: role_name(it.role, l),
        disabled: it.disabled,
    });
    let operators = rows.collect();
    let roles = Role::ALL.map(|role| (role.as_str(), role_name(role, l))).into();
    show_as(status, &Page { p: Frame::of(visitor, notice), operators, roles, form })
}
