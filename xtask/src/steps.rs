//! Runs steps, each named and timed, and cargo at the root of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::program::{now, run};

/// Does a piece of work under a heading, and says how long it took.
pub(crate) fn step(name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    println!("--- {name}");
    let started = now();
    let outcome = work();
    let seconds = started.elapsed().as_secs_f64();
    outcome.with_context(|| format!("{name} failed after {seconds:.1} s"))?;
    println!("--- {name}: ok, {seconds:.1} s");
    Ok(())
}

/// Runs cargo at the root of the workspace, with one more environment variable if there is one.
pub(crate) fn cargo(line: &str, variable: Option<(&str, &str)>) -> anyhow::Result<()> {
    let mut cargo = cargo_command(line);
    cargo.envs(variable);
    let status = cargo.status().context("cargo could not be started")?;
    ensure!(status.success(), "`cargo {line}`: {status}");
    Ok(())
}

/// Builds the program as it is installed and packaged, [`dist_program`].
pub(crate) const BUILD_DIST: &str =
    "build --quiet --profile dist --locked -p bolillero --features s3";

pub(crate) fn dist_program() -> PathBuf {
    target().join("dist/bolillero")
}

/// Examples have the features of the tests: what the tests built of other packages is not built again.
const BUILD: &str = "build --quiet --workspace --locked --example";

/// A program of the workspace that is run in the gate: an example, or the product's binary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// The example.
    pub(crate) example: &'static str,
    /// The binary that is built with the example and run instead of it.
    pub(crate) binary: Option<&'static str>,
}

impl Program {
    pub(crate) const fn example(example: &'static str) -> Self {
        Self { example, binary: None }
    }

    /// The command of cargo that builds it.
    pub(crate) fn build(self) -> Command {
        let mut cargo = cargo_command(BUILD);
        cargo.arg(self.example).args(self.binary.map(|binary| ["--bin", binary]).iter().flatten());
        cargo
    }

    /// Where it is once it is built.
    pub(crate) fn path(self) -> PathBuf {
        match self.binary {
            Some(binary) => target().join("debug").join(binary),
            None => target().join("debug/examples").join(self.example),
        }
    }

    /// Builds and runs it.
    pub(crate) fn run(self, arguments: &[&str]) -> anyhow::Result<()> {
        succeed(self.build())?;
        let mut program = Command::new(self.path());
        program.args(arguments).current_dir(root());
        succeed(program)
    }
}

/// Runs a command, whose output is seen.
pub(crate) fn succeed(mut command: Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("can't start {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// The cargo that runs this program, at the root of the workspace. The words of the line have no
/// spaces in them.
pub(crate) fn cargo_command(line: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(line.split(' ')).current_dir(root());
    command
}

/// The files of a tree that git knows or would add, from the root of the tree.
pub(crate) fn files(tree: &Path, pattern: &str) -> anyhow::Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", pattern]);
    git.current_dir(tree);
    let listing = run(git)?;
    // Git still lists a file that was deleted since the last commit.
    let paths = listing.split_terminator('\0').filter(|path| tree.join(path).is_file());
    Ok(paths.map(str::to_owned).collect())
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask is a folder of the workspace").to_owned()
}

/// The folder that cargo built this program in, and builds others in.
pub(crate) fn target() -> PathBuf {
    let this = std::env::current_exe().expect("a running program has a path");
    let target = this.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(|| root().join("target"), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_step_fails_and_why() {
        let failed = step("tea", || anyhow::bail!("no water")).unwrap_err();
        let text = format!("{failed:#}");
        assert!(text.starts_with("tea failed after ") && text.ends_with(": no water"), "{text}");
        assert!(step("tea", || Ok(())).is_ok());
    }
}
