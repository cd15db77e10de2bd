//! The main loop of the agency: checks the file, then retries until the winners are received.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use wire::DrawName;

use crate::attempt::{AttemptOutcome, Setback};
use crate::backoff::Backoff;
use crate::centrals::Centrals;
use crate::check::{Allowed, Checked, check};
use crate::error::{AgencyError, Loss, Lost};
use crate::file::{BetsFile, Unchanged};
use crate::limits::{FRAME_LEN_MAX, OPENING_ASK_TIME_MAX, RETRY_TIME_MAX, STALL_TIME_MAX};
use crate::options::{Options, Progress, Report};
use crate::outbox::{Outbox, OutboxError};
use crate::plan::{Plan, PlanError, Terms};
use crate::reread::CheckedFile;

/// Sends the bets of a file and waits for the winners, reporting events to `progress`. Cancelling
/// `shutdown` ends the run at once: acknowledged batches stay stored and another run resumes there.
///
/// # Errors
/// See [`AgencyError`]; [`AgencyError::is_wrong_input`] separates invalid input from failures.
pub async fn run(
    options: Options,
    progress: &mut (dyn FnMut(Progress) + Send),
    shutdown: CancellationToken,
) -> Result<Report, AgencyError> {
    let started = Instant::now();
    // Stops a thread that still reads the file, however the run ends, even when it is dropped.
    let reading = CancellationToken::new();
    let _ends_reading = reading.clone().drop_guard();
    let mut report = Report::default();
    tokio::select! {
        biased;
        () = shutdown.cancelled() => report.stopped = true,
        ended = live(&options, progress, &mut report, reading) => ended?,
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// The state of a run.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a Options,
    pub(crate) progress: &'a mut (dyn FnMut(Progress) + Send),
    pub(crate) report: &'a mut Report,
    file: BetsFile,
    /// The draw of the bets: the requested one, or the one that the last WELCOME named.
    pub(crate) draw: DrawName<'static>,
    /// `None` only while another thread uses it.
    outbox: Option<Outbox<Unchanged>>,
    /// Whether the central recorded that this agency has finished.
    pub(crate) finished: bool,
    pub(crate) centrals: Centrals<'a>,
    /// Whether a central served the run since the last loss.
    pub(crate) is_served: bool,
    backoff: Backoff,
    /// Whether a central ever answered.
    pub(crate) reached: bool,
    /// The last reported reason why the draw is not open.
    not_open: String,
    /// The time of the last progress, moved forward by the time spent waiting for the draw.
    moved_at: Instant,
}

async fn live(
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
    report: &mut Report,
    reading: CancellationToken,
) -> Result<(), AgencyError> {
    options.check()?;
    let (path, form) = (options.bets.clone(), options.form);
    let file = off_thread(move || BetsFile::open(&path, form, reading)).await?;
    let draw = options.draw.as_ref().map_or("", |draw| draw.as_str()).to_owned();
    let draw = DrawName::new(draw).expect("the domain's longest name is the protocol's");
    let mut run = Run {
        options,
        progress,
        report,
        file,
        draw,
        outbox: None,
        finished: false,
        centrals: Centrals::of(options.agency, &options.centrals),
        is_served: false,
        backoff: Backoff::with_seed(options.seed),
        reached: false,
        not_open: String::new(),
        moved_at: Instant::now(),
    };
    run.plan(Terms {
        agency: options.agency,
        bets_max: options.batch_bets_max,
        frame_len_max: FRAME_LEN_MAX,
        numbers: options.numbers,
    })
    .await?;
    run.moved_at = Instant::now();
    loop {
        match run.attempt().await {
            Ok(AttemptOutcome::Done) => return Ok(()),
            Ok(AttemptOutcome::AskNow) => {}
            Ok(AttemptOutcome::AskLater) => run.pause_up_to(RETRY_TIME_MAX).await,
            Err(Setback::Failed(error)) => return Err(error),
            Err(Setback::NotOpen(reason)) => run.wait_for_opening(reason).await,
            Err(Setback::Lost(loss)) => run.move_on(loss).await?,
        }
    }
}

impl Run<'_> {
    /// Reads and validates the file and prepares to send it under `terms` from its first batch.
    pub(crate) async fn plan(&mut self, terms: Terms) -> Result<(), AgencyError> {
        self.outbox = None;
        let file = self.file.clone();
        let allowed =
            Allowed { invalid: self.options.skip_invalid, empty: self.options.allow_empty };
        let checking = off_thread(move || {
            let checked = check(&file, terms, allowed)?;
            Ok((checked, Plan::new(file.rows(), terms)))
        });
        let (checked, plan) = checking.await?;
        let Checked { totals, refused_rows } = checked;
        self.report.checked = Some(CheckedFile::new(&self.file, terms));
        self.report.bets_in_file = Some(totals.bets);
        self.outbox = Some(Outbox::new(plan, totals));
        (self.progress)(Progress::Checked {
            bets: totals.bets,
            batches: totals.batches,
            refused: totals.refused,
            refused_rows,
        });
        Ok(())
    }

    /// Returns the outbox.
    pub(crate) fn outbox(&mut self) -> &mut Outbox<Unchanged> {
        self.outbox.as_mut().expect("the outbox is only away while its reader is awaited")
    }

    /// Runs `work`, which reads much of the file, on a thread that may block.
    pub(crate) async fn with_outbox<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Outbox<Unchanged>) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, AgencyError> {
        let mut outbox =
            self.outbox.take().expect("the outbox is only away while its reader is awaited");
        let (outbox, done) = off_thread(move || {
            let done = work(&mut outbox);
            (outbox, done)
        })
        .await;
        self.outbox = Some(outbox);
        done.map_err(|error| self.outbox_error(error))
    }

    /// Converts an outbox error into the error of the run.
    pub(crate) fn outbox_error(&self, error: OutboxError) -> AgencyError {
        let (agency, central) = (self.options.agency, self.address());
        match error {
            OutboxError::Plan(PlanError::Read(error)) => self.file.read_error(error),
            OutboxError::Plan(PlanError::TooManyBatches) => AgencyError::TooManyBatches,
            OutboxError::Changed => self.file.changed(),
            OutboxError::OtherBets { bets } => AgencyError::OtherBets { central, agency, bets },
            OutboxError::LostByCentral { acknowledged, stored } => {
                AgencyError::LostByCentral { central, acknowledged, stored }
            }
        }
    }

    pub(crate) fn file(&self) -> &BetsFile {
        &self.file
    }

    /// Records progress: restarts the stall timer and resets the backoff.
    pub(crate) fn moved(&mut self) {
        self.moved_at = Instant::now();
        self.backoff.reset();
    }

    /// Restarts the stall timer without resetting the backoff.
    pub(crate) fn heard(&mut self) {
        self.moved_at = Instant::now();
    }

    /// Excludes the time since `from`, spent waiting for the draw, from the stall timer.
    pub(crate) fn waited_since(&mut self, from: Instant) {
        self.moved_at += from.elapsed();
    }

    /// Pauses before asking again for a draw that is not open; reports `reason` when it is new.
    async fn wait_for_opening(&mut self, reason: String) {
        self.heard();
        if self.not_open != reason {
            tracing::info!(action = "wait_for_opening", result = "in_progress", reason = %reason);
            (self.progress)(Progress::NotOpen { reason: reason.clone() });
            self.not_open = reason;
        }
        self.pause_up_to(OPENING_ASK_TIME_MAX).await;
        self.heard();
    }

    /// Pauses before the next request to the same central.
    async fn pause_up_to(&mut self, time_max: Duration) {
        self.centrals.begin_round();
        sleep(self.backoff.pause_up_to(time_max)).await;
    }

    /// Moves on to the next central, after a pause if a round is over.
    async fn move_on(&mut self, loss: Loss) -> Result<(), AgencyError> {
        self.is_served = false;
        let (address, error) = (self.address(), loss.to_string());
        let reason = loss.text(self.options.language);
        let retry_in = match self.centrals.next(loss) {
            Some(round) => self.pause_after(round)?,
            None => Duration::ZERO,
        };
        tracing::warn!(
            action = "connect",
            result = "fail",
            address = %address,
            error = %error,
            retry_ms = retry_in.as_millis(),
        );
        (self.progress)(Progress::Lost { address, reason, retry_in });
        sleep(retry_in).await;
        Ok(())
    }

    /// Returns the pause after a round in which every central was lost, or the error if another
    /// round can't help or the time is over.
    fn pause_after(&mut self, round: Vec<Lost>) -> Result<Duration, AgencyError> {
        if round.iter().all(|lost| lost.loss.is_for_good(self.reached)) {
            return Err(AgencyError::NoCentral { round });
        }
        let stalled_for = self.moved_at.elapsed();
        let time_max = if self.reached { STALL_TIME_MAX } else { self.options.connect_time_max };
        match time_max.checked_sub(stalled_for) {
            Some(left) if !left.is_zero() => Ok(self.backoff.pause().min(left)),
            _ if self.reached => Err(AgencyError::Stalled { round }),
            _ => Err(AgencyError::NeverReached { after: stalled_for, round }),
        }
    }

    /// Returns the address of the central in use.
    pub(crate) fn address(&self) -> String {
        self.centrals.current().address.clone()
    }
}

/// Runs blocking work on a thread of its own.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, so this future is never polled again.
            Err(_) => std::future::pending().await,
        },
    }
}
