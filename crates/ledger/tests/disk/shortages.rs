//! Resource shortages: injects every error at every operation that prepares a segment or writes to
//! one, and checks which may pass and which are final.

use engine::conformance::wait;
use ledger::Fault;
use ledger::disk::Disk as _;
use ledger::disk::simulated::{Operation, SimulatedDisk};
use lottery::{AppendError, StoreFault};

use crate::support::FIRST;
use crate::workload::{OPTIONS, Opened, Run, append, begin, check_contents, open, try_open};

const EIO: i32 = 5;
const EINTR: i32 = 4;
const EMFILE: i32 = 24;
/// EAGAIN, ENOMEM, ENFILE, EMFILE, EFBIG, ENOSPC and EDQUOT on Linux.
const SHORTAGES: [i32; 7] = [11, 12, 23, EMFILE, 27, 28, 122];
const FOREVER: u64 = u64::MAX;

/// Appends batches until one is refused or a dozen segments are full.
fn fill(ledger: &Opened, run: &mut Run) -> Option<StoreFault> {
    let next = u32::try_from(run.acknowledged.len()).unwrap();
    (next..next + 200).find_map(|chunk| match append(ledger, run, 1, chunk, 200) {
        Ok(_) => None,
        Err(AppendError::Store(fault)) => Some(fault),
        Err(error) => panic!("{error}"),
    })
}

fn check(ledger: &Opened) -> Result<(), StoreFault> {
    wait(|done| ledger.check(done))
}

/// Fills a ledger whose disk refuses an operation.
fn filled(operation: Operation, errno: i32, times: u64) -> (SimulatedDisk, Opened, Run, String) {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    disk.refuse(operation, errno, times);
    let refused = fill(&ledger, &mut run).map(|fault| format!("{fault:?}")).unwrap_or_default();
    (disk, ledger, run, refused)
}

#[test]
fn a_shortage_while_a_segment_is_prepared_refuses_and_passes() {
    for operation in [Operation::Create, Operation::Allocate] {
        for errno in SHORTAGES {
            let what = format!("{operation:?}, error {errno}");
            let (disk, ledger, mut run, refused) = filled(operation, errno, FOREVER);
            assert!(refused.starts_with("Full(\"making segment-"), "{what}: {refused}");
            assert!(!run.acknowledged.is_empty(), "{what}");
            assert!(check(&ledger).unwrap_err().may_pass(), "{what}");
            disk.stop_failing();
            // Recovery from the shortage is noticed without any append.
            while let Err(fault) = check(&ledger) {
                assert!(fault.may_pass(), "{what}: {fault}");
                std::thread::yield_now();
            }
            let next = u32::try_from(run.acknowledged.len()).unwrap();
            append(&ledger, &mut run, 1, next, 200).unwrap();
            check_contents(&ledger, &run, &what);
            drop(ledger);
            check_contents(&open(&disk), &run, &what);
        }
    }
}

#[test]
fn an_interruption_while_a_segment_is_prepared_or_opened_is_not_noticed() {
    for operation in [Operation::Create, Operation::Allocate] {
        let (_, _, _, refused) = filled(operation, EINTR, 3);
        assert_eq!(refused, "", "{operation:?}");
    }
    let (disk, ledger, run, _) = filled(Operation::Create, EMFILE, FOREVER);
    drop(ledger);
    disk.refuse(Operation::Open, EINTR, 3);
    check_contents(&open(&disk), &run, "opened again");
}

#[test]
fn any_other_error_and_any_error_of_a_sync_or_of_a_records_write_is_the_last() {
    let prepared = [Operation::Create, Operation::Allocate].map(|operation| (operation, EIO));
    let made_durable = [Operation::Sync, Operation::SyncNames, Operation::Write];
    let made_durable = made_durable.into_iter().flat_map(|operation| {
        let errors = SHORTAGES.into_iter().chain([EIO]);
        errors.map(move |errno| (operation, errno))
    });
    for (operation, errno) in prepared.into_iter().chain(made_durable) {
        let what = format!("{operation:?}, error {errno}");
        let (disk, ledger, mut run, refused) = filled(operation, errno, FOREVER);
        assert!(refused.starts_with("Failed("), "{what}: {refused}");
        disk.stop_failing();
        assert!(fill(&ledger, &mut run).is_some_and(|fault| !fault.may_pass()), "{what}");
        assert!(check(&ledger).is_err(), "{what}");
        drop(ledger);
        check_contents(&open(&disk), &run, &what);
    }
}

#[test]
fn a_shortage_at_opening_is_reported_with_what_to_do() {
    let disk = SimulatedDisk::new();
    drop(open(&disk));
    disk.refuse(Operation::Open, EMFILE, 1);
    let Err(Fault::Io { doing, error }) = try_open(&disk, OPTIONS) else { panic!("it was opened") };
    let message = Fault::Io { doing, error }.to_string();
    assert!(message.contains(FIRST) && message.contains("RLIMIT_NOFILE"), "{message}");
}

#[test]
fn nothing_is_acknowledged_in_a_file_that_was_removed() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    append(&ledger, &mut run, 1, 0, 3).unwrap();
    disk.unlink(FIRST);
    for chunk in 1..3 {
        let refused = append(&ledger, &mut run, 1, chunk, 3).unwrap_err().to_string();
        assert!(refused.contains(&format!("{FIRST} is not in its place")), "{refused}");
    }
}

#[test]
fn a_check_finds_that_the_folder_or_any_segment_is_not_in_its_place() {
    let filled = || filled(Operation::Create, EMFILE, FOREVER);
    let (disk, ledger, mut run, _) = filled();
    disk.move_away();
    assert!(!check(&ledger).unwrap_err().may_pass());
    assert!(append(&ledger, &mut run, 1, 0, 200).is_err(), "though it is stored already");

    let (disk, ..) = filled();
    let names = disk.names().unwrap();
    assert!(names.len() > 1, "{names:?}");
    for name in names {
        let (disk, ledger, ..) = filled();
        let bytes = disk.contents(&name);
        disk.unlink(&name);
        disk.put(&name, &bytes);
        let found = (0..10).find_map(|_| check(&ledger).err().filter(|fault| !fault.may_pass()));
        assert!(found.is_some_and(|fault| fault.to_string().contains(&name)), "{name}");
    }
}
