//! Who did what, as the ledger has it and [`lottery::Description`] tells it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use axum::Json;
use axum::extract::State;
use lottery::{Argument, Event, StoredEvent};
use operators::Permission;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::Refusals;
use crate::caller::{Allowed, ReadAudit};
use crate::input::InQuery;
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::state::App;
use crate::time::Time;

/// Something that was done.
#[derive(Serialize, ToSchema)]
pub(super) struct EventView {
    /// How many events the ledger holds before it, batches included.
    sequence: u64,
    /// When.
    at: Time,
    /// What kind of thing.
    #[schema(example = "draw-closed")]
    action: &'static str,
    /// Caller: an operator by name, a program by its token (`ana with token 3 "board"`), `the clock`,
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
    responses((status = 200, description = "What was done", body = Page<EventView>), Refusals)
)]
pub(super) async fn audit(
    State(app): State<App>,
    Allowed(who, _): Allowed<ReadAudit>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<EventView>>, Problem> {
    let limit = page.limit()?;
    let from = page.after::<u64>()?.map_or(0, |last| last.saturating_add(1));
    let _turn = app.reading(&who, Permission::ReadAudit).await?;
    // One more than asked for, which shows that there is a next part.
    let events = app.service.audit_log(from, Vec::new(), move |events, event| {
        events.push(event);
        if events.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let events: Vec<StoredEvent> = events.await?;
    let next = events.get(limit).map(|_| events[limit - 1].sequence.to_string());
    let items = events.iter().take(limit).map(EventView::of).collect();
    Ok(Json(Page::ending(items, next.as_deref())))
}

impl EventView {
    fn of(event: &StoredEvent) -> Self {
        let operators = match &event.event {
            Event::Acted(recorded) => recorded.operators,
            _ => 0,
        };
        let it = event.event.describe();
        let arguments = it.arguments.into_iter();
        Self {
            sequence: event.sequence,
            at: Time(event.at),
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
