//! A [`Disk`] on a folder of the operating system.
//!
//! - The folder is opened once, and all operations are relative to its descriptor. If it is moved
//!   or replaced while in use, its files are never mixed with another folder's.
//! - Locks are on the folder itself and on each open file, not on a lock file that could be
//!   replaced.
//! - Durable writes bypass the page cache (`O_DIRECT` and `O_DSYNC`: one call, measured nearly
//!   twice as fast as append and fdatasync). Where the file system does not support that, they are
//!   buffered writes followed by fdatasync.
//! - A durable write fails if the file has lost its name: its data would disappear with the
//!   process.
//! - Files that are read beside the writer have no read-ahead: a durable write waits until the disk
//!   has done what it was asked before, and read-ahead asks for megabytes at once.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustix::fs::{
    Advice, AtFlags, CWD, Dir, FallocateFlags, FlockOperation, Mode, OFlags, StatxFlags, fadvise,
    fallocate, flock, fstat, openat, stat, statat, statx, unlinkat,
};
use rustix::io::Errno;

use super::at_rest::{AtRest, FileId};
use super::{Claim, Disk, DiskFile};
use crate::limits::BLOCK_LEN;

/// Owner-only access: the data shows who bet what and, before a draw, the winning number.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FOLDER_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FILE_FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);
const DIRECT_FLAGS: OFlags =
    OFlags::WRONLY.union(OFlags::DIRECT).union(OFlags::DSYNC).union(FILE_FLAGS);

/// An open folder of the operating system.
#[derive(Debug)]
pub struct Folder {
    opened: Arc<File>,
    /// The absolute path at which it was opened.
    path: PathBuf,
    direct: bool,
    at_rest: Arc<AtRest>,
}

#[derive(Debug)]
struct FolderFile {
    folder: Arc<File>,
    at_rest: Arc<AtRest>,
    name: String,
    id: FileId,
    claim: Claim,
    /// `None` at rest.
    opened: RwLock<Option<Opened>>,
}

#[derive(Debug)]
struct Opened {
    buffered: File,
    direct: Option<File>,
}

impl Folder {
    /// Opens the folder at `path` for writing, and creates it and its parents if missing.
    ///
    /// # Errors
    /// As reported by the system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        make_folder(&path)?;
        let opened = File::from(openat(CWD, &path, FOLDER_FLAGS, Mode::empty())?);
        let direct = direct_writes_work(&opened)?;
        Ok(Self { opened: Arc::new(opened), path, direct, at_rest: Arc::default() })
    }

    /// Opens the existing folder at `path` for reading only.
    ///
    /// # Errors
    /// As reported by the system.
    pub fn existing(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let opened = File::from(openat(CWD, &path, FOLDER_FLAGS, Mode::empty())?);
        Ok(Self { opened: Arc::new(opened), path, direct: false, at_rest: Arc::default() })
    }

    /// Returns the folder's descriptor, for other files kept in it. It refers to this folder even
    /// if the path changes.
    #[must_use]
    pub fn opened(&self) -> Arc<File> {
        Arc::clone(&self.opened)
    }

    fn opened_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        opened_file(&self.opened, name, flags)
    }

    fn file(&self, name: &str, buffered: File, claim: Claim) -> io::Result<Box<dyn DiskFile>> {
        lock(&buffered, claim)?;
        without_read_ahead(&buffered, claim);
        let id = FileId::of(&fstat(&buffered)?);
        let direct = match self.direct && claim == Claim::Write {
            true => Some(self.opened_file(name, DIRECT_FLAGS)?),
            false => None,
        };
        if let Some(direct) = &direct
            && FileId::of(&fstat(direct)?) != id
        {
            return Err(io::Error::other("another file replaced it meanwhile"));
        }
        Ok(Box::new(FolderFile {
            folder: Arc::clone(&self.opened),
            at_rest: Arc::clone(&self.at_rest),
            name: name.to_owned(),
            id,
            claim,
            opened: RwLock::new(Some(Opened { buffered, direct })),
        }))
    }
}

impl Disk for Folder {
    fn lock(&self, claim: Claim) -> io::Result<Box<dyn Send + Sync>> {
        // Opened again, because a lock belongs to one open description and ends with the guard.
        let opened = File::from(openat(&self.opened, ".", FOLDER_FLAGS, Mode::empty())?);
        lock(&opened, claim)?;
        Ok(Box::new(opened))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.opened)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.opened_file(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        self.file(name, file, Claim::Write).inspect_err(|_| {
            // It would make the next attempt fail.
            let _ = self.remove(name);
        })
    }

    fn open(&self, name: &str, claim: Claim) -> io::Result<Box<dyn DiskFile>> {
        let flags = if claim == Claim::Write { OFlags::RDWR } else { OFlags::RDONLY };
        self.file(name, self.opened_file(name, flags)?, claim)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.opened, name, AtFlags::empty())?)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.opened.sync_all()
    }

    fn check_place(&self) -> io::Result<()> {
        let lost = |how: &str| {
            let path = self.path.display();
            lost(format!(
                "the data folder {path} was {how} while it was in use; start the central again on \
                 the folder where it is now, or on a good copy"
            ))
        };
        match stat(&self.path) {
            Ok(found) if FileId::of(&found) == FileId::of(&fstat(&self.opened)?) => Ok(()),
            Ok(_) => Err(lost("replaced by another")),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(lost("moved or removed")),
            // The error does not say where the folder is.
            Err(_) => Ok(()),
        }
    }

    fn write_mode(&self) -> &'static str {
        if self.direct { "direct" } else { "buffered, fdatasync" }
    }
}

impl FolderFile {
    /// Runs `action` on the open file; fails at rest.
    fn with<T>(&self, action: impl FnOnce(&Opened) -> io::Result<T>) -> io::Result<T> {
        match &*self.opened.read() {
            Some(opened) => action(opened),
            None => Err(io::Error::other("nothing is written to a file at rest")),
        }
    }

    /// Runs a reading action on the file, also at rest.
    fn read<T>(&self, action: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        if let Some(opened) = &*self.opened.read() {
            return action(&opened.buffered);
        }
        let file = self.at_rest.file(self.id, || {
            let file = opened_file(&self.folder, &self.name, OFlags::RDONLY);
            let file = file.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => self.lost("moved or removed"),
                _ => error,
            })?;
            if FileId::of(&fstat(&file)?) != self.id {
                return Err(self.lost("replaced by another file"));
            }
            without_read_ahead(&file, self.claim);
            Ok(file)
        })?;
        action(&file)
    }

    fn lost(&self, how: &str) -> io::Error {
        let name = &self.name;
        lost(format!(
            "{name} was {how} while it was in use; put it back, or go on with a good copy of the \
             data folder"
        ))
    }
}

impl DiskFile for FolderFile {
    fn len(&self) -> io::Result<u64> {
        self.read(|file| Ok(file.metadata()?.len()))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read(|file| file.read_exact_at(buffer, offset))
    }

    fn write_some_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.with(|opened| opened.buffered.write_at(bytes, offset))
    }

    fn write_some_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<usize> {
        self.with(|Opened { buffered, direct }| {
            let written = match direct {
                Some(direct) => direct.write_at(blocks, offset)?,
                None => {
                    let written = buffered.write_at(blocks, offset)?;
                    buffered.sync_data()?;
                    written
                }
            };
            // A file without a name disappears with its data when it is closed.
            if has_name(buffered)? { Ok(written) } else { Err(self.lost("removed")) }
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.with(|opened| match fallocate(&opened.buffered, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // The file system can't reserve space, so only the length is set.
            Err(Errno::OPNOTSUPP) => opened.buffered.set_len(len),
            Err(errno) => Err(errno.into()),
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|opened| opened.buffered.sync_data())
    }

    fn rest(&self) {
        *self.opened.write() = None;
    }

    fn check_place(&self) -> io::Result<()> {
        match statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileId::of(&found) == self.id => Ok(()),
            Ok(_) => Err(self.lost("replaced by another file")),
            Err(Errno::NOENT) => Err(self.lost("moved or removed")),
            // The error does not say where the file is.
            Err(_) => Ok(()),
        }
    }
}

fn opened_file(folder: &File, name: &str, flags: OFlags) -> io::Result<File> {
    Ok(openat(folder, name, flags | FILE_FLAGS, FILE_MODE)?.into())
}

/// Turns off the read-ahead of a file, unless nothing is written while it is read.
fn without_read_ahead(file: &File, claim: Claim) {
    if claim != Claim::Read {
        // A file system that takes no advice reads as it does without.
        let _ = fadvise(file, 0, None, Advice::Random);
    }
}

/// Returns whether a file still has a name. Timestamps are not requested: once they are queried,
/// the next write gives the file a new one with nanoseconds, which the disk would have to write
/// too.
fn has_name(file: &File) -> io::Result<bool> {
    Ok(statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::NLINK)?.stx_nlink > 0)
}

fn lost(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, what)
}

/// Locks an open file or folder until it is closed.
fn lock(opened: &File, claim: Claim) -> io::Result<()> {
    let operation = match claim {
        Claim::Write => FlockOperation::NonBlockingLockExclusive,
        Claim::Read => FlockOperation::NonBlockingLockShared,
        Claim::Look => return Ok(()),
    };
    flock(opened, operation).map_err(lock_error)
}

/// Converts an error of flock. Network file systems refuse locks with various error numbers.
fn lock_error(errno: Errno) -> io::Error {
    match errno {
        Errno::WOULDBLOCK | Errno::INTR => errno.into(),
        _ => io::Error::new(io::ErrorKind::Unsupported, errno),
    }
}

/// Creates a data folder durably, with owner-only access, and its parents with default access. An
/// existing folder is left unchanged.
///
/// # Errors
/// When the path or a parent is not a folder, or as reported by the system.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let path = &std::path::absolute(path)?;
    let missing: Vec<_> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
    if missing.iter().any(|folder| folder.exists()) {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    for folder in missing {
        // The new names must be as durable as the data acknowledged under them.
        folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())?;
    }
    Ok(())
}

/// Returns whether the folder's file system supports direct writes, tested with a temporary file.
fn direct_writes_work(folder: &File) -> io::Result<bool> {
    // The folder is not locked yet: another process may be probing too.
    let name = format!("probe-{}", std::process::id());
    match unlinkat(folder, &name, AtFlags::empty()) {
        // Left by a killed process with the same id.
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | FILE_FLAGS;
    let probe = File::from(openat(folder, &name, flags, FILE_MODE)?);
    let zeros = vec![0_u8; 2 * BLOCK_LEN];
    let aligned = zeros.as_ptr().align_offset(BLOCK_LEN);
    let block = &zeros[aligned..aligned + BLOCK_LEN];
    let asked = probe.set_len(BLOCK_LEN as u64).map(|()| {
        openat(folder, &name, DIRECT_FLAGS, Mode::empty())
            .is_ok_and(|direct| File::from(direct).write_all_at(block, 0).is_ok())
    });
    unlinkat(folder, &name, AtFlags::empty())?;
    asked
}

#[cfg(test)]
mod tests {
    use rustix::io::{ReadWriteFlags, preadv2};

    use super::*;
    use crate::error::Fault;
    use crate::limits::FILES_AT_REST_MAX;

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
    fn a_file_has_one_writer_or_many_readers_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, copy) = (dir.path().join("data"), dir.path().join("linked"));
        let (folder, copy) = (Folder::create(&folder).unwrap(), Folder::create(&copy).unwrap());
        let writer = folder.create("a").unwrap();
        fs::hard_link(folder.path.join("a"), copy.path.join("b")).unwrap();
        for claim in [Claim::Write, Claim::Read] {
            let refused = copy.open("b", claim).err().map(|error| error.kind());
            assert_eq!(refused, Some(io::ErrorKind::WouldBlock));
        }
        let mut read = [0];
        assert!(copy.open("b", Claim::Look).unwrap().read_at(0, &mut read).is_err(), "it is empty");
        drop(writer);
        let _readers =
            [folder.open("a", Claim::Read), copy.open("b", Claim::Read)].map(Result::unwrap);
        assert!(folder.open("a", Claim::Write).is_err());
    }

    #[test]
    fn a_file_system_without_locks_is_distinguished_from_a_folder_in_use() {
        for errno in [Errno::NOLCK, Errno::OPNOTSUPP, Errno::BADF, Errno::NOSYS] {
            let message = Fault::io("locking", "the data folder", lock_error(errno)).to_string();
            assert!(message.contains("choose a folder on a disk of this machine"), "{message}");
        }
        assert_eq!(lock_error(Errno::WOULDBLOCK).kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_folder_is_the_one_opened_whatever_becomes_of_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("data"), dir.path().join("moved"));
        let folder = Folder::create(&path).unwrap();
        let found = |folder: &Folder| folder.check_place().map_err(|error| error.to_string());
        assert_eq!(found(&folder), Ok(()));
        fs::rename(&path, &moved).unwrap();
        assert!(found(&folder).unwrap_err().contains("was moved or removed"));
        fs::create_dir(&path).unwrap();
        assert!(found(&folder).unwrap_err().contains("was replaced by another"));
        let file = folder.create("a").unwrap();
        file.check_place().unwrap();
        assert!(moved.join("a").exists() && !path.join("a").exists());
        folder.sync_names().unwrap();
        fs::remove_dir(&path).unwrap();
        fs::rename(&moved, &path).unwrap();
        assert_eq!(found(&folder), Ok(()));
    }

    #[test]
    fn a_file_counts_while_its_name_refers_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let (file, path) = (folder.create("a").unwrap(), dir.path().join("a"));
        let place = |file: &dyn DiskFile| file.check_place().map_err(|error| error.to_string());
        let write = |file: &dyn DiskFile| file.write_durable(0, aligned(&[1; 2 * BLOCK_LEN]));
        write(&*file).unwrap();
        fs::rename(&path, dir.path().join("b")).unwrap();
        assert!(place(&*file).unwrap_err().contains("a was moved or removed"));
        fs::write(&path, "").unwrap();
        assert!(place(&*file).unwrap_err().contains("a was replaced by another file"));
        fs::rename(dir.path().join("b"), &path).unwrap();
        place(&*file).unwrap();
        fs::remove_file(&path).unwrap();
        let refused = write(&*file).unwrap_err().to_string();
        assert!(refused.contains("a was removed while it was in use"), "{refused}");
    }

    #[test]
    fn files_at_rest_are_read_and_take_few_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let open = || fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
        let of_folder = || {
            let paths = open().filter_map(|entry| fs::read_link(entry.path()).ok());
            paths.filter(|path| path.starts_with(dir.path())).count()
        };
        let before = of_folder();
        let many = 0..u8::try_from(2 * FILES_AT_REST_MAX).unwrap();
        let files: Vec<_> = many
            .map(|at| {
                let file = folder.create(&at.to_string()).unwrap();
                file.write_at(0, &[at]).unwrap();
                file.rest();
                file
            })
            .collect();
        assert_eq!(of_folder(), before);
        for file in files.iter().chain(files.iter().rev()) {
            let mut read = [0];
            file.read_at(0, &mut read).unwrap();
            let expected = files.iter().position(|it| std::ptr::eq(it, file)).unwrap();
            assert_eq!((usize::from(read[0]), file.len().unwrap()), (expected, 1));
        }
        assert_eq!(of_folder(), before + FILES_AT_REST_MAX);
        assert!(files[0].write_at(0, &[1]).is_err(), "nothing more is written");

        // A file that is not open is reopened by name, and must be the same file.
        let path = dir.path().join("63");
        fs::rename(&path, dir.path().join("moved")).unwrap();
        let read = || files[63].read_at(0, &mut [0]).map_err(|error| error.to_string());
        assert!(read().unwrap_err().contains("63 was moved or removed"));
        fs::write(&path, "x").unwrap();
        assert!(read().unwrap_err().contains("63 was replaced by another file"));
    }

    #[test]
    fn what_stands_under_the_name_of_the_probe_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (mine, data) = (dir.path().join("mine"), dir.path().join("data"));
        fs::write(&mine, "mine").unwrap();
        fs::create_dir(&data).unwrap();
        let probe = data.join(format!("probe-{}", std::process::id()));
        std::os::unix::fs::symlink(&mine, &probe).unwrap();
        let folder = Folder::create(&data).unwrap();
        assert_eq!(fs::read(&mine).unwrap(), b"mine");
        assert!(folder.names().unwrap().is_empty());
    }

    #[test]
    fn a_file_read_beside_the_writer_has_no_read_ahead() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), vec![1; 1 << 20]).unwrap();
        let opened = File::open(dir.path().join("a")).unwrap();
        without_read_ahead(&opened, Claim::Look);
        let is_cached = |block: usize| {
            let (mut byte, offset) = ([0], (block * BLOCK_LEN) as u64);
            let buffers = &mut [io::IoSliceMut::new(&mut byte)];
            preadv2(&opened, buffers, offset, ReadWriteFlags::NOWAIT).is_ok()
        };
        for (claim, has_read_ahead) in
            [(Claim::Read, true), (Claim::Look, false), (Claim::Write, false)]
        {
            let file = Folder::existing(dir.path()).unwrap().open("a", claim).unwrap();
            for at_rest in [false, true] {
                if at_rest {
                    file.rest();
                }
                opened.sync_all().unwrap();
                fadvise(&opened, 0, None, Advice::DontNeed).unwrap();
                // A file system in memory has all of it in the cache at all times.
                let was_cached = is_cached(100);
                file.read_at(0, &mut [0; BLOCK_LEN]).unwrap();
                assert!(was_cached || is_cached(1) == has_read_ahead, "{claim:?}, {at_rest}");
            }
        }
    }

    /// Returns a block in the buffer that is aligned as durable writes need it.
    fn aligned(buffer: &[u8; 2 * BLOCK_LEN]) -> &[u8] {
        let start = buffer.as_ptr().align_offset(BLOCK_LEN);
        &buffer[start..start + BLOCK_LEN]
    }

    #[test]
    fn a_new_file_reads_as_zeros_and_keeps_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let file = folder.create("a").unwrap();
        file.allocate(3 * BLOCK_LEN as u64).unwrap();
        file.write_durable(BLOCK_LEN as u64, aligned(&[7; 2 * BLOCK_LEN])).unwrap();
        drop(file);
        let mut read = vec![1_u8; 3 * BLOCK_LEN];
        folder.open("a", Claim::Read).unwrap().read_at(0, &mut read).unwrap();
        let expected = [[0_u8; BLOCK_LEN], [7; BLOCK_LEN], [0; BLOCK_LEN]].concat();
        assert!(read == expected);
        assert_eq!(folder.names().unwrap(), ["a"]);
    }
}
