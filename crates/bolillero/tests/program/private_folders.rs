//! Stored files are accessible to their owner only: they tell who bet what and, before a draw, what
//! would win.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::support::raw::{Raw, ack, bets, finish};
use crate::support::{Central, bolillero, run_well, str};

const WARNING: &str = "other users of this machine";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Checks that only the owner can read the files in a folder; returns their names.
fn check_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = entries
        .map(|path| {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            str(Path::new(path.file_name().unwrap())).to_owned()
        })
        .collect();
    names.sort_unstable();
    names
}

/// Runs a central, stores one batch and stops it; returns its log.
fn day(data: &Path) -> Vec<String> {
    let more = ["--agencies", "1", "--segment-len", "98304"];
    let central = Central::start(data, "127.0.0.1:0", &more);
    let mut raw = Raw::connect(&central.address);
    raw.send(&bets(1, 0, &["Ana|Paz|1|2000-01-01|7"])).expect(&ack(0));
    raw.send(&finish(1)).expect(&finish(1));
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0));
    ended.log
}

#[test]
fn the_data_folder_and_its_files_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("deep/data");
    let log = day(&data);
    assert!(!log.iter().any(|line| line.contains(WARNING)), "{log:#?}");
    assert_eq!(mode(&data), 0o700);
    let names = check_files(&data);
    assert!(
        !names.is_empty() && names.iter().all(|name| name.starts_with("segment-")),
        "{names:?}"
    );
}

#[test]
fn an_operator_added_before_all_else_finds_a_folder_made_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = bolillero();
    command.args(["operator", "add", "ana", "--role", "admin", "--password-stdin", "--data"]);
    let mut child = command.arg(&data).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a long password\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(mode(&data), 0o700);
    assert_eq!(check_files(&data), ["operators.json", "operators.lock"]);
}

#[test]
fn a_folder_that_others_may_look_into_is_warned_of_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for shared in [0o755, 0o750, 0o701] {
        fs::set_permissions(&data, fs::Permissions::from_mode(shared)).unwrap();
        let log = day(&data);
        let warned = log.iter().find(|line| line.contains(WARNING)).unwrap();
        let parts = ["WARNING", str(&data), &format!("mode: {shared:o}"), "chmod 700"];
        assert!(parts.iter().all(|part| warned.contains(part)), "{warned}");
        assert_eq!(mode(&data), shared);
        check_files(&data);
    }
}

#[test]
fn exports_are_readable_by_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    day(&data);
    let (file, out) = (folder.path().join("bets.csv"), folder.path().join("out"));
    run_well(&["export", "--data", str(&data), "--out", str(&file)]);
    assert_eq!(mode(&file), 0o600);
    run_well(&["export", "--data", str(&data), "--folder", str(&out)]);
    assert!(check_files(&out).iter().any(|name| name == "manifest.json"));
}
