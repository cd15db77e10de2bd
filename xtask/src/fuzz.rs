//! `cargo xtask fuzz`: every fuzz target, or one, for a while each.
//!
//! The seeds of `fuzz/corpus` are only read. Inputs worth keeping go to `target/fuzz-corpus`, where
//! the next run goes on from; inputs that broke something go to `target/fuzz-artifacts`.

use std::fs::{self, File};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::program;
use crate::steps::root;

const NEEDS: &str = "fuzzing needs the nightly compiler (rustup toolchain install nightly) and \
                     cargo-fuzz (cargo install cargo-fuzz --locked)";
/// Most memory of a target, in MiB: more is a finding.
const MEMORY_MIB_MAX: u64 = 2_048;
/// Longest input, in bytes: all that is checked can be reached with less.
const INPUT_LEN_MAX: u64 = 16 << 10;
/// Longest time of one input, in seconds: more is a finding.
const INPUT_TIME_MAX: u64 = 20;

pub(crate) fn run(seconds: u64, target: Option<&str>) -> anyhow::Result<()> {
    let known = program::run(cargo_fuzz(&["list", "--fuzz-dir", "."])).context(NEEDS)?;
    let chosen: Vec<_> = known.lines().filter(|name| target.is_none_or(|it| it == *name)).collect();
    ensure!(!chosen.is_empty(), "there is no such fuzz target; there are:\n{known}");
    let build = cargo_fuzz(&["build", "--fuzz-dir", "."]).status().context(NEEDS)?;
    ensure!(build.success(), "the fuzz targets could not be built: {build}; {NEEDS}");
    let mut failed = Vec::new();
    for name in chosen {
        if !fuzz(name, seconds)? {
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn cargo_fuzz(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).args(arguments);
    command.current_dir(root().join("fuzz"));
    command
}

/// Runs one target and prints what came of it; says whether nothing broke.
fn fuzz(target: &str, seconds: u64) -> anyhow::Result<bool> {
    let work = |kind: &str| root().join("target").join(kind).join(target);
    let (grown, artifacts) = (work("fuzz-corpus"), work("fuzz-artifacts"));
    let log = work("fuzz-logs").with_extension("log");
    for folder in [&*grown, &*artifacts, &root().join("target/fuzz-logs")] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let output = File::create(&log).with_context(|| log.display().to_string())?;
    let mut command = cargo_fuzz(&["run", "--fuzz-dir", ".", target]);
    command.arg(&grown);
    for folder in ["corpus", "regressions"] {
        let folder = root().join("fuzz").join(folder).join(target);
        command.args(folder.is_dir().then_some(folder));
    }
    command.arg("--");
    let dictionary = root().join("fuzz/dictionaries").join(target).with_extension("txt");
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-max_len={INPUT_LEN_MAX}"))
        .arg(format!("-timeout={INPUT_TIME_MAX}"))
        .arg("-print_final_stats=1")
        .stdout(output.try_clone()?)
        .stderr(output);
    println!("{target}");
    let status = command.status().context("cargo fuzz could not be started")?;
    for line in figures(&String::from_utf8_lossy(&fs::read(&log)?)) {
        println!("  {line}");
    }
    if !status.success() {
        println!(
            "  failed: {} says on which input. Once mended, put that input into \
             fuzz/regressions/{target}/ under a name that says what it was",
            log.display()
        );
    }
    Ok(status.success())
}

/// The fuzzer's own last words: inputs run, edges and features reached, inputs kept; and, when one
/// broke something, that input and how to run it again.
fn figures(log: &str) -> Vec<&str> {
    let progress = log.lines().rfind(|line| line.starts_with('#'));
    let artifact = log.lines().filter(|line| line.contains("Test unit written to "));
    let again = log.lines().map(str::trim).filter(|line| line.starts_with("cargo fuzz run "));
    progress.into_iter().chain(artifact).chain(again).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_last_figures_and_the_input_that_broke_something() {
        let log = "\
#2\tINITED cov: 100 ft: 101 corp: 1/1b exec/s: 0 rss: 40Mb
#65536\tDONE   cov: 345 ft: 678 corp: 90/12Kb lim: 400 exec/s: 2184 rss: 50Mb
artifact_prefix='/a/'; Test unit written to /a/crash-1
Reproduce with:

\tcargo fuzz run config /a/crash-1
";
        let expected = [
            "#65536\tDONE   cov: 345 ft: 678 corp: 90/12Kb lim: 400 exec/s: 2184 rss: 50Mb",
            "artifact_prefix='/a/'; Test unit written to /a/crash-1",
            "cargo fuzz run config /a/crash-1",
        ];
        assert_eq!(figures(log), expected);
        assert_eq!(figures(""), [""; 0]);
    }
}
