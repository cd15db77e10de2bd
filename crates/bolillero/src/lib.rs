//! `bolillero`: a lottery central and its agencies, in one program.
//!
//! Thin: it reads the command line, environment and configuration, wires the crates together, and
//! turns outcomes into exit codes: 0 done, 1 failed, 2 wrong usage or input.
//!
//! A library only so that its reading of configuration files can be checked from outside: nothing
//! else is public, and nothing that is shipped uses it but the program.

mod arg_types;
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

use std::process::ExitCode;

pub use commands::{agency_settings, serve_settings};
pub use settings::ReadSettings;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    match cli::parse().and_then(commands::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.report(),
    }
}
