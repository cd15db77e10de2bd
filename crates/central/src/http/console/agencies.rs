//! Agencies: who is registered, who may bet, who is connected.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lottery::{Act, AgencyId, Label, Reason, Registration};
use operators::Permission;
use serde::Deserialize;

use super::frame::{Frame, show_as};
use super::part::Part;
use super::visitor::{Form, Outcome, Posted, Visitor};
use crate::http::input::InQuery;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::limits::ITEMS_SHOWN_MAX;

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

/// Which part of the agencies.
#[derive(Deserialize)]
pub(super) struct Asked {
    page: Option<usize>,
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
    let outcome = match registration(&form, &app.service.roster().await?) {
        Some((act, why)) => visitor.act(&app, why, act, form).await,
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

/// What a form asks for. An agency stays as it is, enabled or not, unless the form says.
fn registration(form: &Form, roster: &[Registration]) -> Option<(Act, Reason)> {
    let agency = AgencyId(form.get("number").parse().ok()?);
    let known = roster.iter().find(|it| it.agency == agency);
    let registration = Registration {
        agency,
        name: Label::new(form.get("name")).ok()?,
        place: Label::new(form.get("place")).ok()?,
        enabled: match form.get("enabled") {
            "" => known.is_none_or(|it| it.enabled),
            said => said == "yes",
        },
    };
    Some((Act::Register(registration), Reason::new(form.get("why")).ok()?))
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
