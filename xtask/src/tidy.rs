//! `cargo xtask tidy`: the rules that no compiler, linter or formatter checks.
//!
//! A rule takes what was read and returns its findings as lines: where, what is wrong, what to do.
//! All rules run, and all findings are printed.

mod commands;
mod crates;
mod documents;
mod log_lines;
mod summary;

use anyhow::ensure;

use crate::planted;
use crate::steps::root;

pub(crate) fn run() -> anyhow::Result<()> {
    let root = root();
    let documents = documents::read(&root)?;
    let packages = crates::read()?;
    let findings = [
        crates::check(&packages),
        documents::check(&documents, &root),
        commands::check(&documents),
        log_lines::check(&documents, &root)?,
        summary::check(&documents),
        planted::check()?,
    ]
    .concat();
    for finding in &findings {
        println!("{finding}");
    }
    ensure!(findings.is_empty(), "rules are broken: {} findings", findings.len());
    println!("{} documents, {} crates: tidy", documents.len(), packages.len());
    Ok(())
}
