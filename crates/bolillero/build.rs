//! Tells the program which commit it is built from, where the sources are a clone.
//!
//! Only in release builds: others are built again after each commit otherwise.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=VERSION_AND_COMMIT={}", version());
}

fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        return format!("{version} (debug)");
    }
    // Changes with each commit, and with each change of branch.
    if let Some(log) = git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}

fn git(args: &[&str]) -> Option<String> {
    let done = Command::new("git").args(args).output().ok().filter(|it| it.status.success())?;
    String::from_utf8(done.stdout).ok().map(|text| text.trim().to_owned())
}
