//! The audit log.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lottery::{Event, StoredEvent};
use operators::Permission;

use super::current_user::CurrentUser;
use super::language::Locale;
use super::shell::{Shell, show};
use super::text;
use crate::limits::TRAIL_SHOWN_MAX;
use crate::problem::Problem;
use crate::state::App;

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

pub(super) async fn page(State(app): State<App>, user: CurrentUser) -> Result<Response, Problem> {
    user.must(Permission::ReadAudit)?;
    let _turn = app.reading(&user.who, Permission::ReadAudit).await?;
    let latest =
        app.service.audit_log(0, VecDeque::new(), |latest: &mut VecDeque<StoredEvent>, event| {
            if latest.len() == TRAIL_SHOWN_MAX {
                latest.pop_front();
            }
            latest.push_back(event);
            ControlFlow::Continue(())
        });
    let (latest, l) = (latest.await?, user.language);
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
