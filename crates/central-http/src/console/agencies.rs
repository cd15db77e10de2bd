//! Agencies: who is registered, who may bet, who is connected.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lottery::{Act, AgencyId, Label, Reason, TextError};
use operators::Permission;

use super::frame::{Frame, show_as};
use super::language::Locale;
use super::part::{Asked, Part};
use super::refusal;
use super::visitor::{Form, Outcome, Posted, Visitor};
use super::words;
use crate::input::InQuery;
use crate::limits::ITEMS_SHOWN_MAX;
use crate::problem::Problem;
use crate::state::App;
use central::Change;

#[derive(Template)]
#[template(path = "agencies.html")]
struct Page {
    p: Frame,
    agencies: Vec<Row>,
    part: Option<Part>,
    /// Where its forms are sent to.
    here: String,
    form: Form,
}

struct Row {
    number: u32,
    name: String,
    place: String,
    enabled: bool,
    connections: String,
}

pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    InQuery(asked): InQuery<Asked>,
) -> Result<Response, Problem> {
    page_with(&app, &visitor, &asked, Outcome::default()).await
}

pub(super) async fn register(
    State(app): State<App>,
    InQuery(asked): InQuery<Asked>,
    Posted(visitor, form): Posted,
) -> Result<Response, Problem> {
    visitor.must(Permission::ManageAgencies)?;
    let outcome = match change(&form, visitor.language) {
        Ok((agency, change, why)) => {
            match app.change_agency(&visitor.who, why, agency, change).await {
                Ok((registration, acted)) => {
                    let act = Act::Register(registration);
                    Outcome::done(words::acted(&act, acted, visitor.language))
                }
                Err(problem) => Outcome::refused(problem, form, visitor.language)?,
            }
        }
        Err(why) => Outcome::wrong(&why, form),
    };
    page_with(&app, &visitor, &asked, outcome).await
}

/// What a form changes; why it can't, in words.
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
    visitor: &Visitor,
    asked: &Asked,
    outcome: Outcome,
) -> Result<Response, Problem> {
    let Outcome { status, notice, form } = outcome;
    let (view, l) = (app.service.view(), visitor.language);
    let count = view.registered_count();
    let (places, part) = Part::of(count, asked.page, ITEMS_SHOWN_MAX, "/agencies?page=", l);
    let connected = app.service.presence().by_agency();
    let registered = view.registrations_behind(places.start, places.len());
    let rows = registered.iter().map(|it| {
        let connections = connected.get(&it.agency).map_or(0, |it| it.connections);
        Row {
            number: it.agency.0,
            name: it.name.to_string(),
            place: it.place.to_string(),
            enabled: it.enabled,
            connections: l.n(connections as u64),
        }
    });
    let agencies = rows.collect();
    let here = asked.page.map_or_else(|| "/agencies".into(), |it| format!("/agencies?page={it}"));
    Ok(show_as(status, &Page { p: Frame::of(visitor, notice), agencies, part, here, form }))
}
