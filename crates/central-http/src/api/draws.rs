//! Draws: their life, as operators lead it.
//!
//! What is told of a draw never holds the number before it was made: neither the entry that awaits
//! the second one, nor how much was betted on what.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lottery::{
    Act, Acted, Agencies, Closing, DrawId, DrawName, DrawState, DrawStatus, DrawTerms, NumberRange,
    Reason, Schedule,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, RunDraws, ViewBoard};
use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::api::common::{Refusals, Why, part, reason};
use crate::usecases::app::{App, State as AppState};
use crate::usecases::draws::{self, LifeState};
use crate::web::input::{Body, InPath, InQuery};
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
    /// When it was made.
    drawn_at: Option<Time>,
    /// The winning number, once it is made.
    winning_number: Option<u32>,
    /// When its winners were published.
    published_at: Option<Time>,
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
    /// The numbers matched before; nothing changed.
    Repeated,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(draws, announce))
        .routes(routes!(draw))
        .routes(routes!(open))
        .routes(routes!(close))
        .routes(routes!(enter_number))
        .routes(routes!(publish))
}

/// List draws by number
#[utoipa::path(
    get, path = "/api/v1/draws", tag = "draws", params(PageParams),
    responses((status = 200, description = "Draws", body = Page<DrawView>), Refusals)
)]
async fn draws(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<DrawView>>, Refusal> {
    let draws = app.service.view().draws(page.after()?.map(DrawId), page.limit()? + 1);
    part(draws.iter().map(|it| (it.id.0, DrawView::of(it))), &page)
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
) -> Result<(StatusCode, Json<DrawView>), Refusal> {
    let why = reason(&new.why)?;
    let agencies = match new.agencies {
        Some(spans) => spans.into_iter().map(|Span { first, last }| (first, last)).collect(),
        None => draws::enabled_agencies(&app),
    };
    let numbers = match new.numbers {
        Some(Range { min, max }) => NumberRange::new(min, max).map_err(Refusal::bad_request)?,
        None => NumberRange::default(),
    };
    let terms = DrawTerms {
        name: DrawName::new(new.name).map_err(Refusal::bad_request)?,
        agencies: Agencies::from_ranges(agencies).map_err(Refusal::bad_request)?,
        numbers,
    };
    let schedule = Schedule {
        opens_at: new.opens_at.map(|Time(at)| at),
        closes_at: new.closes_at.map(|Time(at)| at),
    };
    let id = draws::announce(&app, &who, why, terms, schedule).await?;
    Ok((StatusCode::CREATED, view(&app, id)?))
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
    let act = Act::EnterNumber { draw: DrawId(id), number };
    let outcome = match app.act(&who, Reason::default(), act).await? {
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
    act: fn(DrawId) -> Act,
) -> Result<Json<DrawView>, Refusal> {
    app.act(who, reason(why)?, act(draw)).await?;
    view(app, draw)
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
            drawn_at: life.drawn_at.map(Time),
            winning_number: match status.state {
                DrawState::Drawn { number } => Some(number),
                _ => None,
            },
            published_at: life.published_at.map(Time),
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
