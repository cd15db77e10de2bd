//! The data folder of a running central: no other process gets it, and a central that loses it or a
//! part of it stops with a message, instead of acknowledging bets that are not stored or writing to
//! another's folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::raw::{Raw, ack, bets};
use crate::support::{Central, bolillero, output_of, run_well, str, text};

const STORAGE_FAILED: u16 = 18;
const MORE: [&str; 4] = ["--agencies", "1", "--segment-len", "98304"];

fn start(data: &Path) -> Central {
    Central::start(data, "127.0.0.1:0", &MORE)
}

fn one_bet(chunk: u32) -> Vec<u8> {
    bets(1, chunk, &["Ana|Paz|1|2000-01-01|7"])
}

/// Connects an agency that has stored one batch.
fn stored(central: &Central) -> Raw {
    let mut raw = Raw::connect(&central.address);
    raw.send(&one_bet(0)).expect(&ack(0));
    raw
}

/// Checks that the central ends by itself and logs why.
fn check_stopped(central: Central, parts: &[&str]) {
    let ended = central.process.ended();
    assert_eq!(ended.code, Some(1), "{:#?}", ended.log);
    let message = ended.log.iter().find(|line| line.starts_with("error: the central stopped"));
    let message = message.unwrap_or_else(|| panic!("{:#?}", ended.log));
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

fn files(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort_unstable();
    files
}

/// Makes a ledger with a central that is then stopped.
fn ledger_in(data: &Path) {
    let central = start(data);
    drop(stored(&central));
    assert_eq!(central.process.terminate().code, Some(0));
}

fn records(data: &Path) -> String {
    let checked = run_well(&["check", "--data", str(data)]);
    checked.lines().find(|line| line.contains("records")).unwrap().to_owned()
}

#[test]
fn no_file_in_a_folder_has_to_be_there_for_it_to_have_one_central() {
    let folder = tempfile::tempdir().unwrap();
    let (data, linked) = (folder.path().join("data"), folder.path().join("linked"));
    let central = start(&data);
    let mut agency = stored(&central);
    // The lock file of older versions, and a copy that shares the files.
    fs::write(data.join("lock"), "").unwrap();
    fs::remove_file(data.join("lock")).unwrap();
    fs::create_dir(&linked).unwrap();
    for (path, _) in files(&data) {
        fs::hard_link(&path, linked.join(path.file_name().unwrap())).unwrap();
    }
    let before = files(&data);
    for data in [&data, &linked] {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--data", str(data)];
        let refused = output_of(bolillero().args(serve).args(MORE));
        let message = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{data:?}: {message}");
        assert!(message.contains("another process is using the data folder"), "{message}");
    }
    assert!(run_well(&["check", "--data", str(&data)]).starts_with("intact up to record 1, at "));
    let refused = output_of(bolillero().args(["check", "--data", str(&linked)]));
    assert!(text(&refused.stderr).contains("another process is using the data folder"));
    assert!(files(&data) == before, "something changed");
    agency.send(&one_bet(1)).expect(&ack(1));
    drop(agency);
    assert_eq!(central.process.terminate().code, Some(0));
    assert!(records(&data).contains('3'), "{}", records(&data));
}

#[test]
fn a_lock_is_no_part_of_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    ledger_in(&data);
    fs::create_dir(&copy).unwrap();
    for (path, bytes) in files(&data) {
        let name = path.file_name().unwrap();
        assert!(name.to_str().unwrap().starts_with("segment-"), "{name:?}");
        fs::write(copy.join(name), bytes).unwrap();
    }
    assert_eq!(records(&copy), records(&data));
    // A lock file left by older versions.
    fs::write(copy.join("lock"), "").unwrap();
    assert_eq!(records(&copy), records(&data));
    ledger_in(&copy);
}

#[test]
fn nothing_is_acknowledged_into_a_folder_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = start(&data);
    let mut agency = stored(&central);
    fs::remove_dir_all(&data).unwrap();
    agency.send(&one_bet(1));
    let message = agency.reply().expect_err("acknowledged into nothing");
    assert_eq!((message.code, message.chunk), (STORAGE_FAILED, Some(1)), "{message:?}");
    check_stopped(central, &["was", "removed"]);
    assert!(!data.exists());
}

#[test]
fn a_central_whose_folder_is_removed_stops_without_any_request() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = start(&data);
    fs::remove_dir_all(&data).unwrap();
    check_stopped(central, &[str(&data), "moved or removed", "start the central again on"]);
}

#[test]
fn a_central_whose_folder_is_replaced_leaves_the_other_alone_and_its_own_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, moved, other) = (path("data"), path("moved"), path("other"));
    ledger_in(&other);
    let before = files(&other);
    let central = start(&data);
    let mut agency = stored(&central);
    fs::rename(&data, &moved).unwrap();
    fs::rename(&other, &data).unwrap();
    // Enough bets to fill the prepared segments, so that new ones are needed. Bets acknowledged
    // before the loss is noticed are in the moved folder.
    let text = vec!["Ana|Paz|30904465|2000-01-01|7"; 250];
    let mut acknowledged = 1;
    for chunk in 1..100 {
        agency.send(&bets(1, chunk, &text));
        // If the loss is noticed between two batches, the connection ends without a reply.
        let Ok(1..) = agency.0.peek(&mut [0]) else { break };
        let Ok(_) = agency.reply() else { break };
        acknowledged += 1;
    }
    check_stopped(central, &[str(&data), "replaced by another"]);
    fs::rename(&data, &other).unwrap();
    assert!(files(&other) == before, "the other folder changed");
    // One record for the opening of the draw, and one per batch.
    let found = records(&moved);
    let count = (acknowledged + 1).to_string();
    let more = (acknowledged + 2).to_string();
    assert!(found.contains(&count) || found.contains(&more), "{acknowledged}: {found}");
}

#[test]
fn a_segment_that_is_moved_or_replaced_stops_the_central() {
    for is_replaced in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (data, away) = (folder.path().join("data"), folder.path().join("away"));
        let central = start(&data);
        let agency = stored(&central);
        let segment = data.join("segment-0000000001.bol");
        fs::rename(&segment, &away).unwrap();
        if is_replaced {
            fs::copy(&away, &segment).unwrap();
        }
        check_stopped(central, &["segment-0000000001.bol was"]);
        drop(agency);
    }
}
