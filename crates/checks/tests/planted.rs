//! Checks that the corruptor quickly finds planted bugs that let damage go unnoticed. The
//! simulation tests planted bugs of all kinds (`crates/sim/tests/planted.rs`).
//!
//! `cargo test -p checks --test planted -- --nocapture` prints the seed that finds each bug.

#![allow(clippy::print_stdout, reason = "the seeds are for docs/reliability.md")]

use std::panic::catch_unwind;

use checks::corrupt::corrupt;
use lottery::planted::{Bug, plant};

/// Number of seeds tried for each bug.
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
    // Without a bug all seeds pass; this also creates the folders that are damaged.
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
