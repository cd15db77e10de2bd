//! `bolillero`: a lottery central and its agencies, in one program.
//!
//! Thin: it reads the command line, environment and configuration, wires the crates together, and
//! turns outcomes into exit codes: 0 done, 1 failed, 2 wrong usage or input.

mod cli;
mod commands;
mod descriptors;
mod exit;
mod logging;
mod settings;
mod signals;
mod values;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse().and_then(commands::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.report(),
    }
}
