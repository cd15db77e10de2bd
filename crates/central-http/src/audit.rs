//! Who did what, as the ledger has it and [`lottery::Description`] tells it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use axum::Json;
use axum::extract::State;
use lottery::{Argument, Event, Trace};
use operators::Permission;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::Refusals;
use crate::input::InQuery;
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::state::App;
use crate::time::Time;
use crate::who::{Allowed, ReadAudit};

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
    /// By which version of the operators they were allowed to; 0 where nobody had to be.
    operators: u64,
    /// In which draw.
    draw: Option<u32>,
    /// All else that is known of it, by name.
    arguments: BTreeMap<&'static str, ArgumentView>,
    /// Why, as they put it.
    why: String,
}

/// An argument of what was done.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ArgumentView {
    /// A text, a word, a range or a time.
    Text(String),
    /// A number or a count.
    Number(u64),
    /// Whether something is so.
    Flag(bool),
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
    let items = traces.iter().take(limit).map(TraceView::of).collect();
    Ok(Json(Page::ending(items, next.as_deref())))
}

impl TraceView {
    fn of(trace: &Trace) -> Self {
        let operators = match &trace.event {
            Event::Acted(signed) => signed.operators,
            _ => 0,
        };
        let it = trace.event.describe();
        let arguments = it.arguments.into_iter();
        Self {
            sequence: trace.sequence,
            at: Time(trace.at),
            action: it.action,
            by: it.by.to_string(),
            operators,
            draw: it.draw.map(|draw| draw.0),
            arguments: arguments.map(|(name, it)| (name, ArgumentView::of(it))).collect(),
            why: it.why.to_owned(),
        }
    }
}

impl ArgumentView {
    fn of(argument: Argument<'_>) -> Self {
        match argument {
            Argument::Text(text) => Self::Text(text.to_owned()),
            Argument::Word(word) => Self::Text(word),
            Argument::Number(number) => Self::Number(number),
            Argument::Flag(is_so) => Self::Flag(is_so),
            Argument::Time(at) => Self::Text(at.to_string()),
        }
    }
}
