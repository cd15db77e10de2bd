//! `cargo xtask corrupt`: damaged folders of a ledger, many of them.

use crate::steps;

pub(crate) fn run(first_seed: u64, folders: u64) -> anyhow::Result<()> {
    let (first_seed, folders) = (first_seed.to_string(), folders.to_string());
    let program = ["run", "--quiet", "--locked", "-p", "checks", "--example", "corrupt", "--"];
    steps::cargo(&[&program[..], &[&*first_seed, &*folders]].concat(), None)
}
