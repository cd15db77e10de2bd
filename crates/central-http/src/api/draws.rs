//! Draws: their life, as operators lead it.
//!
//! What is told of a draw never holds the number before it was made: neither the entry that awaits
//! the second one, nor how much was betted on what.

#![allow(unused_qualifications, reason = "in what utoipa makes of `DrawsParams`")]

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use lottery::limits::VIEW_PAGE_MAX;
use lottery::{
    Act, Acted, Agencies, AgencyId, Closing, DrawId, DrawName, DrawState, DrawStatus, DrawTerms,
    HistoryEntry, HistoryStep, NumberRange, Reason, Schedule,
};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::task::yield_now;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, RunDraws, ViewBoard};
use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::api::common::{NeededWhy, Order, Refusals, Why, created, reason};
use crate::usecases::app::{App, State as AppState};
use crate::usecases::draws::{self, LifeState};
use crate::web::input::{At, Body, InPath, InQuery};
use crate::web::paging::{Page, PageParams};
use crate::web::time::Time;

/// A draw.
#[derive(Serialize, ToSchema)]
struct DrawView {
    /// Its number.
    id: u32,
    /// Its name.
    name: String,
    /// Its state.
    state: LifeState,
    /// Whether it is automatic: made when all its agencies have finished, with a number that was
    /// set when it was opened. Operators run the others.
    by_itself: bool,
    /// The range of numbers to bet on.
    numbers: Range,
    /// The agencies that may bet in it, as ranges of their numbers.
    agencies: Vec<Span>,
    /// The number of those agencies.
    agencies_registered: u64,
    /// The number of agencies that have finished.
    agencies_finished: u64,
    /// The number of its batches.
    batches: u64,
    /// The number of its bets.
    bets: u64,
    /// The scheduled time of opening.
    opens_at: Option<Time>,
    /// The scheduled time of closing.
    closes_at: Option<Time>,
    /// When it was announced.
    announced_at: Time,
    /// When it was opened.
    opened_at: Option<Time>,
    /// Details of its close.
    closed: Option<ClosingView>,
    /// The operator who entered the number first, until a second one enters it.
    number_entered_by: Option<String>,
    /// The number of results so far: 1 once it is made, one more for each that was voided.
    attempt: u32,
    /// When it was made.
    drawn_at: Option<Time>,
    /// The winning number, once it is made.
    winning_number: Option<u32>,
    /// The operator who voided the result first, until a second one voids it.
    void_by: Option<String>,
    /// When its winners were published.
    published_at: Option<Time>,
    /// The acts on it, oldest first.
    history: Vec<HistoryView>,
}

/// An inclusive range of numbers.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Range {
    /// The smallest.
    min: u32,
    /// The largest.
    max: u32,
}

/// An inclusive range of agency numbers.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Span {
    /// The first one.
    first: u32,
    /// The last one.
    last: u32,
}

/// The close of a draw.
#[derive(Serialize, ToSchema)]
struct ClosingView {
    /// The time.
    at: Time,
    /// The actor: an operator, or the clock.
    by: Option<String>,
    /// The reason that was given.
    why: String,
}

/// An act on a draw. No number that was entered is shown.
#[derive(Serialize, ToSchema)]
struct HistoryView {
    /// The time.
    at: Time,
    /// The actor: an operator, the clock, or a program with a token.
    by: String,
    /// The reason that was given.
    why: String,
    /// What was done.
    step: StepView,
    /// The agency that was reopened.
    agency: Option<u32>,
    /// The number that was entered; absent until the draw is made.
    number: Option<u32>,
}

/// What was done to a draw.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum StepView {
    Announced,
    Edited,
    Cancelled,
    Opened,
    /// An agency that had finished may send bets again.
    AgencyReopened,
    Closed,
    /// The first of two entries of the winning number.
    NumberEntered,
    /// The first operator replaced their entry.
    NumberCorrected,
    /// The second entry matched the first.
    NumberConfirmed,
    /// The second entry differed from the first.
    NumberDiffered,
    /// The first of two operators voided the result.
    VoidAsked,
    /// The second operator voided the result.
    Voided,
    Published,
}

/// A new draw.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDraw {
    /// Its name: 1 to 64 bytes, without invisible characters, not confusable with another draw's.
    #[schema(min_length = 1, max_length = 64, example = "nocturna 2026-11-23")]
    name: String,
    /// The range of numbers to bet on; 0 to 9999 by default.
    numbers: Option<Range>,
    /// The agencies that may bet in it, as ascending, separate ranges; by default the agencies that
    /// are registered and enabled now.
    agencies: Option<Vec<Span>>,
    /// The scheduled time of opening, unless an operator opens it first.
    opens_at: Option<Time>,
    /// The scheduled time of closing, unless an operator closes it first.
    closes_at: Option<Time>,
    /// The reason, for the audit log.
    #[serde(default)]
    why: String,
}

/// Changes of an announced draw; what is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DrawChanges {
    /// Its new name, by the rules of a new draw's.
    #[schema(min_length = 1, max_length = 64)]
    name: Option<String>,
    /// The new range of numbers to bet on.
    numbers: Option<Range>,
    /// The new set of agencies that may bet in it, as ascending, separate ranges.
    agencies: Option<Vec<Span>>,
    /// The new scheduled time of opening; null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Time>)]
    opens_at: Option<Option<Time>>,
    /// The new scheduled time of closing; null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Time>)]
    closes_at: Option<Option<Time>>,
    /// The reason, for the audit log: at most 500 bytes, and not empty.
    #[schema(min_length = 1, max_length = 500)]
    why: String,
}

/// An operator's own entry, corrected.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Correction {
    /// The number that replaces the one entered before.
    number: u32,
}

/// The answer to an act that voids a result.
#[derive(Serialize, ToSchema)]
struct Voided {
    /// The result.
    outcome: VoidOutcome,
}

/// The result of an act that voids a draw's result.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum VoidOutcome {
    /// Another operator must void the result too.
    Awaited,
    /// Both operators voided it: the draw is closed again, and its number is entered anew.
    Voided,
}

/// The winning number, as entered by one operator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The number.
    number: u32,
    /// Make the draw even if it has no bets.
    #[serde(default)]
    allow_empty: bool,
}

/// The answer to an entry.
#[derive(Serialize, ToSchema)]
struct Entered {
    /// The result.
    outcome: EntryOutcome,
}

/// The result of an entry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum EntryOutcome {
    /// Another operator must enter the number too, without seeing this one.
    Awaited,
    /// Both numbers match: the draw is made.
    Agree,
    /// They differ: both must enter it again.
    Differ,
    /// The number was entered before; nothing changed.
    Repeated,
}

/// The draws that are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DrawsParams {
    /// Only draws in this state.
    state: Option<LifeState>,
    /// Only draws that this agency may bet in.
    agency: Option<u32>,
    /// Only draws announced at this time or later.
    since: Option<Time>,
    /// The order; oldest first by default.
    order: Option<Order>,
    /// The `next` of the previous page; omitted for the first page.
    cursor: Option<String>,
    /// Most items per page, 1 to 500; 100 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(draws, announce))
        .routes(routes!(draw, edit))
        .routes(routes!(cancel))
        .routes(routes!(open))
        .routes(routes!(reopen))
        .routes(routes!(close))
        .routes(routes!(enter_number, correct_number))
        .routes(routes!(void))
        .routes(routes!(publish))
}

/// List draws by number
///
/// The oldest first, unless requested otherwise.
#[utoipa::path(
    get, path = "/api/v1/draws", tag = "draws", params(DrawsParams),
    responses((status = 200, description = "Draws", body = Page<DrawView>), Refusals)
)]
async fn draws(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InQuery(asked): InQuery<DrawsParams>,
) -> Result<Json<Page<DrawView>>, Refusal> {
    let page = PageParams::new(asked.cursor.clone(), asked.limit);
    let (limit, last) = (page.limit()?, page.after::<u32>()?);
    let order = asked.order.unwrap_or(Order::Oldest);
    let draws = draws::all_behind(app.service.view(), last.map(DrawId), order == Order::Newest);
    let (mut items, mut next) = (Vec::new(), None);
    for (examined, draw) in draws.enumerate() {
        // Few draws may be wanted among many, and other requests run on the same thread.
        if examined % VIEW_PAGE_MAX == VIEW_PAGE_MAX - 1 {
            yield_now().await;
        }
        if !asked.takes(&draw) {
            continue;
        }
        // One more than asked for shows that there is another page.
        if items.len() == limit {
            next = items.last().map(|it: &DrawView| it.id.to_string());
            break;
        }
        items.push(DrawView::of(&draw));
    }
    Ok(Json(Page::ending(items, next.as_deref())))
}

/// Get a draw
#[utoipa::path(
    get, path = "/api/v1/draws/{id}", tag = "draws",
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The draw", body = DrawView), Refusals)
)]
async fn draw(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InPath(id): InPath<u32>,
) -> Result<Json<DrawView>, Refusal> {
    view(&app, DrawId(id))
}

/// Announce a draw
#[utoipa::path(
    post, path = "/api/v1/draws", tag = "draws", request_body = NewDraw,
    responses((status = 201, description = "The announced draw", body = DrawView), Refusals)
)]
async fn announce(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    Body(new): Body<NewDraw>,
) -> Result<impl IntoResponse, Refusal> {
    let why = reason(&new.why)?;
    let agencies = match new.agencies {
        Some(spans) => agencies_of(spans)?,
        None => {
            let enabled = draws::enabled_agencies(&app);
            Agencies::from_ranges(enabled).map_err(Refusal::bad_request)?
        }
    };
    let terms = DrawTerms {
        name: DrawName::new(new.name).map_err(Refusal::bad_request)?,
        agencies,
        numbers: new.numbers.map(numbers_of).transpose()?.unwrap_or_default(),
    };
    let schedule = Schedule {
        opens_at: new.opens_at.map(|Time(at)| at),
        closes_at: new.closes_at.map(|Time(at)| at),
    };
    let id = draws::announce(&app, &who, why, terms, schedule).await?;
    let Json(draw) = view(&app, id)?;
    Ok(created(&format!("draws/{id}"), draw))
}

/// Edit an announced draw
///
/// Possible until it is opened.
#[utoipa::path(
    patch, path = "/api/v1/draws/{id}", tag = "draws", request_body = DrawChanges,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The edited draw", body = DrawView), Refusals)
)]
async fn edit(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(changes): Body<DrawChanges>,
) -> Result<Json<DrawView>, Refusal> {
    let why = reason(&changes.why)?;
    let DrawStatus { mut terms, life, .. } = draws::status(&app, DrawId(id))?;
    if let Some(name) = changes.name {
        terms.name = DrawName::new(name).map_err(Refusal::bad_request)?;
    }
    if let Some(numbers) = changes.numbers {
        terms.numbers = numbers_of(numbers)?;
    }
    if let Some(spans) = changes.agencies {
        terms.agencies = agencies_of(spans)?;
    }
    let time = |new: Option<Option<Time>>, now| new.map_or(now, |new| new.map(|Time(at)| at));
    let schedule = Schedule {
        opens_at: time(changes.opens_at, life.schedule.opens_at),
        closes_at: time(changes.closes_at, life.schedule.closes_at),
    };
    app.act(&who, why, Act::Edit { draw: DrawId(id), terms, schedule }).await?;
    view(&app, DrawId(id))
}

/// Cancel an announced draw
///
/// Possible until it is opened. Its name is free again.
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/cancel", tag = "draws", request_body = NeededWhy,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The cancelled draw", body = DrawView), Refusals)
)]
async fn cancel(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(NeededWhy { why }): Body<NeededWhy>,
) -> Result<Json<DrawView>, Refusal> {
    step(&app, &who, &why, DrawId(id), Act::Cancel).await
}

/// Open a draw
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/open", tag = "draws", request_body = Why,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The open draw", body = DrawView), Refusals)
)]
async fn open(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(Why { why }): Body<Why>,
) -> Result<Json<DrawView>, Refusal> {
    step(&app, &who, &why, DrawId(id), Act::Open).await
}

/// Reopen an agency
///
/// Lets an agency that finished by mistake send bets again, while the draw is open.
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/agencies/{agency}/reopen", tag = "draws",
    request_body = NeededWhy,
    params(
        ("id" = u32, Path, description = "The draw's number"),
        ("agency" = u32, Path, description = "The agency's number"),
    ),
    responses((status = 200, description = "The open draw", body = DrawView), Refusals)
)]
async fn reopen(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    At((id, agency)): At<(u32, u32)>,
    Body(NeededWhy { why }): Body<NeededWhy>,
) -> Result<Json<DrawView>, Refusal> {
    let agency = AgencyId(agency);
    step(&app, &who, &why, DrawId(id), |draw| Act::Reopen { draw, agency }).await
}

/// Close a draw
///
/// This can't be undone. Before the scheduled time, or before all its agencies have finished, a
/// reason is required.
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/close", tag = "draws", request_body = Why,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The closed draw", body = DrawView), Refusals)
)]
async fn close(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(Why { why }): Body<Why>,
) -> Result<Json<DrawView>, Refusal> {
    step(&app, &who, &why, DrawId(id), Act::Close).await
}

/// Enter the winning number
///
/// Two operators enter it, each in their own session, without seeing the other's. If both numbers
/// match, the draw is made; a draw without bets only with `allow_empty`.
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/number", tag = "draws", request_body = Entry,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The result of the entry", body = Entered), Refusals)
)]
async fn enter_number(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(Entry { number, allow_empty }): Body<Entry>,
) -> Result<Json<Entered>, Refusal> {
    // Two people, and not one with a token of another's.
    who.session()?;
    draws::expect_bets(&app, DrawId(id), allow_empty)?;
    entered(&app, &who, Act::EnterNumber { draw: DrawId(id), number }).await
}

/// Correct your own entry
///
/// Replaces the number that the same operator entered, until a second operator enters it.
#[utoipa::path(
    put, path = "/api/v1/draws/{id}/number", tag = "draws", request_body = Correction,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The result of the correction", body = Entered), Refusals)
)]
async fn correct_number(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(Correction { number }): Body<Correction>,
) -> Result<Json<Entered>, Refusal> {
    who.session()?;
    entered(&app, &who, Act::CorrectNumber { draw: DrawId(id), number }).await
}

/// Void the result of a draw
///
/// Possible until it is published. Two operators void it, each in their own session; the number is
/// then entered anew.
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/void", tag = "draws", request_body = NeededWhy,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The result of the act", body = Voided), Refusals)
)]
async fn void(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(NeededWhy { why }): Body<NeededWhy>,
) -> Result<Json<Voided>, Refusal> {
    who.session()?;
    let outcome = match app.act(&who, reason(&why)?, Act::Void(DrawId(id))).await? {
        Acted::Voided => VoidOutcome::Voided,
        _ => VoidOutcome::Awaited,
    };
    Ok(Json(Voided { outcome }))
}

/// Publish a draw's winners
///
/// From now on agencies receive them.
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/publish", tag = "draws", request_body = Why,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The published draw", body = DrawView), Refusals)
)]
async fn publish(
    State(app): State<App>,
    Allowed(who, ..): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(Why { why }): Body<Why>,
) -> Result<Json<DrawView>, Refusal> {
    step(&app, &who, &why, DrawId(id), Act::Publish).await
}

async fn step(
    app: &AppState,
    who: &Caller,
    why: &str,
    draw: DrawId,
    act: impl FnOnce(DrawId) -> Act,
) -> Result<Json<DrawView>, Refusal> {
    app.act(who, reason(why)?, act(draw)).await?;
    view(app, draw)
}

async fn entered(app: &AppState, who: &Caller, act: Act) -> Result<Json<Entered>, Refusal> {
    let outcome = match app.act(who, Reason::default(), act).await? {
        Acted::NumberAwaited => EntryOutcome::Awaited,
        Acted::NumbersAgree(_) => EntryOutcome::Agree,
        Acted::NumbersDiffer => EntryOutcome::Differ,
        Acted::Repeated
        | Acted::Done
        | Acted::Announced(_)
        | Acted::VoidAwaited
        | Acted::Voided => EntryOutcome::Repeated,
    };
    Ok(Json(Entered { outcome }))
}

fn agencies_of(spans: Vec<Span>) -> Result<Agencies, Refusal> {
    let ranges = spans.into_iter().map(|Span { first, last }| (first, last)).collect();
    Agencies::from_ranges(ranges).map_err(Refusal::bad_request)
}

fn numbers_of(Range { min, max }: Range) -> Result<NumberRange, Refusal> {
    NumberRange::new(min, max).map_err(Refusal::bad_request)
}

/// Tells a field that is null from an absent one.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<Time>>, D::Error> {
    Option::deserialize(value).map(Some)
}

fn view(app: &AppState, id: DrawId) -> Result<Json<DrawView>, Refusal> {
    draws::status(app, id).map(|status| Json(DrawView::of(&status)))
}

impl DrawView {
    fn of(status: &DrawStatus) -> Self {
        let DrawTerms { name, agencies, numbers } = &status.terms;
        let life = &status.life;
        Self {
            id: status.id.0,
            name: name.to_string(),
            state: LifeState::of(status),
            by_itself: life.automatic,
            numbers: Range { min: numbers.min(), max: numbers.max() },
            agencies: agencies.ranges().iter().map(|&(first, last)| Span { first, last }).collect(),
            agencies_registered: agencies.count(),
            agencies_finished: status.agencies_finished,
            batches: status.batches,
            bets: status.bets,
            opens_at: life.schedule.opens_at.map(Time),
            closes_at: life.schedule.closes_at.map(Time),
            announced_at: Time(life.announced_at),
            opened_at: life.opened_at.map(Time),
            closed: life.closed.as_ref().map(ClosingView::of),
            number_entered_by: life.entered_by.as_ref().map(ToString::to_string),
            attempt: life.attempt,
            drawn_at: life.drawn_at.map(Time),
            winning_number: match status.state {
                DrawState::Drawn { number } => Some(number),
                _ => None,
            },
            void_by: life.void_by.as_ref().map(ToString::to_string),
            published_at: life.published_at.map(Time),
            history: life.history.iter().map(HistoryView::of).collect(),
        }
    }
}

impl DrawsParams {
    fn takes(&self, draw: &DrawStatus) -> bool {
        self.state.is_none_or(|state| state == LifeState::of(draw))
            && self.agency.is_none_or(|agency| draw.terms.agencies.contains(AgencyId(agency)))
            && self.since.is_none_or(|Time(since)| draw.life.announced_at >= since)
    }
}

impl HistoryView {
    fn of(HistoryEntry { at, by, why, step, number }: &HistoryEntry) -> Self {
        let agency = match step {
            HistoryStep::Reopened(agency) => Some(agency.0),
            _ => None,
        };
        let step = StepView::of(*step);
        let (by, why, number) = (by.to_string(), why.to_string(), *number);
        Self { at: Time(*at), by, why, step, agency, number }
    }
}

impl StepView {
    fn of(step: HistoryStep) -> Self {
        match step {
            HistoryStep::Announced => Self::Announced,
            HistoryStep::Edited => Self::Edited,
            HistoryStep::Cancelled => Self::Cancelled,
            HistoryStep::Opened => Self::Opened,
            HistoryStep::Reopened(_) => Self::AgencyReopened,
            HistoryStep::Closed => Self::Closed,
            HistoryStep::NumberEntered => Self::NumberEntered,
            HistoryStep::NumberCorrected => Self::NumberCorrected,
            HistoryStep::NumberConfirmed => Self::NumberConfirmed,
            HistoryStep::NumberDiffered => Self::NumberDiffered,
            HistoryStep::VoidAsked => Self::VoidAsked,
            HistoryStep::Voided => Self::Voided,
            HistoryStep::Published => Self::Published,
        }
    }
}

impl ClosingView {
    fn of(closing: &Closing) -> Self {
        let Closing { at, by, why } = closing;
        let by = by.as_ref().map(ToString::to_string);
        Self { at: Time(*at), by, why: why.to_string() }
    }
}
