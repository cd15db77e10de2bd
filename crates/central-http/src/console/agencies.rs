//! The agencies page: registration, permission to bet, and connections.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use central::Change;
use lottery::{AgencyId, Label, Reason, TextError};
use operators::Permission;

use super::form::{Form, FormOutcome};
use super::language::Locale;
use super::pagination::{PageQuery, Pagination};
use super::posted::Posted;
use super::refusal;
use super::shell::{Shell, show_as};
use super::text;
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::ITEMS_SHOWN_MAX;
use crate::usecases::agencies;
use crate::usecases::app::App;
use crate::web::input::InQuery;

#[derive(Template)]
#[template(path = "agencies.html")]
struct AgenciesPage {
    p: Shell,
    agencies: Vec<AgenciesRow>,
    part: Option<Pagination>,
    /// The path that its forms are sent to.
    here: String,
    form: Form,
}

struct AgenciesRow {
    number: u32,
    name: String,
    place: String,
    enabled: bool,
    connections: String,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/agencies", get(page).post(register))
}

async fn page(
    State(app): State<App>,
    user: CurrentUser,
    InQuery(asked): InQuery<PageQuery>,
) -> Result<Response, Refusal> {
    page_with(&app, &user, &asked, FormOutcome::default()).await
}

async fn register(
    State(app): State<App>,
    InQuery(asked): InQuery<PageQuery>,
    Posted(user, form): Posted,
) -> Result<Response, Refusal> {
    user.must(Permission::ManageAgencies)?;
    let outcome = match change(&form, user.language) {
        Ok((agency, change, why)) => {
            let changed = agencies::change(&app, &user.who, why, agency, change).await;
            let saved = |(_, acted)| text::registered(acted, user.language);
            FormOutcome::of(changed.map(saved), form, user.language)?
        }
        Err(why) => FormOutcome::wrong(&why, form),
    };
    page_with(&app, &user, &asked, outcome).await
}

/// Parses the change that a form asks for; returns an error message if it is invalid.
fn change(form: &Form, l: Locale) -> Result<(AgencyId, Change, Reason), String> {
    let label = |name, what, what_in_english| {
        let wrong = |error| match error {
            TextError::Label(it) | TextError::Reason(it) => {
                refusal::text(what, what_in_english, it, l)
            }
        };
        Label::new(form.get(name)).map_err(wrong)
    };
    let number = form.get("number").parse().map_err(|_| {
        l.t("El número de la agencia no se entiende.", "The agency's number can't be understood.")
    })?;
    let change = match form.get("enabled") {
        "yes" => Change::Enable(true),
        "no" => Change::Enable(false),
        _ => Change::Describe {
            name: label("name", "el nombre", "the name")?,
            place: label("place", "el lugar", "the place")?,
        },
    };
    let why = Reason::new(form.get("why")).map_err(|error| refusal::reason(error, l))?;
    Ok((AgencyId(number), change, why))
}

async fn page_with(
    app: &App,
    user: &CurrentUser,
    asked: &PageQuery,
    outcome: FormOutcome,
) -> Result<Response, Refusal> {
    let FormOutcome { status, notice, form } = outcome;
    let (view, l) = (app.service.view(), user.language);
    let count = view.registered_count();
    let (places, part) = Pagination::of(count, asked.page, ITEMS_SHOWN_MAX, "/agencies?page=", l);
    let connected = app.service.presence().by_agency();
    let registered = view.registrations_behind(places.start, places.len());
    let rows = registered.iter().map(|it| {
        let connections = connected.get(&it.agency).map_or(0, |it| it.connections);
        AgenciesRow {
            number: it.agency.0,
            name: it.name.to_string(),
            place: it.place.to_string(),
            enabled: it.enabled,
            connections: l.n(connections as u64),
        }
    });
    let agencies = rows.collect();
    let here = asked.page.map_or_else(|| "/agencies".into(), |it| format!("/agencies?page={it}"));
    Ok(show_as(status, &AgenciesPage { p: Shell::of(user, notice), agencies, part, here, form }))
}
