//! Agencies: who is registered, who may bet, who is connected.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lottery::{Act, AgencyId, Label, Reason, Registration};
use operators::Permission;

use super::frame::{Frame, show_as};
use super::visitor::{Form, Outcome, Posted, Visitor};
use crate::http::problem::Problem;
use crate::http::state::App;

#[derive(Template)]
#[template(path = "agencies.html")]
struct Page {
    p: Frame,
    agencies: Vec<Row>,
    form: Form,
}

struct Row {
    number: u32,
    name: String,
    place: String,
    enabled: bool,
    connections: String,
}

pub(super) async fn page(State(app): State<App>, visitor: Visitor) -> Result<Response, Problem> {
    page_with(&app, &visitor, Outcome::default()).await
}

pub(super) async fn register(
    State(app): State<App>,
    Posted(visitor, form): Posted,
) -> Result<Response, Problem> {
    visitor.must(Permission::ManageAgencies)?;
    let outcome = match registration(&form) {
        Some((act, why)) => visitor.act(&app, why, act, form).await,
        None => {
            let text = visitor.language.t(
                "Número, nombre y lugar hacen falta, en hasta 64 letras.",
                "A number, a name and a place are needed, of up to 64 bytes.",
            );
            Outcome::wrong(text, form)
        }
    };
    page_with(&app, &visitor, outcome).await
}

fn registration(form: &Form) -> Option<(Act, Reason)> {
    let registration = Registration {
        agency: AgencyId(form.get("number").parse().ok()?),
        name: Label::new(form.get("name")).ok()?,
        place: Label::new(form.get("place")).ok()?,
        enabled: form.get("enabled") != "no",
    };
    Some((Act::Register(registration), Reason::new(form.get("why")).ok()?))
}

async fn page_with(app: &App, visitor: &Visitor, outcome: Outcome) -> Result<Response, Problem> {
    let Outcome { status, notice, form } = outcome;
    let roster = app.service.roster().await?;
    let connected = app.service.presence().by_agency();
    let rows = roster.into_iter().map(|it| {
        let connections = connected.get(&it.agency).map_or(0, |it| it.connections);
        Row {
            number: it.agency.0,
            name: it.name.to_string(),
            place: it.place.to_string(),
            enabled: it.enabled,
            connections: visitor.language.n(connections as u64),
        }
    });
    let agencies = rows.collect();
    Ok(show_as(status, &Page { p: Frame::of(visitor, notice), agencies, form }))
}
