//! Every time in log lines and output carries its zone, as `Z`, as an offset (`-03:00`) or as `UTC-3`.

use crate::support::{Central, agency, run_well, str, with_input};

/// Returns the rest of `text` from each date on.
fn dates(text: &str) -> impl Iterator<Item = &str> {
    let is_date = |part: &[u8]| {
        part.iter().zip(b"0000-00-00").all(|(byte, form)| match form {
            b'-' => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    };
    let starts = text.as_bytes().windows(10).enumerate();
    let starts: Vec<_> = starts.filter(|(_, part)| is_date(part)).map(|(at, _)| at).collect();
    starts.into_iter().map(|at| &text[at..])
}

/// Returns whether a date is followed by a time of day and its zone.
fn has_zone(date: &str) -> bool {
    let Some(time) = date[10..].strip_prefix([' ', 'T']) else { return false };
    let zone = time.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':' || c == '.');
    let is_offset = |zone: &str| zone.starts_with(|c: char| c.is_ascii_digit());
    zone.len() < time.len()
        && (zone.starts_with('Z')
            || zone.starts_with(" UTC")
            || zone.strip_prefix(['+', '-']).is_some_and(is_offset))
}

#[test]
fn times_without_a_zone_are_noticed() {
    for time in ["2026-11-29T21:00:00.000Z", "2026-11-29 21:00 UTC", "2026-11-29 21:00:00-03:00"] {
        assert!(has_zone(time), "{time}");
    }
    for time in ["2026-11-29", "2026-11-29 21:00", "2026-11-29 21:00:00 hours", "2026-11-29 UTC"] {
        assert!(!has_zone(time), "{time}");
    }
    assert_eq!(dates("from 2026-11-29 to 2026-12-01").count(), 2);
}

#[test]
fn every_time_that_is_printed_or_logged_has_its_zone() {
    let folder = tempfile::tempdir().unwrap();
    let (data, pki) = (folder.path().join("data"), folder.path().join("pki"));
    let bets = folder.path().join("bets.csv");
    std::fs::write(&bets, "Ana,Paz,1,2000-01-01,7574\n").unwrap();
    let (data, pki) = (str(&data), str(&pki));
    let add = ["operator", "add", "ana", "--role", "admin", "--password-stdin", "--data", data];
    assert!(with_input(&add, "una contraseña larga\n").status.success());
    let token = ["--label", "board", "--role", "viewer", "--days", "9", "--data", data];
    run_well(&[&["operator", "token", "ana"][..], &token].concat());
    run_well(&["pki", "--dir", pki, "init"]);
    let mut outputs = vec![run_well(&["pki", "--dir", pki, "agency", "1"])];
    run_well(&["pki", "--dir", pki, "revoke", "--agency", "1"]);
    outputs.push(run_well(&["pki", "--dir", pki, "list"]));
    outputs.push(run_well(&["operator", "list", "--data", data]));

    let central = Central::start(data.as_ref(), "127.0.0.1:0", &["--agencies", "1"]);
    let sent = agency(1, &central.address, &bets, &[]).ended();
    assert_eq!(sent.code, Some(0), "{:#?}", sent.log);
    std::fs::write(&bets, "Eva,Paz,2,2000-01-01,7574\n").unwrap();
    outputs.push(agency(1, &central.address, &bets, &["--legacy"]).ended().log.join("\n"));
    outputs.push(run_well(&["check", "--data", data]));
    outputs.push(run_well(&["audit", "--data", data]));
    outputs.push(sent.log.join("\n"));
    outputs.push(central.process.terminate().log.join("\n"));
    for output in &outputs {
        for date in dates(output) {
            assert!(has_zone(date), "{date:.40}: {output}");
        }
    }
    // All but what has no time at all say one.
    assert!(outputs.iter().all(|output| dates(output).count() > 0), "{outputs:#?}");
}
