//! A ledger with three draws, and requests to it.

use std::sync::Arc;
use std::sync::mpsc;

use engine::conformance::TestClock;
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Fault, SimulatedEngine};
use lottery::{
    Act, AgencyId, Batch, Bets, ChunkId, DrawId, NumberRange, Reason, RecordedAct, Schedule,
    SealedNumber, Timestamp,
};

use crate::support::bytes::{SEGMENT_LEN, records_in};
use crate::support::{Ask, Shown, fault_of, operator, segments, terms};

/// The length of a record without its body.
pub(crate) const RECORD_LEN: usize = 88 + 8;
/// A draw without operators, of two agencies, the first of which has finished.
pub(crate) const ALONE: DrawId = DrawId(1);
/// A draw led by operators.
pub(crate) const LED: DrawId = DrawId(2);
/// A draw led by operators that always stays open; it takes the batches that fill segments.
const FILLED: DrawId = DrawId(3);
const WINNING_NUMBER: u32 = 7;
const AT: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) fn open(disk: &SimulatedDisk) -> Result<SimulatedEngine, Fault> {
    SimulatedEngine::open_on(
        Arc::new(disk.clone()),
        SEGMENT_LEN as u64,
        Arc::new(TestClock::at(AT)),
    )
}

/// Submits all requests at once; returns how many of the first ones were acknowledged.
pub(crate) fn ask(ledger: &SimulatedEngine, asks: &[Ask]) -> usize {
    let (sender, receiver) = mpsc::channel();
    for (place, ask) in asks.iter().cloned().enumerate() {
        ask.put_to(ledger, place, &sender);
    }
    ledger.commit_group();
    let answers: Vec<_> = receiver.try_iter().map(|(_, answer)| answer).collect();
    let is_stored = |answer: &&String| answer.starts_with("Ok(");
    assert!(answers.iter().all(|it| is_stored(&it) || fault_of(it).is_some()), "{answers:?}");
    answers.iter().take_while(is_stored).count()
}

pub(crate) fn shown_by(ledger: &SimulatedEngine) -> Shown {
    Shown::by(ledger).unwrap()
}

/// Returns a new ledger in which the draws are open.
pub(crate) fn begun() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk).unwrap();
    let announce =
        |name| act("ana", Act::Announce { terms: terms(name, 2), schedule: Schedule::default() });
    let asks = [
        Ask::OpenDraw(terms("sola", 2), SealedNumber(WINNING_NUMBER)),
        announce("vespertina"),
        announce("nocturna"),
        act("ana", Act::Open(LED)),
        act("ana", Act::Open(FILLED)),
        Ask::Finish(ALONE, AgencyId(1)),
    ];
    for asked in asks {
        assert_eq!(ask(&ledger, &[asked]), 1);
    }
    disk
}

pub(crate) fn act(by: &str, act: Act) -> Ask {
    Ask::Act(RecordedAct::new(operator(by), Reason::new("es la hora").unwrap(), act))
}

pub(crate) fn enter(by: &str) -> Ask {
    act(by, Act::EnterNumber { draw: LED, number: WINNING_NUMBER })
}

/// Returns a batch whose record has this length, a multiple of 8.
pub(crate) fn batch(chunk: u32, record_len: usize) -> Ask {
    let text = text(record_len - RECORD_LEN - 16);
    let bets = Bets::parse(&text, NumberRange::default()).unwrap();
    assert_eq!(bets.text(), text, "it is in canonical form");
    Ask::Append(Batch { draw: FILLED, agency: AgencyId(1), chunk: ChunkId(chunk), bets })
}

/// Returns bets whose text has `len` bytes.
fn text(len: usize) -> String {
    let rest = "|B|1|1990-01-02|8";
    let mut text = String::new();
    loop {
        let left = len - text.len();
        let last = left <= 100 + rest.len();
        let bet = if last { left } else { 90 };
        text.extend(std::iter::repeat_n('A', bet - rest.len()));
        text.push_str(rest);
        if last {
            return text;
        }
        text.push('&');
    }
}

/// Fills the first segment until `room` bytes are left.
pub(crate) fn fill(disk: &SimulatedDisk, room: usize) {
    let ledger = open(disk).unwrap();
    let name = &segments(disk)[0];
    let end = || records_in(&disk.contents(name)).last().unwrap().range().end;
    assert_eq!(ask(&ledger, &[batch(1000, 48_000)]), 1);
    let len = SEGMENT_LEN - end() - room;
    assert_eq!(ask(&ledger, &[batch(1001, len)]), 1);
    assert_eq!(SEGMENT_LEN - end(), room);
}
