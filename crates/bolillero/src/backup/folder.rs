//! The folder of a backup: its pieces by name, one writer at a time.
//!
//! The piece with number N holds the records from FIRST up to before NEXT:
//! `piece-0000000N-FIRST-NEXT.bolb`. It is written as `new.part`, synced, read back, and then
//! renamed; a kill leaves at most that file, which the next run removes.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use engine::StreamStart;
use operators::People;
use rustix::fs::{Advice, fadvise};

use super::piece::{self, Piece};
use crate::exit::Ending;

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

/// A piece's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PieceName {
    /// From 1, without a gap.
    pub(crate) number: u64,
    /// The sequence of its first record.
    pub(crate) first: u64,
    /// The sequence after its last record.
    pub(crate) next: u64,
}

/// A piece being written.
pub(crate) type NewPiece = piece::Writer<BufWriter<File>>;

impl fmt::Display for PieceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "piece-{:08}-{}-{}.bolb", self.number, self.first, self.next)
    }
}

impl PieceName {
    fn of_file(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("piece-")?.strip_suffix(".bolb")?.split('-');
        let mut number = || parts.next()?.parse().ok();
        let found = Self { number: number()?, first: number()?, next: number()? };
        (found.to_string() == name).then_some(found)
    }

    /// Checks that a piece is the one of this name.
    pub(crate) fn expect_of(&self, piece: &Piece) -> anyhow::Result<()> {
        ensure!(
            (piece.start.sequence, piece.tip.sequence) == (self.first, self.next),
            "it holds other records than its name says; give it its name again"
        );
        Ok(())
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

    /// Returns its pieces in order. None is missing between the first and the last.
    pub(crate) fn pieces(&self) -> anyhow::Result<Vec<PieceName>> {
        let cant = || format!("backup {}", self.path.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).with_context(cant)? {
            let name = entry.with_context(cant)?.file_name();
            names.extend(name.to_str().and_then(PieceName::of_file));
        }
        names.sort_unstable();
        let mut expected = PieceName { number: 1, first: 0, next: 0 };
        for name in &names {
            if name.number != expected.number {
                let number = expected.number;
                let missing = format!("piece {number:08} is missing, before {name}");
                bail!("{}: {missing}; put it back from another copy of the backup", cant());
            }
            if name.first != expected.next || name.next < name.first {
                bail!("{}: {name} does not continue the piece before it", cant());
            }
            expected = PieceName { number: name.number + 1, ..*name };
        }
        Ok(names)
    }

    /// Opens a piece.
    pub(crate) fn open(&self, name: &PieceName) -> io::Result<File> {
        File::open(self.path.join(name.to_string()))
    }

    /// Reads a piece and verifies it.
    pub(crate) fn verified(&self, name: &PieceName) -> anyhow::Result<Piece> {
        let read = self.open(name).map_err(anyhow::Error::from).and_then(verified);
        let named = read.and_then(|piece| name.expect_of(&piece).map(|()| piece));
        named.with_context(|| format!("backup {}: {name}", self.path.display()))
    }

    /// Begins a piece.
    pub(crate) fn begin(&self, start: StreamStart) -> anyhow::Result<NewPiece> {
        let options = OpenOptions::new().create_new(true).write(true).mode(MODE).clone();
        let begun = options.open(self.path.join(NEW)).and_then(|file| {
            piece::Writer::start(BufWriter::with_capacity(piece::BUFFER_LEN, file), start)
        });
        self.written(begun)
    }

    /// Completes a piece: syncs it, reads it back, and gives it its name.
    pub(crate) fn complete(
        &self,
        number: u64,
        new: NewPiece,
        people: People,
    ) -> anyhow::Result<PieceName> {
        let piece = Piece { start: new.start, tip: new.tip, people };
        let name = PieceName { number, first: piece.start.sequence, next: piece.tip.sequence };
        let (from, to) = (self.path.join(NEW), self.path.join(name.to_string()));
        let written = new.finish(&piece.people).and_then(|mut out| {
            out.flush()?;
            out.get_ref().sync_all()?;
            // What is read back comes from the disk, if the system can do that.
            let _ = fadvise(out.get_ref(), 0, None, Advice::DontNeed);
            Ok(())
        });
        self.written(written)?;
        read_back(&from, &piece)?;
        let named = fs::rename(&from, &to).and_then(|()| File::open(&self.path)?.sync_all());
        self.written(named)?;
        Ok(name)
    }

    /// Says where a write failed.
    pub(crate) fn written<T>(&self, written: io::Result<T>) -> anyhow::Result<T> {
        written.with_context(|| self.cant_write())
    }

    fn cant_write(&self) -> String {
        format!("can't write to the backup folder {}", self.path.display())
    }
}

/// Reads a file that was written, which must be this piece.
pub(crate) fn read_back(path: &Path, piece: &Piece) -> anyhow::Result<()> {
    let read = File::open(path).map_err(anyhow::Error::from).and_then(verified);
    let is_same = read.with_context(|| format!("reading back {}", path.display()))? == *piece;
    ensure!(is_same, "{} does not read back as it was written: check the disk", path.display());
    Ok(())
}

/// Reads a piece, and verifies it alone.
fn verified(file: File) -> anyhow::Result<Piece> {
    let file = BufReader::with_capacity(piece::BUFFER_LEN, file);
    piece::Reader::open(file)?.read(|_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pieces_go_both_ways() {
        let name = PieceName { number: 7, first: 0, next: u64::MAX };
        assert_eq!(name.to_string(), "piece-00000007-0-18446744073709551615.bolb");
        assert_eq!(PieceName::of_file(&name.to_string()), Some(name));
        for other in ["piece-7-0-1.bolb", "piece-00000007-0.bolb", "piece-00000007-0-1-2.bolb"] {
            assert_eq!(PieceName::of_file(other), None, "{other}");
        }
    }
}
