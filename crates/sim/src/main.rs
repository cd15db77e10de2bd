//! `sim FIRST COUNT`: runs seeds, and says how fast and through which faults. Called by
//! `cargo xtask sim`, which explains itself.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool prints")]

use std::process::ExitCode;
use std::time::Instant;

use sim::Faults;

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args().skip(1).flat_map(|text| text.parse()).collect();
    let [first, count] = arguments[..] else {
        eprintln!("sim: give the first seed and how many, as `cargo xtask sim` does");
        return ExitCode::from(2);
    };
    #[expect(clippy::disallowed_methods, reason = "how fast the seeds really run is what is asked")]
    let started = Instant::now();
    let mut faults = Faults::default();
    for seed in (0..count).map(|at| first.wrapping_add(at)) {
        match sim::run(seed) {
            Ok(outcome) => faults.add(&outcome.faults),
            Err(failure) => {
                eprintln!("{failure}\nagain: cargo xtask sim --seed {seed} --seeds 1");
                return ExitCode::FAILURE;
            }
        }
    }
    let rate = u32::try_from(count).map_or(0.0, f64::from) / started.elapsed().as_secs_f64();
    println!("{count} seeds from {first} on, {rate:.0} a second");
    let by_name = faults.by_name();
    by_name.iter().for_each(|(name, times)| println!("{times:>12} {name}"));
    // A few seeds need not go through everything.
    if count >= 100 && by_name.iter().any(|(_, times)| *times == 0) {
        eprintln!("sim: a kind of fault never happened, so nothing is shown of it");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
