//! Measures Bolillero, by itself and beside other stores: `cargo xtask bench`.
//!
//! ```text
//! scenarios/   what is measured, a function each
//! rounds       cases in rounds, each once in every round
//! load         the one load generator: all connections on one thread
//! batches      the bets that are sent
//! bare         a server that does nothing but the indispensable, the limit of all of them
//! disk         files in which groups are made durable, and the disk alone
//! central      a central in a process of its own, and connections to it
//! speech       a connection to any store, and how batches are sent on it
//! stores/      the stores that are measured beside it, a file each
//! server       processes that are started, and ended
//! usage        what a process used: processor, disk, memory
//! figures      medians and quantiles, as JSON and as tables
//! chart        stores side by side, as a picture
//! ```
//!
//! Deliberately absent: the clients that people use with the other stores. The one load generator
//! speaks all their protocols, so that the load takes the same from everybody's processor time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool prints")]
#![allow(clippy::disallowed_methods, reason = "real processes take real time")]

mod bare;
mod batches;
mod central;
mod chart;
mod disk;
mod figures;
mod interruption;
mod load;
mod rounds;
mod scenario;
mod scenarios;
mod server;
mod setting;
mod sockets;
mod speech;
mod stores;
mod tls;
mod usage;

use std::process::ExitCode;

use clap::{Parser as _, ValueEnum as _};

use figures::Figures;
use scenario::Scenario;
use setting::{Options, Setting, show};

fn main() -> ExitCode {
    match measured(Options::parse()) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measured(options: Options) -> anyhow::Result<String> {
    if let Some(file) = &options.bare_server {
        return bare::serve(file);
    }
    interruption::watch()?;
    let setting = Setting::new(options)?;
    let mut figures = Figures::of(&setting)?;
    let only = setting.options.scenario.as_ref().map(std::slice::from_ref);
    let measured = only.unwrap_or(Scenario::value_variants()).iter().try_for_each(|&scenario| {
        figures.groups.extend(scenarios::measure(&setting, scenario)?);
        anyhow::Ok(())
    });
    show("");
    measured?;
    if let Some(file) = &setting.options.chart {
        chart::write(file, &figures)?;
    }
    if setting.options.json {
        return Ok(serde_json::to_string_pretty(&figures)?);
    }
    Ok(figures.describe())
}
