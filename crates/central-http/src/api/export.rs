//! The bets of a draw, taken as a whole.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use exports::{Cells, Format};
use lottery::DrawId;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::api::common::Refusals;
use crate::usecases::app::App;
use crate::usecases::export::begin;
use crate::web::input::{InPath, InQuery};
use crate::web::peer::Ending;
use crate::web::stream_body::UNBUFFERED;

/// Options for CSV.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CsvParams {
    /// Write cells exactly as they are stored, for programs.
    #[param(required = false)]
    raw: bool,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(csv)).routes(routes!(parquet))
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
async fn csv(
    State(app): State<App>,
    who: Caller,
    ending: Ending,
    InPath(id): InPath<u32>,
    InQuery(CsvParams { raw }): InQuery<CsvParams>,
) -> Result<Response, Refusal> {
    let cells = if raw { Cells::Raw } else { Cells::Inert };
    export(app, (who, ending), DrawId(id), Format::Csv(cells), "text/csv; charset=utf-8").await
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
async fn parquet(
    State(app): State<App>,
    who: Caller,
    ending: Ending,
    InPath(id): InPath<u32>,
) -> Result<Response, Refusal> {
    export(app, (who, ending), DrawId(id), Format::Parquet, "application/vnd.apache.parquet").await
}

async fn export(
    app: App,
    (who, Ending(ending)): (Caller, Ending),
    draw: DrawId,
    format: Format,
    kind: &'static str,
) -> Result<Response, Refusal> {
    let lines = begin(&app, who, ending, draw, format).await?;
    let name = format!("attachment; filename=\"draw-{draw}.{}\"", format.extension());
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, UNBUFFERED, Body::new(lines)).into_response())
}
