//! `cargo xtask models`: the ledger's threads under a model checker.
//!
//! Built with `--cfg models`, which puts the checker's locks and threads in the place of std's in
//! the ledger's unit tests, and apart from all other builds.

use anyhow::Context;

use crate::steps::{cargo_command, root};

const FLAGS: &str = "--cfg models";
const TARGET: &str = "target/models";
/// Of a test's path: what all models have and no other test of the ledger.
const MODELS: &str = "models::";
/// Says to the models which schedule to replay; they know it by the same name.
const REPLAY_VARIABLE: &str = "BOLILLERO_MODELS_REPLAY";

/// Explores all models, or replays a schedule of one of them.
pub(crate) fn run(replay: Option<&Replay>) -> anyhow::Result<()> {
    let filter = replay.map_or(MODELS, |replay| &replay.model);
    let mut cargo = cargo_command(&["test", "--locked", "-p", "ledger", "--lib"]);
    cargo.args(["--profile", "models", "--target-dir", TARGET, "--", filter]);
    cargo.env("RUSTFLAGS", FLAGS);
    // More than one, as the only thread of a test runner does not know the test's name.
    cargo.arg("--test-threads=2");
    if let Some(replay) = replay {
        let file = root().join(&replay.file);
        anyhow::ensure!(file.is_file(), "there is no schedule {}", file.display());
        cargo.arg("--exact").env(REPLAY_VARIABLE, file);
    }
    let status = cargo.status().context("cargo could not be started")?;
    anyhow::ensure!(status.success(), "a model fails, see above");
    Ok(())
}

/// One schedule of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) model: String,
    pub(crate) file: String,
}
