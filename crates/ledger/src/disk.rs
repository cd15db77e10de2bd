//! The ledger's whole view of storage: a folder of files, and what makes writes durable.
//!
//! Everything the ledger reads or writes goes through [`Disk`] and [`DiskFile`], so that a
//! simulated disk can stand in for the real one and lose, tear or flip what a real one might.

mod at_rest;
mod folder;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated;

use std::io;

use crate::limits::BLOCK_LEN;
pub use folder::{Folder, make_folder};

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
    /// [`io::ErrorKind::WouldBlock`] when another process has the file open in a way that excludes
    /// `claim`, under this name or another.
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

    /// Finds whether the folder still is where it was opened.
    ///
    /// # Errors
    /// When it is known not to be: who looks for the ledger there finds nothing, or another one.
    fn check_place(&self) -> io::Result<()>;

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

    /// Writes bytes at `offset`, perhaps only the first of them, and says how many; durable only
    /// after [`DiskFile::sync`].
    ///
    /// # Errors
    /// Of the underlying system.
    fn write_some_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Writes blocks at `offset`, perhaps only the first bytes of them, and says how many, once
    /// those are durable. Address, offset and length are multiples of
    /// [`BLOCK_LEN`].
    ///
    /// # Errors
    /// Of the underlying system, or when the file has lost its name. What is on disk then is
    /// unknown: the caller must not go on writing.
    fn write_some_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`; durable only after [`DiskFile::sync`].
    ///
    /// # Errors
    /// Of [`DiskFile::write_some_at`]. A part may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        in_pieces(bytes.len(), 1, |done| self.write_some_at(offset + done as u64, &bytes[done..]))
    }

    /// Writes all of `blocks` at `offset` and returns once they are durable.
    ///
    /// # Errors
    /// Of [`DiskFile::write_some_durable`]. What is on disk then is unknown: the caller must not go
    /// on writing.
    fn write_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<()> {
        in_pieces(blocks.len(), BLOCK_LEN, |done| {
            self.write_some_durable(offset + done as u64, &blocks[done..])
        })
    }

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

    /// Says that nothing more will be written to the file: it needs not be open, nor locked, until
    /// it is read.
    fn rest(&self) {}

    /// Finds whether the file's name still leads to it.
    ///
    /// # Errors
    /// When it is known not to: what the file holds is not part of the ledger any more.
    fn check_place(&self) -> io::Result<()>;
}

/// Does something anew for as long as a signal interrupts it.
pub(crate) fn uninterrupted<T>(mut action: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match action() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Writes until `len` bytes are written; each piece begins at a multiple of `unit`, so what a
/// short write left of a unit is written again.
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

    /// What was asked for, and what came of it, when each write takes at most `most` bytes.
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
