//! The ledger's whole view of storage: a folder of files, and what makes writes durable.
//!
//! Everything the ledger reads or writes goes through [`Disk`] and [`DiskFile`], so that a
//! simulated disk can stand in for the real one and lose, tear or flip what a real one might.

mod folder;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated;

use std::io;

pub use folder::Folder;

/// A folder of files.
pub trait Disk: Send + Sync {
    /// Takes the folder for this process; given back when the guard is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process holds it in a way that excludes `claim`.
    fn lock(&self, claim: Claim) -> io::Result<Box<dyn Send + Sync>>;

    /// The names of the files in the folder, in any order.
    ///
    /// # Errors
    /// Of the underlying system.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Creates an empty file that must not exist. Its name is durable only after
    /// [`Disk::sync_names`].
    ///
    /// # Errors
    /// Of the underlying system.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file; for reading only under [`Claim::Read`].
    ///
    /// # Errors
    /// Of the underlying system.
    fn open(&self, name: &str, claim: Claim) -> io::Result<Box<dyn DiskFile>>;

    /// Removes a file.
    ///
    /// # Errors
    /// Of the underlying system.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// Of the underlying system.
    fn sync_names(&self) -> io::Result<()>;

    /// How durable writes are done, for people.
    fn write_mode(&self) -> &'static str;
}

/// What a process means to do with a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Read and write, alone.
    Write,
    /// Only read; others may too.
    Read,
}

/// An open file. Offsets and lengths are in bytes.
#[allow(clippy::len_without_is_empty, reason = "a file's length is asked to compare, not to test")]
pub trait DiskFile: Send + Sync {
    /// The file's length.
    ///
    /// # Errors
    /// Of the underlying system.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset`; past the end of the file is an error.
    ///
    /// # Errors
    /// Of the underlying system.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`; durable only after [`DiskFile::sync`].
    ///
    /// # Errors
    /// Of the underlying system.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Writes all of `blocks` at `offset` and returns once they are durable. Address, offset and
    /// length are multiples of [`BLOCK_LEN`](crate::limits::BLOCK_LEN).
    ///
    /// # Errors
    /// Of the underlying system. What is on disk then is unknown: the caller must not go on
    /// writing.
    fn write_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<()>;

    /// Makes the file `len` bytes long with room reserved for them; new bytes read as zeros.
    ///
    /// # Errors
    /// Of the underlying system, [`io::ErrorKind::StorageFull`] among them.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes everything written before durable.
    ///
    /// # Errors
    /// Of the underlying system. What is on disk then is unknown: the caller must not go on
    /// writing.
    fn sync(&self) -> io::Result<()>;
}
