//! An in-memory disk that a test can crash, damage, fill up and make fail.
//!
//! It tracks written and durable content separately. After a crash, by the test's choice:
//!
//! - each sector written and not synced has its new or its old content;
//! - each unsynced length is the new or the old one;
//! - each name created or removed and not synced is there or not.
//!
//! Everything else is unchanged. A process that is only killed loses nothing that was written: it
//! opens the same disk again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{Claim, Disk, DiskFile};
use crate::limits::{BLOCK_LEN, SECTOR_LEN};
use engine::sync::{Mutex, MutexGuard, lock};

/// The simulated disk. Clones share its state.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// All files ever created; names refer to them.
    files: BTreeMap<FileId, File>,
    names: BTreeMap<String, FileId>,
    /// The synced names.
    durable_names: BTreeMap<String, FileId>,
    locked: bool,
    /// How many changing operations there were, including failed ones.
    operations: u64,
    /// The first operation to fail, and how.
    fail_from: Option<(u64, Failure)>,
    reads: u64,
    fail_reads_from: Option<u64>,
    room: Option<u64>,
    write_len_max: Option<usize>,
    /// The operation that the system refuses, the error, and how many more times.
    refused: Option<(Operation, i32, u64)>,
    moved_away: bool,
}

type FileId = usize;

#[derive(Clone, Default)]
struct File {
    written: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that were written and are not synced.
    dirty: BTreeSet<usize>,
    /// Dirty sectors that no sync makes durable unless they are written again.
    forgotten: BTreeSet<usize>,
}

/// An operation that the system may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Disk::create`].
    Create,
    /// [`Disk::open`].
    Open,
    /// [`Disk::sync_names`].
    SyncNames,
    /// [`DiskFile::allocate`].
    Allocate,
    /// [`DiskFile::write_some_at`] and [`DiskFile::write_some_durable`].
    Write,
    /// [`DiskFile::sync`].
    Sync,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This and all later operations fail without effect.
    Clean,
    /// This and all later writes are done, but fail and are not durable.
    NotDurable,
    /// As [`Failure::NotDurable`], but only once. Later syncs succeed without making these sectors
    /// durable, unless they are written again: systems mark the pages of a failed write as clean.
    Forgotten,
}

struct Guard(SimulatedDisk);

struct OpenFile {
    disk: SimulatedDisk,
    name: String,
    id: FileId,
}

impl SimulatedDisk {
    /// Returns an empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many changing operations there were, including failed ones.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Returns how many reads there were.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// Makes all operations fail, starting `after` operations from now.
    pub fn fail_after(&self, after: u64, how: Failure) {
        let mut state = self.state();
        state.fail_from = Some((state.operations + after, how));
    }

    /// Makes all reads fail, starting `after` reads from now.
    pub fn fail_reads_after(&self, after: u64) {
        let mut state = self.state();
        state.fail_reads_from = Some(state.reads + after);
    }

    /// Makes an operation fail without effect, with this error, the next `times` times.
    pub fn refuse(&self, operation: Operation, errno: i32, times: u64) {
        self.state().refused = Some((operation, errno, times));
    }

    /// Ends all failures. Writes that were not made durable stay so.
    pub fn stop_failing(&self) {
        let mut state = self.state();
        (state.fail_from, state.fail_reads_from, state.refused) = (None, None, None);
    }

    /// Moves the folder to another path while it is in use.
    pub fn move_away(&self) {
        self.state().moved_away = true;
    }

    /// Limits the total length of all files, in bytes.
    pub fn limit_room(&self, bytes: Option<u64>) {
        self.state().room = bytes;
    }

    /// Returns the total length of all files, in bytes.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Limits the length of a single write to `bytes`, at least a block. Longer writes are short.
    pub fn limit_writes(&self, bytes: Option<usize>) {
        self.state().write_len_max = bytes;
    }

    /// Returns the disk after a crash now, without faults. `survives` decides for each unsynced
    /// sector, length and name whether it survives.
    #[must_use]
    pub fn crash(&self, survives: &mut dyn FnMut() -> bool) -> Self {
        let state = self.state();
        let mut after = State::default();
        let names: BTreeSet<_> = state.names.keys().chain(state.durable_names.keys()).collect();
        for name in names {
            let (now, durable) = (state.names.get(name), state.durable_names.get(name));
            let found = if now == durable || survives() { now } else { durable };
            let Some(file) = found.and_then(|id| state.files.get(id)) else { continue };
            let bytes = file.after_crash(survives);
            let durable = bytes.clone();
            let id = after.files.len();
            after.files.insert(id, File { written: bytes, durable, ..File::default() });
            after.names.insert(name.clone(), id);
        }
        after.durable_names = after.names.clone();
        Self { state: Arc::new(Mutex::new(after)) }
    }

    /// Returns the current bytes of a file.
    ///
    /// # Panics
    /// When there is no such file.
    #[must_use]
    pub fn contents(&self, name: &str) -> Vec<u8> {
        self.state().named(name).written.clone()
    }

    /// Creates or replaces a file, durably.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let (written, durable) = (bytes.to_vec(), bytes.to_vec());
        let id = state.files.len();
        state.files.insert(id, File { written, durable, ..File::default() });
        state.names.insert(name.to_owned(), id);
        state.durable_names.insert(name.to_owned(), id);
    }

    /// Removes a file's name, durably, while the file may be in use.
    pub fn unlink(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    /// Flips bits in a byte of a file, durably.
    ///
    /// # Panics
    /// When there is no such file or byte.
    pub fn flip(&self, name: &str, offset: usize, mask: u8) {
        let mut state = self.state();
        let file = state.named(name);
        file.written[offset] ^= mask;
        if let Some(durable) = file.durable.get_mut(offset) {
            *durable ^= mask;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Counts a changing operation and returns how it fails, if it does.
    fn operate(&mut self) -> Option<Failure> {
        let failure = self.fail_from.filter(|(from, _)| self.operations >= *from);
        self.operations += 1;
        if failure.is_some_and(|(_, how)| how == Failure::Forgotten) {
            self.fail_from = None;
        }
        failure.map(|(_, how)| how)
    }

    fn ask(&mut self, operation: Operation) -> io::Result<()> {
        match &mut self.refused {
            Some((refused, errno, times)) if *refused == operation && *times > 0 => {
                *times -= 1;
                Err(io::Error::from_raw_os_error(*errno))
            }
            _ => Ok(()),
        }
    }

    fn file(&mut self, id: FileId) -> &mut File {
        self.files.get_mut(&id).expect("files are never forgotten")
    }

    fn named(&mut self, name: &str) -> &mut File {
        let id = *self.names.get(name).expect("a test names a file that exists");
        self.file(id)
    }

    fn used(&self) -> u64 {
        self.names.values().map(|id| self.files[id].written.len() as u64).sum()
    }

    /// Writes as much as one write takes and returns how much that was.
    fn write(&mut self, id: FileId, at: u64, bytes: &[u8], durable: bool) -> io::Result<usize> {
        let failure = self.operate();
        if failure == Some(Failure::Clean) {
            return Err(broken());
        }
        let free = self.room.map_or(u64::MAX, |room| room.saturating_sub(self.used()));
        let most = self.write_len_max.unwrap_or(usize::MAX);
        let file = self.file(id);
        let at = place(at);
        let held = file.written.len().saturating_sub(at);
        let len = bytes.len().min(most).min(held.saturating_add(place(free)));
        // A direct write ends at a sector boundary.
        let len = if durable { len - len % SECTOR_LEN } else { len };
        if len == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let end = at + len;
        if file.written.len() < end {
            file.written.resize(end, 0);
        }
        file.written[at..end].copy_from_slice(&bytes[..len]);
        let sectors = at / SECTOR_LEN..end.div_ceil(SECTOR_LEN);
        file.dirty.extend(sectors.clone());
        file.forgotten.retain(|sector| !sectors.contains(sector));
        if let Some(failure) = failure {
            file.fail(failure, sectors);
            return Err(broken());
        }
        if durable {
            file.sync(sectors);
        }
        Ok(len)
    }
}

impl File {
    /// Applies a failed write or sync of sectors.
    fn fail(&mut self, how: Failure, sectors: Range<usize>) {
        if how == Failure::Forgotten {
            self.forgotten.extend(self.dirty.range(sectors));
        }
    }

    fn sync(&mut self, sectors: Range<usize>) {
        self.durable.resize(self.written.len(), 0);
        for sector in sectors.filter(|sector| !self.forgotten.contains(sector)) {
            let from = sector * SECTOR_LEN;
            let to = (from + SECTOR_LEN).min(self.written.len());
            self.durable[from..to].copy_from_slice(&self.written[from..to]);
            self.dirty.remove(&sector);
        }
    }

    fn after_crash(&self, survives: &mut dyn FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        if bytes.len() < self.written.len() && survives() {
            bytes.resize(self.written.len(), 0);
        }
        for sector in &self.dirty {
            let from = sector * SECTOR_LEN;
            let to = (from + SECTOR_LEN).min(bytes.len());
            if from < to && survives() {
                bytes[from..to].copy_from_slice(&self.written[from..to]);
            }
        }
        bytes
    }
}

impl Disk for SimulatedDisk {
    fn lock(&self, _claim: Claim) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        if state.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locked = true;
        Ok(Box::new(Guard(self.clone())))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.ask(Operation::Create)?;
        if state.operate().is_some() {
            return Err(broken());
        }
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.files.len();
        state.files.insert(id, File::default());
        state.names.insert(name.to_owned(), id);
        Ok(Box::new(OpenFile { disk: self.clone(), name: name.to_owned(), id }))
    }

    fn open(&self, name: &str, _claim: Claim) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.ask(Operation::Open)?;
        let id = state.names.get(name).copied();
        let id = id.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(OpenFile { disk: self.clone(), name: name.to_owned(), id }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.operate().is_some() {
            return Err(broken());
        }
        let removed = state.names.remove(name);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        state.ask(Operation::SyncNames)?;
        if state.operate().is_some() {
            return Err(broken());
        }
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn check_place(&self) -> io::Result<()> {
        if self.state().moved_away { Err(lost("the folder")) } else { Ok(()) }
    }

    fn write_mode(&self) -> &'static str {
        "simulated"
    }
}

impl DiskFile for OpenFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().file(self.id).written.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let fails = state.fail_reads_from.is_some_and(|from| state.reads >= from);
        state.reads += 1;
        if fails {
            return Err(broken());
        }
        let bytes = &state.file(self.id).written;
        let from = place(offset);
        let wanted = bytes.get(from..from + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(wanted);
        Ok(())
    }

    fn write_some_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.ask(Operation::Write)?;
        state.write(self.id, offset, bytes, false)
    }

    fn write_some_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<usize> {
        assert!(place(offset).is_multiple_of(BLOCK_LEN), "durable writes start at a block");
        assert!(blocks.len().is_multiple_of(BLOCK_LEN), "durable writes are of whole blocks");
        assert!((blocks.as_ptr() as usize).is_multiple_of(BLOCK_LEN), "and aligned in memory");
        let mut state = self.disk.state();
        state.ask(Operation::Write)?;
        let written = state.write(self.id, offset, blocks, true)?;
        match state.names.values().any(|id| *id == self.id) {
            true => Ok(written),
            false => Err(lost(&self.name)),
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let held = self.len()?;
        let mut state = self.disk.state();
        state.ask(Operation::Allocate)?;
        let most = state.write_len_max.take();
        let zeros = vec![0; place(len.saturating_sub(held))];
        let written = state.write(self.id, held, &zeros, false);
        state.write_len_max = most;
        // Space is reserved completely or not at all.
        if written? < zeros.len() {
            state.file(self.id).written.truncate(place(held));
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.ask(Operation::Sync)?;
        let failure = state.operate();
        let file = state.file(self.id);
        let sectors = 0..file.written.len().div_ceil(SECTOR_LEN);
        if let Some(failure) = failure {
            file.fail(failure, sectors);
            return Err(broken());
        }
        file.sync(sectors);
        Ok(())
    }

    fn check_place(&self) -> io::Result<()> {
        match self.disk.state().names.get(&self.name) {
            Some(id) if *id == self.id => Ok(()),
            _ => Err(lost(&self.name)),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

fn lost(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{what} is not in its place"))
}

fn broken() -> io::Error {
    io::Error::other("simulated failure")
}

/// Converts an offset to a `usize`, saturating.
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
