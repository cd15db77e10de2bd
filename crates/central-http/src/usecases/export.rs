//! Streams files: all bets of a draw, once it was made, or its winners; the audit log.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, BufWriter};
use std::ops::ControlFlow;
use std::sync::Arc;

use exports::{AuditWriter, BetsWriter, Cells, ExportError, Format, WinningBetsWriter};
use lottery::{AgencyId, AuditFilter, AuditSpan, AuditedAction, DrawId, DrawState, ReadError};
use operators::Permission;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::limits::{EXPORT_LOOK_TIME, EXPORT_PART_LEN};
use crate::usecases::app::{App, State};
use crate::usecases::audit::{described, is_over, takes};
use crate::usecases::draws::{LifeState, status};
use crate::web::stream_body::{self, StreamBody, Writer};

pub(super) type Buffered = BufWriter<Writer>;
pub(super) type Written = Result<(), Box<dyn Error + Send + Sync>>;

/// Who a file is for, and the connection that a failed one ends.
pub(crate) struct Recipient {
    pub(crate) who: Caller,
    pub(crate) connection: CancellationToken,
}

/// Starts to stream the bets of a draw, if the caller has the permission and for as long as they
/// keep it; records it in the audit log.
pub(crate) async fn bets(
    app: &App,
    to: Recipient,
    draw: DrawId,
    format: Format,
) -> Result<StreamBody, Refusal> {
    to.who.must(Permission::Export)?;
    let needed = match LifeState::of(&status(app, draw)?) {
        LifeState::Published => Permission::Export,
        LifeState::Drawn => Permission::ExportBeforePublication,
        _ => return Err(ReadError::NotDrawn.into()),
    };
    to.who.must(needed)?;
    let place = app.exporting()?;
    app.record(&to.who, needed, AuditedAction::ExportBets(draw)).await?;
    let start = |out| BetsWriter::new(format, out);
    let write = |app, file, over| write_bets(app, draw, file, over);
    stream(app, to, needed, place, start, write)
}

/// As [`bets`], for the winners of a draw, or those of one of its agencies; recorded in the audit
/// log until they are published.
pub(crate) async fn winners(
    app: &App,
    to: Recipient,
    draw: DrawId,
    agency: Option<AgencyId>,
    cells: Cells,
) -> Result<StreamBody, Refusal> {
    let needed = Permission::ReadWinners;
    to.who.must(needed)?;
    let status = status(app, draw)?;
    let DrawState::Drawn { .. } = status.state else { return Err(ReadError::NotDrawn.into()) };
    if let Some(agency) = agency {
        status.terms.agencies.must_have(agency).map_err(Refusal::NotInDraw)?;
    }
    let place = app.exporting()?;
    if !status.is_published() {
        app.record(&to.who, needed, AuditedAction::ReadWinners(draw)).await?;
    }
    let start = |out| WinningBetsWriter::new(out, cells);
    let write = move |app, file, over| write_winners(app, (draw, agency), file, over);
    stream(app, to, needed, place, start, write)
}

/// As [`bets`], for the events of the audit log that the filter takes.
pub(crate) fn audit(
    app: &App,
    to: Recipient,
    filter: AuditFilter,
    span: AuditSpan,
    cells: Cells,
) -> Result<StreamBody, Refusal> {
    let needed = Permission::ReadAudit;
    to.who.must(needed)?;
    let place = app.exporting()?;
    let start = |out| AuditWriter::new(out, cells);
    let write = move |app, file, over| write_audit(app, filter, span, file, over);
    stream(app, to, needed, place, start, write)
}

/// Streams a file: starts it, and has it written to its end, or until the recipient loses the
/// permission.
fn stream<File, Writing: Future<Output = Written> + Send + 'static>(
    app: &App,
    to: Recipient,
    needed: Permission,
    place: OwnedSemaphorePermit,
    start: impl FnOnce(Buffered) -> Result<File, ExportError>,
    write: impl FnOnce(App, File, CancellationToken) -> Writing,
) -> Result<StreamBody, Refusal> {
    let over = app.stopping.child_token();
    let (writer, body) = stream_body::channel(over.clone(), app.limits.export_wait_max);
    let file = start(BufWriter::with_capacity(EXPORT_PART_LEN, writer));
    let file = file.map_err(|_| Refusal::unavailable("the export could not be started"))?;
    let writing = write(Arc::clone(app), file, over.clone());
    let app = Arc::clone(app);
    tokio::spawn(async move {
        if let Err(error) = written_to(&to, &app, needed, &over, writing).await {
            tracing::warn!(action = "export", result = "fail", operator = %to.who.name, error);
        }
        drop(place);
    });
    Ok(body)
}

/// Awaits the writing to a recipient, and cancels it when they lose the permission. One that fails
/// ends the connection.
pub(super) async fn written_to(
    to: &Recipient,
    app: &State,
    needed: Permission,
    over: &CancellationToken,
    writing: impl Future<Output = Written>,
) -> Written {
    let written = tokio::select! {
        written = writing => written,
        never = end_with_the_right(app, &to.who, needed, over) => match never {},
    };
    if written.is_err() {
        // A client that does not read would keep the connection and its buffers open.
        to.connection.cancel();
    }
    written
}

/// Cancels what is written to a caller when they lose the permission.
async fn end_with_the_right(
    app: &State,
    who: &Caller,
    needed: Permission,
    over: &CancellationToken,
) -> Infallible {
    while !app.access.is_over(who, Some(needed)).await {
        tokio::time::sleep(EXPORT_LOOK_TIME).await;
    }
    over.cancel();
    std::future::pending().await
}

/// Writes all bets, unless the client disconnects or the export is cancelled.
async fn write_bets(
    app: App,
    draw: DrawId,
    file: BetsWriter<Buffered>,
    over: CancellationToken,
) -> Written {
    let scanned = app.service.scan(draw, (file, Ok(())), move |(file, written), batch| {
        let mut add = || file.add(&batch).map(drop);
        *written = if over.is_cancelled() { Err(interrupted()) } else { add() };
        flow(written)
    });
    let (file, written) = scanned.await?;
    end(written, move || file.finish().map(|(_, out)| out)).await
}

/// Writes the winning bets, unless the client disconnects or the export is cancelled.
async fn write_winners(
    app: App,
    (draw, agency): (DrawId, Option<AgencyId>),
    file: WinningBetsWriter<Buffered>,
    over: CancellationToken,
) -> Written {
    let service = Arc::clone(&app.service);
    let found =
        app.service.winning_bets(draw, (file, Ok(())), move |(file, written), name, bet| {
            if agency.is_none_or(|agency| agency == name.agency) {
                let registered = service.view().registration(name.agency);
                let known = registered.as_ref().map_or("", |it| it.name.as_str());
                let mut add = || file.add(known, name, bet);
                *written = if over.is_cancelled() { Err(interrupted()) } else { add() };
            }
            flow(written)
        });
    let (file, written) = found.await?;
    end(written, move || file.finish()).await
}

/// Writes the audit log, unless the client disconnects or the export is cancelled.
async fn write_audit(
    app: App,
    filter: AuditFilter,
    span: AuditSpan,
    file: AuditWriter<Buffered>,
    over: CancellationToken,
) -> Written {
    let service = Arc::clone(&app.service);
    let read = app.service.audit_log(span, (file, Ok(())), move |(file, written), event, _| {
        if is_over(&filter, span, event.at) {
            return ControlFlow::Break(());
        }
        if over.is_cancelled() {
            *written = Err(interrupted());
        } else if takes(&service, &filter, &event) {
            let it = described(service.view(), &event);
            *written = file.add(&event, &it);
        }
        flow(written)
    });
    let (file, written) = read.await?;
    end(written, move || file.finish()).await
}

fn interrupted() -> ExportError {
    ExportError::Write(io::ErrorKind::Interrupted.into())
}

fn flow(written: &Result<(), ExportError>) -> ControlFlow<()> {
    if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// Writes the rest, on another thread: it may block, and so may dropping the file on an error.
async fn end(
    written: Result<(), ExportError>,
    finish: impl FnOnce() -> Result<Buffered, ExportError> + Send + 'static,
) -> Written {
    tokio::task::spawn_blocking(move || {
        written?;
        finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.end()?;
        Ok(())
    })
    .await?
}
