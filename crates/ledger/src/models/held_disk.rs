//! A simulated disk that checks that every write is made while holding the folder's lock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Claim, Disk, DiskFile};

/// The disk. Clones share its state.
#[derive(Clone, Default)]
pub(crate) struct HeldDisk {
    pub(crate) disk: SimulatedDisk,
    held: Arc<AtomicBool>,
    /// A planted bug: durable writes are not durable.
    forgetful: bool,
}

struct HeldFile {
    file: Box<dyn DiskFile>,
    disk: HeldDisk,
}

struct Guard {
    disk: HeldDisk,
    lock: Option<Box<dyn Send + Sync>>,
}

impl HeldDisk {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Returns a disk with a planted bug: it reports every write as durable, and none is.
    pub(crate) fn forgetful() -> Self {
        Self { forgetful: true, ..Self::default() }
    }

    /// Returns the disk after a crash now: only durable data is left.
    pub(crate) fn crash(&self) -> Self {
        Self { disk: self.disk.crash(&mut || false), ..Self::default() }
    }

    fn check_held(&self) {
        assert!(self.held.load(Ordering::Relaxed), "written without holding the folder");
    }
}

impl Disk for HeldDisk {
    fn lock(&self, claim: Claim) -> io::Result<Box<dyn Send + Sync>> {
        let lock = self.disk.lock(claim)?;
        self.held.store(true, Ordering::Relaxed);
        Ok(Box::new(Guard { disk: self.clone(), lock: Some(lock) }))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.check_held();
        Ok(Box::new(HeldFile { file: self.disk.create(name)?, disk: self.clone() }))
    }

    fn open(&self, name: &str, claim: Claim) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(HeldFile { file: self.disk.open(name, claim)?, disk: self.clone() }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check_held();
        self.disk.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.check_held();
        self.disk.sync_names()
    }

    fn check_place(&self) -> io::Result<()> {
        self.disk.check_place()
    }

    fn write_mode(&self) -> &'static str {
        self.disk.write_mode()
    }
}

impl DiskFile for HeldFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buffer)
    }

    fn write_some_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.disk.check_held();
        self.file.write_some_at(offset, bytes)
    }

    fn write_some_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<usize> {
        self.disk.check_held();
        if self.disk.forgetful {
            return self.file.write_some_at(offset, blocks);
        }
        self.file.write_some_durable(offset, blocks)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.disk.check_held();
        self.file.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.check_held();
        self.file.sync()
    }

    fn check_place(&self) -> io::Result<()> {
        self.file.check_place()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Cleared before the lock is released, so that no write slips through once another may hold
        // it.
        self.disk.held.store(false, Ordering::Relaxed);
        drop(self.lock.take());
    }
}
