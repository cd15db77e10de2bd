//! `check`, `winners`, `audit` and `export` beside a running central under load: each answer is a
//! sound prefix of the ledger, and says where it ends.

use std::path::Path;

use crate::support::raw::{Load, Raw, ack, bets, finish};
use crate::support::{Central, run, run_well, str, text};

const ROUNDS: usize = 3;

/// Runs a command beside the central; returns what it prints, and the last record that it read.
fn beside(command: &[&str], data: &Path) -> (String, u64) {
    let output = run(&[command, &["--data", str(data)]].concat());
    let (out, message) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {message}");
    let reach = out.lines().chain(message.lines()).find(|line| line.contains("up to record "));
    let reach = reach.unwrap_or_else(|| panic!("{command:?}: {out}{message}"));
    assert!(reach.ends_with("Z; the central is running"), "{reach}");
    let record = reach.split("up to record ").nth(1).unwrap().split(',').next().unwrap();
    let record = record.parse().unwrap();
    (out, record)
}

#[test]
fn each_command_reads_a_sound_prefix_beside_a_central_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = Central::of_short_segments(&data, "first");
    let mut agency = Raw::connect(&central.address);
    agency.send(&bets(1, 0, &["Ana|Paz|30904465|2000-01-01|7"])).expect(&ack(0));
    agency.send(&finish(1)).expect(&finish(1));
    assert_eq!(central.process.terminate().code, Some(0));

    let central = Central::of_short_segments(&data, "second");
    let mut load = Load::start(&central.address);
    let mut exports = Vec::new();
    let mut audits = Vec::new();
    for round in 0..ROUNDS {
        let before = load.batches();
        let (checked, last) = beside(&["check"], &data);
        assert!(checked.starts_with("intact up to record "), "{checked}");
        assert!(last > before.into(), "{before}: {checked}");
        let (winners, _) = beside(&["winners", "--draw", "first", "--format", "csv"], &data);
        assert!(winners.lines().nth(1).unwrap().contains("30904465"), "{winners}");
        let before = load.bets();
        let (exported, _) = beside(&["export", "--draw", "second"], &data);
        let rows = exported.lines().count() - 1;
        assert!(rows >= before, "{before}: {rows}");
        exports.push(exported);
        audits.push(beside(&["audit"], &data).0);
        let out = folder.path().join(format!("out-{round}"));
        beside(&["export", "--draw", "second", "--folder", str(&out)], &data);
        let manifest = std::fs::read_to_string(out.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let bets = &manifest["draw"]["bets"];
        assert!(manifest["files"].as_array().unwrap().iter().all(|it| it["rows"] == *bets));
    }
    load.stop();
    assert!(exports[0].len() < exports[ROUNDS - 1].len(), "the central went on meanwhile");
    assert_eq!(central.process.terminate().code, Some(0));

    let checked = run_well(&["check", "--data", str(&data)]);
    assert!(checked.starts_with("intact\n"), "{checked}");
    let all = run_well(&["export", "--draw", "second", "--data", str(&data)]);
    let rows = all.lines().count() - 1;
    assert_eq!(rows, load.bets());
    assert!(exports.iter().all(|exported| all.starts_with(exported)));
    let all = run_well(&["audit", "--data", str(&data)]);
    assert!(audits.iter().all(|audited| all.starts_with(audited)));
}
