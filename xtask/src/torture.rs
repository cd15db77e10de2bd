//! `cargo xtask torture`: real processes of the release build, killed at random moments.
//!
//! What every agency logged as acknowledged to it is held against what the ledger gives back, after
//! each end of the central before it is started again, and at the end of the round.
//!
//! Deliberately absent: the loss of power. A process that is killed leaves what it wrote to the
//! system, which writes it; what a disk may lose is the simulation's (`cargo xtask sim`).

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

const BUILD: &str = "build --quiet --release --locked -p bolillero";

pub(crate) fn run(rounds: u64, first_seed: u64, ending: Ending) -> anyhow::Result<()> {
    cargo(BUILD, None)?;
    let program = target().join("release/bolillero");
    let started = now();
    let mut all = Tally::default();
    for seed in first_seed..first_seed.saturating_add(rounds) {
        let begun = now();
        let folder = target().join(format!("torture/{ending}-{seed}-{}", std::process::id()));
        let tally = play(&program, &folder, seed, ending).with_context(|| {
            format!(
                "round with seed {seed} (its files and logs are kept in {}); again: \
                 cargo xtask torture --rounds 1 --seed {seed} --ending {ending}",
                folder.display()
            )
        })?;
        println!(
            "seed {seed}: {} + {} kills, {} chunks, {:.1} s",
            tally.kills_of_central,
            tally.kills_of_agencies,
            tally.acknowledged,
            begun.elapsed().as_secs_f64()
        );
        all.add(tally);
    }
    println!("{all}\nelapsed                       {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Plays a round; keeps its folder if it fails.
fn play(program: &Path, folder: &Path, seed: u64, ending: Ending) -> anyhow::Result<Tally> {
    fs::create_dir_all(folder)?;
    let tally = Round::new(program, folder, seed, ending)?.play()?;
    fs::remove_dir_all(folder)?;
    Ok(tally)
}

/// The value of a field of a log line.
fn number_in(line: &str, field: &str) -> Option<usize> {
    let (_, value) = line.split_once(&format!("{field}: "))?;
    value.split(' ').next()?.parse().ok()
}
