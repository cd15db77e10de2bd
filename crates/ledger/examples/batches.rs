//! Reads and stores batches, so that `cargo xtask instructions` can count the instructions of parsing
//! BETS into the stored bets (`read`), of that and of storing them through the engine and the ledger
//! (`store`), or of computing only their digest (`digest`).
//!
//! The batches are synthetic and always the same. They are stored in groups on a disk in memory, by
//! one thread; full segments are indexed. Digests are counted separately because processors have
//! special instructions for them that are hidden from the counting tool.
#![allow(clippy::unwrap_used, reason = "it is run by a developer, who sees what failed")]

use std::hint::black_box;
use std::sync::Arc;

use engine::Clock;
use fastrand::Rng;
use ledger::SimulatedEngine;
use ledger::disk::simulated::SimulatedDisk;
use lottery::{
    Agencies, AgencyId, Batch, Bets, ChunkDigest, ChunkId, DrawId, DrawName, DrawTerms,
    NumberRange, SealedNumber, Timestamp,
};
use wire::{AgencyMessage, BetsFrame};

const SEED: u64 = 1;
/// Number of different batches, used in turn.
const CONTENTS: usize = 50;
const BATCH_BETS: u32 = wire::limits::BATCH_BETS;
/// Batches that become durable together: a window.
const GROUP: usize = wire::limits::WINDOW as usize;
/// Short, so that some are full and indexed.
const SEGMENT_LEN: u64 = 512 << 10;

const FIRST_NAMES: [&str; 8] =
    ["Ana", "Agustín", "Joaquín", "Lucía", "Marta Inés", "Santiago Lionel", "Sofía", "Tiago"];
const LAST_NAMES: [&str; 8] =
    ["D'Angelo", "Fernández", "Ibáñez", "Lorca", "Muñoz", "Paz", "Rivera", "Zambrano"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap();
    let batches = arguments.next().unwrap().parse().unwrap();
    let mut random = Rng::with_seed(SEED);
    let texts: Vec<_> = (0..CONTENTS).map(|_| text(&mut random)).collect();
    let frames: Vec<_> = texts.iter().map(|text| frame(text)).collect();
    let in_turn = texts.iter().zip(&frames).cycle().take(batches);
    match &*what {
        "read" => in_turn.for_each(|(_, frame)| drop(black_box(read(black_box(frame))))),
        "store" => {
            let store = Store::new();
            in_turn.enumerate().for_each(|(at, (_, frame))| store.append(at, read(frame)));
        }
        "digest" => in_turn.for_each(|(text, _)| {
            black_box(ChunkDigest::of(black_box(text)));
        }),
        other => panic!("'{other}' is none of 'read', 'store', 'digest'"),
    }
}

fn text(random: &mut Rng) -> String {
    (0..BATCH_BETS).map(|_| bet(random)).collect::<Vec<_>>().join("&")
}

fn bet(random: &mut Rng) -> String {
    let first_name = FIRST_NAMES[random.usize(..FIRST_NAMES.len())];
    let last_name = LAST_NAMES[random.usize(..LAST_NAMES.len())];
    let document = random.u32(5_000_000..60_000_000);
    let (year, month, day) = (random.u32(1940..2008), random.u32(1..=12), random.u32(1..=28));
    let number = random.u32(0..10_000);
    format!("{first_name}|{last_name}|{document}|{year}-{month:02}-{day:02}|{number}")
}

fn frame(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    let bets = BetsFrame { agency: 1, chunk: 7, bets: Some(text.as_bytes()) };
    AgencyMessage::Bets(bets).encode(&mut frame);
    frame
}

fn read(frame: &[u8]) -> Bets {
    let AgencyMessage::Bets(bets) = AgencyMessage::decode(frame).unwrap() else {
        panic!("the frame holds BETS")
    };
    Bets::parse(bets.text().unwrap().unwrap(), NumberRange::default()).unwrap()
}

/// A ledger with a draw of one agency.
struct Store(SimulatedEngine);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(43_200_000)
    }
}

impl Store {
    fn new() -> Self {
        let disk = Arc::new(SimulatedDisk::new());
        let engine = SimulatedEngine::open_on(disk, SEGMENT_LEN, Arc::new(Noon)).unwrap();
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Agencies::first(1).unwrap(),
            numbers: NumberRange::default(),
        };
        engine.open_draw(terms, SealedNumber(7), |opened| assert_eq!(opened, Ok(DrawId(1))));
        engine.commit_group();
        Self(engine)
    }

    /// Stores the batch of this number; the last one of a group commits it.
    fn append(&self, at: usize, bets: Bets) {
        let chunk = ChunkId(u32::try_from(at).unwrap());
        let batch = Batch { draw: DrawId(1), agency: AgencyId(1), chunk, bets };
        self.0.append(batch, |stored| assert!(stored.is_ok()));
        if (at + 1).is_multiple_of(GROUP) {
            self.0.commit_group();
        }
    }
}
