//! A backup in a folder: a piece is a file. One writer at a time.
//!
//! A piece is written as `new.part`, synced, read back, and then renamed to
//! `piece-0000000N-FIRST-NEXT.bolb`; a kill leaves at most that file, which the next run removes.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rustix::fs::{Advice, fadvise};

use super::piece::{self, Piece};
use super::place::{NewPiece, PieceName, Place};
use crate::exit::Ending;

/// Bytes of a piece: the folder gets further ones instead of longer ones.
const PIECE_LEN_MAX: u64 = 256 << 20;
const NEW: &str = "new.part";
const LOCK: &str = "lock";
/// Only the owner reads a backup, as only the owner reads a ledger.
const MODE: u32 = 0o600;

/// The folder of a backup.
pub(crate) struct Folder {
    path: PathBuf,
    /// Held while pieces are added.
    _lock: Option<File>,
}

/// A piece being written.
struct NewFile<'a> {
    folder: &'a Folder,
    out: BufWriter<File>,
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl Folder {
    /// An existing folder, for reading.
    pub(crate) fn existing(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }

    /// Makes the folder if it is missing, and takes it for adding pieces.
    pub(crate) fn locked(path: &Path) -> Result<Self, Ending> {
        let cant = || format!("can't use the backup folder {}", path.display());
        ledger::disk::make_folder(path).with_context(cant)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(MODE);
        let lock = options.open(path.join(LOCK)).with_context(cant)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = "another backup to it is running; wait for its end";
                return Err(anyhow::anyhow!(why).context(cant()).into());
            }
            Err(TryLockError::Error(error)) => {
                return Err(anyhow::Error::new(error).context("locking it").context(cant()).into());
            }
        }
        let folder = Self { path: path.to_owned(), _lock: Some(lock) };
        match fs::remove_file(folder.path.join(NEW)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(anyhow::Error::new(error).context(cant()).into())
            }
            _ => Ok(folder),
        }
    }

    /// Says where a write failed.
    fn written<T>(&self, written: io::Result<T>) -> anyhow::Result<T> {
        written.with_context(|| format!("can't write to the backup {self}"))
    }
}

impl Place for Folder {
    fn names(&self) -> Result<Vec<PieceName>, Ending> {
        let cant = || format!("backup {self}");
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).with_context(cant)? {
            let name = entry.with_context(cant)?.file_name();
            names.extend(name.to_str().and_then(PieceName::of_file));
        }
        Ok(names)
    }

    fn open(&self, name: &PieceName) -> anyhow::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.path.join(name.to_string()))?))
    }

    fn begin(&self) -> anyhow::Result<Box<dyn NewPiece + '_>> {
        let options = OpenOptions::new().create_new(true).write(true).mode(MODE).clone();
        let file = self.written(options.open(self.path.join(NEW)))?;
        let out = BufWriter::with_capacity(piece::BUFFER_LEN, file);
        Ok(Box::new(NewFile { folder: self, out }))
    }

    fn piece_len_max(&self) -> u64 {
        PIECE_LEN_MAX
    }
}

impl Write for NewFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl NewPiece for NewFile<'_> {
    /// Syncs the file, reads it back, and renames it.
    fn complete(mut self: Box<Self>, number: u64, piece: &Piece) -> anyhow::Result<PieceName> {
        let Folder { path, .. } = self.folder;
        let records = Some((piece.start.sequence, piece.tip.sequence));
        let name = PieceName { number, records };
        let (from, to) = (path.join(NEW), path.join(name.to_string()));
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        self.folder.written(synced)?;
        // What is read back comes from the disk, if the system can do that.
        let _ = fadvise(self.out.get_ref(), 0, None, Advice::DontNeed);
        read_back(&from, piece)?;
        let named = fs::rename(&from, &to).and_then(|()| File::open(path)?.sync_all());
        self.folder.written(named)?;
        Ok(name)
    }
}

/// Reads a file that was written, which must be this piece.
pub(crate) fn read_back(path: &Path, piece: &Piece) -> anyhow::Result<()> {
    let read = File::open(path).map_err(anyhow::Error::from).and_then(piece::verified);
    let is_same = read.with_context(|| format!("reading back {}", path.display()))? == *piece;
    ensure!(is_same, "{} does not read back as it was written: check the disk", path.display());
    Ok(())
}
