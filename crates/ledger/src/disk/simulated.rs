//! A disk in memory that a test can crash, damage, fill up and make fail.
//!
//! It keeps what was written and what is durable apart. At a crash each sector that was written
//! since and not synced is, by the choice of the test, as written or as it was before; a length
//! that was not synced may be the old one; files whose names were not synced may be gone.
//! Everything else is as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Claim, Disk, DiskFile};
use crate::limits::{BLOCK_LEN, SECTOR_LEN};

/// See the module's documentation. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, File>,
    /// Names as they are after a crash: those synced.
    durable_names: BTreeSet<String>,
    locked: bool,
    /// Every operation that changes something counts one.
    operations: u64,
    /// From which operation on all fail.
    fail_from: Option<(u64, Failure)>,
    room: Option<u64>,
}

#[derive(Clone, Default)]
struct File {
    written: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors in which they may differ.
    dirty: BTreeSet<usize>,
}

/// How operations fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is done.
    Clean,
    /// A write is done, but not made durable.
    NotDurable,
}

struct Guard(SimulatedDisk);

struct OpenFile {
    disk: SimulatedDisk,
    name: String,
}

impl SimulatedDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations have changed something so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Makes the operation `after` operations from now, and all behind it, fail.
    pub fn fail_after(&self, after: u64, how: Failure) {
        let mut state = self.state();
        state.fail_from = Some((state.operations + after, how));
    }

    /// Lets files have at most `bytes` in all from now on.
    pub fn limit_room(&self, bytes: Option<u64>) {
        self.state().room = bytes;
    }

    /// What the disk holds after a crash now: a new disk, without faults. `survives` is asked for
    /// each sector (and name) that was not synced whether it made it.
    #[must_use]
    pub fn crash(&self, survives: &mut dyn FnMut() -> bool) -> Self {
        let state = self.state();
        let mut after = State::default();
        for (name, file) in &state.files {
            if !state.durable_names.contains(name) && !survives() {
                continue;
            }
            let bytes = file.after_crash(survives);
            let durable = bytes.clone();
            after
                .files
                .insert(name.clone(), File { written: bytes, durable, dirty: BTreeSet::new() });
            after.durable_names.insert(name.clone());
        }
        Self { state: Arc::new(Mutex::new(after)) }
    }

    /// The bytes of a file as they are now.
    ///
    /// # Panics
    /// When there is no such file.
    #[must_use]
    pub fn contents(&self, name: &str) -> Vec<u8> {
        self.state().files[name].written.clone()
    }

    /// Puts a file there, durably, in place of what it held.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let (written, durable) = (bytes.to_vec(), bytes.to_vec());
        state.files.insert(name.to_owned(), File { written, durable, dirty: BTreeSet::new() });
        state.durable_names.insert(name.to_owned());
    }

    /// Flips bits of a file, durably.
    ///
    /// # Panics
    /// When there is no such file or byte.
    pub fn flip(&self, name: &str, offset: usize, mask: u8) {
        let mut state = self.state();
        let file = state.files.get_mut(name).expect("a test names a file that exists");
        file.written[offset] ^= mask;
        file.durable[offset] ^= mask;
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
        failure.map(|(_, how)| how)
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        self.files.get_mut(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8], durable: bool) -> io::Result<()> {
        let failure = self.operate();
        if failure == Some(Failure::Clean) {
            return Err(broken());
        }
        let used: u64 = self.files.values().map(|file| file.written.len() as u64).sum();
        let room = self.room;
        let file = self.file(name)?;
        let (offset, end) = (place(offset), place(offset) + bytes.len());
        let grown = end.saturating_sub(file.written.len()) as u64;
        if room.is_some_and(|room| used + grown > room && grown > 0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if file.written.len() < end {
            file.written.resize(end, 0);
        }
        file.written[offset..end].copy_from_slice(bytes);
        file.dirty.extend(offset / SECTOR_LEN..end.div_ceil(SECTOR_LEN));
        if failure.is_some() {
            return Err(broken());
        }
        if durable {
            file.sync(offset / SECTOR_LEN..end.div_ceil(SECTOR_LEN));
        }
        Ok(())
    }
}

impl File {
    fn sync(&mut self, sectors: std::ops::Range<usize>) {
        self.durable.resize(self.written.len(), 0);
        for sector in sectors {
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
        Ok(self.state().files.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if state.operate().is_some() {
            return Err(broken());
        }
        if state.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.insert(name.to_owned(), File::default());
        Ok(Box::new(OpenFile { disk: self.clone(), name: name.to_owned() }))
    }

    fn open(&self, name: &str, _claim: Claim) -> io::Result<Box<dyn DiskFile>> {
        self.state().file(name)?;
        Ok(Box::new(OpenFile { disk: self.clone(), name: name.to_owned() }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.operate().is_some() {
            return Err(broken());
        }
        state.files.remove(name);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.operate().is_some() {
            return Err(broken());
        }
        state.durable_names = state.files.keys().cloned().collect();
        Ok(())
    }

    fn write_mode(&self) -> &'static str {
        "simulated"
    }
}

impl DiskFile for OpenFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().file(&self.name)?.written.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let bytes = &state.file(&self.name)?.written;
        let from = place(offset);
        let wanted = bytes.get(from..from + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(wanted);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.state().write(&self.name, offset, bytes, false)
    }

    fn write_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<()> {
        assert!(place(offset).is_multiple_of(BLOCK_LEN), "durable writes start at a block");
        assert!(blocks.len().is_multiple_of(BLOCK_LEN), "durable writes are of whole blocks");
        assert!((blocks.as_ptr() as usize).is_multiple_of(BLOCK_LEN), "and aligned in memory");
        self.disk.state().write(&self.name, offset, blocks, true)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let len = place(len);
        let held = place(self.len()?);
        let zeros = vec![0; len.saturating_sub(held)];
        self.disk.state().write(&self.name, held as u64, &zeros, false)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.operate().is_some() {
            return Err(broken());
        }
        let file = state.file(&self.name)?;
        let sectors = file.written.len().div_ceil(SECTOR_LEN);
        file.sync(0..sectors);
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

fn broken() -> io::Error {
    io::Error::other("simulated failure")
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files fit memory")
}
