//! `cargo xtask torture`: real processes of the release build, killed at random moments.
//!
//! What every agency logged as acknowledged to it is compared with the ledger, after each end of
//! the central before it is started again, and at the end of the round.
//!
//! Deliberately absent: the loss of power. The system still writes what a killed process gave it;
//! `cargo xtask sim` covers what a disk may lose.

mod agency;
mod audit;
mod plan;
mod round;
mod tally;

use std::fs;
use std::path::Path;

use anyhow::Context as _;

pub(crate) use plan::Ending;
use round::Round;
use tally::Tally;

use crate::program::now;
use crate::steps::{cargo, target};

/// Builds the program that is tortured.
pub(crate) const BUILD: &str = "build --quiet --release --locked -p bolillero";
const PROGRAM: &str = "release/bolillero";

pub(crate) fn run(rounds: u64, first_seed: u64, ending: Ending) -> anyhow::Result<()> {
    cargo(BUILD, None)?;
    let started = now();
    let mut tally = Tally::default();
    for seed in first_seed..first_seed.saturating_add(rounds) {
        let begun = now();
        let folder = target().join(format!("torture/{ending}-{seed}-{}", std::process::id()));
        play(&folder, seed, ending, &mut tally).with_context(|| {
            format!(
                "round with seed {seed} (its files and logs are kept in {}); again: \
                 cargo xtask torture --rounds 1 --seed {seed} --ending {ending}",
                folder.display()
            )
        })?;
        println!("seed {seed}: ok, {:.1} s", begun.elapsed().as_secs_f64());
    }
    println!("{tally}\nelapsed                       {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Plays a round; keeps its folder if it fails.
fn play(folder: &Path, seed: u64, ending: Ending, tally: &mut Tally) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    Round::new(&target().join(PROGRAM), folder, seed, ending, tally)?.play()?;
    Ok(fs::remove_dir_all(folder)?)
}

/// The value of a field of a log line.
fn number_in(line: &str, field: &str) -> Option<usize> {
    let (_, value) = line.split_once(&format!("{field}: "))?;
    value.split(' ').next()?.parse().ok()
}
