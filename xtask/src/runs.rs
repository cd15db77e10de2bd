//! Commands that only run a program or tests of the workspace: `cargo xtask test`, `sim`, `corrupt`
//! and `hostile`.

use std::path::Path;
use std::thread::available_parallelism;

use crate::steps::{Program, cargo};

/// The simulation.
pub(crate) const SIM: Program = Program::example("sim");
/// The corruptor.
pub(crate) const CORRUPT: Program = Program::example("corrupt");

/// Runs twice as many tests at a time as there are processors: most wait, for other processes or for
/// the disk.
pub(crate) fn test() -> anyhow::Result<()> {
    let threads = 2 * available_parallelism()?.get();
    cargo("test --workspace --locked", Some(("RUST_TEST_THREADS", &threads.to_string())))
}

/// Runs few seeds, as the tests are built: nothing else is built for it.
pub(crate) fn sim(first_seed: u64, seeds: u64) -> anyhow::Result<()> {
    SIM.run(&[&first_seed.to_string(), &seeds.to_string()])
}

/// Runs many seeds, ten times as fast once it is built.
pub(crate) fn long_sim(first_seed: u64, seeds: u64) -> anyhow::Result<()> {
    let program = "run --quiet --release --locked -p sim --example sim";
    cargo(&format!("{program} -- {first_seed} {seeds}"), None)
}

pub(crate) fn corrupt(first_seed: u64, folders: u64) -> anyhow::Result<()> {
    CORRUPT.run(&[&first_seed.to_string(), &folders.to_string()])
}

/// Writes the seeds of the fuzzer anew.
pub(crate) fn seeds() -> anyhow::Result<()> {
    Program::example("seeds").run(&[])
}

/// Runs the attacks at full size. The ledger is in memory where the system has a folder for that:
/// attacks do not reach the disk, and what else uses it would hide what they do reach.
pub(crate) fn hostile() -> anyhow::Result<()> {
    let test = "test --release --locked -p bolillero --test hostile";
    let folder = if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" };
    cargo(&format!("{test} -- --nocapture acknowledgements"), Some(("HOSTILE_DIR", folder)))
}
