//! `cargo xtask sim`: the simulation of the whole system, many seeds of it.

use crate::steps;

pub(crate) fn run(first_seed: u64, seeds: u64) -> anyhow::Result<()> {
    let (first_seed, seeds) = (first_seed.to_string(), seeds.to_string());
    steps::cargo(
        &["run", "--quiet", "--release", "--locked", "-p", "sim", "--", &first_seed, &seeds],
        None,
    )
}
