//! The clients of the shared run: agencies that switch between the engines, and operators.

use std::collections::BTreeSet;

use fastrand::Rng;
use lottery::{
    Act, Acted, Agencies, AgencyId, AppendError, Appended, Batch, Bets, ChunkId, DrawId, DrawName,
    DrawState, DrawStatus, DrawTerms, Label, NumberRange, Reason, RecordedAct, Registration,
    Schedule, SealedNumber, Timestamp,
};

use super::rights::OPERATORS;
use super::shown::Shown;
use super::site::{Ask, Outcome};
use super::world::World;
use crate::limits::{
    SHARED_AGENCIES, SHARED_CHUNKS, SHARED_CLOSES_AFTER_MS, SHARED_DRAWS, SHARED_OPENS_AFTER_MS,
};
use crate::setting::pick;

/// The number usually entered, and the sealed number of automatic draws.
const NUMBER: u32 = 7;

/// An agency in one draw.
pub(super) struct Agency {
    name: String,
    agency: AgencyId,
    /// The bets of each chunk.
    chunks: Vec<Bets>,
    /// The engine that it uses.
    site: usize,
    draw: Option<DrawId>,
    acknowledged: BTreeSet<u32>,
    finished: bool,
    /// Whether the draw was closed without all of its bets.
    is_late: bool,
}

/// All operators and their plans.
pub(super) struct Operators {
    plans: Vec<Plan>,
    agencies: Agencies,
}

/// A planned draw.
struct Plan {
    name: String,
    automatic: bool,
    opens_after_ms: Option<u64>,
    closes_after_ms: Option<u64>,
}

impl Agency {
    /// Returns an agency for each draw and each registered agency.
    pub(super) fn all(rng: &mut Rng, operators: &Operators) -> Vec<Self> {
        let mut all = Vec::new();
        for plan in &operators.plans {
            for agency in operators.agencies.iter() {
                let chunks = (0..rng.u32(SHARED_CHUNKS)).map(|_| bets(rng));
                all.push(Self {
                    name: plan.name.clone(),
                    agency,
                    chunks: chunks.collect(),
                    site: rng.usize(..2),
                    draw: None,
                    acknowledged: BTreeSet::new(),
                    finished: false,
                    is_late: false,
                });
            }
        }
        all
    }

    pub(super) fn is_done(&self) -> bool {
        self.finished || self.is_late
    }

    /// Returns whether FINISH is next.
    fn is_ready(&self) -> bool {
        !self.is_done() && self.acknowledged.len() == self.chunks.len()
    }

    /// Returns how many chunks from the first on are acknowledged without a gap.
    fn known(&self) -> u64 {
        (0..).take_while(|chunk| self.acknowledged.contains(chunk)).count() as u64
    }

    pub(super) fn step(&mut self, world: &mut World) {
        if self.is_done() {
            return;
        }
        if world.rng.u8(..12) == 0 {
            self.site = 1 - self.site;
            world.events.hops += 1;
            if let Some(draw) = self.draw {
                world.ask(self.site, Ask::Progress(draw, self.agency, self.known()));
            }
        }
        if world.rng.u8(..3) > 0 {
            return;
        }
        let Some(site) = &world.sites[self.site] else { return };
        let found = site.view().draw_named(&self.name);
        let Some(found) = found.filter(|draw| draw.state != DrawState::Announced) else { return };
        self.draw = Some(found.id);
        let ask = self.next(found.id, &mut world.rng);
        let is_batch = matches!(ask, Ask::Append(_));
        if world.rng.u8(..3) == 0 {
            world.events.doubles += u64::from(is_batch);
            world.ask_both([ask.clone(), ask]);
        } else {
            world.ask(self.site, ask);
        }
    }

    /// Returns the next request: an unacknowledged chunk, perhaps a repeat, or FINISH.
    fn next(&self, draw: DrawId, rng: &mut Rng) -> Ask {
        let left = (0..).zip(&self.chunks).filter(|(at, _)| !self.acknowledged.contains(at));
        let left: Vec<_> = left.collect();
        if left.is_empty() {
            return Ask::Finish(draw, self.agency);
        }
        let (chunk, bets) = *pick(rng, &left);
        let (chunk, bets) = (ChunkId(chunk), bets.clone());
        Ask::Append(Batch { draw, agency: self.agency, chunk, bets })
    }

    pub(super) fn answered(&mut self, ask: &Ask, outcome: &Outcome) {
        match (ask, outcome) {
            (Ask::Append(batch), Outcome::Appended(appended))
                if (Some(batch.draw), batch.agency) == (self.draw, self.agency) =>
            {
                match appended {
                    Ok(Appended::New | Appended::Repeated) => {
                        self.acknowledged.insert(batch.chunk.0);
                    }
                    Err(AppendError::DrawClosed(_)) => self.is_late = true,
                    Err(_) => {}
                }
            }
            (Ask::Finish(draw, agency), Outcome::Finished(Ok(_)))
                if (Some(*draw), *agency) == (self.draw, self.agency) =>
            {
                self.finished = true;
            }
            (Ask::Act(recorded, _), Outcome::Acted(Ok(Acted::Done))) => match recorded.act {
                Act::Reopen { draw, agency }
                    if (Some(draw), agency) == (self.draw, self.agency) =>
                {
                    self.finished = false;
                }
                _ => {}
            },
            _ => {}
        }
    }
}

impl Operators {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let agencies = Agencies::first(rng.u32(SHARED_AGENCIES)).expect("there are some");
        let plans = (0..rng.usize(SHARED_DRAWS)).map(|at| Plan {
            name: format!("sorteo {at}"),
            automatic: rng.u8(..3) == 0,
            opens_after_ms: rng.bool().then(|| rng.u64(SHARED_OPENS_AFTER_MS)),
            closes_after_ms: rng.bool().then(|| rng.u64(SHARED_CLOSES_AFTER_MS)),
        });
        let plans = plans.collect();
        Self { plans, agencies }
    }

    /// Returns whether every draw is published and every agency is enabled.
    pub(super) fn are_done(&self, now: &Shown) -> bool {
        let published = now.draws.iter().filter(|draw| draw.published).count();
        published == self.plans.len() && now.register.values().all(|enabled| *enabled)
    }

    pub(super) fn step(&self, world: &mut World, agencies: &[Agency]) {
        self.keep_register(world, agencies);
        for at in 0..self.plans.len() {
            if world.rng.u8(..5) > 0 {
                continue;
            }
            let site = world.rng.usize(..2);
            let Some(asked) = &world.sites[site] else { continue };
            match asked.view().draw_named(&self.plans[at].name) {
                None => self.begin(&self.plans[at], site, world),
                Some(draw) if draw.life.automatic => {}
                Some(draw) => lead(&draw, site, world, agencies),
            }
        }
    }

    fn begin(&self, plan: &Plan, site: usize, world: &mut World) {
        let name = DrawName::new(&plan.name).expect("it is short");
        let agencies = self.agencies.clone();
        let terms = DrawTerms { name, agencies, numbers: NumberRange::default() };
        if plan.automatic {
            let ask = Ask::Open(terms, SealedNumber(NUMBER));
            return either_or_both(site, world, |_| ask.clone());
        }
        let now = world.clock(site);
        let after = |ms: Option<u64>| ms.map(|ms| Timestamp(now.0 + ms));
        let opens_at = after(plan.opens_after_ms);
        let schedule = Schedule { opens_at, closes_at: after(plan.closes_after_ms) };
        let announce = Act::Announce { terms, schedule };
        either_or_both(site, world, |world| act(world, "ana", announce.clone()));
    }

    /// Disables agencies and enables them again, both while their bets arrive.
    fn keep_register(&self, world: &mut World, agencies: &[Agency]) {
        let agency = *pick(&mut world.rng, agencies_of(&self.agencies).as_slice());
        let now = world.auditor.now().register.get(&agency.0).copied();
        let enabled = match now {
            Some(false) if world.is_faulty => world.rng.u8(..8) == 0,
            Some(false) => true,
            _ => !world.strikes(25),
        };
        if now.unwrap_or(true) == enabled {
            return;
        }
        let name = Label::new(format!("agencia {agency}")).expect("it is short");
        let registration = Registration { agency, place: name.clone(), name, enabled };
        let register = act(world, "ana", Act::Register(registration));
        against(register, world, agencies, |it| it.agency == agency);
    }
}

/// Performs the next step of a draw led by operators.
fn lead(draw: &DrawStatus, site: usize, world: &mut World, agencies: &[Agency]) {
    let id = draw.id;
    match draw.state {
        DrawState::Announced if draw.life.is_expired(world.clock(site)) => {
            let close = act(world, "ana", Act::Close(id));
            world.ask(site, close);
        }
        DrawState::Announced if world.strikes(8) => {
            let schedule = Schedule { opens_at: None, ..draw.life.schedule };
            let edit = Act::Edit { draw: id, terms: draw.terms.clone(), schedule };
            let mend = if world.rng.bool() { edit } else { Act::Cancel(id) };
            either_or_both(site, world, |world| act(world, "ana", mend.clone()));
        }
        DrawState::Announced => {
            either_or_both(site, world, |world| act(world, "eva", Act::Open(id)));
        }
        DrawState::Open if draw.agencies_finished > 0 && world.strikes(8) => {
            let agency = *pick(&mut world.rng, &agencies_of(&draw.terms.agencies));
            let reopen = Act::Reopen { draw: id, agency };
            either_or_both(site, world, |world| act(world, "leo", reopen.clone()));
        }
        DrawState::Open => {
            let all_finished = draw.agencies_finished == draw.terms.agencies.count();
            let finishes_now = agencies.iter().any(|it| it.draw == Some(id) && it.is_ready());
            let chance = if finishes_now { 3 } else { 12 };
            if !all_finished && world.rng.u8(..chance) > 0 {
                return;
            }
            if world.rng.u8(..4) == 0 {
                return either_or_both(site, world, |world| act(world, "leo", Act::Close(id)));
            }
            let close = act(world, "leo", Act::Close(id));
            against(close, world, agencies, |it| it.draw == Some(id));
        }
        DrawState::Closed => either_or_both(site, world, |world| {
            let number = if world.rng.u8(..6) == 0 { NUMBER + 1 } else { NUMBER };
            let by = *pick(&mut world.rng, &OPERATORS);
            let corrects = draw.life.entered_by.is_some() && world.rng.u8(..3) == 0;
            let correct = Act::CorrectNumber { draw: id, number };
            let enter = Act::EnterNumber { draw: id, number };
            act(world, by, if corrects { correct } else { enter })
        }),
        DrawState::Drawn { .. } if draw.life.published_at.is_none() && world.strikes(3) => {
            either_or_both(site, world, |world| {
                let by = *pick(&mut world.rng, &OPERATORS);
                act(world, by, Act::Void(id))
            });
        }
        DrawState::Drawn { .. } if draw.life.published_at.is_none() => {
            either_or_both(site, world, |world| act(world, "ana", Act::Publish(id)));
        }
        DrawState::Drawn { .. } | DrawState::Cancelled => {}
    }
}

/// Returns an act with a unique reason.
fn act(world: &mut World, by: &str, act: Act) -> Ask {
    world.acts += 1;
    let (by, credential) = world.rights.credential(&mut world.rng, by);
    let why = Reason::new(&format!("act {}", world.acts)).expect("it is short");
    Ask::Act(RecordedAct::new(by, why, act), credential)
}

fn either_or_both(site: usize, world: &mut World, ask: impl Fn(&mut World) -> Ask) {
    if world.rng.u8(..3) > 0 {
        let ask = ask(world);
        world.ask(site, ask);
        return;
    }
    let asks = [ask(world), ask(world)];
    world.ask_both(asks);
}

/// Requests an act at one engine while an agency makes a request at the other.
fn against(act: Ask, world: &mut World, agencies: &[Agency], is_about: impl Fn(&Agency) -> bool) {
    let betting = agencies.iter().filter(|it| !it.is_done() && is_about(it));
    let mut betting: Vec<_> = betting.filter_map(|it| it.draw.map(|draw| (it, draw))).collect();
    if betting.iter().any(|(it, _)| it.is_ready()) && world.rng.bool() {
        betting.retain(|(it, _)| it.is_ready());
    }
    let site = world.rng.usize(..2);
    if betting.is_empty() {
        world.ask(site, act);
        return;
    }
    let (agency, draw) = *pick(&mut world.rng, &betting);
    let bets = agency.next(draw, &mut world.rng);
    world.ask_both(if site == 0 { [act, bets] } else { [bets, act] });
}

fn agencies_of(agencies: &Agencies) -> Vec<AgencyId> {
    agencies.iter().collect()
}

fn bets(rng: &mut Rng) -> Bets {
    let bet = |rng: &mut Rng| {
        let (document, number) = (rng.u32(1..=99_999_999), rng.u32(0..=9));
        format!("Santiago|Lorca|{document}|1999-03-17|{number}")
    };
    let texts: Vec<_> = (0..rng.usize(1..=3)).map(|_| bet(rng)).collect();
    Bets::parse(&texts.join("&"), NumberRange::default()).expect("they are sound")
}
