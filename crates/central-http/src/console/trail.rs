//! The audit trail.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lottery::{Event, Trace};
use operators::Permission;

use super::frame::{Frame, show};
use super::language::Locale;
use super::visitor::Visitor;
use super::words;
use crate::limits::TRAIL_SHOWN_MAX;
use crate::problem::Problem;
use crate::state::App;

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    p: Frame,
    events: Vec<Row>,
}

struct Row {
    sequence: String,
    at: String,
    who: String,
    what: String,
    why: String,
}

pub(super) async fn page(State(app): State<App>, visitor: Visitor) -> Result<Response, Problem> {
    visitor.must(Permission::ReadAudit)?;
    let _turn = app.reading(&visitor.who, Permission::ReadAudit).await?;
    let latest = app.service.trail(0, VecDeque::new(), |latest: &mut VecDeque<Trace>, trace| {
        if latest.len() == TRAIL_SHOWN_MAX {
            latest.pop_front();
        }
        latest.push_back(trace);
        ControlFlow::Continue(())
    });
    let (latest, l) = (latest.await?, visitor.language);
    let events = latest.iter().rev().map(|trace| Row::of(trace, l)).collect();
    Ok(show(&Page { p: Frame::of(&visitor, None), events }))
}

impl Row {
    fn of(trace: &Trace, l: Locale) -> Self {
        let (who, what) = words::event(&trace.event, l);
        let why = match &trace.event {
            Event::Acted(signed) => signed.why.to_string(),
            _ => String::new(),
        };
        Self { sequence: l.n(trace.sequence), at: l.time(trace.at), who, what, why }
    }
}
