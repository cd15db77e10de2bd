//! Every scenario, for a moment: it measures what it says, and leaves nothing behind. Needs the
//! program (`cargo xtask bench`, or the variable BENCH_BOLILLERO).

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::process::Command;

use serde_json::Value;

/// The groups of a scenario that is measured for as short as can be.
fn groups(scenario: &str) -> Vec<Value> {
    measured(scenario, &["--rounds", "2"])
}

fn measured(scenario: &str, options: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(["--seconds", "1", "--json"]).args(options);
    let output = bench.args(["--scenario", scenario, "--data"]).arg(folder.path()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let groups = figures["groups"].as_array().unwrap().clone();
    groups.iter().for_each(|group| is_plausible(group, scenario));
    groups
}

fn is_plausible(group: &Value, scenario: &str) {
    assert_eq!(group["scenario"], scenario);
    for case in cases(group) {
        let bets = number(case, "batches_per_second") * number(group, "bets_per_batch");
        assert!((0.9..1.1).contains(&(number(case, "bets_per_second") / bets)), "{case}");
        assert!(number(case, "first_to_this") > 0.0 && number(case, "load_busy") > 0.0, "{case}");
        let quantiles = ["ack_us_p50", "ack_us_p99", "ack_us_p999"].map(|it| number(case, it));
        assert!(quantiles[0] > 0.0 && quantiles.is_sorted(), "{case}");
        if case["name"] == "central" {
            let in_flight = number(group, "agencies") * number(group, "window");
            assert!(number(case, "batches_per_write") <= in_flight, "{case}");
            assert!(number(case, "central_cpu_s_per_million_bets") > 0.0, "{case}");
        }
    }
    for (name, fact) in group["facts"].as_object().unwrap() {
        assert!(fact.as_f64().unwrap() > 0.0, "{name}: {fact}");
    }
}

fn cases(group: &Value) -> &Vec<Value> {
    group["cases"].as_array().unwrap()
}

fn names(group: &Value) -> Vec<&str> {
    cases(group).iter().map(|case| case["name"].as_str().unwrap()).collect()
}

fn number(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap_or_else(|| panic!("no {name} in {of}"))
}

#[test]
fn intake_is_held_against_the_limits_of_the_same_run() {
    for (scenario, sizes) in [("one-at-a-time", 2), ("window", 2), ("many-agencies", 1)] {
        let groups = groups(scenario);
        assert_eq!(groups.len(), sizes);
        for (group, bets) in groups.iter().zip([80.0..=93.0, 150.0..=300.0]) {
            assert!(bets.contains(&number(group, "bets_per_batch")), "{group}");
            assert_eq!(names(group)[0], "central");
            assert_eq!(cases(group).len(), 5);
        }
    }
    assert_eq!(names(&groups("half-load")[0]).len(), 1);
}

#[test]
fn agencies_that_wait_get_their_winners() {
    let facts = &groups("waiting")[0]["facts"];
    assert!(number(facts, "bets") >= 1_000.0 * 10.0 * 93.0, "{facts}");
    assert!(number(facts, "winners") > 0.0, "{facts}");
}

#[test]
fn ledgers_are_filled_drawn_and_opened_again() {
    let large = measured("large", &["--rounds", "2", "--ledger-bets", "20000,400000"]);
    assert_eq!(names(&large[0]), ["0.0 million bets", "0.4 million bets"]);
    let draws = measured("draws", &["--rounds", "2", "--ledger-draws", "1,250"]);
    assert_eq!(names(&draws[0]), ["draws kept: 1", "draws kept: 250"]);
    // A draw that is kept has five batches.
    for (group, filled) in [(&large[0], [20_000.0, 400_000.0]), (&draws[0], [400.0, 100_000.0])] {
        for (case, bets) in cases(group).iter().zip(filled) {
            assert!(number(case, "bets_at_the_draw") >= bets + 200_000.0, "{case}");
            assert!(number(case, "winners") > 0.0 && number(case, "open_cold_ms") > 0.0, "{case}");
        }
    }
}

#[test]
fn idle_connections_take_little_memory() {
    let groups = groups("idle");
    assert_eq!(names(&groups[0]), ["10 connections", "1000 connections", "16000 connections"]);
    let facts = &groups[0]["facts"];
    for name in ["idle_connection_bytes_after_hello", "idle_connection_bytes_before_hello"] {
        assert!(number(facts, name) < 8_000.0, "{facts}");
    }
    // The state of TLS and no buffer: two records' worth would be 32 KiB more.
    assert!(number(facts, "idle_connection_bytes_by_tls") < 24_000.0, "{facts}");
}

#[test]
fn the_same_load_is_measured_with_and_without_tls_and_those_who_look_on() {
    for (scenario, windows) in [("tls", &[1.0, 16.0][..]), ("watched", &[16.0])] {
        let groups = groups(scenario);
        let found: Vec<_> = groups.iter().map(|group| number(group, "window")).collect();
        assert_eq!(found, windows);
        assert!(groups.iter().all(|group| cases(group).len() == 2));
    }
}

#[test]
fn stores_hold_what_they_acknowledged() {
    let groups = groups("stores");
    assert_eq!(groups.len(), 3);
    for group in &groups {
        assert_eq!(names(group)[..2], ["Bolillero", "bare server"]);
    }
    assert!(groups[2]["notes"].as_array().unwrap().len() >= 6, "{:?}", groups[2]["notes"]);
}

#[test]
fn centrals_on_a_shared_store_are_held_against_copy_into_the_same_servers() {
    if !test_postgres::is_installed() {
        return;
    }
    let groups = measured("centrals", &["--centrals", "2", "--rounds", "1"]);
    assert_eq!(groups.len(), 4, "two loads, without and with a standby");
    for group in &groups {
        assert_eq!(names(group), ["2 centrals", "COPY by 2", "folder"]);
        let [centrals, copy, _] = &cases(group)[..] else { panic!("{group}") };
        assert!((1.0..=64.0).contains(&number(centrals, "batches_per_turn")), "{centrals}");
        assert!(number(centrals, "to_copy") > 0.0, "{centrals}");
        for case in [centrals, copy] {
            // Its text is 43 bytes, and the log has it once.
            assert!((20.0..200.0).contains(&number(case, "wal_bytes_per_bet")), "{case}");
        }
    }
}

#[test]
fn a_large_store_is_filled_drawn_opened_again_and_audited() {
    if !test_postgres::is_installed() {
        return;
    }
    let groups = measured("large-store", &["--store-bets", "200000"]);
    assert_eq!(cases(&groups[0]).len(), 2);
    let facts = &groups[0]["facts"];
    assert!(number(facts, "bets") >= 200_000.0, "{facts}");
    assert!(number(facts, "auditor_counts_bets_ms") > 0.0, "{facts}");
}
