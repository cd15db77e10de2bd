//! Crashes the ledger on a simulated disk at every operation, with every kind of luck: it keeps
//! what it acknowledged and nothing else.

use std::sync::Arc;

use ledger::disk::simulated::{Failure, SimulatedDisk};
use ledger::{Fault, Ledger, Options};
use lottery::Appended;

use crate::support::check;
use crate::workload::{OPTIONS, Run, append, begin, check_contents, open, play, try_open};

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
    let summary = check(&disk).unwrap_or_else(|fault| panic!("{what}: {fault}"));
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
fn what_was_left_written_is_durable_before_it_counts() {
    // By a process that was killed, and by a system whose page cache still shows the data, but no
    // longer counts it as dirty.
    for failure in [Failure::NotDurable, Failure::Forgotten] {
        let disk = SimulatedDisk::new();
        let ledger = open(&disk);
        let mut run = begin(&ledger);
        disk.fail_after(0, failure);
        append(&ledger, &mut run, 1, 0, 3).unwrap_err();
        drop(ledger);
        disk.stop_failing();
        let ledger = open(&disk);
        assert_eq!(append(&ledger, &mut run, 1, 0, 3), Ok(Appended::Repeated));
        drop(ledger);
        check_contents(&open(&crash(&disk, Luck::AllLost)), &run, "told to be stored");
    }
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_however_well_the_disk_speaks_of_itself() {
    for failure in [Failure::Clean, Failure::Forgotten] {
        let disk = SimulatedDisk::new();
        let ledger = open(&disk);
        let mut run = begin(&ledger);
        disk.fail_after(0, failure);
        append(&ledger, &mut run, 1, 0, 3).unwrap_err();
        disk.stop_failing();
        let tried = disk.operations();
        for chunk in 0..5 {
            let refused = append(&ledger, &mut run, 1, chunk, 3).unwrap_err().to_string();
            assert!(refused.contains("simulated failure"), "{refused}");
        }
        drop(ledger);
        assert_eq!(disk.operations(), tried, "nothing more is tried");
        check_contents(&open(&crash(&disk, Luck::AllLost)), &run, "a disk that lies");
    }
}
