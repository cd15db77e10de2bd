//! One connection attempt: the conversation with the central from HELLO to the winners.
//!
//! With a central that knows HELLO, the whole conversation takes place on one connection. In
//! legacy mode there is no HELLO, one batch is in flight at a time, and each request for the
//! winners opens its own connection, as existing agencies do.

use std::time::Duration;

use lottery::{NumberRange, PrefixDigest};
use tokio::time::{Instant, sleep};
use wire::message::DrawState;
use wire::session::Mode;
use wire::{AgencyEvent, AgencySession, ErrorCode, ErrorMessage, Welcome};

use crate::connection::Connection;
use crate::error::{AgencyError, BetsOver, Lines, Loss, RowFault, RowReason};
use crate::limits::{ASK_AGAIN_TIME, FRAME_LEN_MAX, REPLY_TIME_MAX, WINNERS_LEN_MAX};
use crate::options::Progress;
use crate::outbox::Outbox;
use crate::plan::{Batch, Prefix, Terms};
use crate::reread::CheckedFile;
use crate::run::Run;

/// How a successful attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    /// The winners were received.
    Done,
    /// All bets are stored; ask for the winners on a new connection.
    AskNow,
    /// There are no winners yet; ask again on a new connection after a pause.
    AskLater,
}

/// Why an attempt did not succeed.
#[derive(Debug)]
pub(crate) enum Setback {
    /// The attempt failed, but a retry may succeed.
    Lost(Loss),
    /// The draw is not open yet, for this reason; wait until it opens.
    NotOpen(String),
    /// The attempt failed permanently; retrying cannot help.
    Failed(AgencyError),
}

impl Run<'_> {
    /// Connects and proceeds as far as the connection allows.
    pub(crate) async fn attempt(&mut self) -> Result<AttemptOutcome, Setback> {
        self.outbox().reconnected();
        let mut connection = Connection::open(self.centrals.current(), self.session()).await?;
        if self.options.legacy {
            (self.progress)(Progress::Connected);
            if self.finished {
                return self.collect_winners(&mut connection).await;
            }
        } else {
            self.greet(&mut connection).await?;
            (self.progress)(Progress::Connected);
        }
        if !self.finished {
            self.send_bets(&mut connection).await?;
        }
        if !self.finished {
            self.finish(&mut connection).await?;
        }
        if self.options.legacy {
            return Ok(AttemptOutcome::AskNow);
        }
        self.collect_winners(&mut connection).await
    }

    fn session(&self) -> AgencySession {
        let mode = if self.options.legacy { Mode::Legacy } else { Mode::Greeting };
        AgencySession::new(mode, self.options.agency.0, self.draw.clone(), FRAME_LEN_MAX)
    }

    /// Waits for WELCOME and skips the batches that are already stored.
    async fn greet(&mut self, connection: &mut Connection) -> Result<(), Setback> {
        let welcome = match self.hear(connection, Some(REPLY_TIME_MAX)).await {
            Ok(AgencyEvent::Welcomed(welcome)) => welcome,
            Ok(AgencyEvent::Refused { error, .. })
                if self.options.wait && error.code() == ErrorCode::NotOpenYet =>
            {
                return Err(Setback::NotOpen(error.reason().to_owned()));
            }
            Ok(event) => return Err(self.not_expected(event)),
            // The connection is reset if the central closed it before reading all of HELLO.
            Err(Loss::Closed | Loss::Io(_)) => return Err(Loss::ClosedAtHello.into()),
            Err(loss) => return Err(loss.into()),
        };
        // Keep the name: a different draw may be open by the time of the next connection.
        self.draw = welcome.draw_name.clone();
        let numbers =
            NumberRange::new(welcome.number_min, welcome.number_max).map_err(|_| Loss::Numbers)?;
        let planned = self.outbox().terms();
        let terms = Terms { frame_len_max: connection.session.frame_len_max(), numbers, ..planned };
        if terms != planned {
            self.plan(terms).await?;
        }
        self.resume(&welcome).await
    }

    /// Returns the next event from the central and notes that the central was reached. Logs the
    /// central's address when it serves the run for the first time, and the first time after a loss.
    async fn hear(
        &mut self,
        connection: &mut Connection,
        time_max: Option<Duration>,
    ) -> Result<AgencyEvent, Loss> {
        let event = connection.next_event(time_max).await?;
        self.reached = true;
        if !self.is_served && !matches!(event, AgencyEvent::Refused { .. }) {
            self.is_served = true;
            tracing::info!(action = "connect", result = "success", address = self.address());
        }
        Ok(event)
    }

    async fn resume(&mut self, welcome: &Welcome<'_>) -> Result<(), Setback> {
        let stored = Prefix {
            chunks: welcome.chunks_stored,
            bets: welcome.bets_stored,
            digest: PrefixDigest(welcome.prefix_digest),
        };
        let over = match welcome.state {
            DrawState::Open => None,
            DrawState::AgencyFinished => Some(BetsOver::AgencyFinished),
            DrawState::Closed => Some(BetsOver::Closed),
            DrawState::Drawn => Some(BetsOver::Drawn),
        };
        let found = match self.with_outbox(move |outbox| outbox.resume(stored)).await {
            // The stored bets take part in the draw anyway: their winners must be reported.
            Err(error @ AgencyError::OtherBets { .. }) if over.is_some() => {
                self.note_incomplete(error);
                return Ok(());
            }
            found => found?,
        };
        self.report.resumed += found.unsent;
        for batch in &found.sent {
            self.note_acknowledged(batch);
        }
        if found.unsent > 0 || !found.sent.is_empty() {
            self.note_progress();
        }
        match over {
            Some(over) => self.send_no_more(over).await?,
            None => self.send_on(stored).await?,
        }
        Ok(())
    }

    /// Prepares to send what is not stored to an open draw. An operator may have reopened the
    /// agency; a draw that was over never opens again, so there the central has lost data.
    async fn send_on(&mut self, stored: Prefix) -> Result<(), Setback> {
        match self.report.incomplete.take() {
            Some(AgencyError::NoMoreBets { over: BetsOver::AgencyFinished, .. }) => {
                // The outbox has dropped the rest of the file.
                let terms = self.outbox().terms();
                self.plan(terms).await?;
                self.with_outbox(move |outbox| outbox.resume(stored)).await?;
            }
            Some(error) => return Err(Setback::Failed(error)),
            None => {}
        }
        (self.finished, self.report.finished) = (false, false);
        Ok(())
    }

    /// Handles a central that takes no more bets because of `over`: only the winners remain.
    async fn send_no_more(&mut self, over: BetsOver) -> Result<(), AgencyError> {
        match self.with_outbox(Outbox::drop_rest).await? {
            Some(left) => {
                let stored = self.outbox().confirmed_lines();
                let file = self.file().path().to_owned();
                self.note_incomplete(AgencyError::NoMoreBets { file, over, stored, left });
            }
            None => self.note_finished(),
        }
        Ok(())
    }

    /// Records that part of the file does not take part. Logs it now: the draw may be far off.
    fn note_incomplete(&mut self, error: AgencyError) {
        if self.report.incomplete.is_none() {
            tracing::error!(action = "bets_left_out", result = "fail", error = %error);
            self.report.incomplete = Some(error);
        }
        self.note_finished();
    }

    /// Sends the rest of the file, one window at a time, until all of it is stored.
    ///
    /// Reads the next batches on this thread: they are a few kB that the system has read ahead, so
    /// reading them costs less than handing the work to another thread.
    async fn send_bets(&mut self, connection: &mut Connection) -> Result<(), Setback> {
        let window = usize::from(self.options.window);
        loop {
            while connection.session.can_send() > 0 && self.outbox().in_flight() < window {
                match self.outbox().send_next() {
                    Ok(Some(batch)) => connection
                        .session
                        .send_bets(batch.chunk, &batch.frame)
                        .expect("a batch within the session's limits, sent once, in the window"),
                    Ok(None) => break,
                    Err(error) => return Err(self.outbox_error(error).into()),
                }
            }
            if self.outbox().in_flight() == 0 {
                return Ok(());
            }
            match self.hear(connection, Some(REPLY_TIME_MAX)).await? {
                AgencyEvent::Refused { error, .. }
                    if self.options.legacy && verdict(error.code()) == Verdict::AskWhatIsStored =>
                {
                    return Ok(self.send_no_more(BetsOver::Unknown).await?);
                }
                AgencyEvent::Acknowledged { chunk } => {
                    let batch = self.outbox().acknowledge();
                    let batch = batch.filter(|batch| batch.chunk == chunk);
                    let batch = batch.expect("the session acknowledges the oldest in flight");
                    self.note_acknowledged(&batch);
                    self.note_progress();
                }
                event => return Err(self.not_expected(event)),
            }
        }
    }

    async fn finish(&mut self, connection: &mut Connection) -> Result<(), Setback> {
        connection
            .session
            .send_finish()
            .expect("nothing is awaited once every batch is acknowledged");
        match self.hear(connection, Some(REPLY_TIME_MAX)).await? {
            AgencyEvent::Finished => {
                self.note_finished();
                Ok(())
            }
            event => Err(self.not_expected(event)),
        }
    }

    async fn collect_winners(
        &mut self,
        connection: &mut Connection,
    ) -> Result<AttemptOutcome, Setback> {
        (self.progress)(Progress::Waiting);
        let mut winners = Vec::new();
        let mut winners_len = 0;
        connection.session.send_get_winners().expect("nothing is awaited before the winners");
        loop {
            let asked_at = Instant::now();
            // The first part may take until the draw; the remaining parts are ready by then.
            let time_max = (winners_len > 0).then_some(REPLY_TIME_MAX);
            let event = self.hear(connection, time_max).await;
            self.waited_since(asked_at);
            match event? {
                AgencyEvent::NoWinners => {
                    self.heard();
                    if self.options.legacy {
                        return Ok(AttemptOutcome::AskLater);
                    }
                    sleep(ASK_AGAIN_TIME).await;
                    connection
                        .session
                        .send_get_winners()
                        .expect("nothing is awaited after NO_WINNERS");
                }
                AgencyEvent::Winners { documents, last } => {
                    winners_len += documents.text().len() + 1;
                    if winners_len > WINNERS_LEN_MAX {
                        return Err(Setback::Failed(AgencyError::TooManyWinners));
                    }
                    winners.extend(documents.iter().map(str::to_owned));
                    if last {
                        break;
                    }
                }
                event => return Err(self.not_expected(event)),
            }
        }
        tracing::info!(
            action = "consulta_ganadores",
            result = "success",
            cant_ganadores = winners.len(),
        );
        self.report.winners = winners;
        Ok(AttemptOutcome::Done)
    }

    fn note_acknowledged(&mut self, batch: &Batch) {
        self.report.bytes += batch.frame.len() as u64;
        tracing::debug!(
            action = "apuesta_enviada",
            result = "success",
            cantidad = batch.bets(),
            chunk_id = batch.chunk,
        );
    }

    fn note_progress(&mut self) {
        let confirmed = self.outbox().confirmed();
        self.moved();
        self.report.bets = confirmed.bets;
        self.report.batches = confirmed.chunks;
        (self.progress)(Progress::Acknowledged { bets: confirmed.bets, batches: confirmed.chunks });
    }

    fn note_finished(&mut self) {
        if !self.finished {
            self.finished = true;
            self.report.finished = true;
            self.moved();
            (self.progress)(Progress::Finished);
        }
    }

    /// Maps an unexpected event to a setback. In a correct session the event is a refusal.
    fn not_expected(&mut self, event: AgencyEvent) -> Setback {
        let AgencyEvent::Refused { error, .. } = event else {
            return Setback::Lost(Loss::Unexpected);
        };
        let (code, reason) = (error.code(), error.reason().to_owned());
        match verdict(code) {
            Verdict::TryAgain => Setback::Lost(Loss::Refused { code, reason }),
            Verdict::AskWhatIsStored => Setback::Lost(Loss::NoMoreBets { code, reason }),
            Verdict::GiveUp => Setback::Failed(self.refusal(&error)),
        }
    }

    /// Returns the error for a permanent refusal, with the rows of the file that it names.
    fn refusal(&mut self, error: &ErrorMessage) -> AgencyError {
        // Replies come in order, so a refusal that names no chunk is the reply to the oldest batch.
        let batch = self.outbox().oldest().cloned();
        let batch = batch.filter(|batch| error.chunk().is_none_or(|chunk| chunk == batch.chunk));
        let rows = batch.as_ref().map_or_else(Vec::new, |batch| self.rows_at_fault(batch, error));
        let terms = self.outbox().terms();
        let refusal = AgencyError::Refused {
            central: self.address(),
            code: error.code(),
            reason: error.reason().to_owned(),
            lines: batch.as_ref().and_then(|batch| Lines::with(None, &batch.lines)),
            rows,
            checked: Box::new(CheckedFile::new(self.file(), terms)),
        };
        if let Some(batch) = batch {
            tracing::error!(
                action = "apuesta_enviada",
                result = "fail",
                cantidad = batch.bets(),
                chunk_id = batch.chunk,
                error = %refusal,
            );
        }
        refusal
    }

    fn rows_at_fault(&self, batch: &Batch, error: &ErrorMessage) -> Vec<RowFault> {
        let faults = error.faults().iter();
        let rows = faults.filter_map(|fault| {
            let line = batch.lines.get(usize::from(fault.position))?;
            Some(self.file().row_fault(*line, RowReason::Central(fault.code)))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|row| row.line);
        rows
    }
}

/// How the run reacts to a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The cause may be temporary: reconnect after a pause.
    TryAgain,
    /// Send nothing more; the next WELCOME reports what is stored.
    AskWhatIsStored,
    /// Fail: the same request would be refused again.
    GiveUp,
}

fn verdict(code: ErrorCode) -> Verdict {
    match code {
        ErrorCode::Busy
        | ErrorCode::TimedOut
        | ErrorCode::StorageFailed
        | ErrorCode::StorageFull
        | ErrorCode::ShuttingDown => Verdict::TryAgain,
        ErrorCode::AgencyFinished | ErrorCode::DrawClosed => Verdict::AskWhatIsStored,
        ErrorCode::UnknownMessage
        | ErrorCode::FrameTooLong
        | ErrorCode::Malformed
        | ErrorCode::NotUtf8
        | ErrorCode::UnsupportedVersion
        | ErrorCode::HelloOutOfPlace
        | ErrorCode::UnknownAgency
        | ErrorCode::OtherAgency
        | ErrorCode::UnknownDraw
        | ErrorCode::NoOpenDraw
        | ErrorCode::BadBets
        | ErrorCode::ChunkConflict
        | ErrorCode::WinnersTooMany
        | ErrorCode::NotOpenYet
        | ErrorCode::TooManyBatches
        // Sent by a newer central, whose reason explains more than this version knows.
        | ErrorCode::Unknown(_) => Verdict::GiveUp,
    }
}

impl From<Loss> for Setback {
    fn from(loss: Loss) -> Self {
        Self::Lost(loss)
    }
}

impl From<AgencyError> for Setback {
    fn from(error: AgencyError) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let codes = ErrorCode::ALL.iter().copied();
        let tried_again: Vec<_> =
            codes.filter(|code| verdict(*code) == Verdict::TryAgain).collect();
        let expected = [
            ErrorCode::Busy,
            ErrorCode::TimedOut,
            ErrorCode::StorageFailed,
            ErrorCode::StorageFull,
            ErrorCode::ShuttingDown,
        ];
        assert_eq!(tried_again, expected);
    }
}
