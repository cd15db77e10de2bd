//! Output of `export --folder`, read by other programs: sha256sum, and pyarrow for Parquet, which
//! is skipped without Python.

use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::http::{Http, add_operator};
use crate::support::raw::{Raw, ack, bets, finish, get_winners, winners};
use crate::support::tools::has_tool;
use crate::support::{Central, bolillero, drawn, run, run_well, str, text};
use serde_json::Value;

/// The version used in CI.
const PYARROW: &str = "pyarrow==26.0.1";

/// Compares the CSV and Parquet files column by column, and prints the Parquet's types and groups.
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

/// Returns a Python interpreter with pyarrow, installed in the workspace's target folder.
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
    assert_eq!(draw["id"], 1);
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
    let types = "uint32 uint32 uint32 string string string date32[day] uint32";
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

/// Makes a data folder with a completed draw whose bets a spreadsheet would evaluate as formulas.
fn formulas(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    let more = ["--agencies", "1", "--segment-len", "98304", "--winning-number", "7"];
    let central = Central::start(&data, "127.0.0.1:0", &more);
    let evaluated = ["=1+1|Paz;@x|-1-1|2000-01-01|7", "Ana|Paz|2|2000-01-01|8"];
    let mut raw = Raw::connect(&central.address);
    raw.send(&bets(1, 0, &evaluated)).expect(&ack(0)).send(&finish(1)).expect(&finish(1));
    raw.send(&get_winners(1)).expect(&winners("-1-1"));
    assert_eq!(central.process.terminate().code, Some(0));
    data
}

const INERT: &str = "agency,chunk,position,first_name,last_name,document,birthdate,number\n\
                     1,0,0,'=1+1,Paz;'@x,'-1-1,2000-01-01,7\n1,0,1,Ana,Paz,2,2000-01-01,8\n";

#[test]
fn no_csv_is_evaluated_by_a_spreadsheet_and_the_exact_bytes_can_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let data = formulas(folder.path());
    let export = ["export", "--data", str(&data)];
    assert_eq!(run_well(&export), INERT);
    let exact = INERT.replace('\'', "");
    assert_eq!(run_well(&[&export[..], &["--raw"]].concat()), exact);
    let winners = ["winners", "--data", str(&data), "--format", "csv"];
    assert_eq!(run_well(&winners), "agency,document\n1,'-1-1\n");
    assert_eq!(run_well(&[&winners[..], &["--raw"]].concat()), "agency,document\n1,-1-1\n");
    let in_folder = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        run_well(&[&export[..], &["--folder", str(&out)], more].concat());
        let read = |file| std::fs::read_to_string(out.join(file)).unwrap();
        assert!(read("winners.json").contains("\"-1-1\""));
        (read("bets.csv"), read("winners.csv"))
    };
    let (inert, of_winners) = in_folder("inert", &[]);
    assert_eq!((inert.as_str(), of_winners.as_str()), (INERT, "agency,document\n1,'-1-1\n"));
    let (raw, of_winners) = in_folder("raw", &["--raw"]);
    assert_eq!((raw, of_winners.as_str()), (exact, "agency,document\n1,-1-1\n"));
}

#[test]
fn a_file_is_overwritten_only_when_asked_for_and_a_link_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = formulas(folder.path());
    let path = |name: &str| folder.path().join(name);
    let export = |to: &Path, more: &[&str]| {
        run(&[&["export", "--data", str(&data), "--out", str(to)], more].concat())
    };
    let refused = |to: &Path| {
        let refused = export(to, &[]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains("--force"), "{}", text(&refused.stderr));
    };
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let written = export(&path("new"), &[]);
    assert_eq!(read("new"), INERT);
    let expected = format!("wrote {}: 2 rows, {} bytes\n", str(&path("new")), INERT.len());
    assert_eq!((written.status.code(), text(&written.stderr)), (Some(0), expected));

    std::fs::write(path("there"), "kept").unwrap();
    symlink("there", path("link")).unwrap();
    for to in ["there", "link"] {
        refused(&path(to));
        assert_eq!(read("there"), "kept");
        assert_eq!(export(&path(to), &["--force"]).status.code(), Some(0));
        assert_eq!(read("there"), INERT);
        std::fs::write(path("there"), "kept").unwrap();
    }
    symlink("later", path("dangling")).unwrap();
    assert_eq!(export(&path("dangling"), &[]).status.code(), Some(0));
    assert_eq!(read("later"), INERT);
    for link in ["link", "dangling"] {
        assert!(path(link).is_symlink(), "{link}");
    }
    let in_the_way = export(folder.path(), &["--force"]);
    assert_eq!(in_the_way.status.code(), Some(2));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 6, "nothing half-written: {left:?}");

    let generated = path("bets");
    let generate = ["generate", "--agencies", "1", "--bets", "3", "--out", str(&generated)];
    run_well(&generate);
    let again = run(&generate);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));
    run_well(&[&generate[..], &["--force"]].concat());
}

#[test]
fn a_pipe_a_socket_or_a_device_is_written_into() {
    let folder = tempfile::tempdir().unwrap();
    let data = formulas(folder.path());
    let path = |name: &str| folder.path().join(name);
    let command = |to: &Path| {
        let mut command = bolillero();
        command.args(["export", "--data", str(&data), "--out", str(to)]);
        command
    };
    let all_of = |mut reader: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut read = String::new();
            reader.read_to_string(&mut read).map(|_| read)
        })
    };
    let pipe = path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let opened = pipe.clone();
    let read = std::thread::spawn(move || std::fs::read_to_string(opened));
    assert!(command(&pipe).status().unwrap().success());
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
    // Opening the pipe for writing once more lets the reader end if nothing was written.
    drop(std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
    assert_eq!(read.join().unwrap().unwrap(), INERT);

    let listener = UnixListener::bind(path("socket")).unwrap();
    let running = command(&path("socket")).spawn().unwrap();
    let read = all_of(Box::new(listener.accept().unwrap().0));
    assert!(running.wait_with_output().unwrap().status.success());
    assert_eq!(read.join().unwrap().unwrap(), INERT);

    // Like /dev/stdout, which may be a pipe or a file that a shell opened.
    symlink("/proc/self/fd/1", path("stdout")).unwrap();
    let piped = command(&path("stdout")).output().unwrap();
    assert_eq!(text(&piped.stdout), INERT);
    std::fs::write(path("file"), "before\n").unwrap();
    let file = std::fs::OpenOptions::new().append(true).open(path("file")).unwrap();
    assert!(command(&path("stdout")).stdout(file).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(path("file")).unwrap(), format!("before\n{INERT}"));

    symlink("/dev/full", path("full")).unwrap();
    let full = command(&path("full")).output().unwrap();
    assert_eq!(full.status.code(), Some(1));
    assert!(text(&full.stderr).contains("No space left"), "{}", text(&full.stderr));
    assert!(path("full").is_symlink());
}

#[test]
fn exports_that_are_taken_slowly_hold_up_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    // More bytes than the system buffers for a socket that is not read.
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
    // Counts more lines than bets: a header line, and the chunk sizes of the response.
    assert!(whole.body.lines().count() > bets.count());
    assert_eq!(central.process.terminate().code, Some(0));
}
