//! Log lines and terminal output of a real central: outside input stays a single value, with every
//! character visible.

use std::sync::Arc;

use crate::support::raw::{Raw, ack, bets, hello};
use crate::support::{Central, run, run_well, str, text};
use engine::conformance::{TestClock, wait};
use engine::{Engine, LedgerId};
use ledger::{Ledger, Options};
use lottery::{Agencies, AgencyId, DrawName, DrawTerms, NumberRange, SealedNumber};

/// A draw name sent by an agency, made to look like other fields.
const FORGED: &str = "x\u{202e}' | result: success | client_id: 5";

fn central(data: &std::path::Path, format: &str) -> Central {
    Central::start(data, "127.0.0.1:0", &["--agencies", "1", "--log-format", format])
}

#[test]
fn no_agency_forges_a_field_of_a_line_or_hides_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut central = central(&folder.path().join("data"), "text");
    let mut agency = Raw::connect(&central.address);
    agency.send(&hello(1, FORGED)).refused(9);
    let line = central.process.wait_for("action: hello");
    let expected = r#"action: hello | result: fail | agency: 1 | error: "there is no draw"#;
    assert!(line.contains(expected), "{line}");
    assert!(line.contains(r"x\u{202e}' | result: success | client_id: 5'"), "{line}");
    assert!(line.ends_with('"') && !line.contains('\u{202e}'), "{line}");
    let mut agency = Raw::connect(&central.address);
    agency.send(&bets(1, 0, &["Ana|Paz|1|2000-01-01|7"])).expect(&ack(0));
    let line = central.process.wait_for("apuesta_recibida");
    assert!(line.ends_with("action: apuesta_recibida | result: success | cantidad: 1"), "{line}");
}

#[test]
fn json_lines_say_the_same_with_what_can_not_be_seen_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let process = crate::support::Process::start(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        str(&data),
        "--agencies",
        "1",
        "--log-format",
        "json",
    ]);
    let mut process = process;
    let line = process.wait_for("\"listen\"");
    let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut agency = Raw::connect(listening["address"].as_str().unwrap());
    agency.send(&hello(1, FORGED)).refused(9);
    let line = process.wait_for("\"hello\"");
    assert!(line.contains(r"x\u202e'") && !line.contains('\u{202e}'), "{line}");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(line["error"].as_str().unwrap().contains(FORGED), "{line}");
}

#[test]
fn what_is_quoted_on_the_terminal_can_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(central(&data, "text").process.terminate());
    let draw = ["--data", str(&data), "--draw", "a\u{202e}b"];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--agencies", "1"];
    for command in [&["winners"][..], &serve] {
        let output = run(&[command, &draw].concat());
        assert_eq!(output.status.code(), Some(2));
        let output = text(&output.stderr);
        assert!(output.contains(r"a\u{202e}b"), "{output:?}");
        assert!(!output.contains('\u{202e}'), "{output:?}");
    }
}

#[test]
fn a_name_kept_before_the_rule_for_texts_is_printed_so_that_it_can_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(central(&data, "text").process.terminate());
    let name = DrawName::stored("a\u{202e}b").unwrap();
    let agencies = Agencies::first(1).unwrap();
    let terms = DrawTerms { name, agencies, numbers: NumberRange::default() };
    let ledger = Ledger::open(&data, Options::new(LedgerId([7; 16]))).unwrap();
    let ledger = Engine::start(Box::new(ledger), Arc::new(TestClock::default())).unwrap();
    let draw = wait(|done| ledger.open_draw(terms, SealedNumber(7), done)).unwrap();
    wait(|done| ledger.finish(draw, AgencyId(1), done)).unwrap();
    drop(ledger);
    for command in [&["winners", "--draw", "a\u{202e}b"][..], &["check"], &["audit"]] {
        let output = run_well(&[command, &["--data", str(&data)]].concat());
        assert!(output.contains(r"a\u{202e}b") && !output.contains('\u{202e}'), "{output}");
    }
}

#[test]
fn an_authority_has_a_name_that_can_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pki");
    let init = |name: &str| run(&["pki", "--dir", str(&dir), "init", "--name", name]);
    for (name, why) in
        [("\u{a0}", "must not be blank"), ("L\u{200b}", "U+200B"), (&"ñ".repeat(28), "55")]
    {
        let output = init(name);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    assert!(init(&"x".repeat(55)).status.success());
}
