//! Commands that only run a program or tests of the workspace: `cargo xtask test`, `sim`, `corrupt`
//! and `hostile`.

use std::path::Path;

use crate::steps::cargo;

pub(crate) fn test() -> anyhow::Result<()> {
    cargo("test --workspace --locked", None)
}

pub(crate) fn sim(first_seed: u64, seeds: u64) -> anyhow::Result<()> {
    cargo(&format!("run --quiet --release --locked -p sim -- {first_seed} {seeds}"), None)
}

pub(crate) fn corrupt(first_seed: u64, folders: u64) -> anyhow::Result<()> {
    let program = "run --quiet --locked -p checks --example corrupt";
    cargo(&format!("{program} -- {first_seed} {folders}"), None)
}

/// Runs the attacks at full size. The ledger is in memory where the system has a folder for that:
/// attacks do not reach the disk, and what else uses it would hide what they do reach.
pub(crate) fn hostile() -> anyhow::Result<()> {
    let test = "test --release --locked -p bolillero --test hostile";
    let folder = if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" };
    cargo(&format!("{test} -- --nocapture acknowledgements"), Some(("HOSTILE_DIR", folder)))
}
