//! What each agency has in a draw; once it was made, who won.

use axum::Json;
use axum::extract::State;
use lottery::{AgencyId, AgencyTotals, DrawId, ReadError, Totals};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, ReadWinners, ViewBoard};
use crate::access::refusal::Refusal;
use crate::api::common::{Refusals, part};
use crate::usecases::app::App;
use crate::usecases::draws::status;
use crate::usecases::winners::{self, read};
use crate::web::input::{InPath, InQuery};
use crate::web::paging::{Page, PageParams};

/// The totals of an agency in a draw.
#[derive(Serialize, ToSchema)]
struct StandingView {
    /// Its number.
    agency: u32,
    /// The number of its stored batches.
    batches: u64,
    /// The number of bets in them.
    bets: u64,
    /// Whether it has finished.
    finished: bool,
}

/// A winning bet.
#[derive(Serialize, ToSchema)]
struct WinnerView {
    /// The agency that sent it.
    agency: u32,
    /// Document of the bettor.
    document: String,
}

/// The totals of an agency in a draw that was made.
#[derive(Serialize, ToSchema)]
struct SettlementView {
    /// Its number.
    agency: u32,
    /// The number of its batches that took part.
    batches: u64,
    /// The number of bets in them.
    bets: u64,
    /// Whether it had finished when the draw was closed.
    finished: bool,
    /// The number of its winning bets.
    winners: u64,
}

/// The settlement of a draw that was made.
#[derive(Serialize, ToSchema)]
struct Settlement {
    /// The draw's number.
    draw: u32,
    /// The winning number.
    winning_number: u32,
    /// The number of bets that took part.
    bets: u64,
    /// The number of winning bets.
    winners: u64,
    /// SHA-256 of a line for each agency, ascending: `agency,batches,bets,finished,winners`,
    /// with `finished` 0 or 1, and a line feed at the end of each line. The same on every page.
    digest: String,
    /// The agencies on this page.
    #[serde(flatten)]
    agencies: Page<SettlementView>,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(standings))
        .routes(routes!(winners))
        .routes(routes!(settlement))
}

/// List the totals of each agency in a draw
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/agencies", tag = "draws",
    params(("id" = u32, Path, description = "The draw's number"), PageParams),
    responses((status = 200, description = "Agencies", body = Page<StandingView>), Refusals)
)]
async fn standings(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InPath(id): InPath<u32>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<StandingView>>, Refusal> {
    let (after, limit) = (page.after()?.map(AgencyId), page.limit()? + 1);
    let totals = app.service.view().agencies(DrawId(id), after, limit);
    let Totals { agencies, .. } = totals.ok_or(ReadError::UnknownDraw(DrawId(id)))?;
    let items = agencies.iter().map(|it| (it.agency.0, StandingView::of(it)));
    part(items, &page)
}

/// List the winners
///
/// Available once the draw is made; before publication, the audit log records the request. Ordered
/// by agency, then in the order in which the bets were stored.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/winners", tag = "winners",
    params(("id" = u32, Path, description = "The draw's number"), PageParams),
    responses((status = 200, description = "Winners", body = Page<WinnerView>), Refusals)
)]
async fn winners(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ReadWinners>,
    InPath(id): InPath<u32>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<WinnerView>>, Refusal> {
    let winners = read(&app, &who, &status(&app, DrawId(id))?).await?;
    let all = winners.iter().flat_map(|(agency, documents)| {
        let of_agency = documents.iter().map(str::to_owned);
        of_agency.map(move |document| WinnerView { agency: agency.0, document })
    });
    part((0_u64..).zip(all), &page)
}

/// Get the settlement
///
/// Available once the draw is made; before publication, the audit log records the request. The
/// digest lets two readers check that they have the same figures.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/settlement", tag = "winners",
    params(("id" = u32, Path, description = "The draw's number"), PageParams),
    responses((status = 200, description = "The settlement", body = Settlement), Refusals)
)]
async fn settlement(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ReadWinners>,
    InPath(id): InPath<u32>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Settlement>, Refusal> {
    let settled = winners::settlement(&app, &who, DrawId(id)).await?;
    let view = |(totals, winners)| SettlementView::of(totals, winners);
    let agencies = settled.agencies.into_iter().map(|it| (it.0.agency.0, view(it)));
    Ok(Json(Settlement {
        draw: id,
        winning_number: settled.winning_number,
        bets: settled.bets,
        winners: settled.winners,
        digest: settled.digest,
        agencies: Page::of(agencies, &page)?,
    }))
}

impl StandingView {
    fn of(totals: &AgencyTotals) -> Self {
        let AgencyTotals { agency, batches, bets, finished } = *totals;
        Self { agency: agency.0, batches, bets, finished }
    }
}

impl SettlementView {
    fn of(totals: AgencyTotals, winners: u64) -> Self {
        let AgencyTotals { agency, batches, bets, finished } = totals;
        Self { agency: agency.0, batches, bets, finished, winners }
    }
}
