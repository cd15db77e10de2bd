//! What to measure: `cargo xtask bench-peers` knows the command line, and says it here as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// All that is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// The program in its release build.
    pub(crate) bolillero: PathBuf,
    /// NATS's server.
    pub(crate) nats: PathBuf,
    /// Length of a slice.
    pub(crate) seconds: u32,
    /// Slices that each peer takes in each scenario.
    pub(crate) turns: u32,
    pub(crate) scenarios: Vec<Scenario>,
    /// Where the temporary folder is made; the system's place when not given.
    pub(crate) data: Option<PathBuf>,
    /// One JSON object instead of tables.
    pub(crate) json: bool,
}

/// How the load is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Five agencies, each waiting for every acknowledgement before the next batch.
    OneAtATime,
    /// Five agencies with 16 batches in flight each.
    Window,
    /// A thousand agencies with a batch in flight each.
    Many,
}

impl Scenario {
    pub(crate) fn agencies(self) -> u32 {
        match self {
            Self::OneAtATime | Self::Window => 5,
            Self::Many => 1_000,
        }
    }

    pub(crate) fn window(self) -> usize {
        match self {
            Self::OneAtATime | Self::Many => 1,
            Self::Window => 16,
        }
    }
}
