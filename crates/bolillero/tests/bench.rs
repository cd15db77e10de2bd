//! The bench measures everything that it says it does, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use support::{run_well, str};

#[test]
fn every_figure_is_there_and_plausible() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run_well(&["bench", "--seconds", "1", "--json", "--data", str(folder.path())]);
    let figures: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(figures["append_fdatasync_batches_per_second"].as_f64().unwrap() > 1.0);
    let intake = figures["intake"].as_array().unwrap();
    let names: Vec<_> = intake.iter().map(|of| of["scenario"].as_str().unwrap()).collect();
    assert_eq!(names, ["one-at-a-time", "window"]);
    for of in intake {
        let figure = |name: &str| of[name].as_f64().unwrap();
        let bets = figure("batches_per_second") * 93.0;
        assert!((figure("bets_per_second") - bets).abs() < 1.0 && bets > 93.0, "{of}");
        assert!(figure("ratio_to_append_fdatasync") > 0.0, "{of}");
        assert!(figure("ack_us_p50") > 0.0 && figure("ack_us_p50") <= figure("ack_us_p99"), "{of}");
        assert!(figure("ack_us_p99") <= figure("ack_us_max"), "{of}");
        assert!(figure("central_cpu_s_per_million_bets") > 0.0, "{of}");
    }
    assert_eq!(figures["idle"]["connections"], 1_000);
    assert!((1..100_000).contains(&figures["idle"]["greeted_bytes_each"].as_u64().unwrap()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}
