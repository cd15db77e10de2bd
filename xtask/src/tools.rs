//! Programs beside Rust that some checks need.
//!
//! Where one is missing, its checks are left out; the gate says so at its start and at its end, and
//! how to get the program. Where the variable CI is set, a missing program is a failure, at once. The
//! exception is docker: its engine can't be installed where the gate itself runs in a container.

use std::process::{Command, Stdio};

use anyhow::ensure;

use crate::program;

/// Set, to anything, where nothing that can be installed may be left out.
const ALL_ASKED_FOR: &str = "CI";

/// A program, or what else has to be on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// A command that succeeds where the tool is installed.
    probe: &'static [&'static str],
    /// Debian's packages that bring it; none for what belongs to the machine.
    packages: &'static [&'static str],
    /// What is left out without it.
    checks: &'static str,
}

pub(crate) const BROWSER: Tool = tool(
    &["chromedriver", "--version"],
    &["chromium", "chromium-driver", "fonts-dejavu-core"],
    "the console in a real browser",
);
pub(crate) const PYTHON: Tool = tool(
    &["python3", "-c", "import venv, ensurepip"],
    &["python3-venv"],
    "made-up requests to the API, the client in Python, backups in an object store, the site of the documents, \
     exports read by pyarrow, accessibility of the console, NATS in the short measurement beside other stores",
);
pub(crate) const VALGRIND: Tool =
    tool(&["valgrind", "--version"], &["valgrind"], "counting instructions");
pub(crate) const STRACE: Tool = tool(&["strace", "-V"], &["strace"], "counting system calls");
pub(crate) const PACKAGING: Tool = tool(
    &["sh", "-c", "dpkg-deb --version && systemd-analyze --version && strace -V"],
    &["systemd", "strace"],
    "the Debian package, and the unit of systemd in it",
);
pub(crate) const POSTGRES: Tool = tool(
    &["sh", "-c", "setpriv --version && ls /usr/lib/postgresql/*/bin/postgres"],
    &["postgresql"],
    "several centrals on a real PostgreSQL, PostgreSQL in the short measurement beside other stores",
);
pub(crate) const DOCKER: Tool = tool(
    &["docker", "version", "--format", "{{.Server.Version}}"],
    &[],
    "the image, and a day in containers",
);

/// All there are. Those without a name are looked for by the tests that need them.
const ALL: [Tool; 13] = [
    BROWSER,
    PYTHON,
    DOCKER,
    VALGRIND,
    STRACE,
    PACKAGING,
    POSTGRES,
    tool(
        &["redis-server", "--version"],
        &["redis-server"],
        "Redis in the short measurement beside other stores",
    ),
    tool(
        &["promtool", "--version"],
        &["prometheus"],
        "metrics, alerts and dashboard held against a real Prometheus",
    ),
    tool(&["nginx", "-v"], &["nginx"], "the console and the API behind a real proxy"),
    tool(&["openssl", "version"], &["openssl"], "certificates made by openssl"),
    tool(
        &["curl", "--version"],
        &["curl"],
        "a day by the API as docs/how-to/day.sh has it, metrics as Prometheus reads them",
    ),
    tool(&["jq", "--version"], &["jq"], "a day by the API as docs/how-to/day.sh has it"),
];

const fn tool(
    probe: &'static [&'static str],
    packages: &'static [&'static str],
    checks: &'static str,
) -> Tool {
    Tool { probe, packages, checks }
}

/// What this machine lacks.
pub(crate) struct Missing {
    tools: Vec<Tool>,
}

impl Missing {
    /// Looks for all tools, and says what is left out without those that are missing.
    ///
    /// # Errors
    /// When some are missing that may not be.
    pub(crate) fn look() -> anyhow::Result<Self> {
        let tools = ALL.into_iter().filter(|tool| !tool.is_installed()).collect();
        let missing = Self { tools };
        missing.check(std::env::var_os(ALL_ASKED_FOR).is_some_and(|value| !value.is_empty()))?;
        missing.tell();
        Ok(missing)
    }

    /// Whether one of these tools is missing.
    pub(crate) fn any_of(&self, needed: &[Tool]) -> bool {
        needed.iter().any(|tool| self.tools.contains(tool))
    }

    /// Says what is left out, and how to get it.
    pub(crate) fn tell(&self) {
        if !self.tools.is_empty() {
            println!("--- left out on this machine:\n{}", self.describe());
        }
    }

    fn check(&self, all_asked_for: bool) -> anyhow::Result<()> {
        ensure!(
            !all_asked_for || self.tools.iter().all(|tool| tool.packages.is_empty()),
            "{ALL_ASKED_FOR} is set, so only what can't be installed may be left out, but this machine \
             lacks tools for\n{}",
            self.describe()
        );
        Ok(())
    }

    fn describe(&self) -> String {
        let line = |Tool { probe, packages, checks }: &Tool| {
            let remedy = match packages {
                [] => "needs a running engine; left out where CI is set, too".to_owned(),
                packages => format!("apt-get install {}", packages.join(" ")),
            };
            format!("      {checks} (`{}` fails): {remedy}", probe.join(" "))
        };
        self.tools.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Tool {
    pub(crate) fn is_installed(&self) -> bool {
        let mut probe = Command::new(self.probe[0]);
        probe.args(&self.probe[1..]).stdin(Stdio::null());
        program::run(probe).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::root;

    #[test]
    fn tells_what_is_left_out_and_fails_where_nothing_may_be() {
        let nowhere = tool(&["no-such-program-anywhere"], &["nowhere"], "what nobody can check");
        assert!(!nowhere.is_installed());
        let missing = Missing { tools: vec![nowhere] };
        assert!(missing.any_of(&[BROWSER, nowhere]) && !missing.any_of(&[BROWSER]));
        let text = missing.describe();
        let expected =
            "nobody can check (`no-such-program-anywhere` fails): apt-get install nowhere";
        assert!(text.ends_with(expected), "{text}");
        missing.check(false).unwrap();
        assert!(missing.check(true).unwrap_err().to_string().contains("CI is set"));
        Missing { tools: vec![] }.check(true).unwrap();
        Missing { tools: vec![DOCKER] }.check(true).unwrap();
        assert!(Missing { tools: vec![DOCKER, nowhere] }.check(true).is_err());
    }

    #[test]
    fn the_gate_installs_every_tool() {
        let gate = std::fs::read_to_string(root().join(".ci/run")).unwrap();
        let installed: Vec<_> =
            gate.split(|c: char| c.is_whitespace() || "()".contains(c)).collect();
        for tool in ALL {
            let installs = tool.packages.iter().all(|package| installed.contains(package));
            assert!(installs, ".ci/run does not get what this needs: {}", tool.checks);
        }
    }
}
