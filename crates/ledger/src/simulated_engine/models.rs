//! Models of the single-threaded engine called from several threads: calls are decided in order,
//! and none is left undecided.
#![allow(clippy::unwrap_used, reason = "tests, under more conditions than clippy knows")]

use lottery::{Agencies, AgencyId, Batch, Bets, ChunkId, DrawId, DrawName, DrawTerms, NumberRange};

use super::*;
use crate::disk::simulated::SimulatedDisk;
use crate::models::{every_schedule, sampled};
use engine::conformance::TestClock;
use engine::sync::{mpsc, thread};

/// Takes turns while requests are pending and no other thread takes one.
fn commit_all(ledger: &SimulatedEngine) {
    while ledger.pending_count() > 0 && ledger.commit_group() {}
}

fn opened() -> Arc<SimulatedEngine> {
    let disk = Arc::new(SimulatedDisk::new());
    let ledger =
        SimulatedEngine::open_on(disk, crate::limits::SEGMENT_LEN_MIN, Arc::<TestClock>::default())
            .unwrap();
    let terms = DrawTerms {
        name: DrawName::new("sorteo").unwrap(),
        agencies: Agencies::first(2).unwrap(),
        numbers: NumberRange::default(),
    };
    let number = lottery::SealedNumber(7);
    ledger.open_draw(terms, number, |opened| assert_eq!(opened, Ok(DrawId(1))));
    commit_all(&ledger);
    Arc::new(ledger)
}

fn callers_take_turns() {
    let ledger = opened();
    let (answer, answers) = mpsc::channel();
    let callers = [1, 2].map(|agency| {
        let (ledger, stored, finished) = (Arc::clone(&ledger), answer.clone(), answer.clone());
        thread::spawn(move || {
            let (draw, agency) = (DrawId(1), AgencyId(agency));
            let bets = Bets::parse("Ana|Díaz|30904465|1999-03-17|7", NumberRange::default());
            let batch = Batch { draw, agency, chunk: ChunkId(0), bets: bets.unwrap() };
            // An append that is decided after the finish is refused.
            let stored = move |outcome: Result<_, _>| stored.send(outcome.is_ok()).unwrap();
            ledger.append(batch, stored);
            let finished = move |outcome: Result<_, _>| finished.send(outcome.is_ok()).unwrap();
            ledger.finish(draw, agency, finished);
            commit_all(&ledger);
        })
    });
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(answers.try_iter().collect::<Vec<_>>(), [true; 4]);
}

#[test]
fn calls_of_several_threads_are_all_decided_in_their_order() {
    every_schedule(3, callers_take_turns);
    sampled(4_000, callers_take_turns);
}
