//! `cargo xtask ci`: all that must be green before a change is merged, the quick ones first.
//!
//! Needs Rust alone. Steps that need other programs are left out where these are missing, and said
//! to be; where CI is set nothing that can be installed may be left out. What takes long has its
//! small form here and its full form in a command of its own: docs/reference/commands.md.

use std::fs;
use std::process::Command;

use crate::program::Process;
use crate::steps::{BUILD_DIST, cargo, cargo_command, step, succeed, target};
use crate::tools::{BROWSER, DOCKER, Missing, PACKAGING, PYTHON, STRACE, VALGRIND};
use crate::torture::Ending;
use crate::{
    bench, book, browser, clients, container, instructions, models, objects, package, planted,
    runs, schemathesis, system_calls, tidy, torture,
};

const FMT: &str = "fmt --all --check";
/// Known before anything long begins: the lock file of each workspace is as its manifests are.
const LOCKS: [&str; 3] = [
    "fetch --quiet --locked",
    "fetch --quiet --locked --manifest-path=bench/Cargo.toml",
    "fetch --quiet --locked --manifest-path=fuzz/Cargo.toml",
];
const CLIPPY: &str = "clippy --workspace --all-targets --locked -- -D warnings";
/// The fuzz targets compile, and their seeds can be written; the tests of `checks` have replayed
/// both. Running them takes nightly, and seven minutes to build.
const FUZZ: &str =
    "clippy --manifest-path=fuzz/Cargo.toml --target-dir=target --locked -- -D warnings";
/// All features: the documentation names modules that only a feature brings. Private items too: a
/// link that leads nowhere misleads those who read the source.
const DOC: &str = "doc --workspace --no-deps --all-features --document-private-items --locked";
/// Links to private items serve those who read the source; addresses in `--help` stand as they are.
const RUSTDOC: &str = "-D warnings -A rustdoc::private_intra_doc_links -A rustdoc::bare_urls";

/// The first command of the README.
const DEMO: &str = "run --release --locked -- demo";

/// As the README installs the program, but to a folder of ours.
const INSTALL: &str =
    "install --quiet --path crates/bolillero --locked --profile dist --features s3 --root";

/// Seeds of the simulation: twice as many as it takes for every fault to happen.
const SIM_SEEDS: u64 = 200;
/// Damaged folders: as many as it takes for every sort of damage to happen.
const CORRUPT_FOLDERS: u64 = 100;
/// Rounds of real processes, killed and ended in order: enough to see that it still works. The
/// figures of docs/explanation/reliability.md are of many more.
const TORTURE_ROUNDS: u64 = 5;
/// Requests made up for each path of the API: a quarter of a minute.
const SCHEMATHESIS_EXAMPLES: u32 = 50;

pub(crate) fn run() -> anyhow::Result<()> {
    let missing = Missing::look()?;
    step("fmt", || cargo(FMT, None))?;
    step("tidy", tidy::run)?;
    step("lock files", || all(&LOCKS))?;
    // The steps until `demo` do not always use the whole machine.
    let _builds = [build_ahead(torture::BUILD, "release")?, build_ahead(BUILD_DIST, "dist")?];
    step("clippy", || cargo(CLIPPY, None))?;
    step("test", runs::test)?;
    step("fuzz targets", || cargo(FUZZ, None).and_then(|()| runs::seeds()))?;
    step("models", || models::run(&[]))?;
    step("sim", || runs::sim(0, SIM_SEEDS))?;
    step("corrupt", || runs::corrupt(0, CORRUPT_FOLDERS))?;
    step("planted", || planted::run(&[], true))?;
    step("demo", || cargo(DEMO, None))?;
    step("torture", || torture::run(TORTURE_ROUNDS, 0, Ending::Kill))?;
    step("torture, ended in order", || torture::run(TORTURE_ROUNDS, 0, Ending::Sigterm))?;
    if !missing.any_of(&[DOCKER]) {
        step("container", container::run)?;
    }
    if !missing.any_of(&[BROWSER, PYTHON]) {
        step("browser", browser::run)?;
    }
    if !missing.any_of(&[PYTHON]) {
        step("schemathesis", || schemathesis::run(SCHEMATHESIS_EXAMPLES, 0))?;
        step("clients", clients::run)?;
        step("objects", objects::run)?;
        step("book", book::run)?;
    }
    if !missing.any_of(&[PACKAGING]) {
        step("package", || package::run(None))?;
    }
    step("install", install)?;
    if !missing.any_of(&[VALGRIND]) {
        step("instructions", || instructions::run(false))?;
    }
    if !missing.any_of(&[STRACE]) {
        step("system calls", || system_calls::run(false))?;
    }
    step("bench", || bench::check(!missing.any_of(&[PYTHON])))?;
    step("doc", || cargo(DOC, Some(("RUSTDOCFLAGS", RUSTDOC))))?;
    missing.tell();
    println!("--- all green");
    Ok(())
}

/// Installs the program, and plays a day with it.
fn install() -> anyhow::Result<()> {
    let folder = target().join("install");
    let mut install = cargo_command(INSTALL);
    install.arg(&folder);
    succeed(install)?;
    let mut demo = Command::new(folder.join("bin/bolillero"));
    demo.arg("demo");
    succeed(demo)
}

/// Starts a build in the background, at the lowest priority. A build that is asked for later waits
/// for it, and reports what is wrong. Stopped when dropped.
fn build_ahead(line: &str, name: &str) -> anyhow::Result<Process> {
    fs::create_dir_all(target())?;
    let build = Process::start(cargo_command(line), &target(), &format!("{name}-build"))?;
    build.take_lowest_priority()?;
    Ok(build)
}

fn all(lines: &[&str]) -> anyhow::Result<()> {
    lines.iter().try_for_each(|line| cargo(line, None))
}
