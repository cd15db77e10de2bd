//! A folder of the operating system.
//!
//! Durable writes go past the page cache (`O_DIRECT` and `O_DSYNC`: one call, measured nearly twice
//! as fast as append and fdatasync); where the file system refuses that, they are buffered writes
//! followed by fdatasync.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use super::{Claim, Disk, DiskFile};
use crate::limits::BLOCK_LEN;

const LOCK_NAME: &str = "lock";
/// For their owner alone: what is stored tells who betted what and, before a draw, what would win.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// See the module's documentation.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    direct: bool,
}

#[derive(Debug)]
struct FolderFile {
    buffered: File,
    direct: Option<File>,
}

impl Folder {
    /// The folder at `path`, created with its parents when it is missing.
    ///
    /// # Errors
    /// Of the underlying system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = &std::path::absolute(path)?;
        make_folder(path)?;
        let direct = direct_writes_work(path)?;
        Ok(Self { path: path.to_path_buf(), direct })
    }

    /// The folder at `path`, which must exist; for reading only.
    ///
    /// # Errors
    /// Of the underlying system.
    pub fn existing(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.to_path_buf(), direct: false })
    }

    fn file(&self, name: &str, options: &mut OpenOptions) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path.join(name);
        let buffered = options.open(&path)?;
        let direct = self.direct.then(|| open_direct(&path)).transpose()?;
        Ok(Box::new(FolderFile { buffered, direct }))
    }
}

impl Disk for Folder {
    fn lock(&self, claim: Claim) -> io::Result<Box<dyn Send + Sync>> {
        let path = self.path.join(LOCK_NAME);
        let (file, locked) = match claim {
            Claim::Write => {
                let mut options = OpenOptions::new();
                options.create(true).truncate(false).write(true).mode(FILE_MODE);
                let file = options.open(path)?;
                let locked = file.try_lock();
                (file, locked)
            }
            Claim::Read => {
                let file = File::open(path)?;
                let locked = file.try_lock_shared();
                (file, locked)
            }
        };
        match locked {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        self.file(name, options.read(true).write(true).create_new(true).mode(FILE_MODE))
    }

    fn open(&self, name: &str, claim: Claim) -> io::Result<Box<dyn DiskFile>> {
        self.file(name, OpenOptions::new().read(true).write(claim == Claim::Write))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn write_mode(&self) -> &'static str {
        if self.direct { "direct" } else { "buffered, fdatasync" }
    }
}

impl DiskFile for FolderFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.buffered.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.buffered.read_exact_at(buffer, offset)
    }

    fn write_some_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.buffered.write_at(bytes, offset)
    }

    fn write_some_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<usize> {
        match &self.direct {
            Some(direct) => direct.write_at(blocks, offset),
            None => {
                let written = self.buffered.write_at(blocks, offset)?;
                self.buffered.sync_data()?;
                Ok(written)
            }
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match fallocate(&self.buffered, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // The file system can't reserve room: the length alone has to do.
            Err(Errno::OPNOTSUPP) => self.buffered.set_len(len),
            Err(errno) => Err(errno.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.buffered.sync_data()
    }
}

/// Makes a data folder for its owner alone, durably, and its parents as the system does. One that is
/// there stays as it is.
///
/// # Errors
/// When something else is there or on the way, or of the underlying system.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let path = &std::path::absolute(path)?;
    let missing: Vec<_> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
    if missing.iter().any(|folder| folder.exists()) {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    for folder in missing {
        // The new names must survive a crash as surely as what will be acknowledged under them.
        folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())?;
    }
    Ok(())
}

/// Whether the file system at `path` takes direct writes: it is asked, with a file that is removed.
fn direct_writes_work(path: &Path) -> io::Result<bool> {
    // The folder is not locked yet: another process may be asking too.
    let probe = path.join(format!("probe-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(FILE_MODE);
    options.open(&probe).and_then(|file| file.set_len(BLOCK_LEN as u64))?;
    let zeros = vec![0_u8; 2 * BLOCK_LEN];
    let aligned = zeros.as_ptr().align_offset(BLOCK_LEN);
    let block = &zeros[aligned..aligned + BLOCK_LEN];
    let works = open_direct(&probe).is_ok_and(|file| file.write_all_at(block, 0).is_ok());
    fs::remove_file(&probe)?;
    Ok(works)
}

fn open_direct(path: &Path) -> io::Result<File> {
    let flags = (OFlags::DIRECT | OFlags::DSYNC).bits().cast_signed();
    OpenOptions::new().write(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_writer_or_many_readers() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("deep/er")).unwrap();
        let writer = folder.lock(Claim::Write).unwrap();
        for claim in [Claim::Write, Claim::Read] {
            let refused = folder.lock(claim).err().map(|error| error.kind());
            assert_eq!(refused, Some(io::ErrorKind::WouldBlock));
        }
        drop(writer);
        let _first = folder.lock(Claim::Read).unwrap();
        let _second = folder.lock(Claim::Read).unwrap();
        assert!(folder.lock(Claim::Write).is_err());
    }

    #[test]
    fn a_new_file_reads_as_zeros_and_keeps_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let file = folder.create("a").unwrap();
        file.allocate(3 * BLOCK_LEN as u64).unwrap();
        let buffer = vec![7_u8; 2 * BLOCK_LEN];
        let aligned = buffer.as_ptr().align_offset(BLOCK_LEN);
        file.write_durable(BLOCK_LEN as u64, &buffer[aligned..aligned + BLOCK_LEN]).unwrap();
        let mut read = vec![1_u8; 3 * BLOCK_LEN];
        folder.open("a", Claim::Read).unwrap().read_at(0, &mut read).unwrap();
        let expected = [[0_u8; BLOCK_LEN], [7; BLOCK_LEN], [0; BLOCK_LEN]].concat();
        assert!(read == expected);
        assert_eq!(folder.names().unwrap(), ["a"]);
    }
}
