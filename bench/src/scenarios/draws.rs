//! Ledgers that keep draws made before the current one, written by the engine itself.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use anyhow::ensure;
use engine::{Clock, Engine, LedgerId};
use lottery::{
    Agencies, AgencyId, Batch, Bets, ChunkId, DrawId, DrawName, DrawStatus, DrawTerms, NumberRange,
    SealedNumber, Timestamp,
};

use super::ledgers::{self, Ledger};
use super::{AGENCIES, Scenario};
use crate::batches::Batches;
use crate::figures::Group;
use crate::interruption;
use crate::setting::Setting;

/// Draws that are asked for before the answers are waited for.
const DRAWS_AT_ONCE: usize = 100;
/// The only batch of each agency in a past draw.
const CHUNK: ChunkId = ChunkId(0);
const NUMBER: SealedNumber = SealedNumber(7);

/// When the past draws were made.
struct LongAgo;

impl Clock for LongAgo {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }
}

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Group> {
    let sizes = setting.options.ledger_draws.iter();
    let ledgers = sizes.map(|&draws| filled(setting, draws)).collect::<anyhow::Result<_>>()?;
    ledgers::measure(setting, Scenario::Draws, ledgers)
}

/// A ledger of so many draws that were made, each with a batch of every agency.
fn filled(setting: &Setting, draws: u32) -> anyhow::Result<Ledger<'_>> {
    let mut ledger = Ledger::empty(setting, draws.into(), format!("draws kept: {draws}"));
    let options = ledger::Options::new(LedgerId([7; 16]));
    let log = Box::new(ledger::Ledger::open(&ledger.data, options)?);
    let engine = Engine::start(log, Arc::new(LongAgo))?;
    let numbers: Vec<_> = (1..=draws).collect();
    for numbers in numbers.chunks(DRAWS_AT_ONCE) {
        interruption::check()?;
        let (answers, answered) = mpsc::channel();
        for &number in numbers {
            ledger.bets += make(&engine, number, &setting.typical, &answers)?;
        }
        drop(answers);
        answered.iter().collect::<anyhow::Result<()>>()?;
    }
    let made = engine.view().find_draws(DrawStatus::is_published).len();
    ensure!(made == numbers.len(), "{made} draws of {draws} were made");
    Ok(ledger)
}

/// Asks for all of the draw of this number, which the last FINISH makes; gives how many bets it has.
fn make(
    engine: &Engine,
    number: u32,
    batches: &Batches,
    answers: &Sender<anyhow::Result<()>>,
) -> anyhow::Result<u64> {
    let (draw, numbers) = (DrawId(number), NumberRange::default());
    let name = DrawName::new(format!("past-{number}"))?;
    let terms = DrawTerms { name, agencies: Agencies::first(AGENCIES)?, numbers };
    engine.open_draw(terms, NUMBER, told(answers));
    let mut sent = 0;
    for agency in 1..=AGENCIES {
        let batch = batches.of(agency, number);
        let bets = Bets::parse(&batch.text, numbers)?;
        let agency = AgencyId(agency);
        engine.append(Batch { draw, agency, chunk: CHUNK, bets }, told(answers));
        engine.finish(draw, agency, told(answers));
        sent += batch.bets;
    }
    Ok(sent)
}

/// Tells whether a request was answered with an error.
fn told<T, E: Into<anyhow::Error>>(
    answers: &Sender<anyhow::Result<()>>,
) -> impl FnOnce(Result<T, E>) + Send + use<T, E> {
    let answers = answers.clone();
    // Nobody listens any more after the first error.
    move |answer| drop(answers.send(answer.map(drop).map_err(Into::into)))
}
