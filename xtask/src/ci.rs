//! `cargo xtask ci`: all that must be green before a change is merged, the quick ones first.

use crate::steps::{cargo, step};
use crate::{test, tidy};

const FMT: &[&str] = &["fmt", "--all", "--check"];
const CLIPPY: &[&str] =
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
// All features: the documentation names modules that only a feature brings.
const DOC: &[&str] = &["doc", "--workspace", "--no-deps", "--all-features", "--locked"];

// Links to private items serve those who read the source.
const RUSTDOC: &str = "-D warnings -A rustdoc::private_intra_doc_links";

pub(crate) fn run() -> anyhow::Result<()> {
    step("fmt", || cargo(FMT, None))?;
    step("tidy", tidy::run)?;
    step("clippy", || cargo(CLIPPY, None))?;
    test::run()?;
    step("doc", || cargo(DOC, Some(("RUSTDOCFLAGS", RUSTDOC))))?;
    println!("--- all green");
    Ok(())
}
