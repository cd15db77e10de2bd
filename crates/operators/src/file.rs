//! The operators' file, `operators.json` in the data folder.
//!
//! - Readable by its owner only.
//! - A change is made under a lock file and replaces the file atomically and durably: readers see
//!   the old or the new content, even after a crash.
//! - Files are checked by their open descriptor. Links are not followed; files that belong neither
//!   to this user, the folder's owner nor root are refused.
//! - Root acts for the folder's owner and gives them the files it creates. Other users with write
//!   access, including to a folder of root's, keep the files they create.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use thiserror::Error;

use crate::limits::FILE_LEN_MAX;
use crate::{People, Unrecorded};

const NAME: &str = "operators.json";
const NEW_NAME: &str = "operators.json.new";
const LOCK_NAME: &str = "operators.lock";
/// How often to retry when the lock file is replaced while locking.
const LOCK_TRIES_MAX: u32 = 16;
const ROOT: u32 = 0;

/// The operators' file of a data folder.
#[derive(Clone, Debug)]
pub struct OperatorsFile {
    folder: PathBuf,
}

/// Why the file could not be read or changed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum FileError {
    #[error("{doing} {path}: {error}", path = .path.display())]
    Io { doing: &'static str, path: PathBuf, error: io::Error },
    #[error(
        "{path} is not a valid file of operators: {why}; restore it from a copy",
        path = .path.display()
    )]
    Unsound { path: PathBuf, why: String },
    #[error(
        "{path} can be read or written by others; run `chmod 600` on it",
        path = .path.display()
    )]
    Exposed { path: PathBuf },
    #[error(
        "{path} belongs to user {owner}: run this as that user; or, where the central runs as user \
         {reader}, run `chown {reader} {path}` as root",
        path = .path.display()
    )]
    Foreign { path: PathBuf, owner: u32, reader: u32 },
    #[error("{path} belongs to user {owner}: run this as that user", path = .path.display())]
    OfOwner { path: PathBuf, owner: u32 },
    #[error(
        "{path} is not a regular file; replace it with the file itself, or remove it",
        path = .path.display()
    )]
    NotAFile { path: PathBuf },
}

/// Why a change was not made.
#[derive(Debug, Error)]
pub enum ChangeError<E: std::error::Error + 'static> {
    /// The change was refused.
    #[error(transparent)]
    Refused(E),
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Identifies a version of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl OperatorsFile {
    /// Refers to the file of a data folder. Reads nothing.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Reads the operators. A missing file means there are none.
    ///
    /// # Errors
    /// When the file can't be read or is invalid.
    pub fn read(&self) -> Result<People, FileError> {
        self.read_stamped().map(|(people, _)| people)
    }

    /// Reads the operators once a change that is being made is in the file: a change is recorded
    /// before. Writes nothing.
    ///
    /// # Errors
    /// When the file can't be read or is invalid.
    pub fn read_settled(&self) -> Result<People, FileError> {
        let path = self.folder.join(LOCK_NAME);
        let lock = match open_existing(&path, OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.read(),
            Err(error) => return Err(self.open_error("can't lock", path, error)),
        };
        let locked = lock.lock_shared();
        locked.map_err(|error| FileError::Io { doing: "can't lock", path, error })?;
        self.read()
    }

    /// Changes the operators and increments their version, unless `change` refuses.
    ///
    /// # Errors
    /// When `change` refuses, or the file can't be read or written.
    pub fn change<T, E: std::error::Error + 'static>(
        &self,
        change: impl FnOnce(&mut People) -> Result<T, E>,
    ) -> Result<T, ChangeError<E>> {
        let mut outcome = None;
        self.replace(|people| {
            let (changed, made) = people.changed(change)?;
            outcome = Some(made);
            Ok(changed)
        })?;
        Ok(outcome.expect("a change that is made has an outcome"))
    }

    /// Replaces the operators by what `change` makes of them, unless it refuses.
    ///
    /// # Errors
    /// When `change` refuses, or the file can't be read or written.
    pub fn replace<E: std::error::Error + 'static>(
        &self,
        change: impl FnOnce(&People) -> Result<People, E>,
    ) -> Result<(), ChangeError<E>> {
        let _locked = self.lock()?;
        Ok(self.write(&change(&self.read()?).map_err(ChangeError::Refused)?)?)
    }

    /// Has `record` record each change that was made on the command line, oldest first, until it
    /// returns false, and removes those that it recorded. A change may be passed to it again later.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub(crate) fn record_changes(
        &self,
        record: &mut dyn FnMut(&Unrecorded) -> bool,
    ) -> Result<(), FileError> {
        let _locked = self.lock()?;
        let people = self.read()?;
        let recorded: Vec<_> = people.unrecorded().iter().take_while(|it| record(it)).collect();
        if recorded.is_empty() { Ok(()) } else { self.write(&people.without_recorded(&recorded)) }
    }

    pub(crate) fn read_stamped(&self) -> Result<(People, Option<Stamp>), FileError> {
        let path = self.folder.join(NAME);
        let failed = |error| FileError::Io { doing: "can't read", path: path.clone(), error };
        let file = match open_existing(&path, OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((People::default(), None));
            }
            Err(error) => return Err(self.open_error("can't read", path, error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile { path });
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(FileError::Exposed { path });
        }
        if self.is_foreign(metadata.uid()).map_err(failed)? {
            return Err(self.foreign(path, metadata.uid()));
        }
        let unsound = |why: String| FileError::Unsound { path: path.clone(), why };
        if metadata.len() > FILE_LEN_MAX {
            return Err(unsound(format!("it has more than {FILE_LEN_MAX} bytes")));
        }
        let mut text = String::new();
        file.take(FILE_LEN_MAX).read_to_string(&mut text).map_err(failed)?;
        let people = People::of_document(&text).map_err(unsound)?;
        Ok((people, Some(Stamp::of(&metadata))))
    }

    pub(crate) fn stamp(&self) -> Result<Option<Stamp>, FileError> {
        let path = self.folder.join(NAME);
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::Io { doing: "can't look at", path, error }),
        }
    }

    fn lock(&self) -> Result<File, FileError> {
        let path = self.folder.join(LOCK_NAME);
        let failed = |error| FileError::Io { doing: "can't lock", path: path.clone(), error };
        for _ in 0..LOCK_TRIES_MAX {
            let file = match open_lock(&path, &self.folder) {
                Ok(file) => file,
                Err(error) => return Err(self.open_error("can't lock", path, error)),
            };
            if !file.metadata().map_err(failed)?.is_file() {
                return Err(FileError::NotAFile { path });
            }
            file.lock().map_err(failed)?;
            // The previous holder may have removed it.
            if !is_at(&path, &file).map_err(failed)? {
                continue;
            }
            let owner = file.metadata().map_err(failed)?.uid();
            let new_owner = new_owner(&self.folder).map_err(failed)?;
            if new_owner.is_none_or(|new_owner| new_owner.uid() == owner) {
                return Ok(file);
            }
            // An interrupted command of root left it unreadable for the central. It is created
            // again, not handed over: it may be a file of another user.
            std::fs::remove_file(&path).map_err(failed)?;
        }
        Err(failed(io::Error::other("it is replaced repeatedly; find out which program does that")))
    }

    fn owner(&self) -> io::Result<u32> {
        std::fs::metadata(&self.folder).map(|folder| folder.uid())
    }

    /// Whether this user is neither this process's, the folder's owner nor root.
    fn is_foreign(&self, owner: u32) -> io::Result<bool> {
        Ok(owner != ROOT && owner != this_user() && owner != self.owner()?)
    }

    fn foreign(&self, path: PathBuf, owner: u32) -> FileError {
        let reader = match this_user() {
            ROOT => self.owner().unwrap_or(ROOT),
            user => user,
        };
        if reader == ROOT {
            // The other readers are unknown: a chown might lock one of them out.
            return FileError::OfOwner { path, owner };
        }
        FileError::Foreign { path, owner, reader }
    }

    /// Builds the error for a file that could not be opened, with advice if possible.
    fn open_error(&self, doing: &'static str, path: PathBuf, error: io::Error) -> FileError {
        let found = std::fs::symlink_metadata(&path).ok();
        if found.as_ref().is_some_and(|found| !found.is_file()) {
            return FileError::NotAFile { path };
        }
        let of_another = found.map(|it| it.uid()).filter(|owner| *owner != this_user());
        match of_another {
            Some(owner) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.foreign(path, owner)
            }
            _ => FileError::Io { doing, path, error },
        }
    }

    fn write(&self, people: &People) -> Result<(), FileError> {
        let (path, new) = (self.folder.join(NAME), self.folder.join(NEW_NAME));
        let written = write_new(&new, &self.folder, &people.document()).and_then(|()| {
            std::fs::rename(&new, &path)?;
            File::open(&self.folder)?.sync_all()
        });
        written.map_err(|error| FileError::Io { doing: "can't write", path, error })
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Creates or opens the lock. The folder's owner may have put another file there, which root must
/// not hand over: follows no link, and hands over only new files.
fn open_lock(path: &Path, folder: &Path) -> io::Result<File> {
    match new_file(path, folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            open_existing(path, OpenOptions::new().write(true))
        }
        made => made,
    }
}

/// Follows no link and does not block on a pipe.
fn open_existing(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    options.custom_flags(flags).open(path)
}

fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let opened = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_new(path: &Path, folder: &Path, text: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        // Left by a crash during a change.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = new_file(path, folder)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Creates a file that the central can read, even when root runs the command.
fn new_file(path: &Path, folder: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(new_owner) = new_owner(folder)? {
        fchown(&file, Some(new_owner.uid()), Some(new_owner.gid()))?;
    }
    Ok(file)
}

/// Returns the folder if its owner must be given new files: for root, in another user's folder.
fn new_owner(folder: &Path) -> io::Result<Option<Metadata>> {
    if this_user() != ROOT {
        return Ok(None);
    }
    let folder = std::fs::metadata(folder)?;
    Ok(Some(folder).filter(|folder| folder.uid() != ROOT))
}

fn this_user() -> u32 {
    geteuid().as_raw()
}

#[cfg(test)]
mod tests;
