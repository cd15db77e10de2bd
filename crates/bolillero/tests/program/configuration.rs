//! Configuration files, health, and what shells and `man` know of the commands.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::http::Http;
use crate::support::raw::{Raw, finish};
use crate::support::{
    Central, Process, bolillero, free_address, output_of, run, run_well, str, text,
};

#[test]
fn a_configuration_file_is_written_checked_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("central.toml");
    let file = str(&path);
    let init = ["config", "init", "serve", "--out", file];
    run_well(&init);
    assert_eq!(run(&init).status.code(), Some(1), "nothing is overwritten");
    let incomplete = run(&["config", "check", "serve", "--config", file]);
    assert_eq!(incomplete.status.code(), Some(2));

    let template = fs::read_to_string(&path).unwrap();
    let set = |name: &str, value: &str, text: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("#{name} = ")));
        text.replace(line.unwrap(), &format!("{name} = {value}"))
    };
    let data = folder.path().join("data");
    let settings = set("listen", "\"127.0.0.1:12345\"", &template);
    let settings = set("data", &format!("\"{}\"", data.display()), &settings);
    let settings = set("agencies", "5", &settings);
    fs::write(&path, &settings).unwrap();
    assert_eq!(
        run_well(&["config", "check", "serve", "--config", file]),
        "the settings are valid\n"
    );
    assert!(!data.exists(), "nothing is started");

    let mut show = bolillero();
    show.args(["config", "show", "serve", "--config", file]).env("BOLILLERO_AGENCIES", "7");
    let shown =
        text(&output_of(show.env("BOLILLERO_STORE", "postgres://a:secret@127.0.0.1/x")).stdout);
    let row = |name: &str| {
        let line = shown.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")));
        line.unwrap_or_default().split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("listen"), "[\"127.0.0.1:12345\"] the file");
    assert_eq!(row("agencies"), "7 BOLILLERO_AGENCIES");
    assert_eq!(row("window"), "16 default");
    assert_eq!(row("http"), "not set");
    assert_eq!(row("store"), "postgres://a@127.0.0.1:5432/x BOLILLERO_STORE");

    fs::write(&path, settings.replace("agencies = 5", "agencies = \"five\"")).unwrap();
    let refused = run(&["config", "check", "serve", "--config", file]);
    let why = text(&refused.stderr);
    assert!(refused.status.code() == Some(2) && why.contains("central.toml"), "{why}");
    assert!(why.contains("agencies = \"five\""), "{why}");
    let agency = run_well(&["config", "init", "agency"]);
    assert!(agency.contains("\n#batch_max_bets = 93\n"), "{agency}");
}

#[test]
fn the_containers_of_a_compose_file_have_settings_that_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let (file, pki) = (folder.path().join("compose.yaml"), folder.path().join("pki"));
    let compose = ["compose", "--agencies", "2", "--out", str(&file)];
    let issue = |what: &[&str]| run_well(&[&["pki"], what, &["--dir", str(&pki)]].concat());
    issue(&["init"]);
    issue(&["central", "central-1", "central-2", "central-3"]);
    issue(&["agency", "2"]);
    fs::copy(pki.join("ca.crt"), folder.path().join("store-ca.crt")).unwrap();
    let written = run_well(&compose);
    assert!(written.contains("central.toml") && written.contains("agency.toml"), "{written}");
    let refused = run(&compose);
    let why = text(&refused.stderr);
    assert!(refused.status.code() == Some(2) && why.contains("--force"), "{why}");
    // Settings are people's: they are kept.
    fs::write(folder.path().join("agency.toml"), "lang = 'es'\n").unwrap();
    for form in [&[][..], &["--tls"], &["--store"], &["--tls", "--store"]] {
        let written = run_well(&[&compose[..], &["--force"], form].concat());
        assert!(!written.contains(".toml"), "{written}");
        let text = fs::read_to_string(&file).unwrap();
        let central = if form.contains(&"--store") { "central-3" } else { "central" };
        check_container(folder.path(), &text, central, "serve");
        check_container(folder.path(), &text, "agency-2", "agency");
    }
    let agency = fs::read_to_string(folder.path().join("agency.toml")).unwrap();
    assert_eq!(agency, "lang = 'es'\n");
}

/// Checks the variables of a service, with the files of the folder that are mounted in it.
fn check_container(folder: &Path, compose: &str, service: &str, command: &str) {
    let (_, service) = compose.split_once(&format!("\n  {service}:\n")).unwrap();
    let (service, _) = service.split_once("\n\n").unwrap();
    assert!(service.contains(&format!("    command: [{command}]\n")), "{service}");
    let mounted = |path: &str| {
        let to = format!(":{path}:ro");
        let from = service.lines().find_map(|line| line.strip_suffix(&*to)?.split_once("- ./"));
        from.map_or_else(|| PathBuf::from(path), |(_, from)| folder.join(from))
    };
    let mut check = bolillero();
    check.args(["config", "check", command]);
    for line in service.lines() {
        match line.trim().split_once(": ") {
            Some(("BOLILLERO_STORE", _)) => {
                let authority = mounted("/store-ca.crt");
                let url = format!("postgres://a@db/x?sslrootcert={}", authority.display());
                check.env("BOLILLERO_STORE", url)
            }
            Some((name, value)) if name.starts_with("BOLILLERO_") => {
                check.env(name, mounted(value.trim_matches('"')))
            }
            _ => continue,
        };
    }
    let checked = output_of(&mut check);
    assert!(checked.status.success(), "{service}: {}", text(&checked.stderr));
}

#[test]
fn health_is_told_to_whoever_asks_and_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let http = ["--agencies", "5", "--http", "127.0.0.1:0"];
    let mut central = Central::start(&folder.path().join("data"), "127.0.0.1:0", &http);
    let address = Http::of(&mut central).address;
    assert_eq!(run_well(&["health", "--http", &address]), "ready\n");
    assert_eq!(run_well(&["health", "--listen", &central.address]), "accepts connections\n");
    // Operators that can't be read.
    fs::write(folder.path().join("data/operators.json"), "{").unwrap();
    let not_ready = run(&["health", "--http", &address]);
    let why = text(&not_ready.stderr);
    assert!(not_ready.status.code() == Some(1) && why.contains("\"operators\":false"), "{why}");
    // An agencies' port is no HTTP server.
    let other = run(&["health", "--http", &central.address, "--time-max", "1s"]);
    assert_eq!(other.status.code(), Some(1));
    let config = folder.path().join("central.toml");
    fs::write(&config, format!("http = \"{}\"\n", free_address())).unwrap();
    assert_eq!(run(&["health", "--config", str(&config)]).status.code(), Some(1));
    assert_eq!(run(&["health"]).status.code(), Some(2));
}

#[test]
fn shells_and_man_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        assert!(run_well(&["completions", shell]).contains("require-standby"), "{shell}");
    }
    run_well(&["man", "--out", str(folder.path())]);
    let page = fs::read_to_string(folder.path().join("bolillero-serve.1")).unwrap();
    assert!(page.contains(r"\-\-require\-standby"), "{page}");
    assert_eq!(run(&["man", "--out", "/nowhere"]).status.code(), Some(2));
}

#[test]
fn sighup_applies_the_level_of_the_log_and_names_what_waits_for_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("central.toml");
    let write = |more: &str| fs::write(&path, format!("agencies = 1\n{more}")).unwrap();
    write("log_level = 'warn'\n");
    let data = folder.path().join("data");
    let mut process = Process::start(&[
        "serve",
        "--config",
        str(&path),
        "--data",
        str(&data),
        "--listen",
        "127.0.0.1:0",
        "--log-level",
        "info",
    ]);
    process.wait_for("action: listen | result: success");
    let mut reloaded = |settings: &str| {
        write(settings);
        process.signal(Signal::HUP);
        process.wait_for("action: load_settings")
    };
    // A flag takes precedence over the file.
    let line = reloaded("log_level = 'error'\nwindow = 9\nwinners_wait = '1m'\n");
    assert!(line.contains("result: in_progress"), "{line}");
    assert!(line.contains("settings: window, winners_wait |"), "{line}");
    let line = reloaded("window = 'nine'\n");
    assert!(line.contains("result: fail") && line.contains("line 2"), "{line}");
    let line = reloaded("window = 0\n");
    assert!(line.contains("result: fail") && line.contains("window"), "{line}");
    assert!(reloaded("").contains("result: success"));
    assert_eq!(process.terminate().code, Some(0));
}

#[test]
fn sighup_changes_the_level_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("central.toml");
    fs::write(&path, "agencies = 2\n").unwrap();
    let settings = ["--config", str(&path)];
    let mut central = Central::start(&folder.path().join("data"), "127.0.0.1:0", &settings);
    let mut agency = Raw::connect(&central.address);
    let mut finish_again = || {
        agency.send(&finish(1)).expect(&finish(1));
    };
    finish_again();
    finish_again();
    fs::write(&path, "agencies = 2\nlog_level = 'debug'\n").unwrap();
    central.process.signal(Signal::HUP);
    central.process.wait_for("load_settings | result: success");
    let details = |log: &[String]| log.iter().filter(|line| line.contains(" DEBUG ")).count();
    assert_eq!(details(&central.process.log), 0);
    finish_again();
    central.process.wait_for("agency_finished | result: repeated");
    assert_eq!(central.process.terminate().code, Some(0));
}
