//! Who did what, as the ledger has it.
//!
//! The number that an operator entered is told by nothing here: the second one must not see it, and
//! once the draw was made it is the draw's.

use std::ops::ControlFlow;

use axum::Json;
use axum::extract::State;
use lottery::{Act, Event, Timestamp, Trace};
use operators::Permission;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::api::Refusals;
use crate::http::input::InQuery;
use crate::http::page::{Page, PageParams};
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::http::time::Time;
use crate::http::who::{Allowed, ReadAudit};

/// Something that was done.
#[derive(Serialize, ToSchema)]
pub(super) struct TraceView {
    /// How many events the ledger holds before it, batches included.
    sequence: u64,
    /// When.
    at: Time,
    /// What kind of thing.
    #[schema(example = "draw-closed")]
    action: &'static str,
    /// Who: an operator by name, a program by its token (`ana with token 3 "board"`), `the clock`,
    /// `agency 7`, or `the central`.
    by: String,
    /// In which draw.
    draw: Option<u32>,
    /// What, in words.
    what: String,
    /// Why, as they put it.
    why: String,
}

/// Who did what
///
/// All but batches, in order: acts of operators and of the clock, agencies that finished, draws
/// that were made.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(PageParams),
    responses((status = 200, description = "What was done", body = Page<TraceView>), Refusals)
)]
pub(super) async fn audit(
    State(app): State<App>,
    Allowed(who, _): Allowed<ReadAudit>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<TraceView>>, Problem> {
    let limit = page.limit()?;
    let from = page.after::<u64>()?.map_or(0, |last| last.saturating_add(1));
    let _turn = app.reading(&who, Permission::ReadAudit).await?;
    // One more than asked for, which shows that there is a next part.
    let traces = app.service.trail(from, Vec::new(), move |traces, trace| {
        traces.push(trace);
        if traces.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let traces: Vec<Trace> = traces.await?;
    let next = traces.get(limit).map(|_| traces[limit - 1].sequence.to_string());
    let items = traces.into_iter().take(limit).map(TraceView::of).collect();
    Ok(Json(Page::ending(items, next.as_deref())))
}

impl TraceView {
    fn of(trace: Trace) -> Self {
        let Trace { sequence, at, event } = trace;
        let central = || "the central".to_owned();
        let mut reason = String::new();
        let (action, by, draw, what) = match event {
            Event::DrawOpened { draw, terms } => {
                let what = format!("\"{}\", which goes by itself", terms.name);
                ("draw-opened", central(), Some(draw), what)
            }
            Event::BatchAccepted(batch) => {
                let (by, what) = (batch.agency, format!("{} bets", batch.bets));
                ("batch-accepted", format!("agency {by}"), Some(batch.draw), what)
            }
            Event::AgencyFinished { draw, agency } => {
                ("agency-finished", format!("agency {agency}"), Some(draw), String::new())
            }
            Event::DrawClosed { draw } => ("draw-closed", central(), Some(draw), String::new()),
            Event::DrawMade { draw, number, bets } => {
                let what = format!("winning number {number}, {bets} bets took part");
                ("draw-made", central(), Some(draw), what)
            }
            Event::Acted(signed) => {
                reason = signed.why.to_string();
                let (action, what) = act(&signed.act);
                (action, signed.by.to_string(), signed.act.draw(), what)
            }
        };
        let draw = draw.map(|draw| draw.0);
        Self { sequence, at: Time(at), action, by, draw, what, why: reason }
    }
}

fn act(act: &Act) -> (&'static str, String) {
    match act {
        Act::Announce { terms, schedule } => {
            let time = |at: Option<Timestamp>| {
                at.map_or_else(|| "by an operator".to_owned(), |at| at.to_string())
            };
            let (opens, closes) = (time(schedule.opens_at), time(schedule.closes_at));
            let (name, agencies, numbers) = (&terms.name, &terms.agencies, terms.numbers);
            let what = format!(
                "\"{name}\", agencies {agencies}, numbers {numbers}, opens {opens}, closes {closes}"
            );
            ("draw-announced", what)
        }
        Act::Open(_) => ("draw-opened", String::new()),
        Act::Close(_) => ("draw-closed", String::new()),
        Act::EnterNumber { .. } => ("number-entered", String::new()),
        Act::Publish(_) => ("draw-published", String::new()),
        Act::Register(it) => {
            let state = if it.enabled { "enabled" } else { "disabled" };
            let what = format!("agency {} \"{}\", {}, {state}", it.agency, it.name, it.place);
            ("agency-registered", what)
        }
        Act::Note { topic, text } => ("note", format!("{topic}: {text}")),
    }
}
