//! The auditor of engines that share a log: records requests and answers, reads the durable events
//! and compares them. It shares no code with the rules.

use std::collections::{BTreeMap, BTreeSet};

use engine::Entry;
use lottery::{
    Act, ActError, Acted, Actor, AgencyId, AppendError, Appended, DrawId, DrawState, Event,
    FinishError, News, NoPart, Reason, RecordedAct, StoreFault, Timestamp,
};

use super::rights::{Credential, Rights};
use super::shown::Shown;
use super::site::{Answer, Ask, Outcome, Told};
use crate::wrong::{Wrong, wrong};

/// The state of the auditor; see the module documentation.
#[derive(Default)]
pub(super) struct Auditor {
    /// The durable events read so far.
    durable: Vec<Entry>,
    /// The state that they result in.
    now: Shown,
    /// The position of each batch among the durable events.
    batches: BTreeMap<Chunk, usize>,
    finishes: BTreeMap<(DrawId, AgencyId), Vec<usize>>,
    /// The position of each operator's act, by the reason given for it.
    acts: BTreeMap<Reason, usize>,
    /// The requester of each act and the operators' version at that time, by reason.
    callers: BTreeMap<Reason, (Credential, u64)>,
    closes: BTreeMap<DrawId, usize>,
    /// How many results of each draw were voided.
    voided: BTreeMap<DrawId, usize>,
    /// The numbers entered for each closed draw, and by whom.
    entries: BTreeMap<DrawId, Vec<(Actor, u32)>>,
    /// The position of the opening of each automatic draw, and its sealed number.
    sealed: BTreeMap<DrawId, (usize, u32)>,
    /// The bets of every batch that was ever sent.
    sent: BTreeMap<Chunk, String>,
    /// The acts that were refused, and therefore must never be stored.
    never: BTreeSet<Reason>,
    /// The batches that an engine reported as new.
    new: BTreeSet<Chunk>,
    /// What each engine's readers have seen.
    seen: [Seen; 2],
    drawn: BTreeMap<DrawId, Vec<usize>>,
    /// The draws made by an engine that ended before it could report them.
    untold: BTreeSet<DrawId>,
    by_the_clock: BTreeSet<String>,
}

/// A batch's draw, agency and chunk id.
pub(super) type Chunk = (DrawId, AgencyId, u32);

/// What an engine's readers have seen and were notified of.
#[derive(Default)]
struct Seen {
    events: usize,
    shown: Shown,
    published: BTreeSet<DrawId>,
    register: BTreeMap<u32, bool>,
}

impl Auditor {
    pub(super) fn sent(&mut self, chunk: Chunk, text: &str) {
        self.sent.insert(chunk, text.to_owned());
    }

    /// Reads and checks the events that became durable.
    pub(super) fn read(&mut self, durable: &[Entry], rights: &Rights) -> Result<(), Wrong> {
        let known = self.durable.len();
        let same = durable.len() >= known
            && known.checked_sub(1).is_none_or(|at| durable[at].chain == self.durable[at].chain);
        if !same {
            return wrong("what was durable is not there any more");
        }
        for entry in &durable[known..] {
            self.take(entry, rights)?;
        }
        Ok(())
    }

    fn take(&mut self, entry: &Entry, rights: &Rights) -> Result<(), Wrong> {
        let at = self.durable.len();
        let before = self.durable.last().map_or(Timestamp(0), |last| last.at);
        if entry.sequence != at as u64 || entry.at < before {
            return wrong(format!("event {} at {} is behind event {at}", entry.sequence, entry.at));
        }
        match &entry.event {
            Event::DrawOpened { draw, number, .. } => {
                self.sealed.insert(*draw, (at, number.0));
            }
            Event::BatchAccepted(batch) => {
                let chunk = (batch.draw, batch.agency, batch.chunk.0);
                let text = entry.batch.as_ref().map(|batch| batch.bets.text());
                if text.is_none() || text != self.sent.get(&chunk).map(String::as_str) {
                    return wrong(format!("{chunk:?} is stored as nobody sent it"));
                }
                let draw = self.now.draw(batch.draw);
                let has_finished = draw.agencies.get(&batch.agency.0).is_some_and(|it| it.finished);
                if draw.state != DrawState::Open || has_finished {
                    return wrong(format!("{chunk:?} is stored behind a FINISH or a close"));
                }
                if self.now.register.get(&batch.agency.0) == Some(&false) {
                    return wrong(format!("{chunk:?} is stored of a disabled agency"));
                }
                once(self.batches.insert(chunk, at), || format!("{chunk:?}"))?;
            }
            Event::AgencyFinished { draw, agency } => {
                let known = self.now.draw(*draw).agencies.get(&agency.0);
                if known.is_some_and(|it| it.finished) {
                    return wrong(format!("FINISH of agency {agency} in {draw} is stored twice"));
                }
                self.finishes.entry((*draw, *agency)).or_default().push(at);
            }
            Event::DrawClosed { draw, bets, .. } => {
                if *bets != self.now.draw(*draw).bets {
                    return wrong(format!("draw {draw} is closed with {bets} bets"));
                }
                once(self.closes.insert(*draw, at), || format!("the close of {draw}"))?;
            }
            Event::DrawMade { draw, number, .. } => self.take_made(*draw, *number)?,
            Event::DrawPublished { .. } => {}
            Event::Acted(recorded) => {
                if recorded.by != Actor::Clock {
                    if self.never.contains(&recorded.why) {
                        return wrong(format!("{recorded:?} was refused, and is stored"));
                    }
                    let (credential, asked) = &self.callers[&recorded.why];
                    let is_right = rights.allowed(recorded.operators, credential, entry.at);
                    if recorded.operators < *asked || !is_right {
                        return wrong(format!("{recorded:?} is stored, and its caller may not"));
                    }
                    let before = self.acts.insert(recorded.why.clone(), at);
                    once(before, || format!("{recorded:?}"))?;
                }
                self.take_correction(recorded)?;
            }
        }
        self.now.take(&entry.event);
        self.durable.push(entry.clone());
        Ok(())
    }

    /// Checks acts that mend mistakes, and notes the numbers entered.
    fn take_correction(&mut self, recorded: &RecordedAct) -> Result<(), Wrong> {
        let Some(id) = recorded.act.draw() else { return Ok(()) };
        let entries = self.entries.entry(id).or_default();
        let draw = self.now.draw(id);
        let is_right = match &recorded.act {
            Act::Edit { .. } | Act::Cancel(_) => draw.state == DrawState::Announced,
            Act::Reopen { agency, .. } => {
                let has_finished = draw.agencies.get(&agency.0).is_some_and(|it| it.finished);
                draw.state == DrawState::Open && has_finished
            }
            Act::EnterNumber { number, .. } => {
                entries.push((recorded.by.clone(), *number));
                true
            }
            Act::CorrectNumber { number, .. } => match entries.last_mut() {
                Some((by, entered)) if *by == recorded.by => {
                    *entered = *number;
                    draw.state == DrawState::Closed
                }
                _ => false,
            },
            Act::Void(_) => {
                let is_second = draw.void_by.is_some();
                *self.voided.entry(id).or_default() += usize::from(is_second);
                matches!(draw.state, DrawState::Drawn { .. })
                    && !draw.published
                    && draw.void_by.as_ref() != recorded.by.operator()
            }
            _ => true,
        };
        if is_right { Ok(()) } else { wrong(format!("{recorded:?} is stored: {draw:?}")) }
    }

    fn take_made(&self, draw: DrawId, number: u32) -> Result<(), Wrong> {
        let is_right = match self.sealed.get(&draw) {
            Some((_, sealed)) => *sealed == number,
            None => match self.entries.get(&draw).map(Vec::as_slice) {
                Some([.., (one, first), (other, second)]) => {
                    one != other && (*first, *second) == (number, number)
                }
                _ => false,
            },
        };
        let voided = self.voided.get(&draw).copied().unwrap_or(0);
        if !is_right || self.made(draw) > voided {
            return wrong(format!("draw {draw} was made with {number}: {:?}", self.entries));
        }
        Ok(())
    }

    /// Returns how many results a draw has had.
    fn made(&self, draw: DrawId) -> usize {
        self.durable.iter().filter(|it| is_made(&it.event, draw)).count()
    }

    /// Compares an answer with the events that were durable when it was given.
    pub(super) fn answered(
        &mut self,
        ask: &Ask,
        answer: &Answer,
        rights: &Rights,
    ) -> Result<(), Wrong> {
        let Answer { outcome, durable, .. } = answer;
        match outcome.fault() {
            Some(StoreFault::Failed(why)) if why != engine::conformance::KILLED => {
                return wrong(format!("an engine failed: {why}"));
            }
            // The outcome is unknown: the request may or may not be stored.
            Some(StoreFault::Failed(_)) => return Ok(()),
            Some(_) => {
                if let Ask::Act(recorded, _) = ask {
                    self.never.insert(recorded.why.clone());
                }
                return Ok(());
            }
            None => {}
        }
        let is_right = !outcome.is_not_allowed() || self.lost_rights(ask, rights);
        if is_right && self.is_so(ask, outcome, *durable) {
            return Ok(());
        }
        wrong(format!("{ask:?} was answered {outcome:?}"))
    }

    /// Records who requests an act, and the operators' version in force.
    pub(super) fn asked(&mut self, why: Reason, by: (Credential, u64)) {
        self.callers.insert(why, by);
    }

    /// Returns whether the requester of an act lacked the right to it at some moment since.
    fn lost_rights(&self, ask: &Ask, rights: &Rights) -> bool {
        let Ask::Act(recorded, credential) = ask else { return false };
        let (_, asked) = self.callers[&recorded.why];
        let now = self.durable.last().map_or(Timestamp(0), |last| last.at);
        (asked..=rights.version()).any(|version| !rights.allowed(version, credential, now))
    }

    /// Returns whether an outcome follows from the first `durable` events.
    fn is_so(&mut self, ask: &Ask, outcome: &Outcome, durable: usize) -> bool {
        let is_durable = |at: Option<&usize>| at.is_some_and(|at| *at < durable);
        match (ask, outcome) {
            (Ask::Append(batch), Outcome::Appended(appended)) => {
                let chunk = (batch.draw, batch.agency, batch.chunk.0);
                match appended {
                    Ok(Appended::New) => {
                        self.new.insert(chunk) && is_durable(self.batches.get(&chunk))
                    }
                    Ok(Appended::Repeated) => is_durable(self.batches.get(&chunk)),
                    Err(AppendError::DrawClosed(_)) => is_durable(self.closes.get(&batch.draw)),
                    Err(AppendError::AgencyFinished(_)) => {
                        is_durable(self.first_finish(batch.draw, batch.agency))
                    }
                    Err(AppendError::NoPart(NoPart::AgencyDisabled(agency))) => {
                        self.durable[..durable].iter().any(|it| disables(&it.event, *agency))
                    }
                    Err(_) => false,
                }
            }
            (Ask::Finish(draw, agency), Outcome::Finished(finished)) => match finished {
                Ok(_) => {
                    is_durable(self.first_finish(*draw, *agency))
                        || is_durable(self.closes.get(draw))
                }
                Err(FinishError::NoPart(NoPart::AgencyDisabled(agency))) => {
                    self.durable[..durable].iter().any(|it| disables(&it.event, *agency))
                }
                Err(_) => false,
            },
            (Ask::Act(recorded, _), Outcome::Acted(acted)) => match acted {
                Ok(Acted::Repeated) | Err(_) => {
                    self.never.insert(recorded.why.clone());
                    let is_odd = matches!(acted, Err(ActError::NotTime));
                    !self.acts.contains_key(&recorded.why) && !is_odd
                }
                Ok(_) => is_durable(self.acts.get(&recorded.why)),
            },
            (Ask::Progress(draw, agency, at_least), Outcome::Progress(Ok(progress))) => {
                let is_kept = |chunk: &u32| is_durable(self.batches.get(&(*draw, *agency, *chunk)));
                let kept = (0..).take_while(is_kept).count() as u64;
                (*at_least..=kept).contains(&progress.chunks_stored)
            }
            (Ask::Open(..), Outcome::Opened(Ok(draw))) => {
                is_durable(self.sealed.get(draw).map(|(at, _)| at))
            }
            (Ask::Time, Outcome::Time(Ok(()))) => true,
            _ => false,
        }
    }

    fn first_finish(&self, draw: DrawId, agency: AgencyId) -> Option<&usize> {
        self.finishes.get(&(draw, agency))?.first()
    }

    /// Compares the news and the view of an engine's readers with the durable events.
    pub(super) fn told(&mut self, told: &Told) -> Result<(), Wrong> {
        self.see(told.site, &told.shown, told.durable)?;
        let seen = &mut self.seen[told.site];
        let draw = |draw: &DrawId| match told.shown.draws.get(draw.0 as usize - 1) {
            Some(draw) => Ok(draw),
            None => wrong(format!("draw {draw} was told of, and is not there")),
        };
        match &told.news {
            News::Events => {}
            News::Draw(id) => {
                if draw(id)?.published {
                    seen.published.insert(*id);
                }
            }
            News::Drawn(id) => {
                let is_voided = self.voided.get(id).is_some_and(|times| *times > 0);
                if !matches!(draw(id)?.state, DrawState::Drawn { .. }) && !is_voided {
                    return wrong(format!("draw {id} was told as made, and is not"));
                }
                self.drawn.entry(*id).or_default().push(told.site);
            }
            News::ByTheClock(act) => {
                if !self.by_the_clock.insert(format!("{act:?}")) {
                    return wrong(format!("the clock's {act:?} was told twice"));
                }
            }
            News::Registration(agency) => {
                let Some(enabled) = told.shown.register.get(&agency.0) else {
                    return wrong(format!("agency {agency} was told of, and is not registered"));
                };
                seen.register.insert(agency.0, *enabled);
            }
        }
        Ok(())
    }

    /// Checks that a view of an engine is the result of a prefix of the first `durable` events.
    pub(super) fn see(&mut self, site: usize, shown: &Shown, durable: usize) -> Result<(), Wrong> {
        let seen = &mut self.seen[site];
        while seen.shown != *shown {
            let Some(entry) = self.durable[..durable].get(seen.events) else {
                return wrong(format!("engine {site} shows what is not durable: {shown:?}"));
            };
            seen.shown.take(&entry.event);
            seen.events += 1;
        }
        Ok(())
    }

    /// Records the start of an engine. Its followers are not notified of what it already shows.
    pub(super) fn started(&mut self, site: usize, shown: &Shown) -> Result<(), Wrong> {
        self.seen[site] = Seen::default();
        self.see(site, shown, self.durable.len())?;
        let seen = &mut self.seen[site];
        seen.register.clone_from(&shown.register);
        let draws = (1..).zip(&shown.draws).filter(|(_, draw)| draw.published);
        seen.published = draws.map(|(id, _)| DrawId(id)).collect();
        Ok(())
    }

    /// Records the end of an engine that does not know the outcome of its commit; `readable` is
    /// what can be read in the log.
    pub(super) fn killed(&mut self, readable: &[Entry]) {
        let made = readable.iter().filter_map(|entry| match &entry.event {
            Event::DrawMade { draw, .. } => Some(*draw),
            _ => None,
        });
        let mut times = BTreeMap::new();
        made.for_each(|draw| *times.entry(draw).or_insert(0) += 1);
        let told = |draw: &DrawId| self.drawn.get(draw).map_or(0, Vec::len);
        let untold = times.into_iter().filter(|(draw, made)| told(draw) < *made);
        self.untold.extend(untold.map(|(draw, _)| draw));
    }

    /// Returns the engine that made each draw.
    pub(super) fn drawn(&self) -> impl Iterator<Item = usize> + '_ {
        self.drawn.values().filter_map(|by| by.first().copied())
    }

    /// Returns the state that all durable events result in.
    pub(super) fn now(&self) -> &Shown {
        &self.now
    }

    pub(super) fn durable(&self) -> &[Entry] {
        &self.durable
    }

    /// Compares everything, once the run is quiet.
    pub(super) fn judge(&self) -> Result<(), Wrong> {
        for (site, seen) in self.seen.iter().enumerate() {
            if seen.shown != self.now {
                return wrong(format!("engine {site} shows {:?}, not {:?}", seen.shown, self.now));
            }
            if seen.register != self.now.register {
                return wrong(format!("engine {site} was told of {:?}", seen.register));
            }
        }
        for (id, draw) in (1..).map(DrawId).zip(&self.now.draws) {
            if draw.state == DrawState::Cancelled {
                continue;
            }
            if !draw.published || self.seen.iter().any(|seen| !seen.published.contains(&id)) {
                return wrong(format!("that draw {id} is published was not told to all"));
            }
            let (told, made) = (self.drawn.get(&id).map_or(0, Vec::len), self.made(id));
            if told > made || (told < made && !self.untold.contains(&id)) {
                return wrong(format!("that draw {id} was made was told {told} times"));
            }
        }
        Ok(())
    }
}

fn once(before: Option<usize>, what: impl FnOnce() -> String) -> Result<(), Wrong> {
    match before {
        None => Ok(()),
        Some(at) => wrong(format!("{} is stored twice, first as event {at}", what())),
    }
}

fn is_made(event: &Event, of: DrawId) -> bool {
    matches!(event, Event::DrawMade { draw, .. } if *draw == of)
}

fn disables(event: &Event, agency: AgencyId) -> bool {
    let Event::Acted(recorded) = event else { return false };
    matches!(&recorded.act, Act::Register(it) if it.agency == agency && !it.enabled)
}
