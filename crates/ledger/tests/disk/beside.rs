//! An archive read beside the central that writes to it: every pass gives a sound prefix, whatever
//! the writer does between two reads, and damage before its end is still found.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::{Chain, LedgerId, StreamStart};
use ledger::disk::simulated::SimulatedDisk;
use ledger::disk::{Claim, Disk, DiskFile};
use ledger::{Archive, Fault, Options, Summary};
use lottery::Event;
use parking_lot::Mutex;

use crate::workload::{OPTIONS, Opened, Run, append, begin, open, try_open};

const FIRST: &str = "segment-0000000001.bol";

/// A disk on which something happens before each read.
struct Busy {
    disk: SimulatedDisk,
    happens: Arc<dyn Fn() + Send + Sync>,
    records_read: RecordsRead,
}

/// How many bytes behind its header were read of each segment.
type RecordsRead = Arc<Mutex<BTreeMap<String, usize>>>;

struct BusyFile {
    file: Box<dyn DiskFile>,
    happens: Arc<dyn Fn() + Send + Sync>,
    name: String,
    records_read: RecordsRead,
}

impl Disk for Busy {
    fn lock(&self, claim: Claim) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock(claim)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let names = self.disk.names();
        (self.happens)();
        names
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn DiskFile>> {
        panic!("a reader creates nothing")
    }

    fn open(&self, name: &str, claim: Claim) -> io::Result<Box<dyn DiskFile>> {
        assert_eq!(claim, Claim::Look);
        let file = self.disk.open(name, claim)?;
        let (name, records_read) = (name.to_owned(), Arc::clone(&self.records_read));
        Ok(Box::new(BusyFile { file, happens: Arc::clone(&self.happens), name, records_read }))
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        panic!("a reader removes nothing")
    }

    fn sync_names(&self) -> io::Result<()> {
        panic!("a reader syncs nothing")
    }

    fn check_place(&self) -> io::Result<()> {
        self.disk.check_place()
    }

    fn write_mode(&self) -> &'static str {
        self.disk.write_mode()
    }
}

impl DiskFile for BusyFile {
    fn len(&self) -> io::Result<u64> {
        (self.happens)();
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (self.happens)();
        if offset + buffer.len() as u64 > 4096 {
            *self.records_read.lock().entry(self.name.clone()).or_default() += buffer.len();
        }
        self.file.read_at(offset, buffer)
    }

    fn write_some_at(&self, _: u64, _: &[u8]) -> io::Result<usize> {
        panic!("a reader writes nothing")
    }

    fn write_some_durable(&self, _: u64, _: &[u8]) -> io::Result<usize> {
        panic!("a reader writes nothing")
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        panic!("a reader allocates nothing")
    }

    fn sync(&self) -> io::Result<()> {
        panic!("a reader syncs nothing")
    }

    fn check_place(&self) -> io::Result<()> {
        self.file.check_place()
    }
}

fn busy(disk: &SimulatedDisk, happens: &Arc<dyn Fn() + Send + Sync>) -> (Arc<Busy>, RecordsRead) {
    let (disk, happens, read) = (disk.clone(), Arc::clone(happens), RecordsRead::default());
    (Arc::new(Busy { disk, happens, records_read: Arc::clone(&read) }), read)
}

/// Reads everything; returns the events too.
fn read(archive: &Archive, is_check: bool) -> Result<(Vec<Event>, Summary), Fault> {
    let mut events = Vec::new();
    let mut visit = |entry: engine::Record<'_>| {
        assert_eq!(entry.sequence, events.len() as u64);
        events.push(entry.event.clone());
        Ok::<_, Fault>(())
    };
    let summary = if is_check { archive.check(&mut visit) } else { archive.read(&mut visit) }?;
    assert_eq!(summary.records, events.len() as u64);
    Ok((events, summary))
}

fn check(disk: &SimulatedDisk) -> Result<Summary, Fault> {
    Archive::open_on(Arc::new(disk.clone())).unwrap().check(|_| Ok(()))
}

/// Starts a writer that appends a batch of some length at each turn, `most` in all.
fn writer(
    disk: &SimulatedDisk,
    options: Options,
    most: u32,
) -> (Arc<Mutex<(Opened, Run)>>, Arc<dyn Fn() + Send + Sync>) {
    let ledger = try_open(disk, options).unwrap();
    let run = begin(&ledger);
    let writer = Arc::new(Mutex::new((ledger, run)));
    let (of_turns, chunk) = (Arc::clone(&writer), AtomicU32::new(0));
    let turn = Arc::new(move || {
        let chunk = chunk.fetch_add(1, Ordering::Relaxed);
        if chunk < most {
            let (ledger, run) = &mut *of_turns.lock();
            append(ledger, run, chunk % 3 + 1, chunk, chunk * 37 % 290 + 1).unwrap();
        }
    });
    (writer, turn)
}

#[test]
fn a_pass_beside_a_writer_reads_all_that_was_durable_when_it_began_and_nothing_unsound() {
    for (segment_len, spares) in [(96 << 10, 1), (1 << 20, 2)] {
        let disk = SimulatedDisk::new();
        let options = Options { segment_len, spares, ..OPTIONS };
        let (writer, turn) = writer(&disk, options, 600);
        let mut passes = Vec::new();
        for pass in 0..12 {
            let before = 1 + writer.lock().1.acknowledged.len();
            let archive = Archive::open_on(busy(&disk, &turn).0).unwrap();
            let (events, summary) = read(&archive, pass % 2 == 0).unwrap();
            assert!(summary.central_runs && events.len() >= before, "{before} {summary:?}");
            let (again, of_again) = read(&archive, pass % 3 == 0).unwrap();
            assert!(again == events, "both passes end at the same record");
            assert_eq!(of_again.end, summary.end);
            passes.push(events);
        }
        let written = writer.lock().1.acknowledged.len();
        drop((writer, turn));
        let archive = Archive::open_on(Arc::new(disk)).unwrap();
        let (all, summary) = read(&archive, true).unwrap();
        assert!(!summary.central_runs && all.len() == written + 1);
        for events in &passes {
            assert!(all.starts_with(events));
        }
        assert!(passes[0].len() < passes[11].len(), "it went on meanwhile");
    }
}

/// Where a reader is that has read everything up to a record.
fn after(id: LedgerId, record: &(u64, Chain)) -> StreamStart {
    StreamStart { id, sequence: record.0 + 1, chain: record.1 }
}

/// Returns the number and the chain of each record from `start` on.
fn read_from(archive: &Archive, start: StreamStart) -> Result<Vec<(u64, Chain)>, Fault> {
    let mut records = Vec::new();
    let end = archive.read_from(start, |record| {
        records.push((record.sequence, record.chain));
        Ok::<_, Fault>(())
    })?;
    let last = records.last().copied().unwrap_or((start.sequence.wrapping_sub(1), start.chain));
    assert_eq!((end.sequence, end.chain), (last.0.wrapping_add(1), last.1));
    Ok(records)
}

#[test]
fn what_is_new_is_read_without_the_segments_before_it() {
    let disk = SimulatedDisk::new();
    let (writer, turn) = writer(&disk, OPTIONS, 400);
    (0..300).for_each(|_| turn());
    let nothing: Arc<dyn Fn() + Send + Sync> = Arc::new(|| {});
    let start = StreamStart { id: OPTIONS.id, sequence: 0, chain: Chain::first(OPTIONS.id) };
    let (whole, read_of_all) = busy(&disk, &nothing);
    let all = read_from(&Archive::open_on(whole).unwrap(), start).unwrap();
    assert!(read_of_all.lock().len() > 8, "there are many segments");
    for known in [all.len() / 2, all.len() - 1] {
        let (segments, read) = busy(&disk, &nothing);
        let archive = Archive::open_on(segments).unwrap();
        let new = read_from(&archive, after(OPTIONS.id, &all[known])).unwrap();
        assert_eq!(new, all[known + 1..]);
        let read = read.lock();
        assert!(!read.contains_key(FIRST), "{read:?}");
        // The segment with the last record that was known, and one that is not in use.
        assert!(known < all.len() - 1 || read.len() <= 2, "{read:?}");
    }
    // While it is being written to, what was there is read at least.
    let (segments, _) = busy(&disk, &turn);
    let archive = Archive::open_on(segments).unwrap();
    let new = read_from(&archive, after(OPTIONS.id, &all[100])).unwrap();
    assert!(new.starts_with(&all[101..]) && new.len() > all.len() - 101);
    drop((writer, turn));
}

#[test]
fn what_follows_another_history_is_refused_and_none_of_it_is_read() {
    let disk = SimulatedDisk::new();
    let (writer, turn) = writer(&disk, OPTIONS, 60);
    (0..60).for_each(|_| turn());
    drop((writer, turn));
    let archive = Archive::open_on(Arc::new(disk)).unwrap();
    assert_eq!(archive.id().unwrap(), Some(OPTIONS.id));
    let start = StreamStart { id: OPTIONS.id, sequence: 0, chain: Chain::first(OPTIONS.id) };
    let all = read_from(&archive, start).unwrap();
    let (known, end) = (all[30], all[all.len() - 1]);
    assert_eq!(read_from(&archive, after(OPTIONS.id, &end)).unwrap(), []);
    let other = LedgerId([8; 16]);
    for refused in [
        StreamStart { id: other, ..after(OPTIONS.id, &known) },
        StreamStart { chain: end.1, ..after(OPTIONS.id, &known) },
        StreamStart { sequence: known.0, ..after(OPTIONS.id, &known) },
        StreamStart { sequence: end.0 + 2, ..after(OPTIONS.id, &end) },
        StreamStart { id: other, sequence: 0, chain: Chain::first(other) },
    ] {
        let read = read_from(&archive, refused);
        assert!(matches!(read, Err(Fault::OtherHistory(_))), "{refused:?}: {read:?}");
    }
}

#[test]
fn of_a_group_that_is_half_there_nothing_is_read_and_it_is_no_damage() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    append(&ledger, &mut run, 1, 0, 20).unwrap();
    let before = disk.contents(FIRST);
    append(&ledger, &mut run, 2, 0, 20).unwrap();
    let after = disk.contents(FIRST);
    let file = disk.open(FIRST, Claim::Look).unwrap();
    let first = before.iter().zip(&after).position(|(a, b)| a != b).unwrap();
    let last = after.iter().rposition(|&byte| byte != 0).unwrap();
    for cut in first..=last {
        // A front of the group, and an end of it.
        for (from, to) in [(first, cut), (cut + 1, last + 1)] {
            file.write_at(0, &before).unwrap();
            file.write_at(from as u64, &after[from..to]).unwrap();
            assert_eq!(check(&disk).unwrap().records, 2, "{from} to {to}");
        }
    }
    file.write_at(0, &after).unwrap();
    assert_eq!(check(&disk).unwrap().records, 3);
    drop(ledger);
    assert_eq!(check(&disk).unwrap().records, 3);
}

#[test]
fn damage_to_what_was_durable_before_the_last_group_is_found_beside_a_writer_too() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    append(&ledger, &mut run, 1, 0, 20).unwrap();
    let end = disk.contents(FIRST).iter().rposition(|&byte| byte != 0).unwrap();
    append(&ledger, &mut run, 2, 0, 20).unwrap();
    for offset in 4096..=end {
        disk.flip(FIRST, offset, 0x40);
        match check(&disk) {
            Err(Fault::Damage(damage)) => assert_eq!(damage.file, FIRST),
            other => panic!("byte {offset}: {other:?}"),
        }
        disk.flip(FIRST, offset, 0x40);
    }
    check(&disk).unwrap();
}

#[test]
fn an_end_that_is_gone_is_damage_beside_a_writer_too() {
    let disk = SimulatedDisk::new();
    let (writer, turn) = writer(&disk, OPTIONS, 40);
    (0..40).for_each(|_| turn());
    // The end of a full segment is known once its index is written, behind the writer.
    let mut checks = (0..10_000).map(|_| check(&disk).unwrap());
    let whole = checks.find(|summary| summary.indexes_missing == 0).unwrap();
    assert!(whole.segments > 2, "{whole:?}");
    disk.remove(&format!("segment-{:010}.bol", whole.segments)).unwrap();
    assert!(matches!(check(&disk), Err(Fault::Damage(_))));
    disk.remove(FIRST).unwrap();
    assert!(matches!(check(&disk), Err(Fault::Damage(_))));
    drop((writer, turn));
}
