//! `bolillero bench` measures as documented and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use rustix::process::Signal;
use serde_json::Value;
use support::{Process, run_well, str};

#[test]
fn bets_are_acknowledged_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", str(folder.path())];
    let load = ["bench", "--seconds", "1", "--connections", "3", "--window", "2"];
    let figures = run_well(&[&load[..], &data, &["--json"]].concat());
    let figures: Value = serde_json::from_str(&figures).unwrap();
    let number = |name: &str| figures[name].as_f64().unwrap_or_else(|| panic!("{name}: {figures}"));
    assert_eq!([number("connections"), number("window")], [3.0, 2.0]);
    assert!(number("bets") >= 93.0 && number("bets") % 93.0 == 0.0, "{figures}");
    let rate = number("bets") / number("seconds");
    assert!((0.99..1.01).contains(&(number("bets_per_second") / rate)), "{figures}");
    assert!(number("seconds") >= 1.0, "{figures}");
    assert!(0.0 < number("ack_us_p50") && number("ack_us_p50") <= number("ack_us_p99"));
    let printed = run_well(&[&load[..], &data].concat());
    assert!(printed.contains(" bets/s acknowledged; a batch in "), "{printed}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn an_interrupted_measurement_ends_soon_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Process::start(&["bench", "--seconds", "3600", "--data", str(folder.path())]);
    while std::fs::read_dir(folder.path()).unwrap().count() == 0 {
        std::thread::yield_now();
    }
    bench.signal(Signal::INT);
    let ended = bench.ended();
    assert_eq!(ended.code, Some(1), "{:?}", ended.log);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}
