//! The rules of a draw's life: announced, open, closed, made, published.
//!
//! - Until it is opened, operators may edit or cancel it, with a reason.
//! - While it is open, an agency that finished by mistake may be reopened, with a reason.
//! - The clock or an operator closes it. An operator needs a reason when it is early or agencies
//!   have not finished, and closes a draw that was not opened in time.
//! - Two operators enter its number without seeing each other's; if the numbers differ, both enter
//!   it again. The first may correct their own entry while the second one is missing.
//! - Two operators may void the result before it is published, with a reason; the number is then
//!   entered again.
//! - An automatic draw has its number from the start ([`SealedNumber`]). The last FINISH closes it;
//!   closing makes and publishes it.

use std::sync::Arc;

use crate::act::{Act, ActError, Acted, Actor, RecordedAct, Schedule, Unfinished};
use crate::agencies::AgencyId;
use crate::bet::NumberRange;
use crate::bets::SetDigest;
use crate::draw::{DrawId, DrawState, DrawTerms, SealedNumber, Timestamp};
use crate::label::{Label, Reason};

/// The published status of a draw.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct DrawStatus {
    pub id: DrawId,
    pub terms: DrawTerms,
    pub state: DrawState,
    pub agencies_finished: u64,
    pub batches: u64,
    pub bets: u64,
    /// Its history.
    pub life: Lifecycle,
}

/// A draw's history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Lifecycle {
    /// Whether it is an automatic draw.
    pub automatic: bool,
    /// When the clock opens and closes it.
    pub schedule: Schedule,
    /// When it was announced; for an automatic draw, opened.
    pub announced_at: Timestamp,
    /// The sequence of the event by which it was.
    pub announced_in: u64,
    pub opened_at: Option<Timestamp>,
    /// When, by whom and why it was closed.
    pub closed: Option<Closing>,
    /// The digest of its set of bets, once it is closed.
    pub set: Option<SetDigest>,
    /// The operator who entered the number first. The number stays secret.
    pub entered_by: Option<Label>,
    /// The number of results: 1 once it is made, one more for each that was voided.
    pub attempt: u32,
    /// When the present result was made.
    pub drawn_at: Option<Timestamp>,
    /// The operator who voided the present result first.
    pub void_by: Option<Label>,
    pub published_at: Option<Timestamp>,
    /// The acts on the draw, oldest first; none in an automatic draw that operators left alone.
    pub history: Arc<Vec<HistoryEntry>>,
}

/// An act on a draw, as its record shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct HistoryEntry {
    pub at: Timestamp,
    pub by: Actor,
    pub why: Reason,
    pub step: HistoryStep,
    /// The number that was entered, once the draw is made; secret before.
    pub number: Option<u32>,
}

/// What was done to a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum HistoryStep {
    Announced,
    Edited,
    Cancelled,
    Opened,
    /// This agency may send bets again.
    Reopened(AgencyId),
    Closed,
    /// The first of two entries.
    NumberEntered,
    NumberCorrected,
    /// The second entry, equal to the first.
    NumberConfirmed,
    /// The second entry, different from the first.
    NumberDiffered,
    /// The first of two acts that void the result.
    VoidAsked,
    Voided,
    Published,
}

/// How a draw was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// When it was closed.
    pub at: Timestamp,
    /// Who closed it; `None` when the last agency had finished.
    pub by: Option<Actor>,
    /// The reason, in the author's words.
    pub why: Reason,
}

/// A draw's history with its secret numbers.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq))]
pub(crate) struct DrawLife {
    shown: Lifecycle,
    /// The winning number of an automatic draw.
    sealed: Option<SealedNumber>,
    entry: Option<u32>,
    agreed: Option<u32>,
    /// The numbers that were entered since the last result, with their places in the history.
    untold: Vec<(usize, u32)>,
}

impl DrawStatus {
    /// Whether every agency of the draw has finished.
    #[must_use]
    pub fn all_finished(&self) -> bool {
        self.agencies_finished == self.terms.agencies.count()
    }

    /// Whether the numbers that operators entered at this time may be told: before its result was
    /// made, or before one that was voided.
    #[must_use]
    pub fn tells_entries_of(&self, at: Timestamp) -> bool {
        let is_void = |it: &&HistoryEntry| it.step == HistoryStep::Voided;
        match self.life.drawn_at {
            Some(made) => at <= made,
            None => self.life.history.iter().rfind(is_void).is_some_and(|void| at < void.at),
        }
    }

    /// Whether its winners are published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.life.published_at.is_some()
    }
}

impl Lifecycle {
    /// The history of a draw that was just announced.
    #[must_use]
    pub fn announced(schedule: Schedule, at: Timestamp) -> Self {
        Self {
            automatic: false,
            schedule,
            announced_at: at,
            announced_in: 0,
            opened_at: None,
            closed: None,
            set: None,
            entered_by: None,
            attempt: 0,
            drawn_at: None,
            void_by: None,
            published_at: None,
            history: Arc::default(),
        }
    }

    /// Whether its closing time has passed, so that it can't be opened.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.schedule.closes_at.is_some_and(|closes_at| closes_at <= now)
    }
}

impl DrawLife {
    pub(crate) fn announced(schedule: Schedule, at: Timestamp) -> Self {
        let shown = Lifecycle::announced(schedule, at);
        Self { shown, sealed: None, entry: None, agreed: None, untold: Vec::new() }
    }

    /// The history of an automatic draw.
    pub(crate) fn opened(number: SealedNumber, at: Timestamp) -> Self {
        let mut life = Self::announced(Schedule::default(), at);
        life.shown.automatic = true;
        life.shown.opened_at = Some(at);
        life.sealed = Some(number);
        life
    }

    /// Stores the sequence of the event that announced or opened the draw.
    pub(crate) fn set_announced_in(&mut self, sequence: u64) {
        self.shown.announced_in = sequence;
    }

    pub(crate) fn shown(&self) -> &Lifecycle {
        &self.shown
    }

    pub(crate) fn sealed(&self) -> Option<SealedNumber> {
        self.sealed
    }

    /// Returns the number that it is made with, if known.
    pub(crate) fn result(&self) -> Option<u32> {
        self.sealed.map(|sealed| sealed.0).or(self.agreed)
    }

    /// Returns when it was closed, or its closing time if that is not after `now`.
    pub(crate) fn closed_at(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.shown.schedule.closes_at.filter(|closes_at| *closes_at <= now);
        self.shown.closed.as_ref().map(|closing| closing.at).or(due)
    }

    pub(crate) fn decide_open(
        &self,
        state: DrawState,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Acted, ActError> {
        match state {
            DrawState::Announced => {}
            DrawState::Open => return Ok(Acted::Repeated),
            _ => return Err(not_now(state, "opened")),
        }
        let Schedule { opens_at, closes_at } = self.shown.schedule;
        if let Some(expired) = closes_at.filter(|_| self.shown.is_expired(now)) {
            return Err(ActError::Expired(expired));
        }
        if *by == Actor::Clock && opens_at.is_none_or(|opens_at| now < opens_at) {
            return Err(ActError::NotTime);
        }
        Ok(Acted::Done)
    }

    pub(crate) fn decide_close(
        &self,
        state: DrawState,
        missing: u64,
        by: &Actor,
        why: &Reason,
        now: Timestamp,
    ) -> Result<Acted, ActError> {
        match state {
            DrawState::Open => {}
            // Otherwise it could never end.
            DrawState::Announced if self.shown.is_expired(now) => {}
            DrawState::Announced | DrawState::Cancelled => return Err(not_now(state, "closed")),
            _ => return Ok(Acted::Repeated),
        }
        let closes_at = self.shown.schedule.closes_at;
        let early = closes_at.filter(|closes_at| now < *closes_at);
        if *by == Actor::Clock {
            let due = closes_at.is_some() && early.is_none();
            return if due { Ok(Acted::Done) } else { Err(ActError::NotTime) };
        }
        if why.is_empty() && (missing > 0 || early.is_some()) {
            let unfinished = Unfinished { agencies: missing, closes_at: early };
            return Err(ActError::ReasonNeeded(unfinished));
        }
        Ok(Acted::Done)
    }

    pub(crate) fn decide_entry(
        &self,
        state: DrawState,
        range: NumberRange,
        by: &Actor,
        number: u32,
    ) -> Result<Acted, ActError> {
        let by = expect_entry(state, range, by, number)?;
        match (&self.shown.entered_by, self.entry) {
            (Some(first), _) if first == by => Err(ActError::EnteredBefore(by.clone())),
            (_, None) => Ok(Acted::NumberAwaited),
            (_, Some(entry)) if entry == number => Ok(Acted::NumbersAgree(number)),
            (_, Some(_)) => Ok(Acted::NumbersDiffer),
        }
    }

    /// Decides whether an operator replaces the number that they entered.
    pub(crate) fn decide_correction(
        &self,
        state: DrawState,
        range: NumberRange,
        by: &Actor,
        number: u32,
    ) -> Result<Acted, ActError> {
        let by = expect_entry(state, range, by, number)?;
        match (&self.shown.entered_by, self.entry) {
            (Some(first), Some(entry)) if first == by && entry == number => Ok(Acted::Repeated),
            (Some(first), Some(_)) if first == by => Ok(Acted::NumberAwaited),
            _ => Err(ActError::NoEntry),
        }
    }

    pub(crate) fn decide_void(
        &self,
        state: DrawState,
        by: &Actor,
        why: &Reason,
    ) -> Result<Acted, ActError> {
        let DrawState::Drawn { .. } = state else { return Err(not_now(state, "voided")) };
        if self.shown.published_at.is_some() {
            return Err(ActError::Published);
        }
        let name = in_person(by)?;
        expect_reason(by, why, "void a result")?;
        match &self.shown.void_by {
            None => Ok(Acted::VoidAwaited),
            Some(first) if first == name => Err(ActError::VoidedBefore(name.clone())),
            Some(_) => Ok(Acted::Voided),
        }
    }

    pub(crate) fn decide_publish(
        &self,
        state: DrawState,
        by: &Actor,
        why: &Reason,
    ) -> Result<Acted, ActError> {
        match state {
            DrawState::Drawn { .. } if *by == Actor::Clock => Err(ActError::NotForTheClock),
            DrawState::Drawn { .. } if self.shown.published_at.is_some() => Ok(Acted::Repeated),
            DrawState::Drawn { .. } if self.shown.void_by.is_some() => {
                expect_reason(by, why, "publish a result that an operator voided")
            }
            DrawState::Drawn { .. } => Ok(Acted::Done),
            _ => Err(not_now(state, "published")),
        }
    }

    /// Applies a decided act; returns the draw's new state if it changes now.
    pub(crate) fn take(
        &mut self,
        recorded: &RecordedAct,
        acted: Acted,
        at: Timestamp,
    ) -> Option<DrawState> {
        let RecordedAct { by, why, act, .. } = recorded;
        self.note(recorded, acted, at);
        match act {
            Act::Edit { schedule, .. } => self.shown.schedule = *schedule,
            Act::Cancel(_) => return Some(DrawState::Cancelled),
            Act::Open(_) => {
                self.shown.opened_at = Some(at);
                return Some(DrawState::Open);
            }
            Act::Close(_) => {
                let by = Some(by.clone());
                self.shown.closed = Some(Closing { at, by, why: why.clone() });
            }
            Act::EnterNumber { number, .. } | Act::CorrectNumber { number, .. } => {
                let first = acted == Acted::NumberAwaited;
                self.entry = first.then_some(*number);
                self.shown.entered_by = by.operator().filter(|_| first).cloned();
                self.agreed = (acted == Acted::NumbersAgree(*number)).then_some(*number);
            }
            Act::Void(_) if acted == Acted::Voided => {
                (self.agreed, self.shown.void_by, self.shown.drawn_at) = (None, None, None);
                return Some(DrawState::Closed);
            }
            Act::Void(_) => self.shown.void_by = by.operator().cloned(),
            // The `DrawPublished` event that follows sets the time; `Draws` has the agencies.
            Act::Publish(_) | Act::Reopen { .. } => {}
            Act::Announce { .. } | Act::Register(_) | Act::Audited(_) => {}
        }
        None
    }

    /// Adds an act to the draw's record.
    pub(crate) fn note(&mut self, recorded: &RecordedAct, acted: Acted, at: Timestamp) {
        let Some(step) = HistoryStep::of(&recorded.act, acted) else { return };
        let RecordedAct { by, why, act, .. } = recorded;
        if let Act::EnterNumber { number, .. } | Act::CorrectNumber { number, .. } = act {
            self.untold.push((self.shown.history.len(), *number));
        }
        let entry = HistoryEntry { at, by: by.clone(), why: why.clone(), step, number: None };
        Arc::make_mut(&mut self.shown.history).push(entry);
    }

    /// Notes the close, unless an act did, and the bets that take part.
    pub(crate) fn close(&mut self, set: SetDigest, at: Timestamp) {
        let automatic = || Closing { at, by: None, why: Reason::default() };
        self.shown.closed.get_or_insert_with(automatic);
        self.shown.set = Some(set);
    }

    pub(crate) fn make(&mut self, attempt: u32, at: Timestamp) {
        if !self.untold.is_empty() {
            let history = Arc::make_mut(&mut self.shown.history);
            self.untold.drain(..).for_each(|(place, number)| history[place].number = Some(number));
        }
        self.shown.attempt = attempt;
        self.shown.drawn_at = Some(at);
    }

    pub(crate) fn publish(&mut self, at: Timestamp) {
        self.shown.published_at = Some(at);
    }
}

impl HistoryStep {
    fn of(act: &Act, acted: Acted) -> Option<Self> {
        Some(match act {
            Act::Announce { .. } => Self::Announced,
            Act::Edit { .. } => Self::Edited,
            Act::Cancel(_) => Self::Cancelled,
            Act::Open(_) => Self::Opened,
            Act::Reopen { agency, .. } => Self::Reopened(*agency),
            Act::Close(_) => Self::Closed,
            Act::EnterNumber { .. } => match acted {
                Acted::NumbersAgree(_) => Self::NumberConfirmed,
                Acted::NumbersDiffer => Self::NumberDiffered,
                _ => Self::NumberEntered,
            },
            Act::CorrectNumber { .. } => Self::NumberCorrected,
            Act::Void(_) if acted == Acted::Voided => Self::Voided,
            Act::Void(_) => Self::VoidAsked,
            Act::Publish(_) => Self::Published,
            Act::Register(_) | Act::Audited(_) => return None,
        })
    }
}

/// Checks that a number can be entered, and returns the operator who enters it.
fn expect_entry(
    state: DrawState,
    range: NumberRange,
    by: &Actor,
    number: u32,
) -> Result<&Label, ActError> {
    expect_state(state, DrawState::Closed, "given a number")?;
    let by = in_person(by)?;
    if range.contains(number) { Ok(by) } else { Err(ActError::NumberRange { number, range }) }
}

/// Returns the operator who acts in a session: neither the clock nor a program may do this.
fn in_person(by: &Actor) -> Result<&Label, ActError> {
    match by {
        Actor::Operator(by) => Ok(by),
        Actor::Token { .. } => Err(ActError::NotForPrograms),
        Actor::Clock => Err(ActError::NotForTheClock),
    }
}

/// Checks that a draw is in the state that an act needs.
pub(crate) fn expect_state(
    state: DrawState,
    needed: DrawState,
    wanted: &'static str,
) -> Result<(), ActError> {
    if state == needed { Ok(()) } else { Err(not_now(state, wanted)) }
}

/// Checks that an operator or a program gives a reason for what they do.
pub(crate) fn expect_reason(
    by: &Actor,
    why: &Reason,
    what: &'static str,
) -> Result<Acted, ActError> {
    match by {
        Actor::Clock => Err(ActError::NotForTheClock),
        _ if why.is_empty() => Err(ActError::NoReason(what)),
        _ => Ok(Acted::Done),
    }
}

fn not_now(state: DrawState, wanted: &'static str) -> ActError {
    let now = match state {
        DrawState::Cancelled => "was cancelled",
        DrawState::Announced => "has not been opened",
        DrawState::Open => "is open",
        DrawState::Closed => "is closed",
        DrawState::Drawn { .. } => "has been made",
    };
    ActError::State { now, wanted }
}
