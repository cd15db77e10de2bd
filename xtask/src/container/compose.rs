//! A day by the compose file, as its users play it: up, down and up again.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::docker::{self, docker};
use super::{AGENCIES, WINNING_NUMBER, check_winners, count, file_of, name};
use crate::program::{self, now};

/// Services of one compose file. Removed when dropped, with their data.
struct Project<'a> {
    compose: &'a dyn Fn() -> Command,
    folder: &'a Path,
    name: String,
}

/// Plays a day on a folder of bets. `compose` is the docker compose that is there.
pub(super) fn play(
    compose: &dyn Fn() -> Command,
    bolillero: &Path,
    folder: &Path,
    bets: &Path,
) -> anyhow::Result<()> {
    let begun = now();
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder.join("bets"))?;
    for number in 1..=AGENCIES {
        fs::copy(file_of(bets, number), file_of(&folder.join("bets"), number))?;
    }
    fs::write(folder.join("central.toml"), format!("winning_number = {WINNING_NUMBER}\n"))?;
    let mut write = program::command(bolillero, &["compose", "--agencies", &AGENCIES.to_string()]);
    write.arg("--out").arg(folder.join("compose.yaml"));
    program::run(write)?;

    let name = format!("bolillero-compose-{}", std::process::id());
    let project = Project { compose, folder, name };
    project.run(&["up", "--detach"])?;
    project.check_agencies(bets)?;
    project.run(&["stop"])?;
    let code = docker::exit_code(&project.container("central")?)?;
    ensure!(code == 0, "the central ended with {code}");
    project.run(&["down"])?;

    // The bets and the draw are still there.
    project.run(&["up", "--detach"])?;
    project.check_agencies(bets)?;
    let checked =
        project.run(&["exec", "-T", "central", "bolillero", "check", "--data", "/data"])?;
    let stored = format!("; {} bets in ", count(bets)?);
    ensure!(checked.contains(&stored), "not `{stored}`: {checked}");
    println!("a day by compose: ok, {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

impl Project<'_> {
    /// Each agency ends with exit code 0 and its winners.
    fn check_agencies(&self, bets: &Path) -> anyhow::Result<()> {
        for number in 1..=AGENCIES {
            let container = self.container(&name(number))?;
            let code = docker::end_of(&container)?;
            let log = || docker::log(&container);
            ensure!(code == 0, "{} ended with {code}: {}", name(number), log()?);
            check_winners(&docker(&["logs", &container])?, &file_of(bets, number))?;
        }
        Ok(())
    }

    fn container(&self, service: &str) -> anyhow::Result<String> {
        let label = |key: &str, value: &str| format!("label=com.docker.compose.{key}={value}");
        let (project, service) = (label("project", &self.name), label("service", service));
        let found = docker(&["ps", "-aq", "--filter", &project, "--filter", &service])?;
        found
            .lines()
            .next()
            .map(str::to_owned)
            .with_context(|| format!("no container of {service}"))
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = (self.compose)();
        command.arg("--file").arg(self.folder.join("compose.yaml"));
        command.args(["--project-name", &self.name]).args(arguments);
        program::run(command)
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--volumes"]);
    }
}
