//! Runs the documented script of a whole day by the API alone. Skipped without curl or jq.

use std::process::Command;

use crate::support::tools::{has_curl, has_tool};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/how-to/day.sh");

#[test]
fn a_day_goes_from_an_empty_folder_to_published_winners() {
    if !(has_curl() && has_tool(&["jq", "--version"], "jq")) {
        return;
    }
    let mut script = Command::new("bash");
    script.arg(SCRIPT).env("BOLILLERO", env!("CARGO_BIN_EXE_bolillero"));
    let output = script.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{message}");
    let last = printed.lines().last().unwrap();
    assert!(last.ends_with(" settled"), "{printed}");
}
