//! Runs every check with every committed input: seeds and past failures.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use checks::CHECKS;

/// Maximum number of seeds of a check: they are only starting points.
const SEEDS_MAX: usize = 30;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Returns the files of a folder of `fuzz/`; none if there is no such folder.
fn inputs(folder: &str, check: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(fuzz().join(folder).join(check)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort_unstable();
    paths
}

#[test]
fn every_seed_and_everything_once_found_passes() {
    let mut failed = Vec::new();
    for check in CHECKS {
        for path in [inputs("corpus", check.name), inputs("regressions", check.name)].concat() {
            let input = fs::read(&path).unwrap();
            if catch_unwind(AssertUnwindSafe(|| (check.run)(&input))).is_err() {
                failed.push(path);
            }
        }
    }
    assert!(failed.is_empty(), "these inputs break something that must hold: {failed:#?}");
}

#[test]
fn every_check_has_a_target_and_a_few_seeds() {
    for check in CHECKS {
        let target = fuzz().join("fuzz_targets").join(check.name).with_extension("rs");
        let source = fs::read_to_string(target).unwrap();
        let call = format!("checks::run(\"{}\", input)", check.name);
        assert!(source.contains(&call), "the target of {} runs another check", check.name);
        let seeds = inputs("corpus", check.name);
        // Inputs that a manual run leaves here are named by their digest, and not committed.
        let is_seed = |path: &&PathBuf| path.file_name().is_some_and(|name| name.len() != 40);
        let count = seeds.iter().filter(is_seed).count();
        assert!((1..=SEEDS_MAX).contains(&count), "{} has {count} seeds", check.name);
    }
    let targets = fs::read_dir(fuzz().join("fuzz_targets")).unwrap().count();
    assert_eq!(targets, CHECKS.len(), "every target belongs to a check");
}

#[test]
fn no_input_and_short_ones_pass() {
    for check in CHECKS {
        for byte in 0..=255_u8 {
            (check.run)(&[byte]);
            (check.run)(&[byte; 3]);
        }
        (check.run)(&[]);
    }
}
