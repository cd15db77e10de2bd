//! Running one step after the other, each named and timed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Does a piece of work under a heading, and says how long it took.
pub(crate) fn step(name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    println!("--- {name}");
    let (outcome, elapsed) = timed(work);
    let seconds = elapsed.as_secs_f64();
    match outcome {
        Ok(()) => {
            println!("--- {name}: ok, {seconds:.1} s");
            Ok(())
        }
        Err(error) => Err(error.context(format!("{name} failed after {seconds:.1} s"))),
    }
}

/// Runs cargo at the root of the workspace, with one more environment variable if there is one.
pub(crate) fn cargo(arguments: &[&str], variable: Option<(&str, &str)>) -> anyhow::Result<()> {
    let mut cargo = cargo_command(arguments);
    cargo.envs(variable);
    let status = cargo.status().context("cargo could not be started")?;
    if !status.success() {
        bail!("`cargo {}`: {status}", arguments.join(" "));
    }
    Ok(())
}

/// The cargo that runs this program, at the root of the workspace.
pub(crate) fn cargo_command(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root());
    command
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask is a folder of the workspace").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "how long a step really took is what is asked")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_says_which_and_why() {
        let failed = step("tea", || bail!("no water")).unwrap_err();
        let text = format!("{failed:#}");
        assert!(text.starts_with("tea failed after ") && text.ends_with(": no water"), "{text}");
        assert!(step("tea", || Ok(())).is_ok());
    }

    #[test]
    fn the_root_holds_the_workspace() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }
}
