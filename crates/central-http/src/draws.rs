//! Draws: their life, as operators lead it.
//!
//! What is told of a draw never holds the number before it was made: neither the entry that awaits
//! the second one, nor how much was betted on what.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lottery::{
    Act, Acted, Agencies, AgencyId, Closing, DrawId, DrawName, DrawState, DrawStatus, DrawTerms,
    NumberRange, ReadError, Reason, Schedule,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::Refusals;
use crate::caller::{Allowed, RunDraws, ViewBoard};
use crate::input::{Body, InPath, InQuery};
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::state::{App, State as AppState};
use crate::time::Time;

/// A draw.
#[derive(Serialize, ToSchema)]
pub(super) struct DrawView {
    /// Its number.
    id: u32,
    /// Its name.
    name: String,
    /// Where it is in its life.
    state: LifeState,
    /// Whether it is made by itself when all its agencies have finished, with a number that was
    /// given when it was opened; if not, operators lead it.
    by_itself: bool,
    /// The numbers that may be betted on.
    numbers: Range,
    /// Who may bet in it, by ranges of their numbers.
    agencies: Vec<Span>,
    /// How many those are.
    agencies_registered: u64,
    /// How many of them have finished.
    agencies_finished: u64,
    /// Batches that it holds.
    batches: u64,
    /// Bets that it holds.
    bets: u64,
    /// When the clock opens it.
    opens_at: Option<Time>,
    /// When the clock closes it.
    closes_at: Option<Time>,
    /// When it was announced.
    announced_at: Time,
    /// When it was opened.
    opened_at: Option<Time>,
    /// How it was closed.
    closed: Option<ClosingView>,
    /// Who entered the number first, while a second operator must enter it too.
    number_entered_by: Option<String>,
    /// When it was made.
    drawn_at: Option<Time>,
    /// The winning number, once it was made.
    winning_number: Option<u32>,
    /// When its winners were published.
    published_at: Option<Time>,
}

/// Where a draw is in its life. It only ever goes down this list.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LifeState {
    /// Takes no bets yet.
    Announced,
    /// Takes bets.
    Open,
    /// Takes no more bets.
    Closed,
    /// Made; its winners are not told to agencies yet.
    Drawn,
    /// Its winners are told.
    Published,
}

/// Numbers, both ends included.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    /// The smallest.
    min: u32,
    /// The largest.
    max: u32,
}

/// Agencies by number, both ends included.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// The first one.
    first: u32,
    /// The last one.
    last: u32,
}

/// How a draw was closed.
#[derive(Serialize, ToSchema)]
pub(super) struct ClosingView {
    /// When.
    at: Time,
    /// By whom: an operator, or the clock.
    by: Option<String>,
    /// Why, as they put it.
    why: String,
}

/// A draw to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDraw {
    /// Its name, which no other draw has nor looks like: 1 to 64 bytes, none
    /// of them of what can't be seen.
    #[schema(min_length = 1, max_length = 64, example = "nocturna 2026-11-23")]
    name: String,
    /// The numbers that may be betted on; 0 to 9999 when not given.
    numbers: Option<Range>,
    /// Who may bet in it, ascending and apart from each other; when not given, the agencies that
    /// are registered and enabled now.
    agencies: Option<Vec<Span>>,
    /// When the clock opens it, unless an operator did.
    opens_at: Option<Time>,
    /// When the clock closes it, unless an operator did.
    closes_at: Option<Time>,
    /// Why, for the record.
    #[serde(default)]
    why: String,
}

/// A reason for the record: at most 500 bytes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// Needed to close early, or without some agencies.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub(super) why: String,
}

/// The winning number, as one operator read it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The number.
    number: u32,
    /// Make the draw even if it holds no bets.
    #[serde(default)]
    allow_empty: bool,
}

/// What came of an entry.
#[derive(Serialize, ToSchema)]
pub(super) struct Entered {
    /// What is to be done now.
    outcome: EntryOutcome,
}

/// What came of an entry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EntryOutcome {
    /// Another operator must enter the number too, without being told this one.
    Awaited,
    /// Both entered the same: the draw was made.
    Agree,
    /// They differ: both must enter it again.
    Differ,
    /// It was agreed on before; nothing changed.
    Repeated,
}

/// Draws by number
#[utoipa::path(
    get, path = "/api/v1/draws", tag = "draws", params(PageParams),
    responses((status = 200, description = "Draws", body = Page<DrawView>), Refusals)
)]
pub(super) async fn draws(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<DrawView>>, Problem> {
    let draws = app.service.view().draws(page.after()?.map(DrawId), page.limit()? + 1);
    Page::of(draws.iter().map(|it| (it.id.0, DrawView::of(it))), &page).map(Json)
}

/// A draw
#[utoipa::path(
    get, path = "/api/v1/draws/{id}", tag = "draws",
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The draw", body = DrawView), Refusals)
)]
pub(super) async fn draw(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InPath(id): InPath<u32>,
) -> Result<Json<DrawView>, Problem> {
    view(&app, DrawId(id))
}

/// Announce a draw
#[utoipa::path(
    post, path = "/api/v1/draws", tag = "draws", request_body = NewDraw,
    responses((status = 201, description = "Announced", body = DrawView), Refusals)
)]
pub(super) async fn announce(
    State(app): State<App>,
    Allowed(who, _): Allowed<RunDraws>,
    Body(new): Body<NewDraw>,
) -> Result<(StatusCode, Json<DrawView>), Problem> {
    let why = reason(&new.why)?;
    let agencies = match new.agencies {
        Some(spans) => spans.into_iter().map(|Span { first, last }| (first, last)).collect(),
        None => enabled(&app),
    };
    let numbers = match new.numbers {
        Some(Range { min, max }) => NumberRange::new(min, max).map_err(Problem::bad_request)?,
        None => NumberRange::default(),
    };
    let terms = DrawTerms {
        name: DrawName::new(new.name).map_err(Problem::bad_request)?,
        agencies: Agencies::from_ranges(agencies).map_err(Problem::bad_request)?,
        numbers,
    };
    let schedule = Schedule {
        opens_at: new.opens_at.map(|Time(at)| at),
        closes_at: new.closes_at.map(|Time(at)| at),
    };
    let acted = app.act(&who, why, Act::Announce { terms, schedule }).await?;
    let Acted::Announced(id) = acted else { unreachable!("announcing announces: {acted:?}") };
    Ok((StatusCode::CREATED, view(&app, id)?))
}

/// Open a draw
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/open", tag = "draws", request_body = Why,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "It is open", body = DrawView), Refusals)
)]
pub(super) async fn open(
    State(app): State<App>,
    Allowed(who, _): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(Why { why }): Body<Why>,
) -> Result<Json<DrawView>, Problem> {
    app.act(&who, reason(&why)?, Act::Open(DrawId(id))).await?;
    view(&app, DrawId(id))
}

/// Close a draw
///
/// For good. Before its time, or before all its agencies have finished, a reason is needed.
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/close", tag = "draws", request_body = Why,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "It is closed", body = DrawView), Refusals)
)]
pub(super) async fn close(
    State(app): State<App>,
    Allowed(who, _): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(Why { why }): Body<Why>,
) -> Result<Json<DrawView>, Problem> {
    app.act(&who, reason(&why)?, Act::Close(DrawId(id))).await?;
    view(&app, DrawId(id))
}

/// Enter the winning number
///
/// Two operators do, each in a session of their own and neither seeing what the other entered. When
/// both entered the same, the draw is made; one without bets only with `allow_empty`.
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/number", tag = "draws", request_body = Entry,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "It was entered", body = Entered), Refusals)
)]
pub(super) async fn enter_number(
    State(app): State<App>,
    Allowed(who, _): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(Entry { number, allow_empty }): Body<Entry>,
) -> Result<Json<Entered>, Problem> {
    // Two people, and not one with a token of another's.
    who.session()?;
    expect_bets(&app, DrawId(id), allow_empty)?;
    let act = Act::EnterNumber { draw: DrawId(id), number };
    let outcome = match app.act(&who, Reason::default(), act).await? {
        Acted::NumberAwaited => EntryOutcome::Awaited,
        Acted::NumbersAgree(_) => EntryOutcome::Agree,
        Acted::NumbersDiffer => EntryOutcome::Differ,
        Acted::Repeated | Acted::Done | Acted::Announced(_) => EntryOutcome::Repeated,
    };
    Ok(Json(Entered { outcome }))
}

/// Publish a draw's winners
///
/// From now on they are told to agencies.
#[utoipa::path(
    post, path = "/api/v1/draws/{id}/publish", tag = "draws", request_body = Why,
    params(("id" = u32, Path, description = "Its number")),
    responses((status = 200, description = "It is published", body = DrawView), Refusals)
)]
pub(super) async fn publish(
    State(app): State<App>,
    Allowed(who, _): Allowed<RunDraws>,
    InPath(id): InPath<u32>,
    Body(Why { why }): Body<Why>,
) -> Result<Json<DrawView>, Problem> {
    app.act(&who, reason(&why)?, Act::Publish(DrawId(id))).await?;
    view(&app, DrawId(id))
}

/// What is known of a draw.
pub(super) fn status(app: &AppState, id: DrawId) -> Result<DrawStatus, Problem> {
    app.service.view().draw(id).ok_or_else(|| ReadError::UnknownDraw(id).into())
}

/// Refuses to make a draw that holds no bets, unless that is what is asked for.
pub(super) fn expect_bets(app: &AppState, id: DrawId, allow_empty: bool) -> Result<(), Problem> {
    let status = status(app, id)?;
    let is_empty = status.state == DrawState::Closed && status.bets == 0;
    if is_empty && !allow_empty { Err(Problem::no_bets()) } else { Ok(()) }
}

/// A reason as somebody gave it.
pub(super) fn reason(why: &str) -> Result<Reason, Problem> {
    Reason::new(why).map_err(Problem::bad_request)
}

fn view(app: &AppState, id: DrawId) -> Result<Json<DrawView>, Problem> {
    status(app, id).map(|status| Json(DrawView::of(&status)))
}

/// The agencies that are registered and enabled, as ranges.
fn enabled(app: &AppState) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let registered = app.service.view().all_registrations();
    for AgencyId(agency) in registered.filter(|it| it.enabled).map(|it| it.agency) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == agency => *last = agency,
            _ => ranges.push((agency, agency)),
        }
    }
    ranges
}

impl LifeState {
    pub(super) fn of(status: &DrawStatus) -> Self {
        match status.state {
            DrawState::Announced => Self::Announced,
            DrawState::Open => Self::Open,
            DrawState::Closed => Self::Closed,
            DrawState::Drawn { .. } if status.is_published() => Self::Published,
            DrawState::Drawn { .. } => Self::Drawn,
        }
    }
}

impl DrawView {
    fn of(status: &DrawStatus) -> Self {
        let DrawTerms { name, agencies, numbers } = &status.terms;
        let life = &status.life;
        Self {
            id: status.id.0,
            name: name.to_string(),
            state: LifeState::of(status),
            by_itself: life.by_itself,
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
