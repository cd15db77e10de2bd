//! Docker's command line, and the containers, network and volume of one day.

use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::program::{self, wait_until};

use super::TIME_MAX;

/// What takes part in a day. Removed when dropped.
pub(super) struct Docker {
    /// The network and the volume; the containers' names begin with it.
    name: String,
    /// The first three numbers of the network's addresses.
    prefix: String,
    containers: Vec<String>,
}

impl Docker {
    /// Creates the network and the volume.
    pub(super) fn new() -> anyhow::Result<Self> {
        let name = format!("bolillero-day-{}", std::process::id());
        let mut day = Self { name, prefix: String::new(), containers: Vec::new() };
        // Docker finds a network that is free, but hosts choose their addresses only in one that is
        // asked for.
        docker(&["network", "create", &day.name])?;
        let format = "{{(index .IPAM.Config 0).Subnet}}";
        let subnet = docker(&["network", "inspect", "--format", format, &day.name])?;
        docker(&["network", "rm", &day.name])?;
        docker(&["network", "create", "--subnet", subnet.trim(), &day.name])?;
        let (prefix, _) = subnet.rsplit_once('.').context("a network without addresses")?;
        prefix.clone_into(&mut day.prefix);
        docker(&["volume", "create", &day.name])?;
        Ok(day)
    }

    /// Starts a container under the name that others reach it by. The program writes to the volume
    /// alone, and may do what any process may.
    pub(super) fn run(&mut self, host: &str, more: &[String]) -> anyhow::Result<()> {
        let name = self.container(host);
        let mut run = command(&["run", "--detach", "--read-only", "--cap-drop", "ALL"]);
        run.args(["--security-opt", "no-new-privileges"]);
        run.args(["--name", &name, "--network", &self.name, "--network-alias", host]);
        run.args(["--ip", &self.address(host)]).args(more);
        self.containers.push(name);
        program::run(run).map(drop)
    }

    /// Runs the program on the volume, to its end.
    pub(super) fn inspect_data(&self, image: &str, what: &str) -> anyhow::Result<String> {
        docker(&["run", "--rm", "--volume", &self.volume(), image, what, "--data", "/data"])
    }

    /// What the volume is mounted as.
    pub(super) fn volume(&self) -> String {
        format!("{}:/data", self.name)
    }

    pub(super) fn start(&self, host: &str) -> anyhow::Result<()> {
        docker(&["start", &self.container(host)]).map(drop)
    }

    /// Sends SIGTERM; returns the exit code, that of SIGKILL if it took too long.
    pub(super) fn stop(&self, host: &str) -> anyhow::Result<i32> {
        docker(&["stop", &self.container(host)])?;
        exit_code(&self.container(host))
    }

    pub(super) fn remove(&self, host: &str) -> anyhow::Result<()> {
        docker(&["rm", &self.container(host)]).map(drop)
    }

    pub(super) fn cut_off(&self, host: &str) -> anyhow::Result<()> {
        docker(&["network", "disconnect", &self.name, &self.container(host)]).map(drop)
    }

    pub(super) fn connect(&self, host: &str) -> anyhow::Result<()> {
        let (container, address) = (self.container(host), self.address(host));
        docker(&["network", "connect", "--ip", &address, &self.name, &container]).map(drop)
    }

    pub(super) fn is_running(&self, host: &str) -> anyhow::Result<bool> {
        is_running(&self.container(host))
    }

    pub(super) fn is_healthy(&self, host: &str) -> anyhow::Result<bool> {
        Ok(state(&self.container(host), "Health.Status")? == "healthy")
    }

    /// Waits for its end; returns the exit code.
    pub(super) fn end_of(&self, host: &str) -> anyhow::Result<i32> {
        end_of(&self.container(host))
    }

    /// Its standard error.
    pub(super) fn log(&self, host: &str) -> anyhow::Result<String> {
        log(&self.container(host))
    }

    /// Its standard output.
    pub(super) fn printed(&self, host: &str) -> anyhow::Result<String> {
        docker(&["logs", &self.container(host)])
    }

    /// The same whenever it is connected, as a machine's is whose cable was pulled.
    fn address(&self, host: &str) -> String {
        let number: u8 = host.rsplit('-').next().and_then(|it| it.parse().ok()).unwrap_or(0);
        format!("{}.{}", self.prefix, 10 + number)
    }

    fn container(&self, host: &str) -> String {
        format!("{}-{host}", self.name)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        for container in &self.containers {
            let _ = docker(&["rm", "--force", container]);
        }
        let _ = docker(&["network", "rm", &self.name]);
        let _ = docker(&["volume", "rm", &self.name]);
    }
}

/// Waits for the end of a container; returns the exit code.
pub(super) fn end_of(container: &str) -> anyhow::Result<i32> {
    let ended = wait_until(TIME_MAX, || Ok(!is_running(container)?))?;
    ensure!(ended, "{container} has not ended: {}", log(container)?);
    exit_code(container)
}

pub(super) fn exit_code(container: &str) -> anyhow::Result<i32> {
    Ok(state(container, "ExitCode")?.parse()?)
}

/// The standard error of a container.
pub(super) fn log(container: &str) -> anyhow::Result<String> {
    let output = command(&["logs", container]).output()?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn is_running(container: &str) -> anyhow::Result<bool> {
    Ok(state(container, "Running")? == "true")
}

fn state(container: &str, field: &str) -> anyhow::Result<String> {
    let format = format!("{{{{.State.{field}}}}}");
    let state = docker(&["inspect", "--format", &format, container])?;
    Ok(state.trim().to_owned())
}

/// Runs docker to a good end; returns what it printed.
pub(super) fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    program::run(command(arguments))
}

fn command(arguments: &[&str]) -> Command {
    program::command("docker".as_ref(), arguments)
}

/// The docker compose that is there, of either version.
pub(super) fn compose() -> Option<impl Fn() -> Command> {
    let words: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
    let command = |words: &[&str]| program::command(words[0].as_ref(), &words[1..]);
    let is_there = |words: &&[&str]| {
        let mut probe = command(words);
        probe.arg("version");
        program::run(probe).is_ok()
    };
    words.into_iter().find(is_there).map(|words| move || command(words))
}
