//! `corrupt FIRST COUNT`: damages the folders of these seeds, and prints what was done and the
//! outcomes. Called by `cargo xtask corrupt`; see its help.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool prints")]

use std::panic::catch_unwind;
use std::process::ExitCode;

use checks::corrupt::{Counts, corrupt, harms_of};

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args().skip(1).flat_map(|text| text.parse()).collect();
    let [first, count] = arguments[..] else {
        eprintln!("corrupt: give the first seed and how many, as `cargo xtask corrupt` does");
        return ExitCode::from(2);
    };
    let mut counts = Counts::default();
    for seed in (0..count).map(|at| first.wrapping_add(at)) {
        let Ok(outcome) = catch_unwind(|| corrupt(seed)) else {
            eprintln!("again: cargo xtask corrupt --seed {seed} --folders 1");
            // Last: it panics too if the sound folder can't be made.
            eprintln!("what was done to it: {:?}", harms_of(seed));
            return ExitCode::FAILURE;
        };
        counts.add(&outcome);
    }
    println!("{count} folders from seed {first} on");
    counts.by_name().iter().for_each(|(name, times)| println!("{times:>8} {name}"));
    let missing = counts.missing();
    // With few folders, some kinds may not occur.
    if count >= 100 && !missing.is_empty() {
        eprintln!("corrupt: these never happened, so nothing is shown of them: {missing:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
