//! What `export --folder` writes, read by programs of others: sha256sum, and pyarrow for Parquet,
//! which is left out where Python is missing.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::http::{Http, add_operator};
use support::tools::has_tool;
use support::{Central, drawn, run, run_well, str, text};

/// The version that the gate checks with.
const PYARROW: &str = "pyarrow==26.0.1";

/// Compares the two files of bets, column by column, and prints the Parquet's types and groups.
const COMPARE: &str = "
import csv, sys
import pyarrow.parquet as pq
file = pq.ParquetFile(sys.argv[1])
table = file.read().to_pydict()
with open(sys.argv[2], newline='', encoding='utf-8') as lines:
    rows = list(csv.DictReader(lines))
assert list(table) == list(rows[0]), (list(table), list(rows[0]))
for name, column in table.items():
    read = [row[name] for row in rows]
    assert [str(value) for value in column] == read, name
groups = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
print(*[field.type for field in file.schema_arrow], groups, len(rows))
";

/// Python with pyarrow, of the workspace's own.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let (python, lock) = (folder.join("bin/python"), folder.with_extension("lock"));
    let lock = std::fs::File::create(lock).unwrap();
    lock.lock().unwrap();
    let has_pyarrow = || {
        let version = "import pyarrow; print('pyarrow==' + pyarrow.__version__)";
        let output = Command::new(&python).args(["-c", version]).output();
        output.is_ok_and(|output| text(&output.stdout).trim() == PYARROW)
    };
    if !has_pyarrow() {
        let venv = Command::new("python3").args(["-m", "venv"]).arg(&folder).status().unwrap();
        assert!(venv.success());
        let pip = ["-m", "pip", "install", "--quiet", PYARROW];
        assert!(Command::new(&python).args(pip).status().unwrap().success(), "{PYARROW} is needed");
    }
    python
}

#[test]
fn a_folder_holds_the_whole_draw_as_others_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, bets) = drawn(folder.path(), 70_000);
    let out = folder.path().join("out");
    let export = ["export", "--data", str(&data), "--folder", str(&out)];
    assert_eq!(run_well(&export), "");

    let manifest = std::fs::read_to_string(out.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let draw = &manifest["draw"];
    assert_eq!((draw["name"].as_str(), draw["state"].as_str()), (Some("sorteo"), Some("drawn")));
    assert_eq!(draw["bets"].as_u64(), Some(bets.count() as u64));
    assert_eq!(draw["winning_number"].to_string(), bets.winning_number);
    let winners: usize = (1..=5).map(|agency| bets.winners(agency).len()).sum();
    let files: Vec<_> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            let (name, rows) = (file["name"].as_str().unwrap(), file["rows"].as_u64().unwrap());
            let path = out.join(name);
            assert_eq!(file["bytes"].as_u64(), Some(path.metadata().unwrap().len()), "{name}");
            let sum = Command::new("sha256sum").arg(&path).output().unwrap();
            let sum = text(&sum.stdout);
            assert_eq!(file["sha256"].as_str(), sum.split(' ').next(), "{name}");
            (name, usize::try_from(rows).unwrap())
        })
        .collect();
    let expected = [
        ("bets.csv", bets.count()),
        ("bets.parquet", bets.count()),
        ("winners.csv", winners),
        ("winners.json", winners),
    ];
    assert_eq!(files, expected);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), files.len() + 1);

    let (csv, parquet) = (out.join("bets.csv"), out.join("bets.parquet"));
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), run_well(&export[..3]));
    if !has_tool(&["python3", "-c", "import venv, ensurepip"], "python3-venv") {
        return;
    }
    let compared =
        Command::new(python()).args(["-c", COMPARE]).args([&parquet, &csv]).output().unwrap();
    assert!(compared.status.success(), "{}", text(&compared.stderr));
    let rest = bets.count() - 65_536;
    let types = "uint32 string string string date32[day] uint32";
    let count = bets.count();
    assert_eq!(text(&compared.stdout).trim(), format!("{types} [65536, {rest}] {count}"));
}

#[test]
fn a_file_alone_is_the_one_of_the_folder_and_a_folder_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = drawn(folder.path(), 500);
    let (out, alone) = (folder.path().join("out"), folder.path().join("alone.parquet"));
    run_well(&["export", "--data", str(&data), "--folder", str(&out)]);
    run_well(&["export", "--data", str(&data), "--format", "parquet", "--out", str(&alone)]);
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert_eq!(read(&alone), read(&out.join("bets.parquet")));
    let winners = |format| run_well(&["winners", "--data", str(&data), "--format", format]);
    assert_eq!(winners("csv").into_bytes(), read(&out.join("winners.csv")));
    assert_eq!(winners("json").into_bytes(), read(&out.join("winners.json")));
    let again = run(&["export", "--data", str(&data), "--folder", str(&out)]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("is not empty"), "{}", text(&again.stderr));
    let both = ["--folder", str(&out), "--format", "csv"];
    let both = run(&[&["export", "--data", str(&data)], &both[..]].concat());
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn exports_that_are_taken_slowly_hold_up_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    // More bytes than systems keep of what is not read.
    let (data, bets) = drawn(folder.path(), 300_000);
    add_operator(&data, "eva", "auditor");
    let token = Http::new_token(&data, "eva");
    let mut central = Central::start(&data, "127.0.0.1:0", &["--http", "127.0.0.1:0"]);
    let eva = Http::of(&mut central).by_token(&token);
    let path = "/api/v1/draws/1/bets.csv";
    let slow = [eva.begin(path), eva.begin(path)];
    let refused = eva.ask("GET", path, "");
    assert_eq!((refused.status, refused.json()["title"].as_str()), (503, Some("Too many exports")));
    for path in ["settlement", "winners?limit=1", "bets?limit=1&document=1"] {
        let answer = eva.ask("GET", &format!("/api/v1/draws/1/{path}"), "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    drop(slow);
    let whole = (0..10_000).map(|_| eva.ask("GET", path, "")).find(|it| it.status == 200).unwrap();
    // Under a line of names; as it is sent, in chunks.
    assert!(whole.body.lines().count() > bets.count());
    assert_eq!(central.process.terminate().code, Some(0));
}
