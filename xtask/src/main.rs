//! Everything a developer or CI runs: `cargo xtask <command>`.
//!
//! Exit codes: 0 when all is well, 1 when something failed or broke a rule, 2 when the command
//! itself was wrong.
//!
//! Deliberately absent: anything that the product needs at run time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool prints")]

mod bench;
mod book;
mod browser;
mod ci;
mod clients;
mod command;
mod container;
mod fuzz;
mod instructions;
mod models;
mod objects;
mod package;
mod planted;
mod program;
mod python;
mod recorded;
mod runs;
mod schemathesis;
mod steps;
mod system_calls;
mod tidy;
mod tools;
mod torture;

use std::process::ExitCode;

use clap::Parser as _;

use command::{Arguments, Command};

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Ci => ci::run(),
        Command::Test => runs::test(),
        Command::Tidy => tidy::run(),
        Command::Book => book::run(),
        Command::Sim { first_seed, seeds } => runs::long_sim(first_seed, seeds),
        Command::Corrupt { first_seed, folders } => runs::corrupt(first_seed, folders),
        Command::Planted { names, few } => planted::run(&names, few),
        Command::Models { replay } => models::run(&replay),
        Command::Package { program } => package::run(program),
        Command::Instructions { record } => instructions::run(record),
        Command::SystemCalls { record } => system_calls::run(record),
        Command::Schemathesis { examples, seed } => schemathesis::run(examples, seed),
        Command::Clients => clients::run(),
        Command::Objects => objects::run(),
        Command::Container => container::run(),
        Command::Browser => browser::run(),
        Command::Screenshots => browser::screenshots(),
        Command::Hostile => runs::hostile(),
        Command::Bench { arguments } => bench::run(&arguments),
        Command::Fuzz { seconds, target } => fuzz::run(seconds, target.as_deref()),
        Command::Torture { rounds, first_seed, ending } => torture::run(rounds, first_seed, ending),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
