//! What each agency has in a draw; once it was made, who won.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use lottery::{
    AgencyId, AgencyTotals, AuditedAction, DrawId, DrawState, DrawStatus, ReadError, Totals,
    Winners,
};
use operators::Permission;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::api::Refusals;
use crate::caller::{Allowed, Caller, ReadWinners, ViewBoard};
use crate::draws::status;
use crate::input::{InPath, InQuery};
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::state::App;

/// What an agency has in a draw.
#[derive(Serialize, ToSchema)]
pub(super) struct StandingView {
    /// Its number.
    agency: u32,
    /// Its batches that are stored.
    batches: u64,
    /// The bets in them.
    bets: u64,
    /// Whether it has finished.
    finished: bool,
}

/// A bet that won.
#[derive(Serialize, ToSchema)]
pub(super) struct WinnerView {
    /// The agency that took it.
    agency: u32,
    /// Of who made it.
    document: String,
}

/// What an agency has in a draw that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct SettlementView {
    /// Its number.
    agency: u32,
    /// Its batches that took part.
    batches: u64,
    /// The bets in them.
    bets: u64,
    /// Whether it had finished when the draw was closed.
    finished: bool,
    /// Its bets that won.
    winners: u64,
}

/// What all agencies have in a draw that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct Settlement {
    /// The draw's number.
    draw: u32,
    /// The winning number.
    winning_number: u32,
    /// Bets that took part.
    bets: u64,
    /// Bets that won.
    winners: u64,
    /// SHA-256 of a line for each agency, ascending: `agency,batches,bets,finished,winners`,
    /// finished being 0 or 1, each line with its end. The same in every part.
    digest: String,
    /// The agencies of this part.
    #[serde(flatten)]
    agencies: Page<SettlementView>,
}

/// What each agency has in a draw
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/agencies", tag = "draws",
    params(("id" = u32, Path, description = "The draw's number"), PageParams),
    responses((status = 200, description = "Agencies", body = Page<StandingView>), Refusals)
)]
pub(super) async fn standings(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InPath(id): InPath<u32>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<StandingView>>, Problem> {
    let (after, limit) = (page.after()?.map(AgencyId), page.limit()? + 1);
    let totals = app.service.view().agencies(DrawId(id), after, limit);
    let Totals { agencies, .. } = totals.ok_or(ReadError::UnknownDraw(DrawId(id)))?;
    Page::of(agencies.iter().map(|it| (it.agency.0, StandingView::of(it))), &page).map(Json)
}

/// Who won
///
/// Once the draw was made; before publication it is on record. By agency, and in the order in
/// which the bets were stored.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/winners", tag = "winners",
    params(("id" = u32, Path, description = "The draw's number"), PageParams),
    responses((status = 200, description = "Winners", body = Page<WinnerView>), Refusals)
)]
pub(super) async fn winners(
    State(app): State<App>,
    Allowed(who, _): Allowed<ReadWinners>,
    InPath(id): InPath<u32>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<WinnerView>>, Problem> {
    let winners = read(&app, &who, &status(&app, DrawId(id))?).await?;
    let all = winners.iter().flat_map(|(agency, documents)| {
        let of_agency = documents.iter().map(str::to_owned);
        of_agency.map(move |document| WinnerView { agency: agency.0, document })
    });
    Page::of((0_u64..).zip(all), &page).map(Json)
}

/// What each agency has to its account
///
/// Once the draw was made; before publication it is on record. The digest lets two who have the
/// same figures see that they have.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/settlement", tag = "winners",
    params(("id" = u32, Path, description = "The draw's number"), PageParams),
    responses((status = 200, description = "The settlement", body = Settlement), Refusals)
)]
pub(super) async fn settlement(
    State(app): State<App>,
    Allowed(who, _): Allowed<ReadWinners>,
    InPath(id): InPath<u32>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Settlement>, Problem> {
    let status = status(&app, DrawId(id))?;
    let DrawState::Drawn { number } = status.state else {
        return Err(ReadError::NotDrawn.into());
    };
    let winners = read(&app, &who, &status).await?;
    // Nothing of a draw that was made changes: its pages are of one moment.
    let agencies: Vec<_> = app.service.view().all_agencies(DrawId(id)).collect();
    let of = |it: &AgencyTotals| SettlementView::of(it, &winners);
    let mut lines = String::new();
    for it in agencies.iter().map(of) {
        let SettlementView { agency, batches, bets, finished, winners } = it;
        let finished = u8::from(finished);
        writeln!(lines, "{agency},{batches},{bets},{finished},{winners}")
            .expect("text takes what is written");
    }
    let digest = Sha256::digest(&lines).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Json(Settlement {
        draw: id,
        winning_number: number,
        bets: status.bets,
        winners: winners.count(),
        digest,
        agencies: Page::of(agencies.iter().map(|it| (it.agency.0, of(it))), &page)?,
    }))
}

/// The winners of a draw that was made; on record, as long as they are not published.
pub(super) async fn read(app: &App, who: &Caller, status: &DrawStatus) -> Result<Winners, Problem> {
    let DrawState::Drawn { .. } = status.state else { return Err(ReadError::NotDrawn.into()) };
    let needed = Permission::ReadWinners;
    if !status.is_published() {
        app.record(who, needed, AuditedAction::ReadWinners(status.id)).await?;
    }
    let _turn = app.reading(who, needed).await?;
    Ok(app.service.drawn_winners(status.id).await?)
}

impl StandingView {
    fn of(totals: &AgencyTotals) -> Self {
        let AgencyTotals { agency, batches, bets, finished } = *totals;
        Self { agency: agency.0, batches, bets, finished }
    }
}

impl SettlementView {
    fn of(totals: &AgencyTotals, winners: &Winners) -> Self {
        let AgencyTotals { agency, batches, bets, finished } = *totals;
        let winners = winners.of(agency).map_or(0, lottery::Documents::count);
        Self { agency: agency.0, batches, bets, finished, winners }
    }
}
