//! `bolillero`: a lottery central and its agencies, in one program.
//!
//! A thin layer: it reads the command line, environment and configuration, connects the crates, and
//! turns results into exit codes: 0 done, 1 failed, 2 wrong usage or input.
//!
//! It is a library only so that its parsing of configuration files can be tested from outside.
//! Nothing else is public, and no shipped code other than the program uses it.

mod arg_types;
mod backup;
mod cli;
mod commands;
mod descriptors;
mod exit;
mod log_queue;
mod logging;
mod output;
mod random;
mod settings;
mod signals;
mod supervisor;

use std::process::ExitCode;

pub use commands::{agency_settings, serve_settings};
pub use settings::ReadSettings;

/// Runs the program and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    match cli::parse().and_then(commands::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.report(),
    }
}
