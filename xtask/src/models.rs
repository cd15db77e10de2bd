//! `cargo xtask models`: the ledger's threads under a model checker.
//!
//! The ledger's unit tests are built with `--cfg models`, which gives them the checker's locks and
//! threads instead of std's, in a target folder of their own.

use anyhow::{Context as _, ensure};

use crate::steps::{cargo_command, root};

const FLAGS: &str = "--cfg models";
/// With two threads, as the only thread of a test runner does not know the test's name.
const TEST: &str = "test --locked -p ledger --lib --profile models --target-dir target/models \
                    -- --test-threads=2";
/// A part of a test's path that all models have, and no other test of the ledger.
const MODELS: &str = "models::";
/// Tells the models which schedule to replay; they read it by the same name.
const REPLAY_VARIABLE: &str = "BOLILLERO_MODELS_REPLAY";

/// Explores all models, or replays one: `replay` is empty, or a model and the file of a schedule.
pub(crate) fn run(replay: &[String]) -> anyhow::Result<()> {
    let mut cargo = cargo_command(TEST);
    cargo.env("RUSTFLAGS", FLAGS);
    if let [model, file] = replay {
        let file = root().join(file);
        ensure!(file.is_file(), "there is no schedule {}", file.display());
        cargo.args(["--exact", model]).env(REPLAY_VARIABLE, file);
    } else {
        cargo.arg(MODELS);
    }
    let status = cargo.status().context("cargo could not be started")?;
    ensure!(status.success(), "a model fails, see above");
    Ok(())
}
