//! Agencies: who is registered, who may bet, who is connected.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lottery::{Act, AgencyId, Label, Reason};
use operators::Permission;

use super::frame::{Frame, show_as};
use super::part::{Asked, Part};
use super::visitor::{Form, Outcome, Posted, Visitor};
use super::words;
use crate::http::input::InQuery;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::limits::ITEMS_SHOWN_MAX;
use crate::service::Change;

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
    let outcome = match change(&form) {
        Some((agency, change, why)) => {
            match app.change_agency(&visitor.who, why, agency, change).await {
                Ok((registration, acted)) => {
                    let act = Act::Register(registration);
                    Outcome::done(words::acted(&act, acted, visitor.language))
                }
                Err(problem) => Outcome::refused(problem, form, visitor.language)?,
            }
        }
        None => {
            let text = visitor.language.t(
                "Número, nombre y lugar hacen falta, en hasta 64 letras.",
                "A number, a name and a place are needed, of up to 64 bytes.",
            );
            Outcome::wrong(text, form)
        }
    };
    page_with(&app, &visitor, &asked, outcome).await
}

fn change(form: &Form) -> Option<(AgencyId, Change, Reason)> {
    let label = |name| Label::new(form.get(name)).ok();
    let change = match form.get("enabled") {
        "yes" => Change::Enable(true),
        "no" => Change::Enable(false),
        _ => Change::Describe { name: label("name")?, place: label("place")? },
    };
    Some((AgencyId(form.get("number").parse().ok()?), change, Reason::new(form.get("why")).ok()?))
}

async fn page_with(
    app: &App,
    visitor: &Visitor,
    asked: &Asked,
    outcome: Outcome,
) -> Result<Response, Problem> {
    let Outcome { status, notice, form } = outcome;
    let (roster, l) = (app.service.roster().await?, visitor.language);
    let (places, part) = Part::of(roster.len(), asked.page, ITEMS_SHOWN_MAX, "/agencies?page=", l);
    let connected = app.service.presence().by_agency();
    let rows = roster[places].iter().map(|it| {
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
