//! Crashes the ledger on a simulated disk at every operation, with every kind of luck: it keeps
//! what it acknowledged and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod workload;

use std::sync::Arc;

use ledger::disk::Disk as _;
use ledger::disk::simulated::{Failure, SimulatedDisk};
use ledger::{Archive, Fault, Ledger, Options};
use lottery::Appended;

use workload::{DRAW, OPTIONS, Run, append, begin, check_contents, open, play, try_open};

/// Which unsynced sectors survive a crash.
#[derive(Clone, Copy, Debug)]
enum Luck {
    AllLost,
    AllWritten,
    Mixed(u64),
}

fn crash(disk: &SimulatedDisk, luck: Luck) -> SimulatedDisk {
    match luck {
        Luck::AllLost => disk.crash(&mut || false),
        Luck::AllWritten => disk.crash(&mut || true),
        Luck::Mixed(seed) => {
            let mut random = fastrand::Rng::with_seed(seed);
            disk.crash(&mut || random.bool())
        }
    }
}

fn crash_and_go_on(after: u64, failure: Failure, luck: Luck) -> bool {
    let what = format!("{failure:?} from operation {after} on, {luck:?}");
    let disk = SimulatedDisk::new();
    disk.fail_after(after, failure);
    let run = match try_open(&disk, OPTIONS) {
        Ok(ledger) => play(&ledger, 1),
        Err(Fault::Io { .. }) => Run::default(),
        Err(fault) => panic!("{what}: {fault}"),
    };
    let failed = !run.complete;
    let disk = crash(&disk, luck);
    let ledger = try_open(&disk, OPTIONS).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    check_contents(&ledger, &run, &what);
    let resumed = play(&ledger, 1);
    assert!(resumed.complete, "{what}: the run goes on to its end");
    check_contents(&ledger, &resumed, &what);
    drop(ledger);
    let archive = Archive::open_on(Arc::new(disk)).unwrap();
    let summary = archive.check(|_| Ok::<_, Fault>(())).unwrap_or_else(|f| panic!("{what}: {f}"));
    assert_eq!(summary.torn_bytes, 0, "{what}");
    failed
}

#[test]
fn whatever_fails_and_whenever_what_was_acknowledged_is_kept() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    assert!(play(&ledger, 1).complete);
    drop(ledger);
    let operations = disk.operations();
    let mut interrupted = 0;
    for after in 0..operations {
        for failure in [Failure::Clean, Failure::NotDurable, Failure::Forgotten] {
            for luck in [Luck::AllLost, Luck::AllWritten, Luck::Mixed(after)] {
                interrupted += u64::from(crash_and_go_on(after, failure, luck));
            }
        }
    }
    assert!(interrupted > operations, "most failures interrupt the run: {interrupted}");
}

#[test]
fn an_opening_cut_short_anywhere_among_several_spares_is_done_by_the_next() {
    let options = Options { spares: 3, ..OPTIONS };
    let open_with_spares =
        |disk: &SimulatedDisk| try_open(disk, options).map(|ledger| begin(&ledger));
    let closed = SimulatedDisk::new();
    open_with_spares(&closed).unwrap();
    let before = closed.operations();
    open_with_spares(&closed).unwrap();
    let operations = closed.operations() - before;
    assert!(operations > 9, "spares are made anew: {operations}");
    for after in 0..operations {
        for luck in [Luck::AllLost, Luck::AllWritten, Luck::Mixed(after)] {
            let disk = crash(&closed, Luck::AllWritten);
            disk.fail_after(after, Failure::Clean);
            let _cut_short = Ledger::open_on(Arc::new(disk.clone()), options);
            let disk = crash(&disk, luck);
            let opened = open_with_spares(&disk);
            assert!(opened.is_ok(), "cut short after {after}, {luck:?}: {:?}", opened.err());
        }
    }
}

#[test]
fn a_failed_write_is_the_last_thing_that_is_tried() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    disk.fail_after(0, Failure::Clean);
    assert!(append(&ledger, &mut run, 1, 0, 3).is_err());
    disk.stop_failing();
    let tried = disk.operations();
    for chunk in 1..5 {
        let refused = append(&ledger, &mut run, 1, chunk, 3).unwrap_err().to_string();
        assert!(refused.contains("simulated failure"), "{refused}");
    }
    drop(ledger);
    assert_eq!(disk.operations(), tried);
}

#[test]
fn what_a_killed_process_left_written_is_durable_before_it_counts() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    disk.fail_after(0, Failure::NotDurable);
    append(&ledger, &mut run, 1, 0, 3).unwrap_err();
    drop(ledger);
    disk.stop_failing();
    let ledger = open(&disk);
    assert_eq!(append(&ledger, &mut run, 1, 0, 3), Ok(Appended::Repeated));
    drop(ledger);
    check_contents(&open(&crash(&disk, Luck::AllLost)), &run, "told to be stored");
}

#[test]
fn what_a_system_forgot_to_write_is_durable_before_it_counts() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    disk.fail_after(0, Failure::Forgotten);
    append(&ledger, &mut run, 1, 0, 3).unwrap_err();
    drop(ledger);
    // The page cache still shows the data, but no longer counts it as dirty.
    let ledger = open(&disk);
    assert_eq!(append(&ledger, &mut run, 1, 0, 3), Ok(Appended::Repeated));
    drop(ledger);
    check_contents(&open(&crash(&disk, Luck::AllLost)), &run, "told to be stored");
}

#[test]
fn a_tail_is_cut_for_good_even_if_cutting_it_fails_the_first_time() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    disk.fail_after(0, Failure::NotDurable);
    append(&ledger, &mut run, 1, 0, 40).unwrap_err();
    drop(ledger);
    // The last sectors were written, the first were not.
    let mut sector = 0;
    let disk = disk.crash(&mut || {
        sector += 1;
        sector > 2
    });
    for operations in 0..3 {
        disk.fail_after(operations, Failure::Forgotten);
        assert!(matches!(try_open(&disk, OPTIONS), Err(Fault::Io { .. })));
    }
    disk.stop_failing();
    let ledger = open(&disk);
    disk.fail_after(0, Failure::NotDurable);
    append(&ledger, &mut run, 1, 0, 60).unwrap_err();
    drop(ledger);
    for luck in [Luck::AllLost, Luck::Mixed(1), Luck::Mixed(2), Luck::Mixed(3)] {
        check_contents(&open(&crash(&disk, luck)), &run, &format!("{luck:?}"));
    }
}

#[test]
fn a_name_that_was_not_durable_is_before_anything_under_it_counts() {
    let disk = SimulatedDisk::new();
    drop(open(&disk));
    let names = disk.names().unwrap();
    let whole = disk.contents(&names[0]);
    // The same bytes in a folder that was not synced, as left by a process killed at the wrong
    // time.
    let disk = SimulatedDisk::new();
    let file = disk.create(&names[0]).unwrap();
    file.write_at(0, &whole).unwrap();
    file.sync().unwrap();
    let ledger = Ledger::open_on(Arc::new(disk.clone()), OPTIONS).unwrap();
    assert_eq!(crash(&disk, Luck::AllLost).names().unwrap()[0], names[0]);
    drop(ledger);
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_however_well_the_disk_speaks_of_itself() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    disk.fail_after(0, Failure::Forgotten);
    for chunk in 0..5 {
        append(&ledger, &mut run, 1, chunk, 3).unwrap_err();
    }
    drop(ledger);
    check_contents(&open(&crash(&disk, Luck::AllLost)), &run, "a disk that lies");
}

#[test]
fn short_writes_are_gone_on_with() {
    let disk = SimulatedDisk::new();
    disk.limit_writes(Some(4096 + 700));
    let ledger = open(&disk);
    let run = play(&ledger, 1);
    assert!(run.complete);
    drop(ledger);
    let ledger = open(&crash(&disk, Luck::AllLost));
    check_contents(&ledger, &run, "short writes");
}

#[test]
fn whatever_read_fails_opening_is_refused_or_all_is_there() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let run = play(&ledger, 1);
    drop(ledger);
    drop(open(&disk));
    let before = disk.reads();
    let ledger = open(&disk);
    let sound = ledger.winners(DRAW).unwrap();
    drop(ledger);
    let reads = disk.reads() - before;
    let (mut refused, mut unreadable) = (0, 0);
    for after in 0..reads {
        disk.fail_reads_after(after);
        match try_open(&disk, OPTIONS) {
            Err(Fault::Io { .. }) => refused += 1,
            Err(fault) => panic!("read {after}: {fault}"),
            Ok(ledger) => match ledger.winners(DRAW) {
                Ok(winners) => assert_eq!(winners, sound, "read {after}"),
                Err(error) => {
                    assert!(error.to_string().contains("simulated failure"), "{error}");
                    unreadable += 1;
                }
            },
        }
        disk.stop_failing();
    }
    assert!(refused > 5 && unreadable > 5, "{refused} refused, {unreadable} unreadable");
    check_contents(&open(&disk), &run, "after all reads failed");
}

#[test]
fn a_full_disk_refuses_and_takes_again_when_there_is_room() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    disk.limit_room(Some(0));
    let mut chunk = 0;
    let refused = loop {
        match append(&ledger, &mut run, 1, chunk, 60) {
            Ok(_) => chunk += 1,
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("the store is full"), "{refused}");
    assert!(chunk > 0);
    assert!(append(&ledger, &mut run, 1, chunk, 60).is_err());
    assert!(append(&ledger, &mut run, 1, 0, 60).is_ok(), "it is stored already");
    disk.limit_room(None);
    append(&ledger, &mut run, 1, chunk, 60).unwrap();
    check_contents(&ledger, &run, "a full disk");
    drop(ledger);
    let ledger = open(&crash(&disk, Luck::AllLost));
    check_contents(&ledger, &run, "a full disk, after a crash");
}

#[test]
fn a_ledger_that_its_own_completion_lets_go_of_is_closed_in_order() {
    let disk = SimulatedDisk::new();
    let ledger = Arc::new(open(&disk));
    let run = begin(&ledger);
    let (let_go, waits) = std::sync::mpsc::channel();
    let last = Arc::clone(&ledger);
    let done = move |_: Result<(), _>| {
        waits.recv().unwrap();
        drop(last);
    };
    ledger.check(done);
    drop(ledger);
    let_go.send(()).unwrap();
    let reopened = loop {
        match try_open(&disk, OPTIONS) {
            Ok(ledger) => break ledger,
            Err(Fault::InUse) => std::thread::yield_now(),
            Err(fault) => panic!("{fault}"),
        }
    };
    check_contents(&reopened, &run, "let go of by a completion");
}
