//! `cargo xtask hostile`: the central under attack, at full size, with figures.
//!
//! The ledger is kept in memory where the system has a folder for that: attacks do not reach the
//! disk, and what else uses it would hide what they do reach.

use std::path::Path;

use crate::steps::{cargo, step};

const IN_MEMORY: &str = "/dev/shm";
const ON_DISK: &str = "/tmp";
const TEST: &[&str] = &["test", "--release", "--locked", "-p", "bolillero", "--test", "hostile"];
const FULL_SIZE: &[&str] = &["--", "--nocapture", "acknowledgements"];

pub(crate) fn run() -> anyhow::Result<()> {
    let folder = if Path::new(IN_MEMORY).is_dir() { IN_MEMORY } else { ON_DISK };
    step("hostile", || cargo(&[TEST, FULL_SIZE].concat(), Some(("HOSTILE_DIR", folder))))
}
