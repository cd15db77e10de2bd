//! docs/reference/ledger.md is enough to read a ledger and a backup: the scripts in it read what the
//! program wrote and detect changes. Skipped without Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::http::{Http, add_operator};
use crate::support::tools::has_tool;
use crate::support::{Bets, Central, agency, drawn, run_well, str, text};
use serde_json::json;

const DOCUMENT: &str = include_str!("../../../../docs/reference/ledger.md");

/// Writes a ledger of two segments with every kind of event.
fn written(folder: &Path) -> PathBuf {
    let (data, bets) = (folder.join("data"), Bets::generated(&folder.join("bets"), 3_000));
    // The first one is of the newest feature.
    add_operator(&data, "reserve", "standby");
    add_operator(&data, "ana", "operator");
    add_operator(&data, "eva", "admin");
    let more = ["--agencies", "5", "--winning-number", &bets.winning_number];
    let small = ["--segment-len", "98304", "--http", "127.0.0.1:0"];
    let mut central = Central::start(&data, "127.0.0.1:0", &[more, small].concat());
    let agencies = (1..=5).map(|id| agency(id, &central.address, bets.file(id), &[]));
    for running in agencies.collect::<Vec<_>>() {
        assert_eq!(running.ended().code, Some(0));
    }
    let http = Http::of(&mut central);
    let announced = json!({ "name": "nocturna", "agencies": [{ "first": 1, "last": 5 }] });
    let number = json!({ "number": 7, "allow_empty": true });
    let why = json!({ "why": "error" });
    for (who, path, body) in [
        ("ana", "draws", announced),
        ("ana", "draws/2/open", json!({})),
        ("ana", "draws/2/close", json!({ "why": "sin agencias" })),
        ("ana", "draws/2/number", number.clone()),
        ("eva", "draws/2/number", number.clone()),
        ("ana", "draws/2/void", why.clone()),
        ("eva", "draws/2/void", why),
        ("ana", "draws/2/number", number.clone()),
        ("eva", "draws/2/number", number),
        ("eva", "draws/2/publish", json!({})),
    ] {
        let answer = http.log_in(who).ask("POST", &format!("/api/v1/{path}"), &body.to_string());
        assert!(answer.status < 300, "{path}: {answer:?}");
    }
    assert_eq!(central.process.terminate().code, Some(0));
    data
}

fn read(data: &Path) -> Output {
    run_script(0, data)
}

/// Runs one of the scripts in the document.
fn run_script(number: usize, folder: &Path) -> Output {
    let script = DOCUMENT.split("```python\n").nth(number + 1).unwrap();
    let (script, _) = script.split_once("```\n").unwrap();
    Command::new("python3").args(["-c", script]).arg(folder).output().unwrap()
}

#[track_caller]
fn assert_complains(data: &Path, segment: &Path, what: &str) {
    let read = read(data);
    assert_eq!(read.status.code(), Some(1), "{what}");
    let (message, name) = (text(&read.stderr), segment.file_name().unwrap().to_str().unwrap());
    assert!(message.starts_with(name), "{what}: {message}");
}

/// Returns what the scripts print last of what a command reads.
fn last_line(command: &[&str]) -> String {
    let told = run_well(command);
    let value_of = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split([' ', ',']).find(|word| !word.is_empty()).unwrap()
    };
    let (records, ledger, chain) = (value_of("records"), value_of("ledger"), value_of("chain"));
    format!("{records} records, ledger {ledger}, chain {chain}")
}

#[test]
fn the_other_script_reads_a_backup_and_complains_of_any_change() {
    if !has_tool(&["python3", "--version"], "python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = drawn(folder.path(), 100);
    add_operator(&data, "ana", "admin");
    let to = folder.path().join("backup");
    let backup = ["backup", "--data", str(&data), "--to", str(&to)];
    let last = last_line(&backup);
    add_operator(&data, "eva", "viewer");
    assert_eq!(last_line(&backup), last);
    let read = run_script(1, &to);
    assert_eq!(text(&read.stdout), format!("{last}\n"), "{}", text(&read.stderr));

    let mut pieces: Vec<_> = std::fs::read_dir(&to).unwrap().map(|it| it.unwrap().path()).collect();
    pieces.retain(|path| path.extension().is_some_and(|it| it == "bolb"));
    assert_eq!(pieces.len(), 2, "{pieces:?}");
    for piece in pieces {
        let whole = std::fs::read(&piece).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 30) {
            // Only what is always 0 is not looked at.
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            std::fs::write(&piece, &changed).unwrap();
            let read = run_script(1, &to);
            assert!(!read.status.success() || whole[at] == 0, "byte {at} of {}", piece.display());
        }
        std::fs::write(&piece, &whole[..whole.len() - 1]).unwrap();
        assert!(!run_script(1, &to).status.success());
        std::fs::write(&piece, &whole).unwrap();
    }
}

#[test]
fn the_script_of_the_document_reads_a_ledger_and_complains_of_any_change() {
    if !has_tool(&["python3", "--version"], "python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = written(folder.path());
    let read = read(&data);
    assert!(read.status.success(), "{}", text(&read.stderr));
    let printed = text(&read.stdout);
    assert_eq!(printed.lines().last(), Some(last_line(&["check", "--data", str(&data)]).as_str()));
    assert!(!printed.contains("unknown"), "{printed}");
    for event in [
        "draw 1 opened: sorteo, numbers 0-9999, agencies 1-5",
        "draw 1: agency 5 has finished",
        "draw 1 closed: 3000 bets, set ",
        "draw 1 made: attempt 1, ",
        "draw 1 published",
        "ana announced: ",
        "ana closed draw 2: sin agencias",
        "draw 2 made: attempt 1, 7 wins",
        "ana voided-result draw 2: error",
        "draw 2 made: attempt 2, 7 wins",
    ] {
        assert_eq!(printed.matches(&format!("+00:00 {event}")).count(), 1, "{event}");
    }

    let segment = |number: u32| data.join(format!("segment-000000000{number}.bol"));
    // The third begins with the first act of feature 1.
    for segment in [segment(1), segment(2), segment(3)] {
        let whole = std::fs::read(&segment).unwrap();
        let records = &whole[..98_304];
        let end = records.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        // Bytes to change. In the header: version, number, sequence, chain, id, first segment,
        // feature. In the first record: sum, time, left, group, segment, chain, body; then the end
        // of the last record and what follows it.
        let header = [8, 16, 24, 45, 72, 88, 96];
        let record = [4, 16, 26, 40, 48, 60, 89].map(|at| 4096 + at);
        for at in header.into_iter().chain(record).chain([end - 1, end - 5, end + 3]) {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            std::fs::write(&segment, &changed).unwrap();
            assert_complains(&data, &segment, &format!("byte {at}"));
        }
        std::fs::write(&segment, &whole).unwrap();
    }
    let last = segment(3);
    let whole = std::fs::read(&last).unwrap();
    // The last decision is the publication of draw 2: the act and its consequence.
    let behind = whole.windows(4).rposition(|bytes| bytes == b"BLR2").unwrap();
    std::fs::write(&last, [&whole[..behind], &vec![0; whole.len() - behind]].concat()).unwrap();
    assert_complains(&data, &last, "half a decision");
}
