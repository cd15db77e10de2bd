//! The corruptor finds deliberate bugs that let damage pass, and soon: what it is worth. Those of
//! all kinds are the simulation's (`crates/sim/tests/planted.rs`).
//!
//! `cargo test -p checks --test planted -- --nocapture` prints with which seed each is found.

#![allow(clippy::print_stdout, reason = "the seeds are for docs/reliability.md")]

use std::panic::catch_unwind;

use checks::corrupt::corrupt;
use lottery::planted::{Bug, plant};

/// Seeds that are tried for each bug.
const SEEDS: u64 = 400;

const BUGS: [Bug; 5] = [
    Bug::SealedEndBelieved,
    Bug::DigestNotCompared,
    Bug::ChecksumNotChecked,
    Bug::TailCutTooFar,
    Bug::TailNotCut,
];

#[test]
fn the_corruptor_finds_bugs_that_let_damage_pass() {
    // Without a bug all is well, and the folders that are damaged are made.
    for seed in 0..100 {
        let _ = corrupt(seed);
    }
    let mut missed = Vec::new();
    for bug in BUGS {
        plant(Some(bug));
        let found = (0..SEEDS).find(|seed| catch_unwind(|| corrupt(*seed)).is_err());
        plant(None);
        match found {
            Some(seed) => println!("{bug:?}: seed {seed}"),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}
