//! Who did what, as [`lottery::Description`] tells it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use lottery::{Argument, Event, StoredEvent};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, ReadAudit};
use crate::access::refusal::Refusal;
use crate::api::common::Refusals;
use crate::usecases::app::App;
use crate::usecases::audit;
use crate::web::input::InQuery;
use crate::web::paging::{Page, PageParams};
use crate::web::time::Time;

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
struct EventView {
    /// The number of events in the ledger before it, including batches.
    sequence: u64,
    /// The time.
    at: Time,
    /// The kind of action.
    #[schema(example = "draw-closed")]
    action: &'static str,
    /// The actor: an operator by name, a program by its token (`ana with token 3 "board"`), `the
    /// clock`, `agency 7`, or `the central`.
    by: String,
    /// The version of the operators that permitted it; 0 if no permission was required.
    operators: u64,
    /// The draw.
    draw: Option<u32>,
    /// Further details by name.
    arguments: BTreeMap<&'static str, ArgumentView>,
    /// The reason that was given.
    why: String,
}

/// An argument of an action.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum ArgumentView {
    /// A text, a word, a range or a time.
    Text(String),
    /// A number or a count.
    Number(u64),
    /// A boolean.
    Flag(bool),
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(audit))
}

/// List the audit log
///
/// All events except batches, in order: actions of operators, scheduled actions, agencies that
/// finished, draws that were made.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(PageParams),
    responses((status = 200, description = "Entries", body = Page<EventView>), Refusals)
)]
async fn audit(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ReadAudit>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<EventView>>, Refusal> {
    let limit = page.limit()?;
    let from = page.after::<u64>()?.map_or(0, |last| last.saturating_add(1));
    // One more than asked for, which shows that there is a next part.
    let events = audit::from(&app, &who, from, limit).await?;
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
