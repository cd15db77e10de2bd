//! `cargo xtask fuzz`: every fuzz target, or one, for a while each.
//!
//! The seeds of `fuzz/corpus` are only read: what a run finds worth keeping stays in
//! `target/fuzz-corpus`, where the next run goes on from, and what breaks something in
//! `target/fuzz-artifacts`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::steps::root;

/// Most memory of a target, in MiB: more is a finding.
const MEMORY_MIB_MAX: u64 = 2_048;
/// Longest input, in bytes: all that is checked can be reached with less.
const INPUT_LEN_MAX: u64 = 16 << 10;
/// Longest time of one input, in seconds: more is a finding.
const INPUT_TIME_MAX: u64 = 20;

/// What a run of one target came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Figures {
    executions: u64,
    executions_per_s: u64,
    /// Inputs that differ in what they reach.
    corpus: u64,
    /// Different edges of the code that were reached.
    edges: u64,
    /// The same, told apart by how often in one run.
    features: u64,
}

/// What one target was doing when it failed.
struct Failure {
    target: String,
    log: PathBuf,
    /// The input, when it was an input.
    artefact: Option<PathBuf>,
}

pub(crate) fn run(seconds: u64, target: Option<&str>) -> anyhow::Result<()> {
    let known = targets(&root().join("fuzz/fuzz_targets"))?;
    let chosen: Vec<_> = known.iter().filter(|name| target.is_none_or(|it| it == **name)).collect();
    if chosen.is_empty() {
        bail!("there is no fuzz target '{}'; there are {}", target.unwrap_or(""), known.join(", "));
    }
    check_tools()?;
    build()?;
    print_row(["target", "executions", "exec/s", "corpus", "edges", "features"]);
    let mut failures = Vec::new();
    for name in chosen {
        let (figures, failure) = fuzz(name, seconds)?;
        let Figures { executions, executions_per_s, corpus, edges, features } = figures;
        let numbers = [executions, executions_per_s, corpus, edges, features];
        let numbers = numbers.map(|number| number.to_string());
        let [a, b, c, d, e] = numbers.each_ref().map(String::as_str);
        print_row([name.as_str(), a, b, c, d, e]);
        failures.extend(failure);
    }
    if failures.is_empty() {
        return Ok(());
    }
    let words: Vec<_> = failures.iter().map(Failure::describe).collect();
    bail!("{}", words.join("\n"));
}

/// The targets, by name.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(OsStr::to_str);
        names
            .extend(name.filter(|_| path.extension() == Some(OsStr::new("rs"))).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

/// Only the nightly compiler can build what the fuzzer needs.
fn check_tools() -> anyhow::Result<()> {
    let answers = |mut command: Command| command.output().is_ok_and(|it| it.status.success());
    let mut rustc = Command::new("rustup");
    rustc.args(["run", "nightly", "rustc", "--version"]);
    if !answers(rustc) {
        bail!("fuzzing needs the nightly compiler; install it: rustup toolchain install nightly");
    }
    let mut fuzz = cargo_fuzz();
    fuzz.arg("--version");
    if !answers(fuzz) {
        bail!("fuzzing needs cargo-fuzz; install it: cargo install cargo-fuzz --locked");
    }
    Ok(())
}

fn cargo_fuzz() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).current_dir(root().join("fuzz"));
    command
}

fn build() -> anyhow::Result<()> {
    let status = cargo_fuzz().args(["build", "--fuzz-dir", "."]).status()?;
    if !status.success() {
        bail!("the fuzz targets could not be built: {status}");
    }
    Ok(())
}

fn fuzz(target: &str, seconds: u64) -> anyhow::Result<(Figures, Option<Failure>)> {
    let work = |kind: &str| root().join("target").join(kind).join(target);
    let (grown, artefacts) = (work("fuzz-corpus"), work("fuzz-artifacts"));
    let log = work("fuzz-logs").with_extension("log");
    for folder in [&grown, &artefacts] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(log.parent().expect("it is in a folder"))?;
    let output = File::create(&log).with_context(|| log.display().to_string())?;
    let mut command = cargo_fuzz();
    command.args(["run", "--fuzz-dir", ".", target]).arg(&grown);
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
        .arg(format!("-artifact_prefix={}/", artefacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-max_len={INPUT_LEN_MAX}"))
        .arg(format!("-timeout={INPUT_TIME_MAX}"))
        .arg("-print_final_stats=1")
        .stdout(output.try_clone()?)
        .stderr(output);
    let status = command.status().context("cargo fuzz could not be started")?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let failure = (!status.success()).then(|| Failure {
        target: target.to_owned(),
        artefact: artefact(&said),
        log,
    });
    Ok((figures(&said), failure))
}

fn print_row([name, numbers @ ..]: [&str; 6]) {
    let [executions, per_s, corpus, edges, features] = numbers;
    println!("{name:<16} {executions:>12} {per_s:>8} {corpus:>8} {edges:>8} {features:>9}");
}

impl Failure {
    fn describe(&self) -> String {
        let Self { target, log, artefact } = self;
        let log = log.display();
        match artefact {
            None => format!("{target} failed, not by an input; see {log}"),
            Some(path) => {
                let path = path.display();
                format!(
                    "{target} broke on {path}; see {log}. Again: cargo +nightly fuzz run \
                     {target} {path}. When it is mended, put the input into \
                     fuzz/regressions/{target}/ under a name that says what it was"
                )
            }
        }
    }
}

/// The last figures that the fuzzer told.
fn figures(said: &str) -> Figures {
    let stat = |name: &str| {
        let stats = said.lines().rev().filter_map(|line| line.strip_prefix("stat::"));
        let mut values = stats.filter_map(|stat| stat.strip_prefix(name)?.strip_prefix(':'));
        values.next().and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    };
    // `#9 DONE cov: 1 ft: 2 corp: 3/4b ...`
    let progress = |name: &str| {
        let lines = said.lines().rev().filter(|line| line.starts_with('#'));
        let mut values = lines.filter_map(|line| line.split_once(name));
        let digits =
            values.next().and_then(|(_, it)| it.split([' ', '/']).find(|it| !it.is_empty()));
        digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
    };
    Figures {
        executions: stat("number_of_executed_units"),
        executions_per_s: stat("average_exec_per_sec"),
        corpus: progress(" corp:"),
        edges: progress(" cov:"),
        features: progress(" ft:"),
    }
}

/// The input that broke something, as the fuzzer told.
fn artefact(said: &str) -> Option<PathBuf> {
    let mut told = said.lines().filter_map(|line| line.split_once("Test unit written to "));
    told.next_back().map(|(_, path)| PathBuf::from(path.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
#2\tINITED cov: 100 ft: 101 corp: 1/1b exec/s: 0 rss: 40Mb
#20\tNEW    cov: 120 ft: 140 corp: 2/9b lim: 4 exec/s: 0 rss: 41Mb L: 4/4 MS: 1 CopyPart-
#65536\tDONE   cov: 345 ft: 678 corp: 90/12Kb lim: 400 exec/s: 2184 rss: 50Mb
Done 65536 runs in 30 second(s)
stat::number_of_executed_units: 65536
stat::average_exec_per_sec:     2184
stat::peak_rss_mb:              50
";

    #[test]
    fn the_last_figures_that_the_fuzzer_told_are_read() {
        let expected = Figures {
            executions: 65_536,
            executions_per_s: 2_184,
            corpus: 90,
            edges: 345,
            features: 678,
        };
        assert_eq!(figures(SAID), expected);
        assert_eq!(figures(""), Figures::default());
    }

    #[test]
    fn a_failure_names_the_input_and_how_to_see_it_again() {
        assert_eq!(artefact(SAID), None);
        let said = "artifact_prefix='/a/'; Test unit written to /a/crash-1\nBase64: AA==\n";
        let failure = Failure {
            target: "config".to_owned(),
            log: PathBuf::from("/logs/config.log"),
            artefact: artefact(said),
        };
        let words = failure.describe();
        assert!(words.starts_with("config broke on /a/crash-1; see /logs/config.log"), "{words}");
        assert!(words.contains("cargo +nightly fuzz run config /a/crash-1"), "{words}");
        let failure = Failure { artefact: None, ..failure };
        assert_eq!(failure.describe(), "config failed, not by an input; see /logs/config.log");
    }

    #[test]
    fn the_targets_are_those_of_the_folder() {
        let targets = targets(&root().join("fuzz/fuzz_targets")).unwrap();
        assert!(targets.contains(&"frame_decoder".to_owned()) && targets.is_sorted());
    }
}
