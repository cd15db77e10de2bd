//! Messages and exit codes of the command line.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Seek as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use crate::support::raw::{Raw, ack, bets, finish};
use crate::support::{Central, Process, agency, bolillero, exported, run, run_well, str, text};
use rustix::process::Signal;

/// Runs the program, and checks the exit code and parts of its standard error.
fn refused(args: &[&str], code: i32, parts: &[&str]) {
    let output = run(args);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    for part in parts {
        assert!(message.contains(part), "{args:?}: '{part}' is not in: {message}");
    }
}

fn write(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    str(&path).to_owned()
}

/// Makes a ledger with a completed draw of one agency with these bets.
fn ledger_of(data: &Path, draw: &str, sent: &[&str]) {
    let more = ["--agencies", "1", "--winning-number", "7", "--draw", draw];
    let central = Central::start(data, "127.0.0.1:0", &more);
    let mut raw = Raw::connect(&central.address);
    raw.send(&bets(1, 0, sent)).expect(&ack(0)).send(&finish(1)).expect(&finish(1));
    drop(raw);
    assert_eq!(central.process.terminate().code, Some(0));
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in ["serve", "agency", "demo", "generate", "export", "winners", "check", "operator"]
    {
        assert!(run_well(&[command, "--help"]).contains("Example"), "{command}");
    }
    assert!(run_well(&["--version"]).starts_with("bolillero "));
}

#[test]
fn wrong_usage_and_failure_have_different_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (data, missing) = (str(&data), folder.path().join("missing"));
    let missing = str(&missing);
    refused(&[], 2, &["Usage"]);
    refused(&["serve", "--nonsense"], 2, &["--nonsense"]);
    refused(
        &["serve", "--listen", "127.0.0.1:0", "--agencies", "1"],
        2,
        &["--data", "BOLILLERO_DATA"],
    );
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", data];
    refused(&[&serve[..], &["--agencies", "0"]].concat(), 2, &["at least one agency"]);
    refused(&[&serve[..], &["--agencies", "1", "--winners-wait", "soon"]].concat(), 2, &["soon"]);
    let out_of_range = ["--agencies", "1", "--numbers", "0-99"];
    refused(&[&serve[..], &out_of_range].concat(), 2, &["7574", "0-99", "--winning-number"]);
    let agency = ["agency", "--id", "1", "--central", "127.0.0.1:1"];
    refused(&agency, 2, &["--bets"]);
    let unsaid = ["--bets", "Cargo.toml", "--legacy", "--draw", "otro"];
    refused(&[&agency[..], &unsaid].concat(), 2, &["--legacy", "--draw"]);
    refused(&[&agency[..], &["--bets", missing]].concat(), 2, &["can't open", missing]);
    for command in ["check", "export", "winners", "audit"] {
        refused(&[command, "--data", missing], 2, &["there is no such folder", missing]);
        let empty = folder.path().join("empty");
        std::fs::create_dir_all(&empty).unwrap();
        refused(&[command, "--data", str(&empty)], 2, &["there is no ledger", str(&empty)]);
    }
    refused(&["demo", "--bets", missing], 2, &["agency-1.csv"]);
}

#[test]
fn invalid_settings_are_refused_before_the_folder_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = ["serve", "--agencies", "1", "--data", str(&data), "--listen"];
    let (http, header) = (["--http", "127.0.0.1:0"], "--http-client-header");
    let proxies = "--http-trusted-proxies";
    let unusable: [(&[&str], &str); 18] = [
        (&["--listen", "127.0.0.1:0=otro"], "remove =DRAW"),
        (&["--http-origin", "lottery.example"], "such as https://lottery.example"),
        (&["--http-origin", "https://lottery.example"], "--http-origin requires --http"),
        (&["--lottery", "Lotería"], "--lottery and --place require --http"),
        (&["--place", " "], "must not be blank"),
        (&[http[0], http[1], proxies, "10.0.0.1/8"], "no bits set after the prefix"),
        (&[http[0], http[1], proxies, "0.0.0.0/0"], "the prefix must not be empty"),
        (&[http[0], http[1], proxies, "10.0.0.0/8,::1"], "require each other"),
        (&[http[0], http[1], header, "forwarded"], "require each other"),
        (&[proxies, "::1", header, "x-real-ip"], "--http-trusted-proxies requires --http"),
        (&["--window", "0"], "window"),
        (&["--frame-len-max", "10"], "10"),
        (&["--connections-max", "0"], "at least one connection"),
        (&["--frame-time-max", "0"], "time for a message to arrive"),
        (&["--write-time-max", "0s"], "time for an agency to read"),
        (&["--segment-len", "0"], "multiple of 4096 from 98304 to 1073741824"),
        (&["--segment-len", "98305"], "98305"),
        (&["--segment-len", "2147483648"], "2147483648"),
    ];
    for (more, part) in unusable {
        refused(&[&serve[..], &["127.0.0.1:0"], more].concat(), 2, &[part]);
    }
    for listen in ["nowhere", "127.0.0.1:70000"] {
        refused(&[&serve[..], &[listen]].concat(), 2, &["can't listen on", listen]);
    }
    for name in ["--tls-cert", "--tls-key", "--tls-agencies-ca", "--tls-revoked"] {
        let useless = ["127.0.0.1:0", name, "some.pem"];
        refused(&[&serve[..], &useless].concat(), 2, &[name, "--tls-listen"]);
    }
    // An address reserved for documentation, which no system has.
    refused(&[&serve[..], &["192.0.2.1:9"]].concat(), 1, &["can't listen on 192.0.2.1:9"]);
    assert!(!data.exists());
}

#[test]
fn a_console_that_others_can_reach_without_encryption_is_warned_of() {
    let (encrypted, plain) = ("https://lottery.example", "http://lottery.example");
    for (http, origin, is_warned) in [
        ("127.0.0.1:0", None, false),
        ("0.0.0.0:0", None, true),
        ("0.0.0.0:0", Some(plain), true),
        ("0.0.0.0:0", Some(encrypted), false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut more = vec!["--http", http];
        more.extend(origin.into_iter().flat_map(|origin| ["--http-origin", origin]));
        let central = Central::start(folder.path(), "127.0.0.1:0", &more);
        let mut warnings = central.process.log.iter().filter(|line| line.contains("passwords"));
        assert_eq!(warnings.next().is_some(), is_warned, "{more:?}: {:#?}", central.process.log);
    }
}

#[test]
fn a_hangup_ends_no_central() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut central = Central::start(&data, "127.0.0.1:0", &["--agencies", "1"]);
    central.process.signal(Signal::HUP);
    let message = central.process.wait_for("load_settings | result: fail");
    assert!(message.contains("--config, --tls-listen"), "{message}");
    Raw::connect(&central.address).send(&finish(1)).expect(&finish(1));
    assert_eq!(central.process.terminate().code, Some(0));
}

#[test]
fn settings_come_from_flags_then_environment_then_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let content = "listen = \"127.0.0.1:0\"\nagencies = 1\ndraw = 'file'\nwinning_number = 1\n";
    let file = write(folder.path(), "central.toml", content);
    let mut command = bolillero();
    command.args(["serve", "--config", &file, "--data", str(&data), "--draw", "flag"]);
    command.env("BOLILLERO_DRAW", "variable").env("BOLILLERO_WINNING_NUMBER", "2");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let listening = lines.find(|line| line.as_ref().unwrap().contains("address: ")).unwrap();
    let address = listening.unwrap().split("address: ").nth(1).unwrap().to_owned();
    Raw::connect(&address).send(&finish(1)).expect(&finish(1));
    lines.find(|line| line.as_ref().unwrap().contains("sorteo | result: success"));
    child.kill().unwrap();
    child.wait().unwrap();
    let check = run_well(&["check", "--data", str(&data)]);
    assert!(check.contains("flag: drawn, winning number 2;"), "{check}");

    let file = write(folder.path(), "unknown.toml", "agencies = 1\nagency = 2\n");
    refused(&["serve", "--config", &file], 2, &[&file, "line 2", "agency"]);
    for (line, parts) in [
        ("listen = 'a:1= x'", ["listen", "a draw's name must not begin or end with spaces"]),
        ("listen = ['127.0.0.1:0', 'a:1=']", ["listen", "a draw's name must not be blank"]),
        ("listen = 'nowhere'", ["listen", "can't listen on nowhere: give a host and a port"]),
        ("listen = 12345", ["listen", "expected a text in quotes, or a list of such"]),
        ("tls_listen = ['a:1', 2]", ["tls_listen", "expected a string"]),
        ("time_zone = 3", ["time_zone", "expected a string"]),
        ("shutdown_time_max = 'soon'", ["shutdown_time_max", "'soon' is not a time"]),
    ] {
        let file = write(folder.path(), "wrong.toml", &format!("agencies = 1\n{line}\n"));
        refused(&["serve", "--config", &file], 2, &[&[&file, "line 2"], &parts[..]].concat());
    }
    let output = bolillero().arg("demo").env("BOLILLERO_WINNER", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("unknown environment variable BOLILLERO_WINNER ("));
}

#[test]
fn the_lotterys_time_zone_is_logged_at_the_start_whatever_the_machines_zone() {
    let folder = tempfile::tempdir().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--agencies", "1"];
    for (machine, given, expected) in [
        ("America/Argentina/Buenos Aires", &[][..], "zone: America/Argentina/Buenos_Aires"),
        ("", &["--time-zone", "europe/madrid"], "zone: Europe/Madrid | offset: UTC+"),
    ] {
        let mut command = bolillero();
        command.args(serve).args(given).arg("--data").arg(folder.path().join("data"));
        let mut child = command.env("TZ", machine).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("action: time_zone")).unwrap();
        assert!(line.contains(expected), "{line}");
        let offset = line.split("offset: UTC").nth(1).unwrap();
        // The log line's own time is in that zone.
        let hours = format!("{:+03}:00 INFO", offset.parse::<i32>().unwrap());
        assert!(line.contains(&hours), "{line}: {hours}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let wrong = [&serve[..], &["--data", "x", "--time-zone", "Buenos Aires"]].concat();
    refused(&wrong, 2, &["--time-zone", "'Buenos Aires'", "America/Argentina/Buenos_Aires"]);
}

#[test]
fn an_agency_takes_its_settings_from_all_three_places_too() {
    let folder = tempfile::tempdir().unwrap();
    let bets = write(folder.path(), "bets.csv", "Ana,Paz,1,2000-01-01,5\n");
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "3"]);
    let file =
        write(folder.path(), "agency.toml", "id = 1\nlegacy = true\ncentral = 'nowhere:1'\n");
    let mut command = bolillero();
    command.args(["agency", "--config", &file, "--central", &central.address]);
    command.env("BOLILLERO_ID", "2").env("BOLILLERO_BETS", &bets);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Raw::connect(&central.address).send(&finish(1)).expect(&finish(1));
    Raw::connect(&central.address).send(&finish(3)).expect(&finish(3));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    drop(central);
    assert_eq!(exported(&data).into_keys().collect::<Vec<_>>(), [2]);

    refused(&["agency", "--config", &file, "--id", "2"], 2, &["--bets", "BOLILLERO_BETS"]);
    let missing = folder.path().join("missing.toml");
    refused(&["agency", "--config", str(&missing)], 2, &["configuration file", str(&missing)]);
    let wrong = write(folder.path(), "wrong.toml", "id = 1\nwindow = 'wide'\n");
    refused(&["agency", "--config", &wrong], 2, &[&wrong, "line 2", "wide"]);
    let output = bolillero().arg("serve").env("BOLILLERO_AGENCIES", "five").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("'five'"), "{}", text(&output.stderr));
}

#[test]
fn the_same_seed_generates_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let generated = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        let more = ["--bets", "2000", "--seed", seed, "--out", str(&out)];
        run_well(&[&["generate", "--agencies", "3"][..], &more].concat());
        let read = |agency| std::fs::read(out.join(format!("agency-{agency}.csv"))).unwrap();
        assert!(!out.join("agency-4.csv").exists());
        (1..=3).map(read).collect::<Vec<_>>()
    };
    let first = generated("first", "9");
    let lines: usize = first.iter().map(|file| text(file).lines().count()).sum();
    assert_eq!(lines, 2_000);
    assert_eq!(first, generated("again", "9"));
    assert_ne!(first, generated("other", "10"));
}

#[test]
fn winners_that_can_not_be_printed_are_a_failure_and_no_good_end() {
    let folder = tempfile::tempdir().unwrap();
    let bets = write(folder.path(), "bets.csv", "Ana,Paz,1,2000-01-01,7574\n");
    let central = Central::start(&folder.path().join("data"), "127.0.0.1:0", &["--agencies", "1"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = bolillero();
    command.args(["agency", "--id", "1", "--central", &central.address, "--bets", &bets]);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("can't write the winners") && !message.contains("action: exit"),
        "{message}"
    );
}

#[test]
fn messages_that_can_not_be_printed_do_not_change_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let row = "Ana,Paz,1,2000-01-01,7574\n";
    let bets = write(folder.path(), "bets.csv", &format!("{row}x\n"));
    let central = Central::start(&folder.path().join("data"), "127.0.0.1:0", &["--agencies", "1"]);
    let ended = |more: &[&str]| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = bolillero();
        command.args(["agency", "--id", "1", "--central", &central.address, "--bets", &bets]);
        command.args(more);
        let output = command.stderr(full).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    assert_eq!(ended(&[]), (Some(2), String::new()));
    assert_eq!(ended(&["--skip-invalid"]), (Some(0), "1\n".to_owned()));
}

#[test]
fn log_lines_may_be_objects() {
    let folder = tempfile::tempdir().unwrap();
    let bets = write(folder.path(), "bets.csv", "Ana,Paz,1,2000-01-01,7574\n");
    let data = folder.path().join("data");
    let json = ["--log-format", "json"];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", str(&data), "--agencies", "1"];
    let mut central = Process::start(&[&serve[..], &json].concat());
    let object = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let listening = object(&central.wait_for("\"listen\""));
    let address = listening["address"].as_str().unwrap();
    let of_agency = agency(1, address, Path::new(&bets), &json).ended();
    assert_eq!((of_agency.code, of_agency.stdout.as_str()), (Some(0), "1\n"));
    let of_central = central.terminate();
    assert_eq!(of_central.code, Some(0));
    let objects: Vec<_> = of_agency.log.iter().chain(&of_central.log).map(object).collect();
    for object in &objects {
        for field in ["time", "level", "action", "result"] {
            assert!(object[field].is_string(), "{field}: {object}");
        }
    }
    let of = |action: &str| objects.iter().find(|object| object["action"] == action).unwrap();
    assert_eq!(of("apuesta_recibida")["cantidad"], 1);
    assert_eq!(of("apuesta_enviada")["chunk_id"], 0);
    assert_eq!(of("consulta_ganadores")["cant_ganadores"], 1);
    assert_eq!(of("sorteo")["result"], "success");
}

#[test]
fn a_refusal_to_an_agency_has_the_centrals_reason() {
    let folder = tempfile::tempdir().unwrap();
    let bets = write(folder.path(), "bets.csv", "Ana,Paz,1,2000-01-01,5\n");
    let central = Central::start(&folder.path().join("data"), "127.0.0.1:0", &["--agencies", "1"]);
    let ended = |id, more: &[&str]| agency(id, &central.address, Path::new(&bets), more).ended();
    let cases: [(u32, &[&str], &str); 3] = [
        (9, &[], "agency 9 is not registered"),
        (9, &["--legacy"], "agency 9 is not registered"),
        (1, &["--draw", "otro"], "there is no draw 'otro'"),
    ];
    for (id, more, reason) in cases {
        let ended = ended(id, more);
        assert_eq!(ended.code, Some(1), "{reason}: {:#?}", ended.log);
        let last = ended.log.last().unwrap();
        let rejected = format!("error: the central at {} rejected", central.address);
        assert!(last.starts_with(&rejected) && last.contains(reason), "{last}");
    }
    // Another file after the draw: nothing of it is stored, and the agency is told so.
    assert_eq!(ended(1, &[]).code, Some(0));
    let other = write(folder.path(), "bets.csv", "Eva,Paz,2,2000-01-01,5\n");
    let refused = agency(1, &central.address, Path::new(&other), &[]).ended();
    assert_eq!(refused.code, Some(1));
    let last = refused.log.last().unwrap();
    assert!(last.contains("has other bets of agency 1 (1) than the first"), "{last}");
}

#[test]
fn rows_at_fault_are_all_named_and_nothing_is_sent_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "Ana,Paz,1,2000-01-01,5\r\nAna,Paz,1,2001-02-29,5\r\nAna,Paz,1,2000-01-01\r\n\
                Ana|,Paz,1,2000-01-01,5\r\n\"Ana, la\",\"O\"\"Paz\",2,2000-01-01,0007\r\n";
    let file = write(folder.path(), "bets.csv", rows);
    let data = folder.path().join("data");
    let more = ["--agencies", "1", "--winning-number", "7"];
    let central = Central::start(&data, "127.0.0.1:0", &more);
    let sent = agency(1, &central.address, Path::new(&file), &[]).ended();
    assert_eq!(sent.code, Some(2));
    let faults = [":2: the birthdate", ":3: a bet has five fields", ":4: the first name"];
    for fault in faults {
        let is_reported = |line: &&String| line.contains(&format!("{file}{fault}"));
        assert!(sent.log.iter().any(|line| is_reported(&line)), "{fault}: {:#?}", sent.log);
    }
    let sent = agency(1, &central.address, Path::new(&file), &["--skip-invalid"]).ended();
    assert_eq!((sent.code, sent.stdout.as_str()), (Some(0), "2\n"), "{:#?}", sent.log);
    // What is skipped is told before anything is sent: it can't be undone then.
    let told = |part: &str| sent.log.iter().position(|line| line.contains(part)).unwrap();
    for fault in faults {
        assert!(told(fault) < told("action: apuesta_enviada"), "{fault}: {:#?}", sent.log);
    }
    let quiet = ["--skip-invalid", "--quiet"];
    let again = agency(1, &central.address, Path::new(&file), &quiet).ended();
    let unsent = "Invalid rows that are not sent: 3";
    assert!(again.log.iter().any(|line| line == unsent), "{:#?}", again.log);
    assert_eq!(central.process.terminate().code, Some(0));
    let out = folder.path().join("bets-out.csv");
    run_well(&["export", "--data", str(&data), "--out", str(&out)]);
    let exported = std::fs::read_to_string(&out).unwrap();
    let bets = "1,0,0,Ana,Paz,1,2000-01-01,5\n1,0,1,\"Ana, la\",\"O\"\"Paz\",2,2000-01-01,7\n";
    assert_eq!(exported.split_once('\n').unwrap().1, bets);
}

#[test]
fn another_batch_size_after_a_restart_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let row = "Ana,Paz,1,2000-01-01,5\n";
    let file = write(folder.path(), "bets.csv", &row.repeat(40_000));
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "2"]);
    // Small batches, so that the agency has not finished when it is killed.
    let mut first = agency(1, &central.address, Path::new(&file), &["--batch-max-bets", "10"]);
    first.wait_for("chunk_id: 3");
    first.kill();
    let other = agency(1, &central.address, Path::new(&file), &["--batch-max-bets", "7"]).ended();
    assert_eq!(other.code, Some(1));
    let message = other.log.last().unwrap();
    assert!(message.contains("--batch-max-bets"), "{message}");
    let (_, first) = message.split_once("other bets of agency 1 (").unwrap();
    let bets: u32 = first.split_once(')').unwrap().0.parse().unwrap();
    assert!((40..40_000).contains(&bets), "what was acknowledged, and not all: {message}");
}

/// Runs each command to each of its exit codes that is cheap to reach. `serve` and `agency` are
/// covered further by the tests of whole days.
#[test]
fn exit_codes_are_those_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| str(&folder.path().join(name)).to_owned();
    let (data, open, none, pki) = (path("data"), path("open"), path("none"), path("pki"));
    let (bets, missing, out) = (path("bets"), path("bets/agency-9.csv"), path("none/out.csv"));
    ledger_of(Path::new(&data), "lunes", &["Ana|Paz|1|2000-01-01|7"]);
    let serve = ["--listen", "127.0.0.1:0", "--agencies", "2"];
    assert_eq!(
        Central::start(Path::new(&open), serve[1], &serve[2..]).process.terminate().code,
        Some(0)
    );
    let (generated, damaged) = (path("bets/agency-1.csv"), path("damaged"));
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(path("damaged/segment-0000000001.bol"), "no segment").unwrap();
    std::fs::write(path("damaged/lock"), "").unwrap();
    let agency = ["agency", "--id", "1", "--central", "127.0.0.1:1", "--connect-time-max", "0"];
    let rows: [(&[&str], i32); 30] = [
        (&[&["serve", "--data", &damaged], &serve[..]].concat(), 1),
        (&["serve", "--data", &data], 2),
        (&["generate", "--bets", "100", "--out", &bets], 0),
        (&["generate", "--bets", "100", "--out", "/dev/null/x"], 1),
        (&["generate", "--bets", "0", "--out", &bets], 2),
        (&[&agency[..], &["--bets", &generated]].concat(), 1),
        (&[&agency[..], &["--bets", &missing]].concat(), 2),
        (&["operator", "list", "--data", &data], 0),
        (&["operator", "disable", "nobody", "--data", &data], 2),
        (&["demo", "--bets", &none], 2),
        (&["pki", "--dir", &pki, "init"], 0),
        (&["pki", "--dir", &pki, "list"], 0),
        (&["pki", "--dir", &none, "list"], 2),
        (&["export", "--data", &data], 0),
        (&["export", "--data", &data, "--out", &out], 1),
        (&["export", "--data", &none], 2),
        (&["winners", "--data", &data], 0),
        (&["winners", "--data", &open], 1),
        (&["winners", "--data", &data, "--draw", "martes"], 2),
        (&["audit", "--data", &data], 0),
        (&["audit", "--data", &damaged], 1),
        (&["audit", "--data", &none], 2),
        (&["audit", "--data", &data, "--draw", "martes"], 2),
        (&["check", "--data", &data], 0),
        (&["check", "--data", &damaged], 1),
        (&["check", "--data", &none], 2),
        (&["bench", "--data", &none], 1),
        (&["bench", "--seconds", "0"], 2),
        (&["--help"], 0),
        (&["nonsense"], 2),
    ];
    for (args, code) in rows {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        let message = text(&output.stderr);
        let names_files_only = message.lines().all(|line| line.starts_with("wrote "));
        assert_eq!(code == 0, names_files_only, "{args:?}: {message}");
    }
}

#[test]
fn an_empty_variable_is_as_if_unset() {
    let folder = tempfile::tempdir().unwrap();
    let help = include_str!("../../../../docs/reference/command-line.md");
    let named = help.split("[env: ").skip(1).map(|rest| rest.split([']', '=']).next().unwrap());
    let known: BTreeSet<_> =
        named.filter(|name| !name.ends_with("...")).chain(["BOLILLERO_CA_PASSPHRASE"]).collect();
    assert!(known.len() > 40, "{known:?}");
    // Each command ends soon in an empty folder.
    let commands: [&[&str]; 11] = [
        &["serve"],
        &["agency"],
        &["operator", "list"],
        &["demo"],
        &["pki", "list"],
        &["generate"],
        &["export"],
        &["winners"],
        &["audit"],
        &["check"],
        &["bench"],
    ];
    let all: Vec<_> = known.iter().map(|variable| (*variable, "")).collect();
    let ended = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = bolillero();
        command.args(args).current_dir(folder.path()).env("TMPDIR", "/nowhere");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        // A temporary folder that can't be made has a different name each time.
        let message = text(&output.stderr).split("/.tmp").next().unwrap().to_owned();
        (output.status.code(), text(&output.stdout), message)
    };
    for args in commands {
        assert_eq!(ended(args, &all), ended(args, &[]), "{args:?}");
    }
    // A setting that is not empty is still used.
    let (code, _, message) = ended(&["serve"], &[("BOLILLERO_AGENCIES", "five")]);
    assert!(code == Some(2) && message.contains("'five'"), "{message}");
}

#[test]
fn several_draws_of_a_ledger_are_selected_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    ledger_of(&data, "lunes", &["Ana|Paz|1|2000-01-01|7"]);
    ledger_of(&data, "martes", &["Ana|Paz|2|2000-01-01|7", "Eva|Paz|3|2000-01-01|8"]);
    let data = str(&data);
    for command in ["export", "winners"] {
        refused(&[command, "--data", data], 2, &["--draw", "lunes", "martes"]);
        refused(&[command, "--data", data, "--draw", "jueves"], 2, &["jueves", "lunes"]);
    }
    let csv = ["winners", "--data", data, "--format", "csv", "--draw"];
    assert_eq!(run_well(&[&csv[..], &["lunes"]].concat()), "agency,document\n1,1\n");
    assert_eq!(run_well(&[&csv[..], &["martes"]].concat()), "agency,document\n1,2\n");
    let table = run_well(&["winners", "--data", data, "--draw", "martes"]);
    assert!(table.starts_with("draw martes, winning number 7: 1 winner among 2 bets\n"), "{table}");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", data, "--agencies", "2"];
    refused(&[&serve[..], &["--draw", "lunes"]].concat(), 1, &["lunes", "agencies 1 ", "0-9999"]);
}

#[test]
fn a_draw_that_was_not_made_has_no_winners_yet() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "2"]);
    Raw::connect(&central.address).send(&finish(2)).expect(&finish(2));
    assert_eq!(central.process.terminate().code, Some(0));
    refused(&["winners", "--data", str(&data)], 1, &["'sorteo' has not been made", "1 of 2"]);
}

#[test]
fn a_damaged_ledger_is_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    ledger_of(&data, "lunes", &["Ana|Paz|1|2000-01-01|7"]);
    let path = data.join("segment-0000000001.bol");
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    // This offset is inside the first record's body.
    file.seek(std::io::SeekFrom::Start(4096 + 90)).unwrap();
    file.write_all(b"x").unwrap();
    let place = ["segment-0000000001.bol at byte 4096", str(&data)];
    refused(&["check", "--data", str(&data)], 1, &place);
    refused(&["export", "--data", str(&data)], 1, &place);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", str(&data), "--agencies", "1"];
    refused(&serve, 1, &place);
}

#[test]
fn an_address_in_use_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let central = Central::start(&folder.path().join("a"), "127.0.0.1:0", &["--agencies", "1"]);
    let other = folder.path().join("b");
    let serve = ["serve", "--listen", &central.address, "--data", str(&other), "--agencies", "1"];
    refused(&serve, 1, &[&central.address, "is the address free"]);
    assert!(!other.exists());
}

#[test]
fn a_reader_that_goes_away_had_enough() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let bet = "Ana|Paz|1|2000-01-01|7";
    ledger_of(&data, "lunes", &[bet; 300]);
    for command in ["export", "winners", "check"] {
        let mut reader_gone = bolillero();
        reader_gone.args([command, "--data", str(&data)]);
        let mut child = reader_gone.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    }
    // Unlike a closed pipe, a full disk is a failure.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = bolillero();
    command.args(["export", "--data", str(&data)]).stdout(full).stderr(Stdio::piped());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("can't write the export"), "{}", text(&output.stderr));
}

#[test]
fn a_demo_shows_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = str(folder.path());
    run_well(&["generate", "--agencies", "3", "--bets", "1000", "--seed", "4", "--out", out]);
    let shown = run_well(&["demo", "--bets", out]);
    let words: Vec<Vec<&str>> =
        shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["agency", "bets", "batches", "winners"]);
    for (agency, shown) in (1..=3).zip(&words[1..]) {
        let path = folder.path().join(format!("agency-{agency}.csv"));
        let file = std::fs::read_to_string(path).unwrap();
        let bets = file.lines().count();
        let winners = file.lines().filter(|line| line.ends_with(",7574")).count();
        let batches = bets.div_ceil(93);
        let expected = [agency, bets, batches, winners].map(|count| count.to_string());
        assert_eq!(*shown, expected);
    }
    assert_eq!(words[4][..2], ["all", "1000"]);
}
