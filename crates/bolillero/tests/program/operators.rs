//! `bolillero operator`: its changes, refusals and messages.

use std::path::Path;
use std::process::Output;

use crate::support::{Central, run, run_well, str, text, with_input};

/// Runs a command with a password on standard input.
fn with_password(args: &[&str], password: &str) -> Output {
    with_input(&[args, &["--password-stdin"]].concat(), password)
}

fn add(data: &Path, name: &str, role: &str) -> Output {
    let args = ["operator", "add", name, "--role", role, "--data", str(data)];
    with_password(&args, "a long password\n")
}

fn refused(output: &Output, code: i32, part: &str) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains(part), "'{part}' is not in: {message}");
}

#[test]
fn a_label_is_refused_or_shown_when_something_in_it_can_not_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(add(&data, "ana", "admin").status.success());
    let token = |label| {
        let args = ["operator", "token", "ana", "--days", "9", "--data", str(&data), "--label"];
        run(&[&args[..], &[label]].concat())
    };
    refused(&token("ha\u{202e}ll"), 2, "a token's label must not have invisible characters");
    refused(&token("\u{a0}"), 2, "must not be blank");
    assert!(token("hall").status.success());
    // A label stored before the rule for texts.
    let file = data.join("operators.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"hall\"", "\"ha\u{202e}ll\"")).unwrap();
    let listed = run_well(&["operator", "list", "--data", str(&data)]);
    assert!(listed.contains(r"ha\u{202e}ll") && !listed.contains('\u{202e}'), "{listed}");
}

#[test]
fn an_operator_whose_name_looks_like_anothers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(add(&data, "marla", "admin").status.success());
    refused(&add(&data, "mar1a", "viewer"), 2, "the same as that of the operator 'marla'");
}

#[test]
fn operators_are_added_disabled_and_enabled() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let listed = || run_well(&["operator", "list", "--data", str(&data)]);
    std::fs::create_dir(&data).unwrap();
    assert!(listed().contains("bolillero operator add"));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "looking changes nothing");
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
fn a_missing_folder_is_reported_and_created_for_the_first_operator_only() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let changes: [&[&str]; 5] = [
        &["list"],
        &["disable", "ana"],
        &["enable", "ana"],
        &["token", "ana", "--label", "board", "--days", "9"],
        &["revoke", "1"],
    ];
    for change in changes {
        let of = |data| run(&[&["operator"], change, &["--data", str(data)]].concat());
        refused(&of(&data), 2, "bolillero operator add");
        refused(&of(&data), 2, str(&data));
        refused(&of(&file), 2, "choose a folder");
    }
    let password = ["operator", "password", "ana", "--data", str(&data)];
    refused(&with_password(&password, "a long password\n"), 2, "bolillero operator add");
    let add_ana = ["operator", "add", "ana", "--role", "admin", "--data", str(&data)];
    refused(&with_password(&add_ana, "short\n"), 2, "at least 12 characters");
    assert!(!data.exists(), "nothing was made");
    refused(&add(&file, "ana", "admin"), 2, "choose a folder");
    assert!(add(&data, "ana", "admin").status.success());
}

#[test]
fn a_token_is_printed_once_and_listed_without_its_secret() {
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
    assert!(listed.contains("the board") && listed.contains("revoked") && listed.contains("valid"));
    assert!(!listed.contains(secret.trim_end()));
    let kept = std::fs::read_to_string(data.join("operators.json")).unwrap();
    assert!(!kept.contains(secret.trim_end()) && !kept.contains("a long password"));
}

#[test]
fn refusals_say_what_to_do() {
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

const HTTP: [&str; 2] = ["--http", "127.0.0.1:0"];
const PENDING: &str = "\"unrecorded\"";

fn token_of_ana(data: &Path) {
    run_well(&["operator", "token", "ana", "--label", "board", "--days", "9", "--data", str(data)]);
}

fn operators_file(data: &Path) -> String {
    std::fs::read_to_string(data.join("operators.json")).unwrap()
}

/// The lines of the audit log that are about a kind of changes made on the command line.
fn on_record(data: &Path, action: &str) -> Vec<String> {
    let printed = run_well(&["audit", "--data", str(data), "--action", action]);
    printed.lines().filter(|line| line.contains("on the command line")).map(str::to_owned).collect()
}

#[test]
fn changes_on_the_command_line_are_recorded_with_user_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(add(&data, "ana", "admin").status.success());
    token_of_ana(&data);
    assert!(operators_file(&data).contains(PENDING));
    let mut central = Central::start(&data, "127.0.0.1:0", &HTTP);
    central.process.wait_for("event: token-given");

    // Beside the central.
    assert!(add(&data, "bea", "viewer").status.success());
    central.process.wait_for("event: operator-added");
    run_well(&["operator", "disable", "bea", "--data", str(&data)]);
    run_well(&["operator", "enable", "bea", "--data", str(&data)]);
    run_well(&["operator", "revoke", "1", "--data", str(&data)]);
    let changed = ["operator", "password", "bea", "--data", str(&data)];
    assert!(with_password(&changed, "another password\n").status.success());
    central.process.wait_for("event: password-changed");
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0));
    let logged = ended.log.iter().filter(|line| line.contains("action: audit")).count();
    assert_eq!(logged, 7, "each change is logged once: {:#?}", ended.log);
    assert!(!operators_file(&data).contains(PENDING));
    let log = run_well(&["audit", "--data", str(&data), "--format", "csv"]);
    let kinds = [
        ("operator-added", "name \"\"ana\"\", role admin"),
        ("token-given", "name \"\"ana\"\", role admin, days 9, label \"\"board\"\""),
        ("operator-added", "name \"\"bea\"\", role viewer"),
        ("operator-disabled", "name \"\"bea\"\""),
        ("operator-enabled", "name \"\"bea\"\""),
        ("token-revoked", "token 1"),
        ("password-changed", "name \"\"bea\"\""),
    ];
    let lines: Vec<_> = log.lines().skip(1).collect();
    assert_eq!(lines.len(), kinds.len(), "{log}");
    for ((kind, what), line) in kinds.into_iter().zip(lines) {
        assert!(line.contains(kind) && line.contains(what), "{kind}: {line}");
        assert!(line.contains("on the command line") && line.contains("made at 20"), "{line}");
    }
}

#[test]
fn a_central_that_is_killed_records_each_change_on_the_command_line_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(add(&data, "ana", "admin").status.success());
    let rounds = 6;
    for _ in 0..rounds {
        token_of_ana(&data);
        let before = operators_file(&data);
        let mut central = Central::start(&data, "127.0.0.1:0", &HTTP);
        central.process.wait_for("event: token-given");
        central.process.kill();
        // As if it had been killed before it wrote the file.
        std::fs::write(data.join("operators.json"), before).unwrap();
    }
    assert!(add(&data, "bea", "viewer").status.success());
    let mut central = Central::start(&data, "127.0.0.1:0", &HTTP);
    central.process.wait_for("event: operator-added");
    assert_eq!(central.process.terminate().code, Some(0));
    assert_eq!(on_record(&data, "token-given").len(), rounds);
    assert_eq!(on_record(&data, "operator-added").len(), 2);
    assert!(!operators_file(&data).contains(PENDING));
}
