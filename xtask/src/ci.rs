//! `cargo xtask ci`: all that must be green before a change is merged, the quick ones first.

use crate::steps::{cargo, step};
use crate::torture::Ending;
use crate::{browser, instructions, models, schemathesis, test, tidy, torture};

const FMT: &[&str] = &["fmt", "--all", "--check"];
const CLIPPY: &[&str] =
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
/// What is said to cargo about the workspace of `peers`; its servers are not needed for this.
const PEERS: [&[&str]; 3] = [
    &["fmt", "--manifest-path=peers/Cargo.toml", "--check"],
    &[
        "clippy",
        "--manifest-path=peers/Cargo.toml",
        "--all-targets",
        "--locked",
        "--",
        "-Dwarnings",
    ],
    &["test", "--manifest-path=peers/Cargo.toml", "--locked"],
];

// All features: the documentation names modules that only a feature brings.
const DOC: &[&str] = &["doc", "--workspace", "--no-deps", "--all-features", "--locked"];

// Links to private items serve those who read the source.
const RUSTDOC: &str = "-D warnings -A rustdoc::private_intra_doc_links";

/// Rounds of real processes, killed and ended in order: enough to see that it still works. The
/// figures of docs/reliability.md are of many more.
const TORTURE_ROUNDS: u64 = 5;

/// Requests made up for each path of the API: a quarter of a minute.
const SCHEMATHESIS_EXAMPLES: u32 = 50;

pub(crate) fn run() -> anyhow::Result<()> {
    step("fmt", || cargo(FMT, None))?;
    step("tidy", tidy::run)?;
    step("clippy", || cargo(CLIPPY, None))?;
    test::run()?;
    step("peers", || PEERS.iter().try_for_each(|arguments| cargo(arguments, None)))?;
    step("models", || models::run(None))?;
    step("torture", || torture::run(TORTURE_ROUNDS, 0, Ending::Kill))?;
    step("torture, ended in order", || torture::run(TORTURE_ROUNDS, 0, Ending::Sigterm))?;
    step("browser", browser::run)?;
    step("schemathesis", || schemathesis::run(SCHEMATHESIS_EXAMPLES, 0))?;
    step("instructions", || instructions::run(false))?;
    step("doc", || cargo(DOC, Some(("RUSTDOCFLAGS", RUSTDOC))))?;
    println!("--- all green");
    Ok(())
}
