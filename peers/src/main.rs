//! Bolillero beside what people would use instead of it: `cargo xtask bench-peers`.
//!
//! The same batches, made durable and acknowledged one by one, by each peer in turn: servers of
//! their own on this machine, or a library. All of them are started before and idle while another
//! is measured. At the end each must hold every batch that it acknowledged.
//!
//! Deliberately absent: the clients that people use with these servers. One small loop speaks all
//! their protocols ([`line`]), so that the load takes the same from everybody's processor time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool prints")]

mod batches;
mod figures;
mod line;
mod options;
mod peer;
mod peers;
mod run;
mod server;

use std::process::ExitCode;

use anyhow::Context as _;

fn main() -> ExitCode {
    match measured() {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measured() -> anyhow::Result<String> {
    let options = std::env::args().nth(1).context("cargo xtask bench-peers starts this")?;
    let options = serde_json::from_str(&options).context("no options of bench-peers")?;
    let text = run::run(&options);
    run::show("");
    text
}
