//! People in one file of the data folder.
//!
//! `operators.json`, readable by its owner only. A change is made under a lock (a file beside it),
//! written beside it, made durable, and put in its place at once: whoever reads sees the people
//! before the change or after it, also after a crash. A file is judged by the descriptor that it is
//! read or locked by: no link is followed, and what is neither the reader's, nor the folder's
//! owner's, nor root's is refused.
//!
//! Root works for whoever owns the folder, and gives them what it makes. Whoever else may write in
//! the folder, which may be root's, keeps what they make.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use thiserror::Error;

use crate::limits::FILE_LEN_MAX;
use crate::{People, json};

const NAME: &str = "operators.json";
const NEW_NAME: &str = "operators.json.new";
const LOCK_NAME: &str = "operators.lock";
/// How often a lock may be replaced by others while it is taken.
const LOCK_TRIES_MAX: u32 = 16;
const ROOT: u32 = 0;

/// The file of a data folder.
#[derive(Clone, Debug)]
pub struct OperatorsFile {
    folder: PathBuf,
}

/// Why the people of a data folder are not known, or were not changed.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system refused something.
    #[error("{doing} {path}: {error}", path = .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Not what this program wrote.
    #[error(
        "{path} is not a sound file of operators: {why}; restore it from a copy",
        path = .path.display()
    )]
    Unsound {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Others could have read it.
    #[error(
        "{path} can be read or written by others; run `chmod 600` on it",
        path = .path.display()
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// Another user's.
    #[error(
        "{path} belongs to user {owner}: run this as that user; or, where the central runs as user \
         {reader}, run `chown {reader} {path}` as root",
        path = .path.display()
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
        /// The number of the user who must read it.
        reader: u32,
    },
    /// Another user's, in a folder of root's, and asked for by root.
    #[error("{path} belongs to user {owner}: run this as that user", path = .path.display())]
    OfOwner {
        /// Which file.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// A link, a pipe or something else.
    #[error(
        "{path} is not a plain file; put the file itself in its place, or take it away",
        path = .path.display()
    )]
    NotAFile {
        /// Which file.
        path: PathBuf,
    },
}

/// Why a change was not made.
#[derive(Debug, Error)]
pub enum ChangeError<E: std::error::Error + 'static> {
    /// The change itself was refused.
    #[error(transparent)]
    Refused(E),
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Tells one content of the file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl OperatorsFile {
    /// That of a data folder. Nothing is read yet.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The people now. A folder without the file has none.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn read(&self) -> Result<People, FileError> {
        self.read_stamped().map(|(people, _)| people)
    }

    /// Changes the people, whose version is one more then, unless `change` refuses.
    ///
    /// # Errors
    /// When it was refused, or the file could not be read or written.
    pub fn change<T, E: std::error::Error + 'static>(
        &self,
        change: impl FnOnce(&mut People) -> Result<T, E>,
    ) -> Result<T, ChangeError<E>> {
        let _locked = self.lock()?;
        let mut people = self.read()?;
        let outcome = change(&mut people).map_err(ChangeError::Refused)?;
        people.version = people.version.saturating_add(1);
        self.write(&people)?;
        Ok(outcome)
    }

    pub(crate) fn read_stamped(&self) -> Result<(People, Option<Stamp>), FileError> {
        let path = self.folder.join(NAME);
        let failed = |error| FileError::Io { doing: "can't read", path: path.clone(), error };
        let file = match open_that_is_there(&path, OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((People::default(), None));
            }
            Err(error) => return Err(self.why_not_opened("can't read", path, error)),
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
        let people = json::parse(&text).map_err(unsound)?;
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
                Err(error) => return Err(self.why_not_opened("can't lock", path, error)),
            };
            if !file.metadata().map_err(failed)?.is_file() {
                return Err(FileError::NotAFile { path });
            }
            file.lock().map_err(failed)?;
            // Whoever had it before may have taken it away.
            if !is_at(&path, &file).map_err(failed)? {
                continue;
            }
            let owner = file.metadata().map_err(failed)?.uid();
            let heir = heir(&self.folder).map_err(failed)?;
            if heir.is_none_or(|heir| heir.uid() == owner) {
                return Ok(file);
            }
            // An administrator's command was cut short before it gave it away, and the central
            // can't open it. It is made anew, not given away: it may be a file of somebody else.
            std::fs::remove_file(&path).map_err(failed)?;
        }
        Err(failed(io::Error::other("it is replaced again and again; see what does that")))
    }

    fn owner(&self) -> io::Result<u32> {
        std::fs::metadata(&self.folder).map(|folder| folder.uid())
    }

    /// Whether a file of this user is neither this process's, nor the folder owner's, nor root's.
    fn is_foreign(&self, owner: u32) -> io::Result<bool> {
        Ok(owner != ROOT && owner != this_user() && owner != self.owner()?)
    }

    /// What to do about a file of another user.
    fn foreign(&self, path: PathBuf, owner: u32) -> FileError {
        let reader = match this_user() {
            ROOT => self.owner().unwrap_or(ROOT),
            user => user,
        };
        if reader == ROOT {
            // Who else reads it is not known: nobody is to lose it by a chown.
            return FileError::OfOwner { path, owner };
        }
        FileError::Foreign { path, owner, reader }
    }

    /// Why a file of the folder could not be opened: what to do, where that is known.
    fn why_not_opened(&self, doing: &'static str, path: PathBuf, error: io::Error) -> FileError {
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
        let written = write_new(&new, &self.folder, &json::render(people)).and_then(|()| {
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

/// Whoever owns the folder may have put anything in the lock's place, and an administrator's
/// command must not give it to them: no link is followed, only what was made here is given away.
fn open_lock(path: &Path, folder: &Path) -> io::Result<File> {
    match new_file(path, folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            open_that_is_there(path, OpenOptions::new().write(true))
        }
        made => made,
    }
}

/// Follows no link, and waits for nobody at the other end of a pipe.
fn open_that_is_there(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    options.custom_flags(flags).open(path)
}

/// Whether that file is what is at the path.
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
        // Of a change that a crash cut short.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = new_file(path, folder)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What an administrator's command writes, the central must be able to read.
fn new_file(path: &Path, folder: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(heir) = heir(folder)? {
        fchown(&file, Some(heir.uid()), Some(heir.gid()))?;
    }
    Ok(file)
}

/// The folder, if its owner is given what is made in it: by root, when it is another's.
fn heir(folder: &Path) -> io::Result<Option<Metadata>> {
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
