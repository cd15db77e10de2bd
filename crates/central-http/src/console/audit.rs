//! The audit log page.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use lottery::{Event, StoredEvent};
use operators::Permission;

use super::language::Locale;
use super::shell::{Shell, show};
use super::text;
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::TRAIL_SHOWN_MAX;
use crate::usecases::app::App;
use crate::usecases::audit;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    p: Shell,
    events: Vec<AuditRow>,
}

struct AuditRow {
    sequence: String,
    at: String,
    who: String,
    what: String,
    why: String,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/audit", get(page))
}

async fn page(State(app): State<App>, user: CurrentUser) -> Result<Response, Refusal> {
    user.must(Permission::ReadAudit)?;
    let (latest, l) = (audit::latest(&app, &user.who, TRAIL_SHOWN_MAX).await?, user.language);
    let events = latest.iter().rev().map(|event| AuditRow::of(event, l)).collect();
    Ok(show(&AuditPage { p: Shell::of(&user, None), events }))
}

impl AuditRow {
    fn of(event: &StoredEvent, l: Locale) -> Self {
        let (who, what) = text::event(&event.event, l);
        let why = match &event.event {
            Event::Acted(recorded) => recorded.why.to_string(),
            _ => String::new(),
        };
        Self { sequence: l.n(event.sequence), at: l.time(event.at), who, what, why }
    }
}
