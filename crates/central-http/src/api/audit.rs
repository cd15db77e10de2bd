//! Who did what, as [`lottery::Description`] tells it.

#![allow(unused_qualifications, reason = "in what utoipa makes of `AuditParams`")]

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use lottery::{
    Argument, AuditFilter, AuditSpan, DrawId, Event, Label, StoredEvent, View, action_named,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, ReadAudit};
use crate::access::refusal::Refusal;
use crate::api::common::{CSV, Order, Refusals, cells, file};
use crate::usecases::app::App;
use crate::usecases::audit::{described, find};
use crate::usecases::export::{self, Recipient};
use crate::web::input::InQuery;
use crate::web::paging::{Page, PageParams};
use crate::web::peer::Ending;
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

/// The entries that are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditParams {
    /// Only acts of this operator, in person or by a token.
    by: Option<String>,
    /// Only entries with this `action`.
    action: Option<String>,
    /// Only entries of this draw.
    draw: Option<u32>,
    /// Only entries at this time or later.
    since: Option<Time>,
    /// Only entries before this time.
    until: Option<Time>,
    /// The order; newest first by default.
    order: Option<Order>,
    /// The `next` of the previous page; omitted for the first page.
    cursor: Option<String>,
    /// Most items per page, 1 to 500; 100 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// The entries of a file, and options for CSV.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditFileParams {
    /// Only acts of this operator, in person or by a token.
    by: Option<String>,
    /// Only entries with this `action`.
    action: Option<String>,
    /// Only entries of this draw.
    draw: Option<u32>,
    /// Only entries at this time or later.
    since: Option<Time>,
    /// Only entries before this time.
    until: Option<Time>,
    /// The order; newest first by default.
    order: Option<Order>,
    /// Write cells exactly as they are stored, for programs.
    #[serde(default)]
    #[param(required = false)]
    raw: bool,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(audit)).routes(routes!(audit_csv))
}

/// List the audit log
///
/// All events except batches: actions of operators, scheduled actions, agencies that finished,
/// draws that were made. A page may have fewer items than requested, or none, and still have a next
/// page: each request reads a limited number of events.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(AuditParams),
    responses((status = 200, description = "Entries", body = Page<EventView>), Refusals)
)]
async fn audit(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ReadAudit>,
    InQuery(asked): InQuery<AuditParams>,
) -> Result<Json<Page<EventView>>, Refusal> {
    let AuditParams { by, action, draw, since, until, order, cursor, limit } = asked;
    let filter = filter(by, action.as_deref(), draw, (since, until))?;
    let page = PageParams::new(cursor, limit);
    let span = span_of(order.unwrap_or_default(), page.after()?);
    let found = find(&app, &who, filter, span, page.limit()?).await?;
    let view = app.service.view();
    let items = found.events.iter().map(|event| EventView::of(view, event)).collect();
    let next = found.next.map(|last| last.to_string());
    Ok(Json(Page::ending(items, next.as_deref())))
}

/// Export the audit log as CSV
///
/// The entries that are wanted, with the same descriptions.
#[utoipa::path(
    get, path = "/api/v1/audit.csv", tag = "audit", params(AuditFileParams),
    responses(
        (status = 200, description = "Entries", body = String, content_type = "text/csv"),
        Refusals
    )
)]
async fn audit_csv(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ReadAudit>,
    ending: Ending,
    InQuery(asked): InQuery<AuditFileParams>,
) -> Result<Response, Refusal> {
    let AuditFileParams { by, action, draw, since, until, order, raw } = asked;
    let filter = filter(by, action.as_deref(), draw, (since, until))?;
    let span = span_of(order.unwrap_or_default(), None);
    let to = Recipient { who, connection: ending.0 };
    let lines = export::audit(&app, to, filter, span, cells(raw))?;
    Ok(file(lines, CSV, "audit.csv"))
}

fn filter(
    by: Option<String>,
    action: Option<&str>,
    draw: Option<u32>,
    (since, until): (Option<Time>, Option<Time>),
) -> Result<AuditFilter, Refusal> {
    let wrong = |error| Refusal::bad_request(format_args!("by: {error}"));
    let by = by.map(Label::new).transpose().map_err(wrong)?;
    let unknown = |action: &str| {
        let known = lottery::ACTIONS.join(", ");
        Refusal::bad_request(format_args!("there is no action '{action}'; the actions are {known}"))
    };
    let known = |action| action_named(action).ok_or_else(|| unknown(action));
    let action = action.map(known).transpose()?;
    let (since, until) = (since.map(|it| it.0), until.map(|it| it.0));
    Ok(AuditFilter { by, action, draw: draw.map(DrawId), since, until })
}

/// Returns the events behind the one of this sequence, or all.
fn span_of(order: Order, last: Option<u64>) -> AuditSpan {
    match order {
        Order::Newest => AuditSpan::Before(last.unwrap_or(u64::MAX)),
        Order::Oldest => AuditSpan::From(last.map_or(0, |last| last.saturating_add(1))),
    }
}

impl EventView {
    fn of(view: &View, event: &StoredEvent) -> Self {
        let operators = match &event.event {
            Event::Acted(recorded) => recorded.operators,
            _ => 0,
        };
        let it = described(view, event);
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
