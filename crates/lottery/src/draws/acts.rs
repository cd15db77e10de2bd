//! The rules for acts of operators and the clock.

use super::undo::Undo;
use super::{Draw, Draws, Ruling, draw_id};
use crate::act::{Act, ActError, Acted, Judge, RecordedAct, Registration, Schedule};
use crate::agencies::AgencyId;
use crate::audited::{AuditedAction, CommandLineChange};
use crate::draw::{DrawId, DrawState, DrawTerms, Timestamp};
use crate::event::Event;
use crate::lifecycle::{DrawLife, expect_reason, expect_state};
use crate::limits::{
    COMMAND_LINE_CHANGES_MAX, DRAW_ACTS_MAX, DRAWS_MAX, DRAWS_UNMADE_MAX, REGISTERED_MAX,
};
use crate::text::Look;

impl Draws {
    /// Decides an act at `now`, if `judge` allows it.
    ///
    /// # Errors
    /// See [`ActError`].
    pub fn decide_act(
        &self,
        recorded: &RecordedAct,
        judge: &Judge,
        now: Timestamp,
    ) -> Result<Ruling<Acted>, ActError> {
        let operators = judge().ok_or(ActError::NotAllowed)?;
        // Not in `outcome_of`, which replay uses too: older ledgers may have agency 0.
        if names_agency_zero(&recorded.act) {
            return Err(ActError::AgencyZero);
        }
        // Not in `outcome_of` either, as the remembered ones depend on the limit.
        if self.is_known(&recorded.act, operators) {
            return Ok(Ruling { outcome: Acted::Repeated, event: None });
        }
        let acted = self.outcome_of(recorded, now)?;
        // These limits apply to new acts only; older ledgers may exceed them.
        self.check_limits(&recorded.act)?;
        self.check_look(&recorded.act)?;
        let recorded = || Event::Acted(Box::new(RecordedAct { operators, ..recorded.clone() }));
        let event = (acted != Acted::Repeated).then(recorded);
        Ok(Ruling { outcome: acted, event })
    }

    /// Whether this change on the command line, which made this version, is stored already.
    fn is_known(&self, act: &Act, version: u64) -> bool {
        match act {
            Act::Audited(AuditedAction::OnCommandLine(made)) => {
                self.on_command_line.contains(&(made.at, version))
            }
            _ => false,
        }
    }

    fn remember(&mut self, made: &CommandLineChange, version: u64) {
        let is_full = self.on_command_line.len() >= COMMAND_LINE_CHANGES_MAX;
        let oldest = if is_full { self.on_command_line.pop_front() } else { None };
        self.on_command_line.push_back((made.at, version));
        self.undo.push(Undo::OnCommandLine(oldest));
    }

    fn check_limits(&self, act: &Act) -> Result<(), ActError> {
        match act {
            Act::Announce { .. } if self.draws.len() >= DRAWS_MAX => Err(ActError::TooManyDraws),
            Act::Announce { .. } => {
                let unmade = self.draws.iter().filter(|draw| draw.waits_for_operators());
                let room = unmade.count() < DRAWS_UNMADE_MAX;
                if room { Ok(()) } else { Err(ActError::TooManyUnmade) }
            }
            Act::Register(registration) => {
                let known = self.roster.contains_key(&registration.agency);
                let room = known || self.roster.len() < REGISTERED_MAX;
                if room { Ok(()) } else { Err(ActError::TooManyRegistered) }
            }
            // A draw can always be ended.
            Act::Cancel(_) | Act::Open(_) | Act::Close(_) | Act::Publish(_) => Ok(()),
            Act::Edit { .. }
            | Act::Reopen { .. }
            | Act::EnterNumber { .. }
            | Act::CorrectNumber { .. }
            | Act::Void(_)
            | Act::Audited(_) => {
                let draw = act.draw().and_then(|id| self.get(id));
                let acts = draw.map_or(0, |draw| draw.life.shown().history.len());
                if acts < DRAW_ACTS_MAX { Ok(()) } else { Err(ActError::TooManyActs) }
            }
        }
    }

    fn check_look(&self, act: &Act) -> Result<(), ActError> {
        match act {
            Act::Announce { terms, .. } | Act::Edit { terms, .. } => {
                let mut others = self.lookalikes(&terms.name);
                match others.find(|(draw, _)| act.draw() != Some(*draw)) {
                    Some((draw, name)) => Err(ActError::DrawLooksLike { draw, name: name.clone() }),
                    None => Ok(()),
                }
            }
            Act::Register(it) => match self.lookalike_agency(it) {
                Some(Registration { agency, name, .. }) => {
                    Err(ActError::AgencyLooksLike { agency: *agency, name: name.clone() })
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Finds another agency whose name looks like the given new name.
    fn lookalike_agency(&self, given: &Registration) -> Option<&Registration> {
        let known = self.roster.get(&given.agency);
        if known.is_some_and(|known| known.name.is_same(&given.name)) {
            return None;
        }
        let look = Look::of(given.name.as_str());
        let alike = (look.clone(), AgencyId(0))..=(look, AgencyId(u32::MAX));
        let mut others = self.roster_looks.range(alike).filter(|(_, it)| *it != given.agency);
        others.next().and_then(|(_, agency)| self.roster.get(agency))
    }

    fn set_registration(&mut self, registration: &Registration) {
        let before = self.register_as(registration.agency, Some(registration.clone()));
        self.undo.push(Undo::Registration(registration.agency, before.map(Box::new)));
    }

    /// Replaces an agency's registration; returns the previous one.
    pub(super) fn register_as(
        &mut self,
        agency: AgencyId,
        now: Option<Registration>,
    ) -> Option<Registration> {
        let look = |it: &Registration| (Look::of(it.name.as_str()), agency);
        let before = self.roster.remove(&agency);
        if let Some(before) = &before {
            self.roster_looks.remove(&look(before));
        }
        if let Some(now) = now {
            self.roster_looks.insert(look(&now));
            self.roster.insert(agency, now);
        }
        before
    }

    /// Returns the outcome of an act. All but [`Acted::Repeated`] make an event.
    pub(super) fn outcome_of(
        &self,
        recorded: &RecordedAct,
        now: Timestamp,
    ) -> Result<Acted, ActError> {
        let RecordedAct { by, why, act, .. } = recorded;
        let find = |id: &DrawId| self.get(*id).ok_or(ActError::UnknownDraw(*id));
        match act {
            Act::Edit { draw: id, terms, schedule } => {
                let draw = find(id)?;
                expect_state(draw.state, DrawState::Announced, "edited")?;
                let acted = expect_reason(by, why, "edit a draw")?;
                if draw.terms == *terms && draw.life.shown().schedule == *schedule {
                    return Ok(Acted::Repeated);
                }
                self.check_announcement(Some(*id), terms, *schedule, now)?;
                Ok(acted)
            }
            Act::Cancel(id) => {
                let state = find(id)?.state;
                if state == DrawState::Cancelled {
                    return Ok(Acted::Repeated);
                }
                expect_state(state, DrawState::Announced, "cancelled")?;
                expect_reason(by, why, "cancel a draw")
            }
            Act::Reopen { draw, agency } => {
                let draw = find(draw)?;
                expect_state(draw.state, DrawState::Open, "reopened to an agency")?;
                let acted = expect_reason(by, why, "reopen an agency")?;
                match draw.agencies.get(agency) {
                    Some(known) if known.finished => Ok(acted),
                    _ => Err(ActError::NotFinished(*agency)),
                }
            }
            Act::Open(id) => find(id).and_then(|it| it.life.decide_open(it.state, by, now)),
            Act::Close(id) => {
                let draw = find(id)?;
                draw.life.decide_close(draw.state, draw.agencies_missing(), by, why, now)
            }
            Act::EnterNumber { draw, number } => {
                let draw = find(draw)?;
                draw.life.decide_entry(draw.state, draw.terms.numbers, by, *number)
            }
            Act::CorrectNumber { draw, number } => {
                let draw = find(draw)?;
                draw.life.decide_correction(draw.state, draw.terms.numbers, by, *number)
            }
            Act::Void(id) => find(id).and_then(|it| it.life.decide_void(it.state, by, why)),
            Act::Publish(id) => find(id).and_then(|it| it.life.decide_publish(it.state, by, why)),
            Act::Announce { terms, schedule } => {
                self.check_announcement(None, terms, *schedule, now)?;
                Ok(Acted::Announced(draw_id(self.draws.len())))
            }
            Act::Register(registration)
                if self.roster.get(&registration.agency) == Some(registration) =>
            {
                Ok(Acted::Repeated)
            }
            Act::Register(_) | Act::Audited(_) => Ok(Acted::Done),
        }
    }

    /// Checks what is announced of a draw: a new one, or the existing `draw`.
    fn check_announcement(
        &self,
        draw: Option<DrawId>,
        terms: &DrawTerms,
        schedule: Schedule,
        now: Timestamp,
    ) -> Result<(), ActError> {
        if self.by_name.get(&terms.name).is_some_and(|named| Some(*named) != draw) {
            return Err(ActError::NameTaken);
        }
        let opens_at = schedule.opens_at.unwrap_or(now).max(now);
        if schedule.closes_at.is_some_and(|closes_at| closes_at <= opens_at) {
            return Err(ActError::Schedule);
        }
        Ok(())
    }

    /// Iterates over the registered agencies, by number.
    pub fn register(&self) -> impl Iterator<Item = &Registration> + '_ {
        self.roster.values()
    }

    /// Returns an agency's registration.
    #[must_use]
    pub fn registration(&self, agency: AgencyId) -> Option<&Registration> {
        self.roster.get(&agency)
    }

    pub(super) fn apply_act(&mut self, recorded: &RecordedAct, at: Timestamp) {
        let acted = self.outcome_of(recorded, at).expect("check_rules() found it allowed");
        match &recorded.act {
            Act::Announce { terms, schedule } => {
                let mut life = DrawLife::announced(*schedule, at);
                life.note(recorded, acted, at);
                let announced = Draw::new(terms.clone(), DrawState::Announced, life);
                self.add_draw(announced);
            }
            Act::Register(registration) => {
                self.set_registration(registration);
            }
            Act::Audited(AuditedAction::OnCommandLine(made)) => {
                self.remember(made, recorded.operators);
            }
            act => {
                let Some(id) = act.draw() else { return };
                self.change_life(id, |draw| {
                    let next = draw.life.take(recorded, acted, at);
                    draw.state = next.unwrap_or(draw.state);
                });
                self.apply_to_draw(id, act);
            }
        }
    }

    /// Applies the part of an act that is not in the draw's life.
    fn apply_to_draw(&mut self, id: DrawId, act: &Act) {
        match act {
            Act::Edit { terms, .. } => {
                let before = Box::new(self.set_terms(id, terms.clone()));
                self.undo.push(Undo::Terms { draw: id, terms: before });
            }
            Act::Cancel(_) => {
                self.remove_name(id);
                self.undo.push(Undo::Cancel(id));
            }
            Act::Reopen { agency, .. } => {
                self.get_mut(id).set_finished(*agency, false);
                self.undo.push(Undo::Reopen { draw: id, agency: *agency });
            }
            _ => {}
        }
    }
}

/// Whether the act has agency 0, which is what a missing number is read as.
fn names_agency_zero(act: &Act) -> bool {
    match act {
        Act::Announce { terms, .. } | Act::Edit { terms, .. } => {
            terms.agencies.contains(AgencyId(0))
        }
        Act::Register(registration) => registration.agency == AgencyId(0),
        _ => false,
    }
}
