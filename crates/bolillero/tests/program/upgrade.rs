//! What older releases wrote is read and continued; what newer ones wrote is refused, and left as
//! it is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::http::Http;
use crate::support::raw::{Raw, ack, bets, hello};
use crate::support::{Central, agency, run, run_well, str, text};

/// A folder for each release that froze a format, made by `make.sh` there.
fn releases() -> Vec<PathBuf> {
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen");
    let entries = fs::read_dir(frozen).unwrap().map(|entry| entry.unwrap().path());
    let mut releases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    releases.sort();
    assert!(!releases.is_empty());
    releases
}

/// Copies the data folder of a release, as only its owner may read it.
fn copy_of_data(release: &Path, folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(release.join("data")).unwrap() {
        let from = entry.unwrap();
        let to = data.join(from.file_name());
        fs::copy(from.path(), &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
    }
    data
}

/// The ledger's id and the chain of its last record, as `check` printed them.
fn anchor(checked: &str) -> Vec<String> {
    let is_of_it = |line: &&str| line.starts_with("ledger") || line.starts_with("chain");
    let lines: Vec<_> = checked.lines().filter(is_of_it).map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{checked}");
    lines
}

#[test]
fn what_older_releases_wrote_is_read_and_continued() {
    for release in releases() {
        let folder = tempfile::tempdir().unwrap();
        let data = copy_of_data(&release, folder.path());
        let written = |name: &str| fs::read_to_string(release.join(name)).unwrap();
        let place = ["--data", str(&data)];
        let of_then = anchor(&written("check.txt"));
        assert_eq!(anchor(&run_well(&[&["check"][..], &place].concat())), of_then);
        let winners = run_well(&["winners", "--draw", "nocturna", "--data", str(&data)]);
        for told in (1..=2).flat_map(|number| {
            written(&format!("winners-{number}.txt")).lines().map(str::to_owned).collect::<Vec<_>>()
        }) {
            assert!(winners.contains(&told), "{told}: {winners}");
        }
        let audited = run_well(&[&["audit"][..], &place].concat());
        assert_eq!(audited.lines().count(), written("audit.txt").lines().count());

        let restored = folder.path().join("restored");
        run_well(&["restore", "--from", str(&release.join("backup")), "--data", str(&restored)]);
        assert_eq!(anchor(&run_well(&["check", "--data", str(&restored)])), of_then);

        // A central continues, with the settings and the operators of then.
        let settings = release.join("central.toml");
        let more = ["--config", str(&settings), "--http", "127.0.0.1:0"];
        let mut central = Central::start(&data, "127.0.0.1:0", &more);
        for number in 1..=2_u32 {
            let bets = release.join(format!("bets-{number}.txt"));
            let settings = release.join("agency.toml");
            let more = ["--config", str(&settings), "--draw", "nocturna"];
            let ended = agency(number, &central.address, &bets, &more).ended();
            assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
            assert_eq!(ended.stdout, written(&format!("winners-{number}.txt")));
        }
        let ana = Http::of(&mut central).log_in("ana");
        let draw = json!({ "name": "vespertina", "numbers": { "min": 0, "max": 9999 } });
        let draw = ana.ask("POST", "/api/v1/draws", &draw.to_string()).json();
        let open = format!("/api/v1/draws/{}/open", draw["id"]);
        assert_eq!(ana.ask("POST", &open, "{}").status, 200);
        let mut raw = Raw::connect(&central.address);
        raw.send(&hello(1, "vespertina")).payload(19);
        raw.send(&bets(1, 0, &["Ana|Paz|30904465|2000-01-01|7"])).expect(&ack(0));
        assert_eq!(central.process.terminate().code, Some(0));
        let checked = run_well(&[&["check"][..], &place].concat());
        assert!(checked.contains("vespertina: open; 1 bet "), "{checked}");
    }
}

#[test]
fn what_a_newer_release_wrote_is_refused_and_left_as_it_is() {
    type Edit = fn(&mut Vec<u8>);
    let version: Edit = |segment| segment[8] += 1;
    let operators: Edit = |file| {
        let newer = text(file).replacen("\"format\": 1", "\"format\": 2", 1);
        assert_ne!(newer.as_bytes(), file);
        *file = newer.into_bytes();
    };
    let release = releases().pop().unwrap();
    let serve = &["serve", "--listen", "127.0.0.1:0", "--agencies", "2", "--data"][..];
    for (name, edit, command) in [
        ("segment-0000000001.bol", version, serve),
        ("operators.json", operators, &["operator", "list", "--data"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let data = copy_of_data(&release, folder.path());
        let file = data.join(name);
        let mut bytes = fs::read(&file).unwrap();
        edit(&mut bytes);
        fs::write(&file, &bytes).unwrap();
        let listing = |data: &Path| {
            let entries = fs::read_dir(data).unwrap().map(|entry| entry.unwrap());
            let mut all: Vec<_> =
                entries.map(|it| (it.file_name(), fs::read(it.path()).unwrap())).collect();
            all.sort();
            all
        };
        let before = listing(&data);
        let refused = run(&[command, &[str(&data)]].concat());
        let why = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{why}");
        assert!(why.contains(name) && why.contains("newer"), "{why}");
        assert_eq!(listing(&data), before, "{name}");
    }
}
