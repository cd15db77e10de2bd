//! Everything a developer or CI runs: `cargo xtask <command>`.
//!
//! One module a command, each of them a list of steps or of rules. Exit codes: 0 when all is well,
//! 1 when something failed or broke a rule, 2 when the command itself was wrong.
//!
//! Deliberately absent: anything that the product needs at run time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool prints")]

mod ci;
mod command;
mod hostile;
mod sim;
mod steps;
mod test;
mod tidy;

use std::process::ExitCode;

use command::{Command, Help};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = match command::parse(&arguments) {
        Ok(command) => command,
        Err(fault) => {
            eprintln!("xtask: {fault}\n\n{}", Help::Overview);
            return ExitCode::from(2);
        }
    };
    let outcome = match command {
        Command::Ci => ci::run(),
        Command::Test => test::run(),
        Command::Tidy => tidy::run(),
        Command::Sim { first_seed, seeds } => sim::run(first_seed, seeds),
        Command::Hostile => hostile::run(),
        Command::Help(help) => {
            print!("{help}");
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
