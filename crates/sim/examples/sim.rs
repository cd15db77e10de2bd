//! `sim FIRST COUNT`: runs the seeds of both simulations, the whole system and engines that share a
//! log, and prints the speed and the event counts. Called by `cargo xtask sim`; see its help.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool prints")]

use std::process::ExitCode;
use std::time::Instant;

use sim::{Events, Faults};

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args().skip(1).flat_map(|text| text.parse()).collect();
    let [first, count] = arguments[..] else {
        eprintln!("sim: give the first seed and how many, as `cargo xtask sim` does");
        return ExitCode::from(2);
    };
    let (mut faults, mut events) = (Faults::default(), Events::default());
    #[expect(clippy::disallowed_methods, reason = "how fast the seeds really run is what is asked")]
    let started = Instant::now();
    for seed in (0..count).map(|at| first.wrapping_add(at)) {
        if let Err(failure) = run(seed, &mut faults, &mut events) {
            eprintln!("{failure}\nagain: cargo xtask sim --seed {seed} --seeds 1");
            return ExitCode::FAILURE;
        }
    }
    let rate = u32::try_from(count).map_or(0.0, f64::from) / started.elapsed().as_secs_f64();
    println!("{count} seeds from {first} on, {rate:.0} a second");
    let whole = tell("the whole system", count, &faults.by_name());
    let shared = tell("a shared log", count, &events.by_name());
    if whole && shared { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a seed in both simulations and adds up what happened.
fn run(seed: u64, faults: &mut Faults, events: &mut Events) -> Result<(), String> {
    let outcome = sim::run(seed).map_err(|failure| format!("the whole system: {failure}"))?;
    faults.add(&outcome.faults);
    let of_run = sim::run_shared(seed).map_err(|failure| format!("a shared log: {failure}"))?;
    events.add(&of_run);
    Ok(())
}

/// Prints the counts; returns whether every kind of event occurred, unless the seeds are few.
fn tell(what: &str, count: u64, by_name: &[(&str, u64)]) -> bool {
    println!("{what}:");
    by_name.iter().for_each(|(name, times)| println!("{times:>12} {name}"));
    if count >= 100 && by_name.iter().any(|(_, times)| *times == 0) {
        eprintln!("sim: {what}: something never happened, so nothing is shown of it");
        return false;
    }
    true
}
