//! Streams all bets of a draw; only after the draw was made.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, BufWriter};
use std::ops::ControlFlow;
use std::sync::Arc;

use exports::{BetsWriter, ExportError, Format};
use lottery::{AuditedAction, DrawId, ReadError};
use operators::Permission;
use tokio_util::sync::CancellationToken;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::limits::{EXPORT_LOOK_TIME, EXPORT_PART_LEN};
use crate::usecases::app::{App, State};
use crate::usecases::draws::{LifeState, status};
use crate::web::stream_body::{self, StreamBody, Writer};

type File = BetsWriter<BufWriter<Writer>>;

/// Starts to stream the bets of a draw, if the caller has the permission and for as long as they
/// keep it; records it in the audit log. A failed export ends the connection.
pub(crate) async fn begin(
    app: &App,
    who: Caller,
    connection: CancellationToken,
    draw: DrawId,
    format: Format,
) -> Result<StreamBody, Refusal> {
    who.must(Permission::Export)?;
    let needed = match LifeState::of(&status(app, draw)?) {
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
    let file = begun.map_err(|_| Refusal::unavailable("the export could not be started"))?;
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let written = tokio::select! {
            written = write(&app, draw, file, over.clone()) => written,
            never = end_with_the_right(&app, &who, needed, &over) => match never {},
        };
        if let Err(error) = written {
            tracing::warn!(action = "export", result = "fail", operator = %who.name, error);
            // A client that does not read would keep the connection and its buffers open.
            connection.cancel();
        }
        drop(place);
    });
    Ok(lines)
}

/// Cancels an export when its caller loses the permission.
async fn end_with_the_right(
    app: &State,
    who: &Caller,
    needed: Permission,
    over: &CancellationToken,
) -> Infallible {
    while app.access.must_still(who, Some(needed)).await.is_ok() {
        tokio::time::sleep(EXPORT_LOOK_TIME).await;
    }
    over.cancel();
    std::future::pending().await
}

/// Writes all bets, unless the client disconnects or the export is cancelled.
async fn write(
    app: &State,
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
    // Writing the rest may block, and so may dropping the file on an error.
    tokio::task::spawn_blocking(move || {
        written?;
        let (_, out) = file.finish()?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.end()?;
        Ok(())
    })
    .await?
}
