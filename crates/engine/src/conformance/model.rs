//! Random histories compared with a naive model.
//!
//! The model searches a list of batches. It deliberately shares no code with
//! [`Draws`](lottery::Draws).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use super::fixture::{
    AT, DrawSnapshot, OwnedBatch, Rng, Snapshot, batch, prefix_digest, recorded, recount, seeds,
    terms,
};
use super::pending::{Pending, submit};
use super::subject::Subject;
use lottery::AgencyId;
use lottery::AgencyProgress;
use lottery::Bets;
use lottery::NumberRange;
use lottery::{Act, ActError, Acted, Actor, Label, Reason, Schedule, always_allowed};
use lottery::{
    AppendError, Appended, Batch, ChunkId, FinishError, Finished, NoPart, NotInDraw, OpenDrawError,
    ReadError,
};
use lottery::{Closing, HistoryEntry, HistoryStep, Lifecycle};
use lottery::{DrawId, DrawState, DrawStatus, DrawTerms, SetDigest};
use sha2::{Digest as _, Sha256};

const BURSTS: u32 = 80;
const BURST_MAX: u32 = 24;
const DRAWS: u32 = 3;

pub fn random_histories_agree_with_a_naive_model(subject: &mut dyn Subject) {
    let mut model = Model::default();
    for seed in seeds() {
        let mut rng = Rng::with_seed(seed);
        for burst in 0..BURSTS {
            let requests = 1 + rng.below(BURST_MAX);
            let checks: Vec<_> =
                (0..requests).map(|_| request(&mut rng, seed, subject, &mut model)).collect();
            checks.into_iter().for_each(|check| check());
            if rng.percent(15) {
                subject.reopen();
            }
            if rng.percent(30) {
                let (shown, expected) = (subject.snapshot(), model.snapshot());
                assert_eq!(shown, expected, "seed {seed}, after burst {burst}");
            }
        }
        let of_seed = model.draws.iter().rev().take(DRAWS as usize);
        let won = of_seed.filter(|draw| draw.snapshot().winners.is_ok_and(|it| !it.is_empty()));
        assert!(won.count() > 0, "no draw of seed {seed} has winners: it checks too little");
    }
    subject.reopen();
    assert_eq!(subject.snapshot(), model.snapshot());
}

/// Sends one random request; returns the check of its answer.
fn request(
    rng: &mut Rng,
    seed: u64,
    subject: &dyn Subject,
    model: &mut Model,
) -> Box<dyn FnOnce()> {
    let opened_before = u32::try_from(model.draws.len()).expect("few draws");
    let oldest_of_seed = opened_before.saturating_sub(DRAWS) + 1;
    let draw = DrawId(match rng.below(20) {
        0 => rng.below(opened_before + 3),
        _ => oldest_of_seed + rng.below(DRAWS),
    });
    let agency = AgencyId(rng.pick(&[1, 1, 1, 2, 2, 2, 3, 3, 4, 0]));
    let engine = subject.engine();
    match rng.below(100) {
        0..10 => {
            let (terms, number) = random_terms(rng, seed);
            let expected = model.open(&terms, number);
            expect(seed, subject.submit_open(&terms, number), expected)
        }
        10..13 => {
            let pending = submit(|done| engine.finish(draw, agency, done));
            expect(seed, pending, model.finish(draw, agency))
        }
        13..14 if rng.percent(50) => {
            let close = recorded("ana", "corte de luz", Act::Close(draw));
            let pending = submit(|done| engine.act(close, always_allowed(), done));
            expect(seed, pending, model.close(draw))
        }
        _ => {
            let batch = random_batch(rng, seed, draw, agency);
            let expected = model.append(&batch);
            expect(seed, submit(|done| engine.append(batch, done)), expected)
        }
    }
}

fn expect<T: Debug + PartialEq + 'static>(
    seed: u64,
    pending: Pending<T>,
    expected: T,
) -> Box<dyn FnOnce()> {
    Box::new(move || assert_eq!(pending.answer(), expected, "seed {seed}"))
}

fn random_terms(rng: &mut Rng, seed: u64) -> (DrawTerms, u32) {
    let at = rng.below(DRAWS);
    // One in five has other terms, one in ten another number.
    let (agencies, numbers) = if rng.percent(80) { (1 + at, 99) } else { (2, 9_999) };
    let number = if rng.percent(10) { 99 + rng.below(3) } else { at };
    let numbers = NumberRange::new(0, numbers).unwrap();
    (DrawTerms { numbers, ..terms(&format!("sorteo {at} of {seed}"), agencies) }, number)
}

/// Content depends on the chunk, so that most repeats are equal.
fn random_batch(rng: &mut Rng, seed: u64, draw: DrawId, agency: AgencyId) -> Batch {
    let chunk = match rng.below(20) {
        0 => u32::MAX - rng.below(2),
        _ => rng.below(30),
    };
    let variant = u64::from(rng.percent(15));
    let mut content = Rng::with_seed((seed << 32) ^ (u64::from(chunk) << 1) ^ variant);
    let numbers = if content.percent(5) { 200 } else { 20 };
    let count = content.below(8);
    batch(draw, agency.0, chunk, content.bets(count, numbers))
}

#[derive(Default)]
struct Model {
    draws: Vec<ModelDraw>,
}

struct ModelDraw {
    terms: DrawTerms,
    number: u32,
    /// The number of events before its opening.
    opened_in: u64,
    state: DrawState,
    finished: BTreeSet<AgencyId>,
    /// `None`: by the last agency.
    closed_by: Option<Actor>,
    batches: Vec<Batch>,
}

impl Model {
    fn open(&mut self, terms: &DrawTerms, number: u32) -> Result<DrawId, OpenDrawError> {
        let range = terms.numbers;
        if number > range.max() {
            return Err(OpenDrawError::NumberRange { number, range });
        }
        for (draw, id) in self.draws.iter().zip(1..) {
            if draw.terms.name != terms.name {
                continue;
            }
            if draw.terms != *terms {
                return Err(OpenDrawError::OtherTerms(Box::new(draw.terms.clone())));
            }
            if draw.number != number && draw.state == DrawState::Open {
                return Err(OpenDrawError::OtherNumber(terms.name.clone()));
            }
            return Ok(DrawId(id));
        }
        self.draws.push(ModelDraw {
            terms: terms.clone(),
            number,
            opened_in: self.draws.iter().map(ModelDraw::events).sum(),
            state: DrawState::Open,
            finished: BTreeSet::new(),
            closed_by: None,
            batches: Vec::new(),
        });
        Ok(DrawId(u32::try_from(self.draws.len()).unwrap()))
    }

    fn draw_of(&mut self, id: DrawId, agency: AgencyId) -> Result<&mut ModelDraw, NoPart> {
        let draw = self.get(id).ok_or(NotInDraw::UnknownDraw(id))?;
        draw.terms.agencies.must_have(agency)?;
        Ok(draw)
    }

    fn append(&mut self, batch: &Batch) -> Result<Appended, AppendError> {
        let draw = self.draw_of(batch.draw, batch.agency)?;
        if let Some(stored) = draw.stored(batch.agency, batch.chunk) {
            let same = stored.bets.text() == batch.bets.text();
            let conflict = Err(AppendError::ChunkConflict(batch.chunk));
            return if same { Ok(Appended::Repeated) } else { conflict };
        }
        if draw.state != DrawState::Open {
            return Err(AppendError::DrawClosed(Some(AT)));
        }
        if draw.finished.contains(&batch.agency) {
            return Err(AppendError::AgencyFinished(batch.agency));
        }
        let betted = OwnedBatch::read(&batch.stored()).documents_and_numbers();
        if betted.iter().any(|(_, number)| *number > draw.terms.numbers.max()) {
            return Err(AppendError::NumberRange(draw.terms.numbers));
        }
        draw.batches.push(batch.clone());
        Ok(Appended::New)
    }

    fn finish(&mut self, id: DrawId, agency: AgencyId) -> Result<Finished, FinishError> {
        let draw = self.draw_of(id, agency)?;
        let repeated = draw.state != DrawState::Open || !draw.finished.insert(agency);
        let agencies_finished = draw.finished.len() as u64;
        let all = agencies_finished == draw.terms.agencies.count();
        if all {
            draw.state = DrawState::Drawn { number: draw.number };
        }
        Ok(Finished { repeated, agencies_finished, all })
    }

    fn close(&mut self, id: DrawId) -> Result<Acted, ActError> {
        let draw = self.get(id).ok_or(ActError::UnknownDraw(id))?;
        if draw.state != DrawState::Open {
            return Ok(Acted::Repeated);
        }
        draw.closed_by = Some(Actor::Operator(Label::new("ana").unwrap()));
        draw.state = DrawState::Drawn { number: draw.number };
        Ok(Acted::Done)
    }

    fn snapshot(&self) -> Snapshot {
        let statuses = self.draws.iter().zip(1..).map(|(draw, id)| DrawStatus {
            id: DrawId(id),
            terms: draw.terms.clone(),
            state: draw.state,
            agencies_finished: draw.finished.len() as u64,
            batches: draw.batches.len() as u64,
            bets: draw.batches.iter().map(|batch| u64::from(batch.bets.count())).sum(),
            life: draw.life(),
        });
        Snapshot {
            statuses: statuses.collect(),
            draws: self.draws.iter().map(ModelDraw::snapshot).collect(),
        }
    }

    fn get(&mut self, id: DrawId) -> Option<&mut ModelDraw> {
        self.draws.iter_mut().zip(1..).find(|(_, at)| *at == id.0).map(|(draw, _)| draw)
    }
}

impl ModelDraw {
    /// The number of its events: its opening, batches, finishes, and, once it is over, its close,
    /// result and publication, with the act of who closed it.
    fn events(&self) -> u64 {
        let end = if self.state == DrawState::Open { 0 } else { 3 };
        let acts = usize::from(self.closed_by.is_some());
        (1 + self.batches.len() + self.finished.len() + end + acts) as u64
    }

    fn life(&self) -> Lifecycle {
        let drawn_at = Some(AT).filter(|_| self.state != DrawState::Open);
        let why = if self.closed_by.is_some() { "corte de luz" } else { "" };
        let closing =
            |at| Closing { at, by: self.closed_by.clone(), why: Reason::new(why).unwrap() };
        let closed = |by: &Actor| HistoryEntry {
            at: AT,
            by: by.clone(),
            why: Reason::new(why).unwrap(),
            step: HistoryStep::Closed,
            number: None,
        };
        Lifecycle {
            automatic: true,
            schedule: Schedule::default(),
            announced_at: AT,
            announced_in: self.opened_in,
            opened_at: Some(AT),
            closed: drawn_at.map(closing),
            set: drawn_at.map(|_| self.set()),
            entered_by: None,
            attempt: u32::from(drawn_at.is_some()),
            drawn_at,
            void_by: None,
            published_at: drawn_at,
            history: Arc::new(self.closed_by.iter().map(closed).collect()),
        }
    }

    /// Returns the digest of the set of bets, by its definition in docs/reference/ledger.md.
    fn set(&self) -> SetDigest {
        let mut bytes = Vec::new();
        for agency in self.terms.agencies.iter() {
            let batches = self.batches.iter().filter(|batch| batch.agency == agency);
            let by_chunk: BTreeMap<u32, &str> =
                batches.map(|batch| (batch.chunk.0, batch.bets.text())).collect();
            if by_chunk.is_empty() {
                continue;
            }
            let prefix: Vec<_> = (0..).map_while(|chunk| by_chunk.get(&chunk).copied()).collect();
            let next = u32::try_from(prefix.len()).unwrap();
            let ahead = by_chunk.range(next..);
            bytes.extend(agency.0.to_le_bytes());
            bytes.extend(next.to_le_bytes());
            bytes.extend(prefix_digest(prefix).0);
            bytes.extend(u32::try_from(ahead.clone().count()).unwrap().to_le_bytes());
            for (chunk, text) in ahead {
                bytes.extend(chunk.to_le_bytes());
                bytes.extend(Sha256::digest(text));
            }
        }
        SetDigest(Sha256::digest(bytes).into())
    }

    fn stored(&self, agency: AgencyId, chunk: ChunkId) -> Option<&Batch> {
        self.batches.iter().find(|batch| (batch.agency, batch.chunk) == (agency, chunk))
    }

    fn snapshot(&self) -> DrawSnapshot {
        let batches = OwnedBatch::all(&self.batches);
        DrawSnapshot {
            progress: self.terms.agencies.iter().map(|agency| self.progress(agency)).collect(),
            winners: match self.state {
                DrawState::Drawn { number } => Ok(recount(&batches, number)),
                DrawState::Announced
                | DrawState::Open
                | DrawState::Closed
                | DrawState::Cancelled => Err(ReadError::NotDrawn),
            },
            batches,
        }
    }

    fn progress(&self, agency: AgencyId) -> AgencyProgress {
        let chunks = (0..).map_while(|chunk| self.stored(agency, ChunkId(chunk)));
        let prefix: Vec<&Bets> = chunks.map(|batch| &batch.bets).collect();
        AgencyProgress {
            chunks_stored: prefix.len() as u64,
            bets_stored: prefix.iter().map(|bets| u64::from(bets.count())).sum(),
            prefix_digest: prefix_digest(prefix.iter().map(|bets| bets.text())),
            finished: self.finished.contains(&agency),
            state: self.state,
        }
    }
}
