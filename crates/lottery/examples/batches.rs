//! Reads batches, so that `cargo xtask instructions` can count the instructions of parsing BETS
//! into the stored bets (`read`), or of computing only their digest (`digest`).
//!
//! The batches are synthetic and always the same. Digests are counted separately because processors
//! have special instructions for them that are hidden from the counting tool.
#![allow(clippy::unwrap_used, reason = "it is run by a developer, who sees what failed")]

use std::hint::black_box;

use fastrand::Rng;
use lottery::{Bets, ChunkDigest, NumberRange};
use wire::{AgencyMessage, BetsFrame};

const SEED: u64 = 1;
/// Number of different batches, used in turn.
const CONTENTS: usize = 50;
const BATCH_BETS: u32 = wire::limits::BATCH_BETS;

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
        "digest" => in_turn.for_each(|(text, _)| {
            black_box(ChunkDigest::of(black_box(text)));
        }),
        other => panic!("'{other}' is neither 'read' nor 'digest'"),
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
