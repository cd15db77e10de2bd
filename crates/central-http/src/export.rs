//! The bets of a draw, taken as a whole: nobody does before the draw was made.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, BufWriter};
use std::ops::ControlFlow;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use exports::{BetsWriter, Cells, ExportError, Format};
use lottery::{AuditedAction, DrawId, ReadError};
use operators::Permission;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::api::Refusals;
use crate::caller::{Caller, Ending};
use crate::draws::{LifeState, status};
use crate::input::{InPath, InQuery};
use crate::limits::{EXPORT_LOOK_TIME, EXPORT_PART_LEN};
use crate::problem::Problem;
use crate::state::App;
use crate::stream_body::{self, UNBUFFERED, Writer};

type File = BetsWriter<BufWriter<Writer>>;

/// How CSV is written.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CsvParams {
    /// Cells exactly as they are stored, for programs.
    #[param(required = false)]
    raw: bool,
}

/// Take the bets of a draw, as CSV
///
/// In the order in which they were stored. Once the draw was made for auditors, once it was
/// published for operators too. A cell that a spreadsheet would evaluate gets an apostrophe before
/// it; `raw=true`, and Parquet, have all as it is stored.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/bets.csv", tag = "bets",
    params(("id" = u32, Path, description = "The draw's number"), CsvParams),
    responses(
        (status = 200, description = "Bets", body = String, content_type = "text/csv"),
        Refusals
    )
)]
pub(super) async fn csv(
    State(app): State<App>,
    who: Caller,
    ending: Ending,
    InPath(id): InPath<u32>,
    InQuery(CsvParams { raw }): InQuery<CsvParams>,
) -> Result<Response, Problem> {
    let cells = if raw { Cells::Raw } else { Cells::Inert };
    export(app, (who, ending), DrawId(id), Format::Csv(cells), "text/csv; charset=utf-8").await
}

/// Take the bets of a draw, as Parquet
///
/// The same bets, to the same people, for programs that analyse.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/bets.parquet", tag = "bets",
    params(("id" = u32, Path, description = "The draw's number")),
    responses(
        (status = 200, description = "Bets", content_type = "application/vnd.apache.parquet"),
        Refusals
    )
)]
pub(super) async fn parquet(
    State(app): State<App>,
    who: Caller,
    ending: Ending,
    InPath(id): InPath<u32>,
) -> Result<Response, Problem> {
    export(app, (who, ending), DrawId(id), Format::Parquet, "application/vnd.apache.parquet").await
}

async fn export(
    app: App,
    (who, ending): (Caller, Ending),
    draw: DrawId,
    format: Format,
    kind: &'static str,
) -> Result<Response, Problem> {
    who.must(Permission::Export)?;
    let status = status(&app, draw)?;
    let needed = match LifeState::of(&status) {
        LifeState::Published => Permission::Export,
        LifeState::Drawn => Permission::ExportBeforePublication,
        _ => return Err(ReadError::NotDrawn.into()),
    };
    who.must(needed)?;
    let place = app.exporting()?;
    app.record(&who, needed, AuditedAction::ExportBets(draw)).await?;
    let over = app.stopping.child_token();
    let (writer, lines) = stream_body::channel(over.clone(), app.limits.export_wait_max);
    let begun = BetsWriter::new(format, BufWriter::with_capacity(EXPORT_PART_LEN, writer));
    let file = begun.map_err(|_| Problem::unavailable("the export could not be begun"))?;
    tokio::spawn(async move {
        let written = tokio::select! {
            written = write(&app, draw, file, over.clone()) => written,
            never = end_with_the_right(&app, &who, needed, &over) => match never {},
        };
        if let Err(error) = written {
            tracing::warn!(action = "exportar", result = "fail", operador = %who.name, error);
            // Whoever does not read would keep the connection, and what is on its way.
            ending.0.cancel();
        }
        drop(place);
    });
    let name = format!("attachment; filename=\"draw-{draw}.{}\"", format.extension());
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, UNBUFFERED, Body::new(lines)).into_response())
}

/// Ends an export when who takes it may not any more.
async fn end_with_the_right(
    app: &App,
    who: &Caller,
    needed: Permission,
    over: &CancellationToken,
) -> Infallible {
    while who.must_still(app, Some(needed)).is_ok() {
        tokio::time::sleep(EXPORT_LOOK_TIME).await;
    }
    over.cancel();
    std::future::pending().await
}

/// Writes all bets, unless whoever asked leaves or it is over.
async fn write(
    app: &App,
    draw: DrawId,
    file: File,
    over: CancellationToken,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let scanned = app.service.scan(draw, (file, Ok(())), move |(file, written), batch| {
        *written = if over.is_cancelled() {
            Err(ExportError::Write(io::ErrorKind::Interrupted.into()))
        } else {
            file.add(&batch).map(drop)
        };
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let (file, written) = scanned.await?;
    // What is left of the file may have to wait, when it is dropped too.
    tokio::task::spawn_blocking(move || {
        written?;
        let (_, out) = file.finish()?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.end()?;
        Ok(())
    })
    .await?
}
