//! The bets of a draw, or its winners, as files.

use axum::extract::State;
use axum::response::Response;
use exports::Format;
use lottery::{AgencyId, DrawId};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, ReadWinners};
use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::api::common::{CSV, Refusals, cells, file};
use crate::usecases::app::App;
use crate::usecases::export::{self, Recipient};
use crate::web::input::{InPath, InQuery};
use crate::web::peer::Ending;

/// Options for CSV.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CsvParams {
    /// Write cells exactly as they are stored, for programs.
    #[param(required = false)]
    raw: bool,
}

/// Which winners, and options for CSV.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WinnersParams {
    /// Only those of this agency.
    agency: Option<u32>,
    /// Write cells exactly as they are stored, for programs.
    #[param(required = false)]
    raw: bool,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(bets_csv))
        .routes(routes!(bets_parquet))
        .routes(routes!(winners_csv))
}

/// Export the bets of a draw as CSV
///
/// In the order in which they were stored. For auditors once the draw is made, for operators once
/// it is published. Cells that a spreadsheet would evaluate are prefixed with an apostrophe;
/// `raw=true` and Parquet have the stored values.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/bets.csv", tag = "bets",
    params(("id" = u32, Path, description = "The draw's number"), CsvParams),
    responses(
        (status = 200, description = "Bets", body = String, content_type = "text/csv"),
        Refusals
    )
)]
async fn bets_csv(
    State(app): State<App>,
    who: Caller,
    ending: Ending,
    InPath(id): InPath<u32>,
    InQuery(CsvParams { raw }): InQuery<CsvParams>,
) -> Result<Response, Refusal> {
    let to = Recipient { who, connection: ending.0 };
    let lines = export::bets(&app, to, DrawId(id), Format::Csv(cells(raw))).await?;
    Ok(file(lines, CSV, &format!("draw-{id}.csv")))
}

/// Export the bets of a draw as Parquet
///
/// The same bets with the same permissions, for data analysis.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/bets.parquet", tag = "bets",
    params(("id" = u32, Path, description = "The draw's number")),
    responses(
        (status = 200, description = "Bets", content_type = "application/vnd.apache.parquet"),
        Refusals
    )
)]
async fn bets_parquet(
    State(app): State<App>,
    who: Caller,
    ending: Ending,
    InPath(id): InPath<u32>,
) -> Result<Response, Refusal> {
    let to = Recipient { who, connection: ending.0 };
    let lines = export::bets(&app, to, DrawId(id), Format::Parquet).await?;
    Ok(file(lines, "application/vnd.apache.parquet", &format!("draw-{id}.parquet")))
}

/// Export the winners of a draw as CSV
///
/// Of all agencies, or of one; with the names of agencies and bettors, in the order in which the
/// bets were stored. Available once the draw is made; before publication, the audit log records the
/// request.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/winners.csv", tag = "winners",
    params(("id" = u32, Path, description = "The draw's number"), WinnersParams),
    responses(
        (status = 200, description = "Winners", body = String, content_type = "text/csv"),
        Refusals
    )
)]
async fn winners_csv(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ReadWinners>,
    ending: Ending,
    InPath(id): InPath<u32>,
    InQuery(WinnersParams { agency, raw }): InQuery<WinnersParams>,
) -> Result<Response, Refusal> {
    let to = Recipient { who, connection: ending.0 };
    let of = agency.map_or_else(String::new, |agency| format!("-agency-{agency}"));
    let lines = export::winners(&app, to, DrawId(id), agency.map(AgencyId), cells(raw)).await?;
    Ok(file(lines, CSV, &format!("draw-{id}{of}-winners.csv")))
}
