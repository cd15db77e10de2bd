//! The bench measures everything that it says it does, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use serde_json::Value;
use support::{run_well, str};

/// What is printed when a scenario is measured for as short as can be.
fn figures(scenario: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let all = ["bench", "--seconds", "1", "--json", "--ledger-bets", "20000"];
    let this = ["--scenario", scenario, "--data", str(folder.path())];
    let printed = run_well(&[&all[..], &this].concat());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    serde_json::from_str(&printed).unwrap()
}

fn number(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap_or_else(|| panic!("no {name} in {of}"))
}

fn is_plausible(latency: &Value) {
    let quantiles = ["p50", "p99", "p999", "max"].map(|name| number(latency, name));
    assert!(quantiles[0] > 0.0 && quantiles.is_sorted(), "{latency}");
}

/// The names of the scenarios measured, each held against its limits.
fn intake(figures: &Value) -> Vec<String> {
    let intake = figures["intake"].as_array().unwrap();
    for (at, of) in intake.iter().enumerate() {
        let bets = number(of, "batches_per_second") * number(of, "bets_per_batch");
        assert!((number(of, "bets_per_second") - bets).abs() < 1.0 && bets > 93.0, "{of}");
        is_plausible(&of["ack_us"]);
        for name in ["ratio_to_prepared", "ratio_to_append", "ratio_to_loopback"] {
            assert!(number(of, name) > 0.0, "{of}");
        }
        assert!(number(of, "central_cpu_s_per_million_bets") > 0.0, "{of}");
        let in_flight = number(of, "agencies") * number(of, "window");
        assert!(number(of, "batches_per_write") <= in_flight, "{of}");
        let (disk, loopback) = (&figures["disk"][at], &figures["loopback"][at]);
        assert_eq!(disk["batches_per_group"].as_f64(), Some(in_flight));
        assert!(number(disk, "append_batches_per_second") > 1.0);
        is_plausible(&disk["prepared_us"]);
        is_plausible(&loopback["ack_us"]);
    }
    assert!(
        figures["checking"].as_array().unwrap().iter().all(|of| number(of, "ns_per_bet") > 1.0)
    );
    intake.iter().map(|of| of["scenario"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn intake_is_held_against_the_limits_of_the_same_run() {
    let one_at_a_time = figures("one-at-a-time");
    assert_eq!(intake(&one_at_a_time), ["one-at-a-time", "one-at-a-time"]);
    let bets = |at: usize| number(&one_at_a_time["intake"][at], "bets_per_batch");
    assert!(bets(0) <= 93.0 && bets(1) > 150.0);
    assert_eq!(intake(&figures("many-agencies")), ["many-agencies"]);
}

#[test]
fn half_load_is_half_of_what_the_window_reached() {
    let figures = figures("half-load");
    assert_eq!(intake(&figures), ["window", "window", "half-load"]);
    let rate = |at: usize| number(&figures["intake"][at], "batches_per_second");
    let part = rate(2) / rate(1);
    // Medians of different turns, and a slice may end before the last is acknowledged.
    assert!((0.2..0.8).contains(&part), "{part}");
}

#[test]
fn agencies_that_wait_get_their_winners() {
    let figures = figures("waiting");
    let waiting = &figures["waiting"];
    assert!(number(waiting, "bets") >= 1_000.0 * 10.0 * 90.0);
    assert!(number(waiting, "winners") > 0.0);
    is_plausible(&waiting["winners_us"]);
}

#[test]
fn a_large_ledger_is_filled_drawn_and_opened_again() {
    let figures = figures("large");
    let large = &figures["large"][0];
    assert!(number(large, "bets") >= 20_000.0);
    assert_eq!(large["marks"].as_array().unwrap().len(), 2);
    for name in ["winners", "open_warm_ms", "open_cold_ms", "disk_bytes_per_bet"] {
        assert!(number(large, name) > 0.0, "{large}");
    }
}

#[test]
fn idle_connections_take_little_memory() {
    let figures = figures("idle");
    let idle = &figures["idle"];
    for name in ["greeted_bytes_each", "silent_bytes_each"] {
        assert!((1.0..8_000.0).contains(&number(idle, name)), "{idle}");
    }
    is_plausible(&idle["ack_us_beside_idle"]);
}

/// One load in two ways, in turns.
fn is_compared(one: &Value, other: &Value, ratio: f64) {
    for way in [one, other] {
        assert!(number(way, "batches_per_second") > 1.0, "{way}");
        assert!(number(way, "central_cpu_s_per_million_bets") > 0.0, "{way}");
        is_plausible(&way["ack_us"]);
    }
    // Of the turns one by one, so not exactly that of their medians.
    assert!((0.02..50.0).contains(&ratio), "{ratio}");
}

#[test]
fn tls_is_held_against_plain_text() {
    let figures = figures("tls");
    let tls = &figures["tls"];
    let cases = tls["cases"].as_array().unwrap();
    assert_eq!(cases.iter().map(|of| number(of, "window")).collect::<Vec<_>>(), [1.0, 16.0]);
    for case in cases {
        is_compared(&case["plain"], &case["tls"], number(case, "ratio"));
    }
    // Its state and no buffer: two records' worth would be 32 KiB more.
    assert!((1_000.0..24_000.0).contains(&number(tls, "greeted_bytes_each")), "{tls}");
}

#[test]
fn boards_are_open_while_the_load_runs() {
    let figures = figures("watched");
    let watched = &figures["watched"];
    assert_eq!(number(watched, "boards"), 10.0);
    is_compared(&watched["alone"], &watched["watched"], number(watched, "ratio"));
}

#[test]
fn readers_are_answered_while_the_load_runs() {
    let figures = figures("readers");
    let readers = &figures["readers"];
    assert_eq!(number(readers, "readers"), 16.0);
    assert!(number(readers, "answers") >= 16.0, "{readers}");
    for way in ["alone", "read"] {
        assert!(number(&readers[way], "batches_per_second") > 1.0, "{readers}");
        is_plausible(&readers[way]["ack_us"]);
    }
    // A machine that does much else may be slow once; one with readers in the way is always.
    assert!((0.05..20.0).contains(&number(readers, "p50_ratio")), "{readers}");
}
