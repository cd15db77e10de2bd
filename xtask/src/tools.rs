//! Programs beside Rust that some checks need, and what becomes of a check without its programs.
//!
//! On a machine without one of them the check is left out, which is said at the start and at the
//! end together with how to get it. Where the variable CI is set, as on a gate, nothing may be left
//! out: a program that is missing is a failure, at once.

use std::process::{Command, Stdio};

use anyhow::bail;

/// Set, to anything, where nothing may be left out.
const ALL_ASKED_FOR: &str = "CI";

/// A program, or what else has to be on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// A command that succeeds where the tool is installed.
    probe: &'static [&'static str],
    /// Debian's packages that bring it.
    packages: &'static [&'static str],
    /// What is left out without it.
    checks: &'static str,
}

pub(crate) const BROWSER: Tool = Tool {
    probe: &["chromedriver", "--version"],
    packages: &["chromium", "chromium-driver", "fonts-dejavu-core"],
    checks: "the console in a real browser",
};
pub(crate) const PYTHON: Tool = Tool {
    probe: &["python3", "-c", "import venv, ensurepip"],
    packages: &["python3-venv"],
    checks: "made-up requests to the API, exports read by pyarrow, accessibility of the console, \
             NATS in the short measurement beside other stores",
};
pub(crate) const VALGRIND: Tool = Tool {
    probe: &["valgrind", "--version"],
    packages: &["valgrind"],
    checks: "counting instructions",
};

/// All there are. Those without a name are looked for by the tests that need them.
const ALL: [Tool; 10] = [
    BROWSER,
    PYTHON,
    VALGRIND,
    Tool {
        probe: &["sh", "-c", "ls /usr/lib/postgresql/*/bin/postgres"],
        packages: &["postgresql"],
        checks: "PostgreSQL in the short measurement beside other stores",
    },
    Tool {
        probe: &["redis-server", "--version"],
        packages: &["redis-server"],
        checks: "Redis in the short measurement beside other stores",
    },
    Tool {
        probe: &["promtool", "--version"],
        packages: &["prometheus"],
        checks: "metrics, alerts and dashboard held against a real Prometheus",
    },
    Tool {
        probe: &["nginx", "-v"],
        packages: &["nginx"],
        checks: "the console and the API behind a real proxy",
    },
    Tool {
        probe: &["openssl", "version"],
        packages: &["openssl"],
        checks: "certificates made by openssl",
    },
    Tool {
        probe: &["curl", "--version"],
        packages: &["curl"],
        checks: "a day by the API as docs/day.sh has it, metrics as Prometheus reads them",
    },
    Tool {
        probe: &["jq", "--version"],
        packages: &["jq"],
        checks: "a day by the API as docs/day.sh has it",
    },
];

/// What this machine lacks.
pub(crate) struct Missing {
    tools: Vec<Tool>,
}

impl Missing {
    /// Looks for all tools, and says what is left out without those that are missing.
    ///
    /// # Errors
    /// When some are missing and nothing may be left out.
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
        if all_asked_for && !self.tools.is_empty() {
            bail!(
                "{ALL_ASKED_FOR} is set, so nothing may be left out, but this machine lacks tools \
                 for\n{}",
                self.describe()
            );
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let line = |tool: &Tool| {
            let (checks, program, get) =
                (tool.checks, tool.probe.join(" "), tool.packages.join(" "));
            format!("      {checks} (`{program}` fails): apt-get install {get}")
        };
        self.tools.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Tool {
    fn is_installed(&self) -> bool {
        let mut probe = Command::new(self.probe[0]);
        probe.args(&self.probe[1..]).stdin(Stdio::null());
        probe.stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::root;

    const NOWHERE: Tool = Tool {
        probe: &["no-such-program-anywhere"],
        packages: &["nowhere"],
        checks: "what nobody can check",
    };

    #[test]
    fn a_missing_tool_is_told_with_what_is_left_out_and_where_all_is_asked_for_it_is_a_failure() {
        assert!(!NOWHERE.is_installed());
        let missing = Missing { tools: vec![NOWHERE] };
        assert!(missing.any_of(&[BROWSER, NOWHERE]) && !missing.any_of(&[BROWSER]));
        let text = missing.describe();
        for part in ["what nobody can check", "no-such-program-anywhere", "install nowhere"] {
            assert!(text.contains(part), "{text}");
        }
        missing.check(false).unwrap();
        assert!(missing.check(true).unwrap_err().to_string().contains("CI is set"));
        Missing { tools: vec![] }.check(true).unwrap();
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
