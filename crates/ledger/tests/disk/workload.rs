//! A short workload on a ledger, and checks of what it must hold afterwards.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

use engine::conformance::{TestClock, wait};
use engine::{Engine, LedgerId};
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Fault, Ledger, Options, Report};

use lottery::{
    AgencyId, AppendError, Appended, Batch, Bets, ChunkId, DrawId, DrawState, NumberRange,
    SealedNumber, Timestamp,
};

use crate::support::terms;

/// Segments so short that a short run fills several.
pub(crate) const OPTIONS: Options =
    Options { id: LedgerId([7; 16]), segment_len: 96 << 10, spares: 1 };
pub(crate) const DRAW: DrawId = DrawId(1);
pub(crate) const WINNING_NUMBER: u32 = 7;
const NUMBER: SealedNumber = SealedNumber(WINNING_NUMBER);
const AT: Timestamp = Timestamp(1_700_000_000_000);
const CHUNKS: u32 = 12;
const BETS: u32 = 150;

/// The answers that a run received.
#[derive(Default)]
pub(crate) struct Run {
    /// Texts of the acknowledged batches, by agency and chunk.
    pub(crate) acknowledged: BTreeMap<(u32, u32), String>,
    pub(crate) finished: Vec<u32>,
    pub(crate) drawn: bool,
    /// Whether nothing was refused.
    pub(crate) complete: bool,
}

/// An engine over a ledger, with the ledger's recovery report.
pub(crate) struct Opened {
    engine: Engine,
    report: Report,
}

impl Opened {
    pub(crate) fn report(&self) -> Report {
        self.report
    }
}

impl Deref for Opened {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

/// Opens the ledger on a disk.
pub(crate) fn open(disk: &SimulatedDisk) -> Opened {
    try_open(disk, OPTIONS).unwrap()
}

pub(crate) fn try_open(disk: &SimulatedDisk, options: Options) -> Result<Opened, Fault> {
    try_open_at(disk, options, Arc::new(TestClock::at(AT)))
}

pub(crate) fn try_open_at(
    disk: &SimulatedDisk,
    options: Options,
    clock: Arc<TestClock>,
) -> Result<Opened, Fault> {
    let ledger = Ledger::open_on(Arc::new(disk.clone()), options)?;
    let report = ledger.report();
    Ok(Opened { engine: Engine::start(Box::new(ledger), clock).unwrap(), report })
}

/// Opens the draw of agencies 1 to 3.
pub(crate) fn begin(ledger: &Opened) -> Run {
    wait(|done| ledger.open_draw(terms("sorteo", 3), NUMBER, done)).unwrap();
    Run { complete: true, ..Run::default() }
}

/// Runs the whole workload: batches of three agencies at a time, then the draw. Stops when the
/// ledger refuses.
pub(crate) fn play(ledger: &Opened, seed: u64) -> Run {
    let mut run = Run::default();
    if wait(|done| ledger.open_draw(terms("sorteo", 3), NUMBER, done)).is_err() {
        return run;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    run.complete = true;
    for chunk in 0..CHUNKS {
        append_to_all(ledger, &mut run, chunk, &mut random);
    }
    for agency in 1..=3 {
        if run.complete {
            run.complete = wait(|done| ledger.finish(DRAW, AgencyId(agency), done)).is_ok();
            run.finished.extend(run.complete.then_some(agency));
        }
    }
    run.drawn = run.complete;
    run
}

/// Appends a batch of each agency, all at once, so that some share a group.
fn append_to_all(ledger: &Opened, run: &mut Run, chunk: u32, random: &mut fastrand::Rng) {
    let (sender, receiver) = std::sync::mpsc::channel();
    for agency in 1..=3 {
        let batch = batch(agency, chunk, BETS + random.u32(..BETS));
        let (text, sender) = (batch.bets.text().to_owned(), sender.clone());
        let done = move |outcome: Result<Appended, AppendError>| {
            sender.send((agency, text, outcome)).unwrap();
        };
        ledger.append(batch, done);
    }
    drop(sender);
    for (agency, text, outcome) in receiver {
        match outcome {
            Ok(_) => drop(run.acknowledged.insert((agency, chunk), text)),
            Err(AppendError::Store(_)) => run.complete = false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Appends one batch and records the outcome.
pub(crate) fn append(
    ledger: &Opened,
    run: &mut Run,
    agency: u32,
    chunk: u32,
    bets: u32,
) -> Result<Appended, AppendError> {
    let batch = batch(agency, chunk, bets);
    let text = batch.bets.text().to_owned();
    let outcome = wait(|done| ledger.append(batch, done));
    if outcome.is_ok() {
        run.acknowledged.insert((agency, chunk), text);
    }
    outcome
}

/// Checks that the ledger holds every acknowledged batch once, no batch that was never sent, and
/// all else that was acknowledged.
pub(crate) fn check_contents(ledger: &Opened, run: &Run, what: &str) {
    let mut found = BTreeMap::new();
    let Some(status) = ledger.view().draw(DRAW) else {
        assert!(run.acknowledged.is_empty() && run.finished.is_empty(), "{what}");
        return;
    };
    ledger
        .scan(DRAW, &mut |batch| {
            let key = (batch.agency.0, batch.chunk.0);
            let twice = found.insert(key, batch.text.to_owned());
            assert_eq!(twice, None, "{what}: {key:?} is stored twice");
            ControlFlow::Continue(())
        })
        .unwrap();
    for (key, text) in &run.acknowledged {
        assert_eq!(found.get(key), Some(text), "{what}: {key:?} was acknowledged");
    }
    for (key, text) in &found {
        // Unanswered batches may be stored; batches never sent may not.
        assert_eq!(*text, batch(key.0, key.1, count(text)).bets.text(), "{what}: {key:?}");
    }
    assert_eq!(status.batches, found.len() as u64, "{what}");
    assert!(status.agencies_finished >= run.finished.len() as u64, "{what}");
    for agency in &run.finished {
        let progress = wait(|done| ledger.progress(DRAW, AgencyId(*agency), done)).unwrap();
        assert!(progress.finished, "{what}");
    }
    if run.drawn {
        assert_eq!(status.state, DrawState::Drawn { number: WINNING_NUMBER }, "{what}");
        check_winners(ledger, &found, what);
    }
}

fn check_winners(ledger: &Opened, batches: &BTreeMap<(u32, u32), String>, what: &str) {
    let winners = ledger.winners(DRAW).unwrap();
    let ending = format!("|{WINNING_NUMBER}");
    for agency in 1..=3 {
        let of_agency = batches.range((agency, 0)..=(agency, u32::MAX));
        let bets = of_agency.flat_map(|(_, text)| text.split('&'));
        let expected = bets.filter(|bet| bet.ends_with(&ending));
        let mut expected: Vec<_> = expected.map(|bet| bet.split('|').nth(2).unwrap()).collect();
        let documents = winners.of(AgencyId(agency));
        let mut found: Vec<_> = documents.iter().flat_map(|documents| documents.iter()).collect();
        // Chunks may have been stored in another order than that of their ids.
        expected.sort_unstable();
        found.sort_unstable();
        assert!(!expected.is_empty(), "the workload has winners");
        assert_eq!(found, expected, "{what}: winners of agency {agency}");
    }
}

/// Returns a batch that depends only on the arguments.
pub(crate) fn batch(agency: u32, chunk: u32, bets: u32) -> Batch {
    let bet = |bet: u32| {
        let number = (agency * 31 + chunk * 7 + bet) % 50;
        format!("Ana{bet}|Díaz|{agency}{chunk:03}{bet:03}|1990-01-02|{number}")
    };
    let text = (0..bets).map(bet).collect::<Vec<_>>().join("&");
    let bets = Bets::parse(&text, NumberRange::default()).unwrap();
    Batch { draw: DRAW, agency: AgencyId(agency), chunk: ChunkId(chunk), bets }
}

fn count(text: &str) -> u32 {
    u32::try_from(text.split('&').count()).unwrap()
}
