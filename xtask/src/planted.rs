//! `cargo xtask planted`: deliberate bugs, which the simulation, the corruptor or a test must find.
//!
//! Each is a patch in `xtask/planted`: what the mistake is, who must find it, and the diff. It is
//! built and run in a copy of the tree, which is brought up to date before each: what an
//! interrupted run leaves there does not matter.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use fastrand::Rng;

use crate::program::{self, now};
use crate::runs;
use crate::steps::{Program, cargo_command, files, root, target};
use crate::tools::POSTGRES;

const FOLDER: &str = "xtask/planted/";
/// Begins the line of a patch that tells who must find the bug.
const FOUND_BY: &str = "Found by: ";
const MEND: &str = "make the mistake in the code as it is now, and replace the patch's diff by what \
                    `git diff -U1` prints";
/// Seeds that are tried for each bug.
const SEEDS: &str = "1000";
/// Bugs that the gate plants.
const FEW: usize = 3;

/// A program that looks for bugs seed by seed, and ends with the first that it finds.
#[derive(Debug)]
struct Driver {
    /// The command of xtask that runs it.
    name: &'static str,
    program: Program,
}

const DRIVERS: [Driver; 2] = [
    Driver { name: "sim", program: runs::SIM },
    Driver { name: "corrupt", program: runs::CORRUPT },
];

/// The tests that find bugs of the log in PostgreSQL, one each.
const RULES: &str = "crates/ledger-postgres/tests/rules.rs";
const RUN_RULES: &str = "test --workspace --locked --test rules";
/// Begins the name of one of them.
const A_RULE: &str = "rules ";

/// Who finds a bug.
#[derive(Debug)]
enum Finder {
    Driver(&'static Driver),
    /// A test of [`RULES`].
    Rule(String),
}

/// A deliberate bug.
#[derive(Debug)]
struct Patch {
    /// From the root of the workspace.
    path: String,
    found_by: Vec<Finder>,
}

/// Plants the bugs of these names, or all, or a few that change with the commit.
pub(crate) fn run(names: &[String], few: bool) -> anyhow::Result<()> {
    let mut patches = read()?;
    for name in names {
        let is_there = patches.iter().any(|patch| patch.name() == name);
        ensure!(is_there, "there is no {FOLDER}{name}.patch");
    }
    patches.retain(|patch| names.is_empty() || names.iter().any(|name| patch.name() == name));
    if few {
        patches = few_of(patches, &commit()?);
    }
    if !POSTGRES.is_installed() {
        let (left_out, others) = patches.into_iter().partition(Patch::needs_postgres);
        patches = others;
        left_out.iter().for_each(|patch: &Patch| println!("{}: left out", patch.name()));
    }
    let tree = target().join("planted");
    let mut missed = Vec::new();
    for patch in &patches {
        copy(&root(), &tree)?;
        patch.apply(&tree, &[])?;
        for finder in &patch.found_by {
            let who = format!("{}: {}", patch.name(), finder.name());
            let started = now();
            finder
                .build(&tree)
                .with_context(|| format!("{}: can't be built; {MEND}", patch.path))?;
            let built = started.elapsed().as_secs_f64();
            let finding = finder.find(&tree)?;
            let found = started.elapsed().as_secs_f64() - built;
            let times = format!("{built:.1} s to build, {found:.1} s to run");
            match finding {
                Some(finding) => println!("{who}: {finding}; {times}"),
                None => {
                    println!("{who}: not found; {times}");
                    missed.push(who);
                }
            }
        }
    }
    ensure!(missed.is_empty(), "not found, by a test or in {SEEDS} seeds:\n{}", missed.join("\n"));
    println!("{} planted bugs: all found", patches.len());
    Ok(())
}

/// Finds the patches that do not apply to the tree.
pub(crate) fn check() -> anyhow::Result<Vec<String>> {
    let outcomes = read()?.into_iter().map(|patch| patch.apply(&root(), &["--check"]));
    Ok(outcomes.filter_map(Result::err).map(|error| format!("{error:#}")).collect())
}

fn read() -> anyhow::Result<Vec<Patch>> {
    let mut paths = files(&root(), &format!("{FOLDER}*.patch"))?;
    paths.sort_unstable();
    paths.into_iter().map(Patch::read).collect()
}

/// Chooses some patches, the same ones for the same commit.
fn few_of(patches: Vec<Patch>, commit: &str) -> Vec<Patch> {
    let seed = commit.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
    Rng::with_seed(seed).choose_multiple(patches, FEW)
}

fn commit() -> anyhow::Result<String> {
    let mut git = Command::new("git");
    git.args(["rev-parse", "HEAD"]).current_dir(root());
    program::run(git)
}

impl Patch {
    fn read(path: String) -> anyhow::Result<Self> {
        let text = fs::read_to_string(root().join(&path)).with_context(|| path.clone())?;
        let names = text.lines().find_map(|line| line.strip_prefix(FOUND_BY)).unwrap_or_default();
        let found_by: Option<Vec<_>> = names.split(", ").map(Finder::named).collect();
        let found_by = found_by.with_context(|| {
            format!(
                "{path}: needs a line `{FOUND_BY}sim`, or `sim, corrupt`, or `{A_RULE}` and a test \
                 of {RULES}"
            )
        })?;
        Ok(Self { path, found_by })
    }

    fn needs_postgres(&self) -> bool {
        self.found_by.iter().any(|finder| matches!(finder, Finder::Rule(_)))
    }

    fn name(&self) -> &str {
        let name = self.path.strip_prefix(FOLDER).and_then(|name| name.strip_suffix(".patch"));
        name.expect("it was found by these")
    }

    /// Applies it to a tree, or only says whether it can be.
    fn apply(&self, tree: &Path, options: &[&str]) -> anyhow::Result<()> {
        let mut git = Command::new("git");
        git.arg("apply").args(options).arg(root().join(&self.path)).current_dir(tree);
        // Within a repository git would pass over files that are not where the patch says.
        git.env("GIT_CEILING_DIRECTORIES", tree.parent().unwrap_or(tree));
        program::run(git).with_context(|| format!("{}: does not apply; {MEND}", self.path))?;
        Ok(())
    }
}

impl Finder {
    fn named(name: &str) -> Option<Self> {
        if let Some(test) = name.strip_prefix(A_RULE) {
            let tests = fs::read_to_string(root().join(RULES)).ok()?;
            return tests.contains(&format!("fn {test}()")).then(|| Self::Rule(test.to_owned()));
        }
        DRIVERS.iter().find(|driver| driver.name == name).map(Self::Driver)
    }

    fn name(&self) -> &str {
        match self {
            Self::Driver(driver) => driver.name,
            Self::Rule(test) => test,
        }
    }

    fn build(&self, tree: &Path) -> anyhow::Result<()> {
        let mut cargo = match self {
            Self::Driver(driver) => driver.program.build(),
            Self::Rule(_) => cargo_command(RUN_RULES),
        };
        in_copy(&mut cargo, tree)?;
        if matches!(self, Self::Rule(_)) {
            cargo.arg("--no-run");
        }
        program::run(cargo).map(|_| ())
    }

    /// Returns how a bug is found, if it is.
    fn find(&self, tree: &Path) -> anyhow::Result<Option<String>> {
        match self {
            Self::Driver(driver) => driver.find(),
            Self::Rule(test) => find_by_rule(test, tree),
        }
    }
}

/// Has cargo build a copy of the tree. Packages of others are not built again: the target folder is
/// that of all builds. The workspace's own have a profile of their own: cargo would take those of the
/// copy, with the bug, for the tree's.
fn in_copy(cargo: &mut Command, tree: &Path) -> anyhow::Result<()> {
    cargo.arg("--target-dir").arg(target()).current_dir(tree);
    for entry in fs::read_dir(tree.join("crates"))? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        cargo.arg("--config").arg(format!("profile.dev.package.{name}.codegen-units=17"));
    }
    Ok(())
}

impl Driver {
    fn find(&self) -> anyhow::Result<Option<String>> {
        let output = Command::new(self.program.path()).args(["0", SEEDS]).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let again = format!("again: cargo xtask {} --seed ", self.name);
        let seed = errors.lines().find_map(|line| line.strip_prefix(&again)?.split(' ').next());
        ensure!(
            seed.is_some() || output.status.success(),
            "{} ended without a finding, {}: {errors}",
            self.name,
            output.status
        );
        Ok(seed.map(|seed| format!("seed {seed}")))
    }
}

fn find_by_rule(test: &str, tree: &Path) -> anyhow::Result<Option<String>> {
    let mut cargo = cargo_command(RUN_RULES);
    in_copy(&mut cargo, tree)?;
    let output = cargo.args(["--", "--exact", test]).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let is_there =
        |outcome: &str| printed.lines().any(|it| it == format!("test {test} ... {outcome}"));
    ensure!(is_there("FAILED") || is_there("ok"), "{test} did not run: {printed}");
    Ok(is_there("FAILED").then(|| "fails".to_owned()))
}

/// Brings a copy of the tree up to date. Files that are the same are not written, so cargo builds
/// nothing for their sake.
fn copy(tree: &Path, copy: &Path) -> anyhow::Result<()> {
    let paths = files(tree, ".")?;
    for path in &paths {
        let (from, to) = (tree.join(path), copy.join(path));
        if fs::read(&to).ok() != Some(fs::read(&from)?) {
            fs::create_dir_all(to.parent().unwrap_or(copy))?;
            fs::copy(from, to)?;
        }
    }
    remove_others(copy, &paths.iter().map(|path| copy.join(path)).collect())
}

fn remove_others(folder: &Path, kept: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(&path, kept)?;
        } else if !kept.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new repository, which ignores a folder as this one ignores `target`.
    fn repository(name: &str) -> PathBuf {
        let folder = target().join(format!("planted-test-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("target/tree/src")).unwrap();
        fs::write(folder.join(".gitignore"), "/target\n").unwrap();
        let mut git = Command::new("git");
        git.args(["init", "--quiet"]).current_dir(&folder);
        program::run(git).unwrap();
        folder
    }

    #[test]
    fn a_patch_changes_the_tree_or_fails() {
        let repository = repository("patch");
        let tree = repository.join("target/tree");
        let (code, path) = (tree.join("src/code.rs"), repository.join("a.patch"));
        let diff = "--- a/src/code.rs\n+++ b/src/code.rs\n@@ -1,2 +1 @@\n first\n-second\n";
        fs::write(&path, format!("A line is missing.\n\nFound by: sim, corrupt\n\n{diff}"))
            .unwrap();
        fs::write(&code, "first\nsecond\n").unwrap();
        let patch = Patch::read(path.to_str().unwrap().to_owned()).unwrap();
        let names: Vec<_> = patch.found_by.iter().map(Finder::name).collect();
        assert_eq!(names, ["sim", "corrupt"]);

        patch.apply(&tree, &["--check"]).unwrap();
        assert_eq!(fs::read_to_string(&code).unwrap(), "first\nsecond\n");
        patch.apply(&tree, &[]).unwrap();
        assert_eq!(fs::read_to_string(&code).unwrap(), "first\n");
        let error = patch.apply(&tree, &[]).unwrap_err().to_string();
        assert!(error.contains("a.patch: does not apply; make the mistake"), "{error}");
        fs::remove_dir_all(repository).unwrap();
    }

    #[test]
    fn a_patch_says_who_must_find_the_bug() {
        let repository = repository("found-by");
        let path = repository.join("a.patch");
        for text in
            ["", "Found by: nobody\n", "Found by: sim, nobody\n", "Found by: rules nothing\n"]
        {
            fs::write(&path, text).unwrap();
            let error = Patch::read(path.to_str().unwrap().to_owned()).unwrap_err().to_string();
            assert!(error.contains("a.patch: needs a line `Found by: sim`"), "{error}");
        }
        fs::remove_dir_all(repository).unwrap();
    }

    #[test]
    fn a_copy_is_brought_up_to_date_and_nothing_else_is_written() {
        let repository = repository("copy");
        let tree = repository.join("target/tree");
        let write = |path: &str, text: &str| fs::write(repository.join(path), text).unwrap();
        let time = |path: &str| fs::metadata(tree.join(path)).unwrap().modified().unwrap();
        fs::create_dir(repository.join("src")).unwrap();
        write("same", "same");
        write("src/changed", "before");
        write("src/removed", "");
        copy(&repository, &tree).unwrap();
        let before = time("same");
        write("src/changed", "after");
        fs::remove_file(repository.join("src/removed")).unwrap();
        fs::write(tree.join("src/left"), "by another run").unwrap();
        copy(&repository, &tree).unwrap();
        assert_eq!(time("same"), before);
        assert_eq!(fs::read_to_string(tree.join("src/changed")).unwrap(), "after");
        for gone in ["src/removed", "src/left", "target"] {
            assert!(!tree.join(gone).exists(), "{gone}");
        }
        fs::remove_dir_all(repository).unwrap();
    }

    #[test]
    fn a_commit_plants_a_few_bugs_and_many_commits_all() {
        let names = |commit: &str| {
            let few = few_of(read().unwrap(), commit);
            few.iter().map(|patch| patch.path.clone()).collect::<BTreeSet<_>>()
        };
        assert_eq!(names("e1240c7").len(), FEW);
        assert_eq!(names("e1240c7"), names("e1240c7"));
        let many = (0..200).flat_map(|commit| names(&format!("{commit:040x}")));
        assert_eq!(many.collect::<BTreeSet<_>>().len(), read().unwrap().len());
    }
}
