//! Data folders that a central can't use: each is reported in one line with a remedy, and nothing
//! in them changes.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::raw::{Raw, ack, bets, finish};
use crate::support::{Central, bolillero, output_of, str, text};

const READERS: [&str; 3] = ["check", "export", "winners"];
/// The uid of a user who owns nothing.
const NOBODY: u32 = 65_534;

/// Makes a ledger with a completed draw.
fn ledger_in(data: &Path) {
    let more = ["--agencies", "1", "--winning-number", "7", "--segment-len", "98304"];
    let central = Central::start(data, "127.0.0.1:0", &more);
    let mut raw = Raw::connect(&central.address);
    raw.send(&bets(1, 0, &["Ana|Paz|1|2000-01-01|7"])).expect(&ack(0));
    raw.send(&finish(1)).expect(&finish(1));
    assert_eq!(central.process.terminate().code, Some(0));
}

fn serve(data: &Path) -> [&str; 7] {
    ["serve", "--listen", "127.0.0.1:0", "--agencies", "1", "--data", str(data)]
}

/// Returns the content and the permissions of every file.
fn content(data: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let entries = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        let bytes = fs::read(&path).unwrap();
        (path, (mode, bytes))
    };
    entries.map(read).collect()
}

/// Checks the exit code, and that there is one line of error with these parts.
fn check_error(output: &Output, code: i32, parts: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    let errors: Vec<_> = message.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors[..] else { panic!("{message}") };
    assert!(message.trim_end().ends_with(error), "more than one line: {message}");
    for part in parts {
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Returns a command that runs the program as a user subject to permissions, which root is not.
fn bound_by_permissions(folder: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return bolillero();
    }
    // Other users may have no access to the folder of the build.
    set_mode(folder, 0o755);
    let program = folder.join("bolillero");
    if !program.exists() {
        // Copied by a process: a process that another test starts meanwhile could inherit the file,
        // open for writing, and a program that is open for writing can't be run.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_bolillero")).arg(&program);
        assert!(copy.status().unwrap().success());
    }
    let mut command = Command::new(program);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

/// Gives the folder and its files to the user of [`bound_by_permissions`].
fn give_to_who_is_bound(data: &Path) {
    if rustix::process::geteuid().is_root() {
        let files = content(data).into_keys();
        for path in files.chain([data.to_owned()]) {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

#[test]
fn a_lock_left_by_a_killed_command_of_root_is_reported_and_repaired_by_the_next() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    ledger_in(&data);
    give_to_who_is_bound(&data);
    let lock = data.join("operators.lock");
    fs::write(&lock, "").unwrap();
    set_mode(&lock, 0o600);
    let add = |mut command: Command, name: &str| {
        let args = ["operator", "add", name, "--role", "viewer", "--password-stdin", "--data"];
        let mut given = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut given, b"a long password").unwrap();
        std::io::Seek::rewind(&mut given).unwrap();
        output_of(command.args(args).arg(&data).stdin(given))
    };
    let refused = add(bound_by_permissions(folder.path()), "ana");
    let owner = fs::metadata(&data).unwrap().uid();
    let remedy = format!("run `chown {owner} {}` as root", str(&lock));
    check_error(&refused, 1, &["operators.lock belongs to user 0", &remedy]);
    assert!(add(bolillero(), "ana").status.success());
    assert!(add(bound_by_permissions(folder.path()), "bea").status.success());
}

#[test]
fn a_folder_that_may_not_be_written_to_is_only_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    ledger_in(&data);
    give_to_who_is_bound(&data);
    set_mode(&data, 0o555);
    let before = content(&data);
    let refused = output_of(bound_by_permissions(folder.path()).args(serve(&data)));
    check_error(&refused, 1, &[str(&data), "Permission denied", "give the user that runs this"]);
    for command in READERS {
        let mut reader = bound_by_permissions(folder.path());
        let read = output_of(reader.args([command, "--data", str(&data)]));
        assert!(read.status.success(), "{command}: {}", text(&read.stderr));
    }
    set_mode(&data, 0o000);
    for command in READERS {
        let mut reader = bound_by_permissions(folder.path());
        let refused = output_of(reader.args([command, "--data", str(&data)]));
        check_error(&refused, 1, &[str(&data), "Permission denied", "give the user"]);
    }
    let refused = output_of(bound_by_permissions(folder.path()).args(serve(&data)));
    check_error(&refused, 1, &[str(&data), "Permission denied", "give the user"]);
    set_mode(&data, 0o755);
    assert!(content(&data) == before, "something changed");
}

#[test]
fn a_folder_on_a_read_only_file_system_is_only_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    ledger_in(&data);
    let before = content(&data);
    let run = |args: &[&str]| {
        let program = env!("CARGO_BIN_EXE_bolillero");
        let mount = "mount --bind $0 $0 && mount -o remount,ro,bind $0 || exit 77";
        let script = format!("{mount}; cd / && exec {program} {}", args.join(" "));
        output_of(Command::new("unshare").args(["-rm", "sh", "-c", &script, str(&data)]))
    };
    let has_unshare = Command::new("unshare").arg("--version").output().is_ok();
    let checked = has_unshare.then(|| run(&["check", "--data", "$0"]));
    let Some(checked) = checked.filter(|output| output.status.success()) else {
        eprintln!("skipped: this system lets nobody but root mount (unshare -rm)");
        return;
    };
    assert!(text(&checked.stdout).starts_with("intact\n"));
    check_error(&run(&serve(&data)), 1, &[str(&data), "Read-only file system", "choose a folder"]);
    assert!(content(&data) == before, "something changed");
}

#[test]
fn a_file_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    fs::write(&file, "mine").unwrap();
    let beneath = file.join("deeper");
    for data in [&file, &beneath] {
        for command in [&serve(data)[..], &["check", "--data", str(data)]] {
            let output = output_of(bolillero().args(command));
            check_error(&output, 2, &[str(data), "ot a directory", "choose a folder"]);
        }
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_ledger_of_a_newer_format_is_left_to_the_newer_program() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    ledger_in(&data);
    let segment = fs::OpenOptions::new().write(true).open(data.join("segment-0000000001.bol"));
    let mut segment = segment.unwrap();
    segment.seek(SeekFrom::Start(8)).unwrap();
    segment.write_all(&3_u32.to_le_bytes()).unwrap();
    let before = content(&data);
    let parts = [str(&data), "segment-0000000001.bol", "version 3", "knows 2", "newer program"];
    check_error(&output_of(bolillero().args(serve(&data))), 1, &parts);
    for command in READERS {
        check_error(&output_of(bolillero().args([command, "--data", str(&data)])), 1, &parts);
    }
    assert!(content(&data) == before, "something changed");
}

#[test]
fn a_folder_has_one_central() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "1"]);
    let names = || fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name());
    let before: Vec<_> = names().collect();
    let parts = [str(&data), "another process is using", "stop it first"];
    check_error(&output_of(bolillero().args(serve(&data))), 1, &parts);
    for command in ["check", "export"] {
        let read = output_of(bolillero().args([command, "--data", str(&data)]));
        assert!(read.status.success(), "{command}: {}", text(&read.stderr));
    }
    assert_eq!(names().collect::<Vec<_>>(), before);
    Raw::connect(&central.address).send(&finish(1)).expect(&finish(1));
    assert_eq!(central.process.terminate().code, Some(0));
}
