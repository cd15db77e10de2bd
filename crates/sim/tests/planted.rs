//! Every deliberate bug is found, and soon: what the simulation is worth.
//!
//! `cargo test -p sim --test planted -- --nocapture` prints with which seed each is found, and
//! those of engines that share a log by how many.

#![allow(clippy::print_stdout, reason = "the seeds are for docs/reliability.md")]

use lottery::planted::Bug;

/// Seeds that are tried for each bug.
const SEEDS: u64 = 1_000;

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALONE {
        let found = (0..SEEDS).find_map(|seed| sim::run_with(seed, Some(bug)).err());
        match found {
            Some(failure) => println!("{bug:?}: seed {}: {}", failure.seed, failure.what),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}

#[test]
fn every_bug_planted_in_what_shares_a_log_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::SHARED {
        let found = (0..SEEDS).filter_map(|seed| sim::run_shared_with(seed, Some(bug)).err());
        let found: Vec<_> = found.collect();
        match found.first() {
            Some(first) => println!(
                "{bug:?}: {} of {SEEDS} seeds, first {}: {}",
                found.len(),
                first.seed,
                first.what
            ),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}

#[test]
fn without_a_bug_the_same_seeds_pass() {
    for seed in 0..SEEDS {
        sim::run(seed).unwrap_or_else(|failure| panic!("{failure}"));
        sim::run_shared(seed).unwrap_or_else(|failure| panic!("{failure}"));
    }
}
