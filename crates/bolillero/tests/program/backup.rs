//! `backup`, `restore` and what reads a backup, by real processes: beside a central under load,
//! killed in the middle, with damaged pieces, and of several draws.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::support::http::add_operator;
use crate::support::raw::{Load, Raw, ack, bets, finish};
use crate::support::{
    Bets, Central, Ended, Process, agency, anchor, drawn, exported, free_address, output_of,
    refused, run, run_well, str, text,
};

/// A folder with a ledger and room for its backups.
struct Place {
    folder: tempfile::TempDir,
    data: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self { folder, data }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stores draws of these names, each with a batch of one winning bet more than the one before.
    fn with_draws(names: &[&str]) -> Self {
        let place = Self::new();
        for (at, name) in names.iter().enumerate() {
            place.add_draw(name, at + 1);
        }
        place
    }

    fn add_draw(&self, name: &str, count: usize) {
        let central = Central::of_short_segments(&self.data, name);
        let texts: Vec<_> = (0..count).map(|bet| format!("Ana|Paz|{bet}|2000-01-01|7")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let mut agency = Raw::connect(&central.address);
        agency.send(&bets(1, 0, &texts)).expect(&ack(0));
        agency.send(&finish(1)).expect(&finish(1));
        assert_eq!(central.process.terminate().code, Some(0));
    }

    fn back_up(&self, to: &Path) -> String {
        run_well(&["backup", "--data", str(&self.data), "--to", str(to)])
    }
}

/// Returns the names of the files in a folder, except for the lock.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name != "lock");
    names.sort_unstable();
    names
}

#[test]
fn a_backup_beside_a_central_under_load_has_all_that_was_acknowledged_before_it() {
    let place = Place::new();
    let central = Central::of_short_segments(&place.data, "first");
    let to = place.path("backup");
    let mut load = Load::start(&central.address);
    for round in 1..=4 {
        let before = load.bets();
        let printed = place.back_up(&to);
        assert_eq!(names(&to).len(), round, "{printed}");
        let exported = run_well(&["export", "--backup", str(&to)]);
        let rows = exported.lines().count() - 1;
        assert!(rows >= before, "{before}: {rows}");
        let file = place.path(&format!("{round}.bolb"));
        let before = load.bets();
        place.back_up(&file);
        let exported = run_well(&["export", "--backup", str(&file)]);
        let rows = exported.lines().count() - 1;
        assert!(rows >= before, "{before}: {rows}");
    }
    load.stop();
    assert_eq!(central.process.terminate().code, Some(0));

    let printed = place.back_up(&to);
    let checked = run_well(&["check", "--data", str(&place.data)]);
    assert_eq!(anchor(&printed), anchor(&checked));
    assert_eq!(anchor(&run_well(&["check", "--backup", str(&to)])), anchor(&checked));
    let pieces = names(&to);
    let printed = place.back_up(&to);
    assert!(printed.starts_with("nothing is new\nrecords "), "{printed}");
    assert!(printed.contains("Z\nledger ") && anchor(&printed) == anchor(&checked));
    assert_eq!(names(&to), pieces);

    let restored = place.path("restored");
    let printed = run_well(&["restore", "--from", str(&to), "--data", str(&restored)]);
    assert_eq!(anchor(&printed), anchor(&checked));
    assert_eq!(exported(&restored), exported(&place.data));
    // The restored ledger goes on.
    let central = Central::of_short_segments(&restored, "first");
    let next = load.batches();
    let mut agency = Raw::connect(&central.address);
    agency.send(&bets(1, next, &["Ana|Paz|1|2000-01-01|7"])).expect(&ack(next));
    assert_eq!(central.process.terminate().code, Some(0));
    // It is still the same history, so the backup goes on too.
    let printed = run_well(&["backup", "--data", str(&restored), "--to", str(&to)]);
    assert!(printed.starts_with("backed up 1 new record with 1 bet in 1 piece\n"), "{printed}");
    assert!(names(&to).starts_with(&pieces) || names(&to).len() == pieces.len() + 1);
}

#[test]
fn agencies_that_are_started_again_send_a_restored_central_what_the_backup_does_not_have() {
    let place = Place::new();
    let (to, address) = (place.path("backup"), free_address());
    let bets = Bets::generated(&place.path("bets"), 300);
    let serve = |data: &Path| {
        let more = ["--agencies", "5", "--winning-number", &bets.winning_number];
        Central::start(data, &address, &more)
    };
    let central = serve(&place.data);
    // One has finished before the backup, two after it, and one in part.
    let more = ["--batch-max-bets", "10", "--lang", "en"];
    let start = |id| agency(id, &address, bets.file(id), &more);
    let finished = "action: agency_finished | result: success";
    let mut running = vec![start(1)];
    let mut central = central;
    central.process.wait_for(finished);
    place.back_up(&to);
    running.push(start(2));
    running.push(start(3));
    central.process.wait_for_many(finished, 2);
    running.push(start(4));
    running[3].wait_for_many("apuesta_enviada | result: success", 5);
    central.process.kill();

    let restored = place.path("restored");
    run_well(&["restore", "--from", str(&to), "--data", str(&restored)]);
    let central = serve(&restored);
    let waiting = running.remove(0);
    // Those that know of bets which are gone say so, and send them when they are started again.
    for lost in running {
        let Ended { code, log, .. } = lost.ended();
        let says = log.iter().any(|line| line.contains("now has only 0: tell the lottery"));
        assert!(code == Some(1) && says, "{log:#?}");
    }
    let again = (2..=5).map(|id| (id, start(id))).collect::<Vec<_>>();
    for (id, running) in [(1, waiting)].into_iter().chain(again) {
        bets.are_printed_by(id, &running.ended());
    }
    assert_eq!(central.process.terminate().code, Some(0));
    bets.are_all_in(&exported(&restored));
}

#[test]
fn each_command_reads_of_a_backup_what_it_reads_of_the_ledger() {
    let place = Place::with_draws(&["first", "second"]);
    let to = place.path("backup");
    place.back_up(&to);
    let of = |command: &[&str], from: [&str; 2]| run_well(&[command, &from].concat());
    for command in [
        &["winners", "--draw", "second", "--format", "csv"][..],
        &["export", "--draw", "first"],
        &["audit"],
        &["audit", "--draw", "second", "--format", "csv"],
    ] {
        let expected = of(command, ["--data", str(&place.data)]);
        assert_eq!(of(command, ["--backup", str(&to)]), expected, "{command:?}");
        assert!(expected.lines().count() > 1);
    }
    refused(&run(&["check", "--backup", str(&place.path("none"))]), 2, &["no such file or folder"]);
    refused(&run(&["check", "--backup", str(&place.data)]), 2, &["no pieces of a backup"]);
    let file = place.data.join("segment-0000000001.bol");
    refused(
        &run(&["check", "--backup", str(&file)]),
        1,
        &["segment-", "it is not a record stream"],
    );
}

/// Runs a command and kills it once something is so. Undoes it and tries again if it was faster.
fn kill_in(
    command: &[&str],
    is_so: impl Fn() -> bool,
    is_complete: impl Fn() -> bool,
    undo: impl Fn(),
) {
    for _ in 0..50 {
        let mut running = Process::start(command);
        while running.is_running() && !is_so() {
            thread::yield_now();
        }
        running.kill();
        if !is_complete() {
            return;
        }
        undo();
    }
    panic!("it is always faster than this test: {command:?}");
}

/// Whether a file has anything but zeros at an offset.
fn is_written_at(path: &Path, offset: u64) -> bool {
    let mut bytes = [0; 8];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut bytes, offset));
    read.is_ok() && bytes != [0; 8]
}

#[test]
fn a_backup_and_a_restore_that_are_killed_go_on_when_they_are_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = drawn(folder.path(), 100_000);
    let to = folder.path().join("backup");
    let new = to.join("new.part");
    let file = folder.path().join("whole.bolb");
    let expected = anchor(&run_well(&["backup", "--data", str(&data), "--to", str(&file)]));
    let backup = ["backup", "--data", str(&data), "--to", str(&to)];
    let len = fs::metadata(&file).unwrap().len();
    for offset in [0, len / 4, len / 2] {
        let is_complete = || names(&to) != ["new.part"];
        let undo = || fs::remove_dir_all(&to).unwrap();
        kill_in(&backup, || is_written_at(&new, offset), is_complete, undo);
        refused(&run(&["check", "--backup", str(&to)]), 2, &["no pieces of a backup"]);
    }
    assert_eq!(anchor(&run_well(&backup)), expected);
    let [piece] = &names(&to)[..] else { panic!("one piece: {:?}", names(&to)) };
    // The same, however it is stored.
    assert!(fs::read(to.join(piece)).unwrap() == fs::read(&file).unwrap());

    let restored = folder.path().join("restored");
    let segment = restored.join("segment-0000000001.bol");
    let restore = ["restore", "--from", str(&to), "--data", str(&restored)];
    for offset in [4096, len / 3, len / 2] {
        let is_complete = || {
            let checked = run_well(&["check", "--data", str(&restored)]);
            assert!(checked.starts_with("intact\n"), "{checked}");
            anchor(&checked) == expected
        };
        let undo = || fs::remove_dir_all(&restored).unwrap();
        kill_in(&restore, || is_written_at(&segment, offset), is_complete, undo);
    }
    // A central that started on a part would begin another history.
    let serve = ["serve", "--listen", "127.0.0.1:0", "--agencies", "5", "--data", str(&restored)];
    refused(&run(&serve), 2, &["is not restored to its end: run `bolillero restore` again"]);
    let printed = run_well(&restore);
    assert_eq!(anchor(&printed), expected);
    assert_eq!(exported(&restored), exported(&data));
    let central = Central::listening(Process::start(&serve));
    assert_eq!(central.process.terminate().code, Some(0));
    // Once more, nothing is left to do.
    assert_eq!(anchor(&run_well(&restore)), expected);
    assert_eq!(names(&restored).iter().filter(|name| *name == "restoring").count(), 0);
}

#[test]
fn a_piece_that_is_damaged_cut_missing_or_of_another_ledger_is_refused_and_named() {
    let place = Place::with_draws(&["first"]);
    let to = place.path("backup");
    place.back_up(&to);
    for draw in ["second", "third"] {
        place.add_draw(draw, 2);
        place.back_up(&to);
    }
    let pieces = names(&to);
    let [_, second, third] = &pieces[..] else { panic!("{pieces:?}") };
    let foreign = Place::with_draws(&["first", "second", "third"]);
    let other = foreign.path("backup");
    foreign.back_up(&other);

    let path = to.join(second);
    let sound = fs::read(&path).unwrap();
    let mut flipped = sound.clone();
    // In the name of the draw that its first record opens.
    flipped[170] ^= 4;
    let last = sound.len() - 1;
    let longer = [&sound[..], &[0]].concat();
    let of_other = fs::read(other.join(&names(&other)[0])).unwrap();
    for (bytes, why) in [
        (&flipped[..], "does not continue the chain of those before it"),
        (&sound[..last], "it is cut off after its records"),
        (&sound[..300], "it is cut off in or before record "),
        (&longer, "something follows its end"),
        (&of_other, "it is of another ledger"),
        (&fs::read(to.join(third)).unwrap(), "it does not continue the piece before it"),
        (b"BOLIRECS\x02\0\0\0", "it is cut off in its header"),
    ] {
        fs::write(&path, bytes).unwrap();
        for command in [
            &["check", "--backup", str(&to)][..],
            &["restore", "--data", str(&place.path("restored")), "--from", str(&to)],
        ] {
            refused(&run(command), 1, &[second, why]);
        }
    }
    let mut newer = sound.clone();
    newer[8] = 2;
    fs::write(&path, &newer).unwrap();
    refused(&run(&["check", "--backup", str(&to)]), 1, &[second, "upgrade this program"]);
    fs::remove_file(&path).unwrap();
    let missing = "piece 00000002 is missing, before piece-00000003-";
    for command in [
        &["check", "--backup", str(&to)][..],
        &["backup", "--data", str(&place.data), "--to", str(&to)],
    ] {
        refused(&run(command), 1, &[missing]);
    }
    // The restores went as far as the pieces were sound, and go on once all of them are.
    fs::write(&path, &sound).unwrap();
    let restored = place.path("restored");
    let printed = run_well(&["restore", "--data", str(&restored), "--from", str(&to)]);
    assert_eq!(anchor(&printed), anchor(&run_well(&["check", "--data", str(&place.data)])));
    // The last piece is what a backup continues.
    fs::write(to.join(third), b"BOLIRECS").unwrap();
    let output = run(&["backup", "--data", str(&place.data), "--to", str(&to)]);
    refused(&output, 1, &[third, "it is cut off in its header"]);
}

#[test]
fn another_ledger_or_history_is_neither_added_to_a_backup_nor_restored_over() {
    let place = Place::with_draws(&["first"]);
    let to = place.path("backup");
    place.back_up(&to);
    let copy = place.path("copy");
    run_well(&["restore", "--from", str(&to), "--data", str(&copy)]);
    let copy = Place { folder: tempfile::tempdir().unwrap(), data: copy };
    place.add_draw("second", 2);
    copy.add_draw("other", 2);
    place.back_up(&to);
    let pieces = names(&to);
    let other = Place::with_draws(&["first"]);
    let history = "it is another ledger or has another history";
    for (data, why) in [(&copy.data, history), (&other.data, "is a backup of the ledger")] {
        let output = run(&["backup", "--data", str(data), "--to", str(&to)]);
        refused(&output, 2, &["backup", why]);
        let output = run(&["restore", "--from", str(&to), "--data", str(data)]);
        refused(&output, 2, &["the target holds other events than the source"]);
    }
    assert_eq!(names(&to), pieces);
    // An older copy is behind the backup.
    let until = ["restore", "--from", str(&to), "--until", "first", "--data"];
    let older = place.path("older");
    run_well(&[&until[..], &[str(&older)]].concat());
    let output = run(&["backup", "--data", str(&older), "--to", str(&to)]);
    refused(&output, 2, &[history]);
    // What holds more is not cut.
    let output = run(&[&until[..], &[str(&place.data)]].concat());
    refused(&output, 2, &["the target holds other events than the source"]);
}

#[test]
fn a_ledger_is_restored_up_to_the_publication_of_a_draw() {
    let place = Place::with_draws(&["first", "second", "third"]);
    let open = Central::of_short_segments(&place.data, "fourth");
    let file = place.path("ledger.bolb");
    place.back_up(&file);
    assert_eq!(open.process.terminate().code, Some(0));
    let restored = place.path("restored");
    let restore = |until: &str| {
        let from = ["restore", "--from", str(&file), "--data", str(&restored)];
        run(&[&from[..], &["--until", until]].concat())
    };
    for name in ["fourth", "fifth"] {
        let published = "published were 'first', 'second', 'third'";
        refused(&restore(name), 2, &[&format!("no draw '{name}' was published"), published]);
        assert!(!restored.exists(), "nothing was begun");
    }
    let output = restore("second");
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    assert!(printed.contains("left out  7 records with 3 bets; 2 later draws\n"), "{printed}");
    assert_eq!(anchor(&printed)[0], "records 12");
    let checked = run_well(&["check", "--data", str(&restored)]);
    assert_eq!(anchor(&checked), anchor(&printed));
    assert_eq!(checked.matches("drawn, winning number 7").count(), 2, "{checked}");
    // More follows, and then the rest.
    let printed = text(&restore("third").stdout);
    assert!(printed.contains("left out  1 record with 0 bets; 1 later draw\n"), "{printed}");
    let printed = run_well(&["restore", "--from", str(&file), "--data", str(&restored)]);
    assert_eq!(anchor(&printed), anchor(&run_well(&["check", "--data", str(&place.data)])));
}

#[test]
fn operators_are_backed_up_as_they_are_and_restored_to_where_there_are_none() {
    let place = Place::with_draws(&["first"]);
    let to = place.path("backup");
    add_operator(&place.data, "ana", "admin");
    assert!(place.back_up(&to).starts_with("backed up "), "the first run");
    // No central runs that records it.
    let list = |data: &Path| run_well(&["operator", "list", "--data", str(data)]);
    run_well(&[
        "operator",
        "token",
        "ana",
        "--label",
        "x",
        "--days",
        "9",
        "--data",
        str(&place.data),
    ]);
    let printed = place.back_up(&to);
    assert!(printed.starts_with("backed up the operators; no record is new\n"), "{printed}");
    assert!(place.back_up(&to).starts_with("nothing is new\n"));
    let restored = place.path("restored");
    let from = ["restore", "--from", str(&to), "--data"];
    let printed = run_well(&[&from[..], &[str(&restored), "--until", "first"]].concat());
    assert!(
        printed.starts_with("restored and checked 6 records, and the operators\n"),
        "{printed}"
    );
    assert_eq!(list(&restored), list(&place.data));
    assert!(list(&restored).contains(" valid"), "{}", list(&restored));
    // Operators that are there stay.
    run_well(&["operator", "revoke", "1", "--data", str(&restored)]);
    let printed = run_well(&[&from[..], &[str(&restored)]].concat());
    assert!(printed.starts_with("restored and checked 6 records\n"), "{printed}");
    assert!(list(&restored).contains("revoked"));
    // A central records what waited, in the original and in the copy.
    let central = Central::of_short_segments(&restored, "second");
    assert_eq!(central.process.terminate().code, Some(0));
}

#[test]
fn a_file_is_written_whole_or_not_at_all_and_a_pipe_gets_the_same() {
    let place = Place::with_draws(&["first", "second"]);
    let file = place.path("ledger.bolb");
    place.back_up(&file);
    let written = fs::read(&file).unwrap();
    let backup = ["backup", "--data", str(&place.data), "--to"];
    refused(&run(&[&backup[..], &[str(&file)]].concat()), 2, &["already exists"]);
    run_well(&[&backup[..], &[str(&file), "--force"]].concat());
    assert_eq!(fs::read(&file).unwrap(), written);
    let output = run(&[&backup[..], &["/dev/stdout"]].concat());
    assert!(output.status.success() && output.stdout == written);
    assert!(text(&output.stderr).contains("\nledger    "), "{output:?}");
    refused(&run(&[&backup[..], &["/dev/full"]].concat()), 1, &["/dev/full", "No space left"]);
    let plain = place.path("plain");
    fs::write(&plain, "").unwrap();
    refused(&run(&[&backup[..], &[str(&plain)]].concat()), 2, &["is a file: name a folder"]);
    let folder = place.path("backup");
    let output = run(&[&backup[..], &[str(&folder), "--force"]].concat());
    refused(&output, 2, &["the pieces of a backup never change"]);
}

#[test]
fn a_program_without_object_stores_says_how_to_get_one_with_them() {
    let place = Place::with_draws(&["first"]);
    let how = if cfg!(feature = "s3") { "set AWS_" } else { "build it with `--features s3`" };
    let unknown = "gs://bucket/x is neither a path nor s3://BUCKET/PREFIX";
    for (address, why) in [("s3://bucket/x", how), ("gs://bucket/x", unknown)] {
        for command in [
            &["backup", "--data", str(&place.data), "--to"][..],
            &["check", "--backup"],
            &["restore", "--data", str(&place.path("restored")), "--from"],
        ] {
            refused(&run(&[command, &[address]].concat()), 2, &[why]);
        }
    }
}

/// Returns a command that can't write files beyond some length, as on a full disk.
fn on_a_full_disk(args: &[&str]) -> Command {
    let script = "trap '' XFSZ && ulimit -f 4 && exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_bolillero")]).args(args);
    command
}

#[test]
fn on_a_full_disk_a_backup_and_a_restore_fail_and_go_on_once_there_is_room() {
    let place = Place::with_draws(&["first"]);
    let to = place.path("backup");
    place.back_up(&to);
    let pieces = names(&to);
    place.add_draw("second", 200);
    let backup = ["backup", "--data", str(&place.data), "--to", str(&to)];
    let output = output_of(&mut on_a_full_disk(&backup));
    refused(&output, 1, &["can't write to the backup ", "File too large"]);
    assert_eq!(anchor(&run_well(&["check", "--backup", str(&to)]))[0], "records 6");
    let printed = run_well(&backup);
    assert!(names(&to).starts_with(&pieces) && names(&to).len() == 2, "{printed}");
    let restored = place.path("restored");
    let restore = ["restore", "--from", str(&to), "--data", str(&restored)];
    let output = output_of(&mut on_a_full_disk(&restore));
    refused(&output, 1, &["File too large"]);
    assert_eq!(anchor(&run_well(&restore)), anchor(&printed));
}

#[test]
fn one_backup_at_a_time_adds_to_a_folder() {
    let place = Place::with_draws(&["first"]);
    let to = place.path("backup");
    place.back_up(&to);
    let lock = File::open(to.join("lock")).unwrap();
    lock.lock().unwrap();
    let backup = ["backup", "--data", str(&place.data), "--to", str(&to)];
    refused(&run(&backup), 1, &["another backup to it is running"]);
    drop(lock);
    run_well(&backup);
}
