//! Agencies: who is registered, who may bet, who is connected.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use lottery::{Act, AgencyId, Label, Reason, Registration};
use operators::Permission;

use super::frame::{Frame, Notice, show_as};
use super::visitor::{Form, Posted, Visitor};
use super::words;
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

pub(super) async fn page(State(app): State<App>, visitor: Visitor) -> Response {
    page_with(&app, &visitor, StatusCode::OK, None, Form::default()).await
}

pub(super) async fn register(State(app): State<App>, Posted(visitor, form): Posted) -> Response {
    if let Some(refused) = visitor.refused(Permission::ManageAgencies) {
        return refused;
    }
    let l = visitor.language;
    let Some((act, why)) = registration(&form) else {
        let text = l.t(
            "Número, nombre y lugar hacen falta, en hasta 64 letras.",
            "A number, a name and a place are needed, of up to 64 bytes.",
        );
        let notice = Some(Notice::bad(text));
        return page_with(&app, &visitor, StatusCode::BAD_REQUEST, notice, form).await;
    };
    match app.service.act(app.signed(&visitor.who, why, act.clone())).await {
        Ok(acted) => {
            let notice = Some(Notice::good(words::acted(&act, acted, l)));
            page_with(&app, &visitor, StatusCode::OK, notice, Form::default()).await
        }
        Err(error) => {
            let notice = Some(Notice::bad(words::refused(&error, l)));
            page_with(&app, &visitor, StatusCode::CONFLICT, notice, form).await
        }
    }
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

async fn page_with(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    form: Form,
) -> Response {
    let roster = match app.service.roster().await {
        Ok(roster) => roster,
        Err(fault) => return visitor.refuse(&fault.into()),
    };
    let connected = app.service.presence().snapshot();
    let rows = roster.into_iter().map(|it| {
        let connections = connected.iter().filter(|one| one.agency == Some(it.agency)).count();
        Row {
            number: it.agency.0,
            name: it.name.to_string(),
            place: it.place.to_string(),
            enabled: it.enabled,
            connections: visitor.language.n(connections as u64),
        }
    });
    let agencies = rows.collect();
    show_as(status, &Page { p: Frame::of(visitor, notice), agencies, form })
}
