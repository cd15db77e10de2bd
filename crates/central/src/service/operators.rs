//! What operators ask: acts, each stored before it takes effect, and readings of the log. The clock
//! acts here too.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use engine::{Chain, LedgerId, Record};
use lottery::{
    Act, ActError, Acted, Actor, AgencyId, AuditSpan, Bet, BetName, DrawId, DrawStatus, Draws,
    Judge, Label, ReadError, Reason, RecordedAct, Registration, StoreFault, StoredBatch,
    StoredEvent, Timestamp, Winners, always_allowed,
};
use tokio_util::sync::CancellationToken;

use super::{Service, ask, watched};
use crate::limits::{CLOCK_SLEEP_TIME_MAX, DRAW_RETRY_TIME};

/// A change of an agency's registration. The rest of it stays.
#[derive(Clone, Debug)]
pub enum Change {
    /// Its name and place. Registers and enables an agency that is not registered.
    Describe {
        /// Its name.
        name: Label,
        /// Its address.
        place: Label,
    },
    /// Whether it may bet.
    Enable(bool),
}

impl Service {
    /// Stores an act, and has it take effect, if `judge` allows it when it is decided.
    ///
    /// # Errors
    /// See [`ActError`].
    pub async fn act(
        self: &Arc<Self>,
        recorded: RecordedAct,
        judge: Judge,
    ) -> Result<Acted, ActError> {
        let service = Arc::clone(self);
        self.in_a_task_of_its_own(async move {
            let acting = recorded.clone();
            let acted =
                ask(&service.failure, |done| service.engine.act(acting, judge, done)).await?;
            if acted != Acted::Repeated {
                log(&recorded, acted);
            }
            Ok(acted)
        })
        .await
    }

    /// Stores an act that needs no permission, without waiting until it is stored.
    pub fn note(&self, recorded: RecordedAct) {
        let noted = |outcome: Result<Acted, ActError>| {
            if let Err(error) = outcome {
                tracing::error!(action = "audit", result = "fail", error = %error);
            }
        };
        self.engine.act(recorded, always_allowed(), watched(&self.failure, noted));
    }

    /// Changes an agency's registration, and returns the new one. `None`: it is not registered.
    ///
    /// # Errors
    /// See [`ActError`].
    pub async fn change_agency(
        self: &Arc<Self>,
        by: Actor,
        why: Reason,
        agency: AgencyId,
        change: Change,
        judge: Judge,
    ) -> Result<Option<(Registration, Acted)>, ActError> {
        let service = Arc::clone(self);
        self.in_a_task_of_its_own(async move {
            // Of the registration as it is when this is decided: another central may change it too.
            let make = move |draws: &Draws| {
                let changed = change.clone().of(agency, draws.registration(agency).cloned())?;
                Some(RecordedAct::new(by.clone(), why.clone(), Act::Register(changed)))
            };
            let acting = |done| service.engine.act_by(make, judge, done);
            let Some((recorded, acted)) = ask(&service.failure, acting).await? else {
                return Ok(None);
            };
            if acted != Acted::Repeated {
                log(&recorded, acted);
            }
            let Act::Register(changed) = recorded.act else { return Ok(None) };
            Ok(Some((changed, acted)))
        })
        .await
    }

    /// Runs to the end even if the caller goes away: a stored act must take effect.
    async fn in_a_task_of_its_own<T: Send + 'static>(
        &self,
        acting: impl Future<Output = Result<T, ActError>> + Send + 'static,
    ) -> Result<T, ActError> {
        let acted = self.tasks.spawn_on(acting, &self.runtime).await;
        acted.unwrap_or_else(|_| Err(StoreFault::Closed.into()))
    }

    /// Has the engine open and close draws that are due, while polled. Sleeps until the next one is
    /// due, or until a draw changes.
    pub(crate) async fn keep_time(&self) -> std::convert::Infallible {
        // Retried without end; logged when the reason changes.
        let mut failing: Option<StoreFault> = None;
        loop {
            let now = self.clock.now();
            let next = |draw: &DrawStatus| draw.next_act_of_the_clock(now);
            let planned = self.view().find_draws(|draw| next(draw).is_some());
            let first = planned.iter().filter_map(next).min();
            let remaining = first.map(|at| Duration::from_millis(at.0.saturating_sub(now.0)));
            let remaining = match remaining {
                Some(Duration::ZERO) => {
                    let kept = ask(&self.failure, |done| self.engine.keep_time(done)).await;
                    let failed = kept.err();
                    if let Some(error) = failed.as_ref().filter(|it| failing.as_ref() != Some(it)) {
                        tracing::error!(action = "clock", result = "fail", error = %error);
                    }
                    failing = failed;
                    // The change that it made wakes this task.
                    Some(DRAW_RETRY_TIME)
                }
                remaining => remaining,
            };
            let next_time = async {
                match remaining {
                    Some(remaining) => {
                        tokio::time::sleep(remaining.min(CLOCK_SLEEP_TIME_MAX)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = next_time => {}
                () = self.plan_changed.notified() => {}
            }
        }
    }

    /// The time of the central's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// As [`engine::Engine::records`]. Blocks.
    ///
    /// # Errors
    /// When what is stored can't be read.
    pub fn records(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.engine.records(from, visit)
    }

    /// The ledger's id.
    #[must_use]
    pub fn ledger(&self) -> LedgerId {
        self.engine.id()
    }

    /// As [`engine::Engine::audit_log`], on the blocking pool; stops when the caller goes away.
    ///
    /// # Errors
    /// When what is stored can't be read.
    pub async fn audit_log<T: Send + 'static>(
        &self,
        span: AuditSpan,
        collected: T,
        mut visit: impl FnMut(&mut T, StoredEvent, Chain) -> ControlFlow<()> + Send + 'static,
    ) -> Result<T, ReadError> {
        let engine = Arc::clone(&self.engine);
        self.read(move |left| {
            let mut collected = collected;
            let mut visit = |event, chain| unless(&left, || visit(&mut collected, event, chain));
            engine.audit_log(span, &mut visit).map(|()| collected)
        })
        .await
    }

    /// As [`engine::Engine::scan`], on the blocking pool; stops when the caller goes away.
    ///
    /// # Errors
    /// When the draw is not known, or what is stored can't be read.
    pub async fn scan<T: Send + 'static>(
        &self,
        draw: DrawId,
        collected: T,
        mut visit: impl FnMut(&mut T, StoredBatch<'_>) -> ControlFlow<()> + Send + 'static,
    ) -> Result<T, ReadError> {
        let engine = Arc::clone(&self.engine);
        self.read(move |left| {
            let mut collected = collected;
            let mut visit = |batch: StoredBatch<'_>| unless(&left, || visit(&mut collected, batch));
            engine.scan(draw, &mut visit).map(|()| collected)
        })
        .await
    }

    /// As [`engine::Engine::winning_bets`], on the blocking pool; stops when the caller goes away.
    ///
    /// # Errors
    /// When the draw is not known or not made, or what is stored can't be read.
    pub async fn winning_bets<T: Send + 'static>(
        &self,
        draw: DrawId,
        collected: T,
        mut visit: impl FnMut(&mut T, BetName, &Bet<'_>) -> ControlFlow<()> + Send + 'static,
    ) -> Result<T, ReadError> {
        let engine = Arc::clone(&self.engine);
        self.read(move |left| {
            let mut collected = collected;
            let mut visit =
                |name, bet: &Bet<'_>| unless(&left, || visit(&mut collected, name, bet));
            engine.winning_bets(draw, &mut visit).map(|()| collected)
        })
        .await
    }

    /// Returns the winners of a draw with a result, published or not.
    ///
    /// # Errors
    /// When the draw is not known or not made, or what is stored can't be read.
    pub async fn drawn_winners(&self, draw: DrawId) -> Result<Winners, ReadError> {
        let found = self.winning_bets(draw, Winners::default(), |winners, name, bet| {
            winners.add(name.agency, bet.document());
            ControlFlow::Continue(())
        });
        found.await
    }

    /// Reads on the blocking pool. `reading` gets a token that is cancelled when the caller goes
    /// away.
    async fn read<T: Send + 'static>(
        &self,
        reading: impl FnOnce(CancellationToken) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let left = CancellationToken::new();
        let _waits = left.clone().drop_guard();
        let read = self.runtime.spawn_blocking(move || reading(left)).await;
        read.unwrap_or_else(|broken_off| Err(ReadError::Unreadable(broken_off.to_string())))
    }
}

/// Visits what was read, unless the caller has left.
fn unless(left: &CancellationToken, visit: impl FnOnce() -> ControlFlow<()>) -> ControlFlow<()> {
    if left.is_cancelled() { ControlFlow::Break(()) } else { visit() }
}

impl Change {
    fn of(self, agency: AgencyId, now: Option<Registration>) -> Option<Registration> {
        match self {
            Self::Describe { name, place } => {
                let enabled = now.is_none_or(|now| now.enabled);
                Some(Registration { agency, name, place, enabled })
            }
            Self::Enable(enabled) => now.map(|now| Registration { enabled, ..now }),
        }
    }
}

/// Logs an act of the clock.
pub(super) fn log_the_clock(act: Act) {
    log(&RecordedAct::new(Actor::Clock, Reason::default(), act), Acted::Done);
}

fn log(recorded: &RecordedAct, acted: Acted) {
    let it = recorded.describe();
    let (action, event) = match &recorded.act {
        Act::Announce { .. } => ("announce_draw", None),
        Act::Edit { .. } => ("edit_draw", None),
        Act::Cancel(_) => ("cancel_draw", None),
        Act::Open(_) => ("open_draw", None),
        Act::Reopen { .. } => ("reopen_agency", None),
        Act::Close(_) => ("close_draw", None),
        Act::EnterNumber { .. } => ("enter_number", None),
        Act::CorrectNumber { .. } => ("correct_number", None),
        Act::Void(_) => ("void_result", None),
        Act::Publish(_) => ("publish_draw", None),
        Act::Register(_) => ("register_agency", None),
        // Without its arguments: no bettor's document enters the log.
        Act::Audited(_) => ("audit", Some(it.action)),
    };
    let (draw, numbers_match) = match acted {
        Acted::Announced(draw) => (Some(draw), None),
        Acted::NumbersAgree(_) => (it.draw, Some(true)),
        Acted::NumbersDiffer => (it.draw, Some(false)),
        _ => (it.draw, None),
    };
    let (draw_id, reason) = (draw.map_or(0, |draw| draw.0), it.why);
    tracing::info!(
        action,
        result = "success",
        by = %it.by,
        event,
        draw_id,
        reason,
        numbers_match,
    );
}
