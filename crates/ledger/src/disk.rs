//! The ledger's interface to storage: a folder of files, and what makes writes durable.
//!
//! All IO goes through [`Disk`] and [`DiskFile`], so that a simulated disk can replace the real one
//! and lose, tear or flip data as a real disk might.

mod at_rest;
mod folder;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated;

use std::io;

use crate::limits::BLOCK_LEN;
pub use folder::{Folder, make_folder};

/// A folder of files.
pub trait Disk: Send + Sync {
    /// Locks the folder for this process until the guard is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process holds a conflicting lock; otherwise as
    /// reported by the system.
    fn lock(&self, claim: Claim) -> io::Result<Box<dyn Send + Sync>>;

    /// Returns the names of the files in the folder, in any order.
    ///
    /// # Errors
    /// As reported by the system.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Creates an empty file. Its name is durable only after [`Disk::sync_names`].
    ///
    /// # Errors
    /// When the file exists, or as reported by the system.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file; read-only unless under [`Claim::Write`].
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has the file open under a conflicting
    /// claim, by this name or another; otherwise as reported by the system.
    fn open(&self, name: &str, claim: Claim) -> io::Result<Box<dyn DiskFile>>;

    /// Removes a file.
    ///
    /// # Errors
    /// As reported by the system.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes created and removed names durable.
    ///
    /// # Errors
    /// As reported by the system.
    fn sync_names(&self) -> io::Result<()>;

    /// Checks that the folder is still at the path where it was opened.
    ///
    /// # Errors
    /// When it is known to be elsewhere: the next opening would find no ledger there, or another
    /// one.
    fn check_place(&self) -> io::Result<()>;

    /// Returns a human-readable description of how durable writes are done.
    fn write_mode(&self) -> &'static str;
}

/// The access that a process needs to a folder or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Exclusive access, for reading and writing.
    Write,
    /// Shared access, for reading only.
    Read,
    /// Access for reading only, without a lock: beside the process that writes.
    Look,
}

/// An open file. Offsets and lengths are in bytes.
#[allow(clippy::len_without_is_empty, reason = "a file's length is asked to compare, not to test")]
pub trait DiskFile: Send + Sync {
    /// Returns the file's length.
    ///
    /// # Errors
    /// As reported by the system.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    /// When the range goes past the end of the file, or as reported by the system.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes `bytes`, or a prefix of them, at `offset` and returns how many were written. They are
    /// durable only after [`DiskFile::sync`].
    ///
    /// # Errors
    /// As reported by the system.
    fn write_some_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Writes `blocks`, or a prefix of them, at `offset` and returns how many bytes were written
    /// once they are durable. Address, offset and length must be multiples of [`BLOCK_LEN`].
    ///
    /// # Errors
    /// When the file no longer has a name, or as reported by the system. The content on disk is
    /// then unknown: the caller must stop writing.
    fn write_some_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. They are durable only after [`DiskFile::sync`].
    ///
    /// # Errors
    /// As [`DiskFile::write_some_at`]. Part of `bytes` may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        in_pieces(bytes.len(), 1, |done| self.write_some_at(offset + done as u64, &bytes[done..]))
    }

    /// Writes all of `blocks` at `offset` and returns when they are durable.
    ///
    /// # Errors
    /// As [`DiskFile::write_some_durable`]. The content on disk is then unknown: the caller must
    /// stop writing.
    fn write_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<()> {
        in_pieces(blocks.len(), BLOCK_LEN, |done| {
            self.write_some_durable(offset + done as u64, &blocks[done..])
        })
    }

    /// Makes the file `len` bytes long and reserves the space where the file system can. New bytes
    /// read as zeros.
    ///
    /// # Errors
    /// As reported by the system, for example [`io::ErrorKind::StorageFull`].
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes all earlier writes durable.
    ///
    /// # Errors
    /// As reported by the system. The content on disk is then unknown: the caller must stop
    /// writing.
    fn sync(&self) -> io::Result<()>;

    /// Announces that the file will not be written to again. The implementation may close and
    /// unlock it until it is read.
    fn rest(&self) {}

    /// Checks that the file's name still refers to it.
    ///
    /// # Errors
    /// When it is known not to: the file is no longer part of the ledger.
    fn check_place(&self) -> io::Result<()>;
}

/// Repeats an action while it is interrupted by a signal.
pub(crate) fn uninterrupted<T>(mut action: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match action() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Calls `write_from` until `len` bytes are written. Each call starts at a multiple of `unit`:
/// after a short write, a partly written unit is written again.
fn in_pieces(
    len: usize,
    unit: usize,
    mut write_from: impl FnMut(usize) -> io::Result<usize>,
) -> io::Result<()> {
    let mut done = 0;
    while done < len {
        let written = match write_from(done) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let whole = written - written % unit;
        if whole == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        done += whole;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the offsets that were written from, and the result, when each write takes at most
    /// `most` bytes.
    fn pieces(len: usize, unit: usize, most: usize) -> (Vec<usize>, io::Result<()>) {
        let mut asked = Vec::new();
        let outcome = in_pieces(len, unit, |done| {
            asked.push(done);
            Ok(most.min(len - done))
        });
        (asked, outcome)
    }

    #[test]
    fn short_writes_are_gone_on_with_from_the_last_whole_unit() {
        let (asked, outcome) = pieces(10, 1, 4);
        assert_eq!((asked, outcome.is_ok()), (vec![0, 4, 8], true));
        let (asked, outcome) = pieces(4 * 512, 512, 700);
        assert_eq!((asked, outcome.is_ok()), (vec![0, 512, 1024, 1536], true));
    }

    #[test]
    fn a_write_that_gets_nowhere_is_an_error_and_an_interrupted_one_is_not() {
        let (asked, outcome) = pieces(512, 512, 511);
        assert_eq!(asked, [0]);
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::WriteZero);
        let mut interruptions = 2;
        let outcome = in_pieces(1, 1, |_| {
            if interruptions == 0 {
                return Ok(1);
            }
            interruptions -= 1;
            Err(io::ErrorKind::Interrupted.into())
        });
        assert!(outcome.is_ok());
    }
}
