//! `bolillero operator`: what it changes, what it refuses, and what it tells.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use std::path::Path;
use std::process::Output;

use support::{run, run_well, str, text, with_input};

/// Runs a command with a password on standard input.
fn with_password(args: &[&str], password: &str) -> Output {
    with_input(&[args, &["--password-stdin"]].concat(), password)
}

fn add(data: &Path, name: &str, role: &str) -> Output {
    let args = ["operator", "add", name, "--role", role, "--data", str(data)];
    with_password(&args, "a long password\n")
}

fn refused(output: &Output, code: i32, part: &str) {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(part), "'{part}' is not in: {told}");
}

#[test]
fn operators_are_added_disabled_and_enabled() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let listed = || run_well(&["operator", "list", "--data", str(&data)]);
    assert!(listed().contains("bolillero operator add"));
    assert!(!data.exists(), "looking changes nothing");
    for (name, role) in [("ana", "admin"), ("bea", "viewer")] {
        assert!(add(&data, name, role).status.success());
    }
    run_well(&["operator", "disable", "bea", "--data", str(&data)]);
    let rows: Vec<Vec<String>> = (listed().lines().skip(1))
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect();
    assert_eq!(rows, [["ana", "admin", "enabled"], ["bea", "viewer", "disabled"]]);
    run_well(&["operator", "enable", "bea", "--data", str(&data)]);
    assert!(!listed().contains("disabled"));
    let changed = ["operator", "password", "bea", "--data", str(&data)];
    assert!(with_password(&changed, "another password\n").status.success());
}

#[test]
fn a_token_is_told_once_and_listed_without_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    assert!(add(data, "ana", "admin").status.success());
    let token = ["operator", "token", "ana", "--label", "the board", "--days", "90"];
    let token = [&token[..], &["--role", "viewer", "--data", str(data)]].concat();
    let secret = run_well(&token);
    assert_eq!(secret.trim_end().len(), 64);
    assert_ne!(run_well(&token), secret);
    run_well(&["operator", "revoke", "1", "--data", str(data)]);
    let listed = run_well(&["operator", "list", "--data", str(data)]);
    assert!(listed.contains("the board") && listed.contains("revoked") && listed.contains("works"));
    assert!(!listed.contains(secret.trim_end()));
    let kept = std::fs::read_to_string(data.join("operators.json")).unwrap();
    assert!(!kept.contains(secret.trim_end()) && !kept.contains("a long password"));
}

#[test]
fn what_can_not_be_done_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    assert!(add(data, "ana", "admin").status.success());
    refused(&add(data, "ana", "viewer"), 2, "there is already an operator 'ana'");
    refused(&add(data, "Ana", "viewer"), 2, "begins with a letter");
    refused(&add(data, "eva", "root"), 2, "'root' is no role");
    let add_eva = ["operator", "add", "eva", "--role", "viewer", "--data", str(data)];
    refused(&with_password(&add_eva, "short\n"), 2, "at least 12 characters");
    refused(&run(&add_eva), 2, "--password-stdin");
    let last = ["operator", "disable", "ana", "--data", str(data)];
    refused(&run(&last), 2, "the last admin");
    refused(&run(&["operator", "list"]), 2, "--data");
    std::fs::write(data.join("operators.json"), "{").unwrap();
    refused(&run(&last), 1, "restore it from a copy");
}
