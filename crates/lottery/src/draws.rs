//! The rules of the lottery: a pure, synchronous state machine over events.
//!
//! - `decide_*` checks a request against the state: it makes a new event, repeats one, or is
//!   refused.
//! - `carry_out` applies an event and all events that follow from it. A store makes them durable
//!   together before it answers.
//! - `replay` applies a stored event when a store is opened. Both check the same rules: what
//!   follows from an event must come next, and nothing else may.
//!
//! [`acts`] has the rules for operators and the clock.
//!
//! Deliberately absent: the bets. The state takes 16 bytes per batch, 40 if it is after a gap, and
//! some room to grow.

mod acts;
mod ahead;
mod plan;
mod undo;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::iter::successors;

use sha2::{Digest, Sha256};

use self::ahead::{Ahead, Waiting};
use self::plan::Plan;
use self::undo::{Undo, UndoBatch};
use crate::act::{Act, Acted, Registration};
use crate::agencies::{Agencies, AgencyId};
use crate::batch::Batch;
use crate::bet_name::ChunkId;
use crate::bets::{ChunkDigest, PrefixDigest, SetDigest};
use crate::draw::{DrawId, DrawName, DrawState, DrawTerms, SealedNumber, Timestamp};
use crate::event::{BatchSummary, Event};
use crate::lifecycle::{DrawLife, DrawStatus};
use crate::limits::{AGENCY_BATCHES_MAX, DRAWS_MAX};
use crate::requests::{
    AppendError, Appended, FinishError, Finished, NoPart, NotInDraw, OpenDrawError, ProgressError,
};
use crate::text::Look;

/// The decision on a request that is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling<T> {
    /// The answer, once the event is durable.
    pub outcome: T,
    /// The new event; `None` when the request repeats an earlier one.
    pub event: Option<Event>,
}

/// An agency's progress in a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct AgencyProgress {
    /// The chunks `0..chunks_stored` are all stored.
    pub chunks_stored: u64,
    pub bets_stored: u64,
    pub prefix_digest: PrefixDigest,
    pub finished: bool,
    pub state: DrawState,
}

/// An agency's totals in a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct AgencyTotals {
    pub agency: AgencyId,
    pub batches: u64,
    /// The number of bets in them.
    pub bets: u64,
    pub finished: bool,
}

impl AgencyTotals {
    /// The totals of an agency that has neither bet nor finished.
    #[must_use]
    pub fn nothing_of(agency: AgencyId) -> Self {
        Self { agency, batches: 0, bets: 0, finished: false }
    }
}

/// The state of all draws, and the register of agencies.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, PartialEq))]
pub struct Draws {
    draws: Vec<Draw>,
    by_name: HashMap<DrawName, DrawId>,
    /// How the names look. Older ledgers may have names that look alike.
    by_look: BTreeSet<(Look, DrawId)>,
    /// All sets of agencies, so that draws with equal sets share storage.
    agencies: HashSet<Agencies>,
    roster: BTreeMap<AgencyId, Registration>,
    /// How the registered names look. Older ledgers may have names that look alike.
    roster_looks: BTreeSet<(Look, AgencyId)>,
    /// The latest changes of operators on the command line: their times and the versions that they
    /// made. At most [`COMMAND_LINE_CHANGES_MAX`](crate::limits::COMMAND_LINE_CHANGES_MAX).
    on_command_line: VecDeque<(Timestamp, u64)>,
    /// The event that must come next, as it follows from the last one.
    due: Option<Event>,
    plan: Plan,
    /// The number of events so far: the sequence of the next one.
    events: u64,
    events_settled: u64,
    /// The undo log of changes that are not settled, latest last.
    undo: Vec<Undo>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq))]
struct Draw {
    terms: DrawTerms,
    state: DrawState,
    /// The agencies that have bet or finished.
    agencies: HashMap<AgencyId, Agency>,
    agencies_finished: u64,
    batches: u64,
    bets: u64,
    life: DrawLife,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq))]
struct Agency {
    /// The contents of the contiguous chunks from 0 on.
    contiguous: Vec<Fingerprint>,
    ahead: Ahead,
    prefix_digest: PrefixDigest,
    prefix_bets: u64,
    bets: u64,
    finished: bool,
}

/// The first half of a chunk's digest: enough to tell contents apart.
type Fingerprint = [u8; 16];

impl Draws {
    /// Decides whether to open an automatic draw with a winning number.
    ///
    /// # Errors
    /// When the number is out of range, another draw has the name or one that looks like it, or
    /// there are [`DRAWS_MAX`] draws.
    pub fn decide_open(
        &self,
        terms: DrawTerms,
        number: SealedNumber,
    ) -> Result<Ruling<DrawId>, OpenDrawError> {
        let range = terms.numbers;
        if !range.contains(number.0) {
            return Err(OpenDrawError::NumberRange { number: number.0, range });
        }
        // Older ledgers may have a name that is not in NFC.
        let same = || {
            let mut alike = self.lookalikes(&terms.name);
            alike.find(|(_, name)| name.is_same(&terms.name)).map(|(id, _)| id)
        };
        if let Some(id) = self.by_name.get(&terms.name).copied().or_else(same) {
            let found = self.get(id).expect("it has the name");
            let terms = DrawTerms { name: found.terms.name.clone(), ..terms };
            found.may_be_opened_again(&terms, number)?;
            return Ok(Ruling { outcome: id, event: None });
        }
        if let Some((draw, name)) = self.lookalikes(&terms.name).next() {
            return Err(OpenDrawError::LooksLike { draw, name: name.clone() });
        }
        if self.draws.len() >= DRAWS_MAX {
            return Err(OpenDrawError::TooManyDraws);
        }
        let draw = draw_id(self.draws.len());
        Ok(Ruling { outcome: draw, event: Some(Event::DrawOpened { draw, terms, number }) })
    }

    /// Decides whether to store a batch received at `now`.
    ///
    /// # Errors
    /// See [`AppendError`]. A repeated chunk is accepted even when the agency has finished or the
    /// draw is closed, as it adds nothing.
    pub fn decide_append(
        &self,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<Ruling<Appended>, AppendError> {
        let (draw, agency) = self.taking_part(batch.draw, batch.agency)?;
        match agency.stored(batch.chunk) {
            Some(stored) if stored == fingerprint(batch.bets.digest()) => {
                return Ok(Ruling { outcome: Appended::Repeated, event: None });
            }
            Some(_) => return Err(AppendError::ChunkConflict(batch.chunk)),
            None => {}
        }
        let closed_at = draw.life.closed_at(now);
        if draw.state != DrawState::Open || closed_at.is_some() {
            return Err(AppendError::DrawClosed(closed_at));
        }
        if agency.finished {
            return Err(AppendError::AgencyFinished(batch.agency));
        }
        if agency.batches() >= AGENCY_BATCHES_MAX {
            return Err(AppendError::TooManyBatches(batch.agency));
        }
        let range = draw.terms.numbers;
        if !batch.bets.numbers().iter().all(|&number| range.contains(number)) {
            return Err(AppendError::NumberRange(range));
        }
        let event = Some(Event::BatchAccepted(BatchSummary::of(batch)));
        Ok(Ruling { outcome: Appended::New, event })
    }

    /// Decides whether an agency finishes a draw.
    ///
    /// # Errors
    /// When the agency can't take part in the draw.
    pub fn decide_finish(
        &self,
        draw: DrawId,
        agency: AgencyId,
    ) -> Result<Ruling<Finished>, FinishError> {
        let (found, known) = self.taking_part(draw, agency)?;
        // In a draw that operators closed without the agency, FINISH changes nothing.
        let repeated = known.finished || found.state != DrawState::Open;
        let agencies_finished = found.agencies_finished + u64::from(!repeated);
        let all = found.is_complete_with(agencies_finished);
        Ok(Ruling {
            outcome: Finished { repeated, agencies_finished, all },
            event: (!repeated).then_some(Event::AgencyFinished { draw, agency }),
        })
    }

    /// Applies an event decided at `at` and all events that follow from it, which it returns. A
    /// store must store them all together. [`Draws::undo`] reverts them until they are settled.
    ///
    /// # Panics
    /// When the event breaks a rule. A store that reads events uses [`Draws::replay`].
    pub fn carry_out(&mut self, event: &Event, at: Timestamp) -> Vec<Event> {
        self.apply(event, at);
        let following = successors(self.due.clone(), |due| {
            self.apply(due, at);
            self.due.clone()
        });
        following.collect()
    }

    /// Returns the number of events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Marks all changes as stored: [`Draws::undo`] no longer reverts them.
    pub fn settle(&mut self) {
        self.events_settled = self.events;
        self.undo.clear();
    }

    fn apply(&mut self, event: &Event, at: Timestamp) {
        if let Err(why) = self.check_rules(event, at) {
            panic!("an event that the rules forbid: {why}: {event:?}");
        }
        self.take(event, at);
    }

    /// Applies a stored event that was decided at `at`.
    ///
    /// # Errors
    /// The rule that the event breaks.
    pub fn replay(&mut self, event: &Event, at: Timestamp) -> Result<(), &'static str> {
        self.check_rules(event, at)?;
        self.take(event, at);
        self.settle();
        Ok(())
    }

    fn take(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::DrawOpened { terms, number, .. } => {
                let life = DrawLife::opened(*number, at);
                self.add_draw(Draw::new(terms.clone(), DrawState::Open, life));
            }
            Event::BatchAccepted(batch) => {
                let undo = self.get_mut(batch.draw).add(batch);
                self.undo.push(undo);
            }
            Event::AgencyFinished { draw, agency } => {
                let id = *draw;
                let draw = self.get_mut(id);
                let is_new = !draw.agencies.contains_key(agency);
                draw.set_finished(*agency, true);
                self.undo.push(Undo::Finish { draw: id, agency: *agency, is_new });
            }
            Event::DrawClosed { draw, set, .. } => self.change_life(*draw, |draw| {
                draw.life.close(*set, at);
                draw.state = DrawState::Closed;
            }),
            Event::DrawMade { draw, attempt, number } => self.change_life(*draw, |draw| {
                draw.life.make(*attempt, at);
                draw.state = DrawState::Drawn { number: *number };
            }),
            Event::DrawPublished { draw } => {
                self.change_life(*draw, |draw| draw.life.publish(at));
            }
            Event::Acted(signed) => self.apply_act(signed, at),
        }
        self.events += 1;
        self.due = self.following(event);
    }

    fn change_life(&mut self, id: DrawId, change: impl FnOnce(&mut Draw)) {
        let draw = self.get_mut(id);
        let (state, life) = (draw.state, Box::new(draw.life.clone()));
        change(draw);
        self.undo.push(Undo::Life { draw: id, state, life });
        self.reschedule(id);
    }

    /// Returns the event that must come next, if the last decision is not complete.
    #[must_use]
    pub fn due(&self) -> Option<&Event> {
        self.due.as_ref()
    }

    /// Returns the event that follows from one just applied.
    fn following(&self, event: &Event) -> Option<Event> {
        match event {
            Event::AgencyFinished { draw, .. } => {
                let found = self.get(*draw)?;
                let complete = found.is_complete_with(found.agencies_finished);
                (complete && found.life.sealed().is_some()).then(|| found.closed(*draw))
            }
            Event::DrawClosed { draw, .. } => self.get(*draw)?.made(*draw),
            Event::DrawMade { draw, .. } => {
                let sealed = self.get(*draw)?.life.sealed();
                sealed.map(|_| Event::DrawPublished { draw: *draw })
            }
            Event::Acted(signed) => match &signed.act {
                Act::Close(draw) => self.get(*draw).map(|found| found.closed(*draw)),
                Act::EnterNumber { draw, .. } => self.get(*draw)?.made(*draw),
                Act::Publish(draw) => Some(Event::DrawPublished { draw: *draw }),
                Act::Announce { .. }
                | Act::Edit { .. }
                | Act::Cancel(_)
                | Act::Open(_)
                | Act::Reopen { .. }
                | Act::CorrectNumber { .. }
                | Act::Void(_)
                | Act::Register(_)
                | Act::Audited(_) => None,
            },
            Event::DrawOpened { .. } | Event::BatchAccepted(_) | Event::DrawPublished { .. } => {
                None
            }
        }
    }

    fn check_rules(&self, event: &Event, at: Timestamp) -> Result<(), &'static str> {
        let draw_of = |draw: DrawId| self.get(draw).ok_or("it belongs to a draw never opened");
        let rule = |holds: bool, broken: &'static str| if holds { Ok(()) } else { Err(broken) };
        if let Some(due) = &self.due {
            return rule(due == event, "something else follows from the event before");
        }
        match event {
            Event::DrawOpened { draw, terms, number } => {
                rule(*draw == draw_id(self.draws.len()), "draws are numbered in order")?;
                rule(terms.numbers.contains(number.0), "its number is out of range")?;
                rule(
                    !self.by_name.contains_key(&terms.name),
                    "a draw of this name was opened before",
                )
            }
            Event::BatchAccepted(batch) => {
                let draw = draw_of(batch.draw)?;
                let agency = draw.agency(batch.agency).ok_or("the agency is unknown")?;
                rule(draw.state == DrawState::Open, "the draw was closed before")?;
                rule(!agency.finished, "the agency had finished before")?;
                rule(agency.stored(batch.chunk).is_none(), "the chunk was stored before")
            }
            Event::AgencyFinished { draw, agency } => {
                let draw = draw_of(*draw)?;
                let agency = draw.agency(*agency).ok_or("the agency is unknown")?;
                rule(draw.state == DrawState::Open, "the draw was closed before")?;
                rule(!agency.finished, "the agency had finished before")
            }
            Event::DrawClosed { .. } | Event::DrawMade { .. } | Event::DrawPublished { .. } => {
                Err("it does not follow from the event before")
            }
            Event::Acted(signed) => match self.outcome_of(signed, at) {
                Ok(Acted::Repeated) => Err("it was done before"),
                Ok(_) => Ok(()),
                Err(_) => Err("it was not to be done then"),
            },
        }
    }

    /// Returns the status of all draws, in order of creation.
    #[must_use]
    pub fn statuses(&self) -> Vec<DrawStatus> {
        (0..self.draws.len()).filter_map(|at| self.status(draw_id(at))).collect()
    }

    /// Returns a draw's status.
    #[must_use]
    pub fn status(&self, id: DrawId) -> Option<DrawStatus> {
        self.get(id).map(|draw| DrawStatus {
            id,
            terms: draw.terms.clone(),
            state: draw.state,
            agencies_finished: draw.agencies_finished,
            batches: draw.batches,
            bets: draw.bets,
            life: draw.life.shown().clone(),
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.draws.len()
    }

    pub(crate) fn refresh(&self, status: &mut DrawStatus) {
        let Some(draw) = self.get(status.id) else { return };
        if status.terms != draw.terms {
            status.terms.clone_from(&draw.terms);
        }
        status.state = draw.state;
        status.agencies_finished = draw.agencies_finished;
        status.batches = draw.batches;
        status.bets = draw.bets;
        if status.life != *draw.life.shown() {
            status.life.clone_from(draw.life.shown());
        }
    }

    /// Returns an agency's totals in a draw, if it has bet or finished.
    pub(crate) fn totals(&self, draw: DrawId, agency: AgencyId) -> Option<AgencyTotals> {
        self.get(draw)?.agencies.get(&agency).map(|known| known.totals(agency))
    }

    /// Iterates over the totals of agencies that have bet or finished, unordered.
    pub(crate) fn begun(&self, draw: DrawId) -> impl Iterator<Item = AgencyTotals> + '_ {
        let agencies = self.get(draw).into_iter().flat_map(|draw| &draw.agencies);
        agencies.map(|(agency, known)| known.totals(*agency))
    }

    /// Returns an agency's progress.
    ///
    /// # Errors
    /// When the draw or the agency is unknown.
    pub fn progress(
        &self,
        draw: DrawId,
        agency: AgencyId,
    ) -> Result<AgencyProgress, ProgressError> {
        let (found, known) = self.agency_in(draw, agency)?;
        Ok(AgencyProgress {
            chunks_stored: known.contiguous.len() as u64,
            bets_stored: known.prefix_bets,
            prefix_digest: known.prefix_digest,
            finished: known.finished,
            state: found.state,
        })
    }

    fn add_draw(&mut self, mut draw: Draw) {
        self.share(&mut draw.terms.agencies);
        draw.life.set_announced_in(self.events);
        let id = draw_id(self.draws.len());
        self.draws.push(draw);
        self.add_name(id);
        self.undo.push(Undo::Added);
        self.reschedule(id);
    }

    /// Replaces a draw's terms; returns the previous ones.
    fn set_terms(&mut self, id: DrawId, mut terms: DrawTerms) -> DrawTerms {
        self.remove_name(id);
        self.share(&mut terms.agencies);
        let before = std::mem::replace(&mut self.get_mut(id).terms, terms);
        self.forget_unused(&before.agencies);
        self.add_name(id);
        before
    }

    fn add_name(&mut self, id: DrawId) {
        let name = self.get_mut(id).terms.name.clone();
        self.by_look.insert((Look::of(name.as_str()), id));
        self.by_name.insert(name, id);
    }

    fn remove_name(&mut self, id: DrawId) {
        let name = self.get_mut(id).terms.name.clone();
        self.by_look.remove(&(Look::of(name.as_str()), id));
        self.by_name.remove(&name);
    }

    /// Lets equal sets of agencies share storage.
    fn share(&mut self, agencies: &mut Agencies) {
        match self.agencies.get(agencies) {
            Some(same) => *agencies = same.clone(),
            None => drop(self.agencies.insert(agencies.clone())),
        }
    }

    fn forget_unused(&mut self, agencies: &Agencies) {
        if self.draws.iter().all(|other| other.terms.agencies != *agencies) {
            self.agencies.remove(agencies);
        }
    }

    /// Iterates over the draws whose names look like this one, oldest first.
    fn lookalikes(&self, name: &DrawName) -> impl Iterator<Item = (DrawId, &DrawName)> {
        let look = Look::of(name.as_str());
        let alike = (look.clone(), DrawId(0))..=(look, DrawId(u32::MAX));
        let alike = self.by_look.range(alike);
        alike.filter_map(|(_, id)| self.get(*id).map(|draw| (*id, &draw.terms.name)))
    }

    fn taking_part(&self, draw: DrawId, agency: AgencyId) -> Result<(&Draw, &Agency), NoPart> {
        let (found, known) = self.agency_in(draw, agency)?;
        if self.roster.get(&agency).is_some_and(|registration| !registration.enabled) {
            return Err(NoPart::AgencyDisabled(agency));
        }
        if matches!(found.state, DrawState::Announced | DrawState::Cancelled) {
            return Err(NoPart::NotOpened);
        }
        Ok((found, known))
    }

    fn agency_in(&self, draw: DrawId, agency: AgencyId) -> Result<(&Draw, &Agency), NotInDraw> {
        let found = self.get(draw).ok_or(NotInDraw::UnknownDraw(draw))?;
        found.terms.agencies.must_have(agency)?;
        Ok((found, found.agencies.get(&agency).unwrap_or(&SILENT)))
    }

    fn get(&self, id: DrawId) -> Option<&Draw> {
        let at = usize::try_from(id.0.checked_sub(1)?).ok()?;
        self.draws.get(at)
    }

    fn get_mut(&mut self, id: DrawId) -> &mut Draw {
        let at = id.0.checked_sub(1).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.draws.get_mut(at)).expect("check_rules() found the draw")
    }
}

impl Draw {
    fn new(terms: DrawTerms, state: DrawState, life: DrawLife) -> Self {
        Self {
            terms,
            state,
            agencies: HashMap::new(),
            agencies_finished: 0,
            batches: 0,
            bets: 0,
            life,
        }
    }

    /// Checks that the draw is automatic and has these terms and this number. Once it is made, any
    /// number is accepted and ignored.
    fn may_be_opened_again(
        &self,
        terms: &DrawTerms,
        number: SealedNumber,
    ) -> Result<(), OpenDrawError> {
        let name = || terms.name.clone();
        match self.life.sealed() {
            None => Err(OpenDrawError::LedByOperators(name())),
            Some(_) if self.terms != *terms => {
                Err(OpenDrawError::OtherTerms(Box::new(self.terms.clone())))
            }
            Some(sealed) if sealed != number && !self.is_made() => {
                Err(OpenDrawError::OtherNumber(name()))
            }
            Some(_) => Ok(()),
        }
    }

    fn is_made(&self) -> bool {
        matches!(self.state, DrawState::Drawn { .. })
    }

    fn closed(&self, draw: DrawId) -> Event {
        Event::DrawClosed { draw, bets: self.bets, set: self.set_digest() }
    }

    /// The event that makes the draw, if its number is known.
    fn made(&self, draw: DrawId) -> Option<Event> {
        let attempt = self.life.shown().attempt + 1;
        self.life.result().map(|number| Event::DrawMade { draw, attempt, number })
    }

    fn set_digest(&self) -> SetDigest {
        let with_batches = self.agencies.iter().filter(|(_, agency)| agency.batches() > 0);
        let ordered: BTreeMap<_, _> = with_batches.collect();
        let mut hash = Sha256::new();
        let length = |len: usize| u32::try_from(len).expect("an agency's batches are bounded");
        for (id, agency) in ordered {
            hash.update(id.0.to_le_bytes());
            hash.update(length(agency.contiguous.len()).to_le_bytes());
            hash.update(agency.prefix_digest.0);
            hash.update(length(agency.ahead.len()).to_le_bytes());
            for batch in agency.ahead.iter() {
                hash.update(batch.chunk.to_le_bytes());
                hash.update(batch.digest.0);
            }
        }
        SetDigest(hash.finalize().into())
    }

    fn agency(&self, id: AgencyId) -> Option<&Agency> {
        let silent = || self.terms.agencies.contains(id).then_some(&SILENT);
        self.agencies.get(&id).or_else(silent)
    }

    fn agency_mut(&mut self, id: AgencyId) -> &mut Agency {
        self.agencies.entry(id).or_insert_with(Agency::new)
    }

    fn agencies_missing(&self) -> u64 {
        self.terms.agencies.count() - self.agencies_finished
    }

    /// Whether operators still have to make this draw.
    fn waits_for_operators(&self) -> bool {
        let is_over = self.is_made() || self.state == DrawState::Cancelled;
        self.life.sealed().is_none() && !is_over
    }

    fn set_finished(&mut self, agency: AgencyId, finished: bool) {
        self.agency_mut(agency).finished = finished;
        if finished {
            self.agencies_finished += 1;
        } else {
            self.agencies_finished -= 1;
        }
    }

    /// Whether all agencies have finished when this many have.
    fn is_complete_with(&self, finished: u64) -> bool {
        finished >= self.terms.agencies.count()
    }

    fn add(&mut self, batch: &BatchSummary) -> Undo {
        self.batches += 1;
        self.bets += u64::from(batch.bets);
        let is_new = !self.agencies.contains_key(&batch.agency);
        self.agency_mut(batch.agency).add(batch, is_new)
    }
}

static SILENT: Agency = Agency::new();

impl Agency {
    const fn new() -> Self {
        Self {
            contiguous: Vec::new(),
            ahead: Ahead::new(),
            prefix_digest: PrefixDigest::EMPTY,
            prefix_bets: 0,
            bets: 0,
            finished: false,
        }
    }

    fn stored(&self, chunk: ChunkId) -> Option<Fingerprint> {
        let at = usize::try_from(chunk.0).ok()?;
        match self.contiguous.get(at) {
            Some(stored) => Some(*stored),
            None => self.ahead.get(chunk.0).map(|batch| fingerprint(&batch.digest)),
        }
    }

    fn totals(&self, agency: AgencyId) -> AgencyTotals {
        let batches = self.batches() as u64;
        AgencyTotals { agency, batches, bets: self.bets, finished: self.finished }
    }

    fn batches(&self) -> usize {
        self.contiguous.len() + self.ahead.len()
    }

    fn add(&mut self, batch: &BatchSummary, is_new: bool) -> Undo {
        let mut undo = UndoBatch {
            draw: batch.draw,
            agency: batch.agency,
            chunk: batch.chunk.0,
            bets: batch.bets,
            is_new,
            contiguous: self.contiguous.len(),
            prefix_digest: self.prefix_digest,
            prefix_bets: self.prefix_bets,
            closed_gap: Vec::new(),
        };
        self.bets += u64::from(batch.bets);
        if batch.chunk.0 as usize != self.contiguous.len() {
            self.ahead.insert(Waiting::of(batch));
            return Undo::Batch(undo);
        }
        self.extend(&batch.digest, batch.bets);
        while let Some(next) = self.ahead.take_first(self.contiguous.len()) {
            self.extend(&next.digest, next.bets);
            undo.closed_gap.push(next);
        }
        Undo::Batch(undo)
    }

    fn extend(&mut self, digest: &ChunkDigest, bets: u32) {
        self.contiguous.push(fingerprint(digest));
        self.prefix_digest = self.prefix_digest.then(digest);
        self.prefix_bets += u64::from(bets);
    }
}

fn draw_id(position: usize) -> DrawId {
    let number = u32::try_from(position + 1);
    DrawId(number.expect("a store's memory ends long before its draw numbers"))
}

fn fingerprint(digest: &ChunkDigest) -> Fingerprint {
    *digest.0.first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests;
