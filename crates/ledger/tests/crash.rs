//! The ledger on a simulated disk: crashed at every point, with every kind of luck, it keeps what
//! it acknowledged and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod workload;

use std::sync::Arc;

use ledger::disk::simulated::{Failure, SimulatedDisk};
use ledger::{Archive, Fault, Ledger, Options};
use lottery::Store as _;

use workload::{OPTIONS, Run, append, begin, check_contents, open, play};

/// How sectors that were not synced fare in a crash.
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
    let run = match Ledger::open_on(Arc::new(disk.clone()), OPTIONS) {
        Ok(ledger) => play(&ledger, 1),
        Err(Fault::Io { .. }) => Run::default(),
        Err(fault) => panic!("{what}: {fault}"),
    };
    let failed = !run.complete;
    let disk = crash(&disk, luck);
    let ledger = Ledger::open_on(Arc::new(disk.clone()), OPTIONS)
        .unwrap_or_else(|fault| panic!("{what}: {fault}"));
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
        for failure in [Failure::Clean, Failure::NotDurable] {
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
    let open_with_spares = |disk: &SimulatedDisk| {
        Ledger::open_on(Arc::new(disk.clone()), options).map(|ledger| begin(&ledger))
    };
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
    disk.fail_after(u64::MAX / 2, Failure::Clean);
    let tried = disk.operations();
    for chunk in 1..5 {
        let refused = append(&ledger, &mut run, 1, chunk, 3).unwrap_err().to_string();
        assert!(refused.contains("simulated failure"), "{refused}");
    }
    drop(ledger);
    assert_eq!(disk.operations(), tried);
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
    let done = move |_| {
        waits.recv().unwrap();
        drop(last);
    };
    ledger.draws(Box::new(done));
    drop(ledger);
    let_go.send(()).unwrap();
    let reopened = loop {
        match Ledger::open_on(Arc::new(disk.clone()), OPTIONS) {
            Ok(ledger) => break ledger,
            Err(Fault::InUse) => std::thread::yield_now(),
            Err(fault) => panic!("{fault}"),
        }
    };
    check_contents(&reopened, &run, "let go of by a completion");
}
