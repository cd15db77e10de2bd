//! A disk in memory that a test can crash, damage, fill up and make fail.
//!
//! It keeps what was written and what is durable apart. At a crash each sector that was written
//! since and not synced is, by the choice of the test, as written or as it was before; a length
//! that was not synced may be the old one; a name that was created or removed and not synced may
//! or may not have been. Everything else is as it was. A process that is only killed finds all
//! that it wrote, durable or not: it opens the same disk again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use super::{Claim, Disk, DiskFile};
use crate::limits::{BLOCK_LEN, SECTOR_LEN};
use engine::sync::{Mutex, MutexGuard};

/// See the module's documentation. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// All that were ever created; names lead to them.
    files: BTreeMap<FileId, File>,
    names: BTreeMap<String, FileId>,
    /// Names as they are after a crash: those synced.
    durable_names: BTreeMap<String, FileId>,
    locked: bool,
    /// Every operation that changes something counts one.
    operations: u64,
    /// From which operation on they fail.
    fail_from: Option<(u64, Failure)>,
    reads: u64,
    fail_reads_from: Option<u64>,
    room: Option<u64>,
    write_len_max: Option<usize>,
    /// What the system refuses, how often still, and with which error.
    refused: Option<(Operation, i32, u64)>,
    moved_away: bool,
}

type FileId = usize;

#[derive(Clone, Default)]
struct File {
    written: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors in which they may differ.
    dirty: BTreeSet<usize>,
    /// Dirty sectors that no sync makes durable, unless they are written again.
    forgotten: BTreeSet<usize>,
}

/// What the system may be asked for.
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

/// How operations fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is done, from then on.
    Clean,
    /// A write is done, but not made durable; so are all later ones.
    NotDurable,
    /// As [`Failure::NotDurable`], once. Later ones succeed, but none makes durable what this one
    /// did not, unless it is written again: systems mark the pages of a failed write as clean.
    Forgotten,
}

struct Guard(SimulatedDisk);

struct OpenFile {
    disk: SimulatedDisk,
    name: String,
    id: FileId,
}

impl SimulatedDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations have changed something so far, or failed to.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// How many reads there were so far.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// Makes the operation `after` operations from now, and all behind it, fail.
    pub fn fail_after(&self, after: u64, how: Failure) {
        let mut state = self.state();
        state.fail_from = Some((state.operations + after, how));
    }

    /// Makes the read `after` reads from now, and all behind it, fail.
    pub fn fail_reads_after(&self, after: u64) {
        let mut state = self.state();
        state.fail_reads_from = Some(state.reads + after);
    }

    /// Has the system refuse an operation with this error, the next `times` times; nothing is done
    /// then.
    pub fn refuse(&self, operation: Operation, errno: i32, times: u64) {
        self.state().refused = Some((operation, errno, times));
    }

    /// Ends all failing. What was not made durable meanwhile still is not.
    pub fn stop_failing(&self) {
        let mut state = self.state();
        (state.fail_from, state.fail_reads_from, state.refused) = (None, None, None);
    }

    /// Moves the folder to another path, as somebody might who does not know that it is in use.
    pub fn move_away(&self) {
        self.state().moved_away = true;
    }

    /// Lets files have at most `bytes` in all from now on.
    pub fn limit_room(&self, bytes: Option<u64>) {
        self.state().room = bytes;
    }

    /// How many bytes the files have in all.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Lets one write take at most `bytes`, which is to be a block at least: longer ones are short.
    pub fn limit_writes(&self, bytes: Option<usize>) {
        self.state().write_len_max = bytes;
    }

    /// What the disk holds after a crash now: a new disk, without faults. `survives` is asked for
    /// each sector (and name) that was not synced whether it made it.
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

    /// The bytes of a file as they are now.
    ///
    /// # Panics
    /// When there is no such file.
    #[must_use]
    pub fn contents(&self, name: &str) -> Vec<u8> {
        self.state().named(name).written.clone()
    }

    /// Puts a file there, durably, in place of what it held.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let (written, durable) = (bytes.to_vec(), bytes.to_vec());
        let id = state.files.len();
        state.files.insert(id, File { written, durable, ..File::default() });
        state.names.insert(name.to_owned(), id);
        state.durable_names.insert(name.to_owned(), id);
    }

    /// Takes a file's name away, durably, as somebody might who does not know that it is in use.
    pub fn unlink(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    /// Flips bits of a file, durably.
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts an operation that changes something; how it fails, if it does.
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

    /// Writes as much as one write takes; says how much.
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
        // What passes the cache ends with a sector.
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
    /// A write to sectors, or their syncing, fails.
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
        // Room is reserved whole or not at all.
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

/// A place in memory; more than there can be when it does not fit.
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
