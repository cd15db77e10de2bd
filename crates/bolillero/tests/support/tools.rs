//! Checks for external programs that some tests need.

use std::process::{Command, Stdio};

/// When this variable is set, as in CI, no test may be skipped.
const NOTHING_LEFT_OUT: &str = "CI";

/// Returns whether the program of `probe`, a command that succeeds where it is installed, exists on
/// this machine. If not, prints that the test is skipped and how to install the program; where the
/// variable CI is set, the test fails instead.
#[expect(clippy::print_stderr, reason = "where tests say what they leave out")]
pub fn has_tool(probe: &[&str], package: &str) -> bool {
    let mut command = Command::new(probe[0]);
    command.args(&probe[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if command.status().is_ok_and(|status| status.success()) {
        return true;
    }
    let missing = format!("`{}` fails: apt-get install {package}", probe.join(" "));
    let all_asked_for = std::env::var_os(NOTHING_LEFT_OUT).is_some_and(|value| !value.is_empty());
    assert!(!all_asked_for, "{NOTHING_LEFT_OUT} is set, and {missing}");
    eprintln!("this test is left out, since {missing}");
    false
}

pub fn has_openssl() -> bool {
    has_tool(&["openssl", "version"], "openssl")
}

pub fn has_curl() -> bool {
    has_tool(&["curl", "--version"], "curl")
}
