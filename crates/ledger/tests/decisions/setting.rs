//! A ledger with three draws, requests to it, what it shows, and where its records are.

use std::fmt::Debug;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use engine::conformance::TestClock;
use ledger::disk::Disk as _;
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Archive, Fault, SimulatedEngine, Summary};
use lottery::{
    Act, Actor, Agencies, AgencyId, AgencyTotals, Batch, Bets, ChunkId, DrawId, DrawName,
    DrawStatus, DrawTerms, Label, NumberRange, Reason, RecordedAct, Schedule, SealedNumber,
    StoredEvent, Timestamp, always_allowed,
};

/// The minimum length, so that little data fills a segment.
pub(crate) const SEGMENT_LEN: u64 = 96 << 10;
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

/// A request to a ledger. Each is one decision.
#[derive(Clone)]
pub(crate) enum Ask {
    Open(DrawTerms, SealedNumber),
    Bets(Batch),
    Finish(DrawId, AgencyId),
    Act(RecordedAct),
}

/// What a ledger shows.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    draws: Vec<(DrawStatus, Vec<AgencyTotals>)>,
    audit_log: Vec<StoredEvent>,
}

pub(crate) fn open(disk: &SimulatedDisk) -> Result<SimulatedEngine, Fault> {
    SimulatedEngine::open_on(Arc::new(disk.clone()), SEGMENT_LEN, Arc::new(TestClock::at(AT)))
}

pub(crate) fn check(disk: &SimulatedDisk) -> Result<Summary, Fault> {
    Archive::open_on(Arc::new(disk.clone()))?.check(|_| Ok(()))
}

/// Submits all requests at once; returns how many of the first ones were acknowledged.
pub(crate) fn ask(ledger: &SimulatedEngine, asks: &[Ask]) -> usize {
    let (sender, receiver) = mpsc::channel();
    for ask in asks.iter().cloned() {
        match ask {
            Ask::Open(terms, number) => ledger.open_draw(terms, number, send_to(&sender)),
            Ask::Bets(batch) => ledger.append(batch, send_to(&sender)),
            Ask::Finish(draw, agency) => ledger.finish(draw, agency, send_to(&sender)),
            Ask::Act(recorded) => ledger.act(recorded, always_allowed(), send_to(&sender)),
        }
    }
    ledger.commit_group();
    receiver.try_iter().take_while(|acknowledged| *acknowledged).count()
}

fn send_to<T, E: Debug>(sender: &Sender<bool>) -> Box<dyn FnOnce(Result<T, E>) + Send> {
    let sender = sender.clone();
    Box::new(move |outcome| {
        let refusal = outcome.err().map(|error| format!("{error:?}"));
        assert!(refusal.iter().all(|why| why.starts_with("Store(")), "{refusal:?}");
        sender.send(refusal.is_none()).unwrap();
    })
}

impl Shown {
    pub(crate) fn by(ledger: &SimulatedEngine) -> Self {
        let of = |draw: DrawStatus| {
            let agencies = ledger.view().all_agencies(draw.id).collect();
            (draw, agencies)
        };
        let draws = ledger.view().all_draws().map(of).collect();
        let mut audit_log = Vec::new();
        let read = ledger.audit_log(0, &mut |event| {
            audit_log.push(event);
            ControlFlow::Continue(())
        });
        read.unwrap();
        Self { draws, audit_log }
    }
}

/// Returns a new ledger in which the draws are open.
pub(crate) fn begun() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk).unwrap();
    let announce =
        |name| act("ana", Act::Announce { terms: terms(name), schedule: Schedule::default() });
    let asks = [
        Ask::Open(terms("sola"), SealedNumber(WINNING_NUMBER)),
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
    let by = Actor::Operator(Label::new(by).unwrap());
    Ask::Act(RecordedAct::new(by, Reason::new("es la hora").unwrap(), act))
}

pub(crate) fn enter(by: &str) -> Ask {
    act(by, Act::EnterNumber { draw: LED, number: WINNING_NUMBER })
}

/// Returns a batch whose record has this length, a multiple of 8.
pub(crate) fn batch(chunk: u32, record_len: usize) -> Ask {
    let text = text(record_len - RECORD_LEN - 16);
    let bets = Bets::parse(&text, NumberRange::default()).unwrap();
    assert_eq!(bets.text(), text, "it is in canonical form");
    Ask::Bets(Batch { draw: FILLED, agency: AgencyId(1), chunk: ChunkId(chunk), bets })
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
    let end = || records_in(&disk.contents(name)).last().unwrap().end;
    assert_eq!(ask(&ledger, &[batch(1000, 48_000)]), 1);
    let len = usize::try_from(SEGMENT_LEN).unwrap() - end() - room;
    assert_eq!(ask(&ledger, &[batch(1001, len)]), 1);
    assert_eq!(usize::try_from(SEGMENT_LEN).unwrap() - end(), room);
}

fn terms(name: &str) -> DrawTerms {
    DrawTerms {
        name: DrawName::new(name).unwrap(),
        agencies: Agencies::first(2).unwrap(),
        numbers: NumberRange::default(),
    }
}

/// Returns the names of the segments in use.
pub(crate) fn segments(disk: &SimulatedDisk) -> Vec<String> {
    let mut names = disk.names().unwrap();
    names.retain(|name| disk.contents(name).iter().any(|&byte| byte != 0));
    names.sort_unstable();
    names
}

/// Returns where a segment's records are, as documented in docs/ledger.md.
pub(crate) fn records_in(segment: &[u8]) -> Vec<Range<usize>> {
    let mut records = Vec::new();
    let mut at = 4096;
    while segment.get(at..at + 4) == Some(b"BLR2") {
        let body_len = u32::from_le_bytes(*segment[at + 32..].first_chunk().unwrap());
        let body_len = usize::try_from(body_len).unwrap();
        records.push(at..at + RECORD_LEN + body_len.next_multiple_of(8));
        at = records[records.len() - 1].end;
    }
    records
}
