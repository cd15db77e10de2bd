//! Backups: the records of a ledger and its operators, in immutable pieces.
//!
//! A backup is one file, which is one piece, or a folder to which each run adds pieces. The pieces
//! of a folder are numbered from 1, and each begins where the one before it ends; see [`piece`] for
//! their format and [`folder`] for their names.
//!
//! Invariants:
//! - a piece is complete and durable before it has its name, and never changes after that;
//! - what is read is verified before it is returned: the pieces, the chain across them, the rules.

pub(crate) mod folder;
pub(crate) mod piece;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use engine::{LedgerId, Record, Tip};
use lottery::{DrawStatus, Draws};
use operators::People;

use self::folder::{Folder, PieceName};
use self::piece::Piece;
use crate::exit::Ending;

/// A backup, for reading.
pub(crate) struct Backup {
    path: PathBuf,
    pieces: Pieces,
}

enum Pieces {
    File,
    Folder(Folder, Vec<PieceName>),
}

/// What was read and found sound.
pub(crate) struct Summary {
    pub(crate) id: LedgerId,
    /// The end of the last piece.
    pub(crate) tip: Tip,
    /// The draws and their status.
    pub(crate) draws: Vec<DrawStatus>,
    /// The operators of the last piece.
    pub(crate) people: People,
}

impl Backup {
    /// Opens a file or a folder.
    pub(crate) fn open(path: &Path) -> Result<Self, Ending> {
        let wrong = |why: &str| Err(Ending::wrong(format!("backup {}: {why}", path.display())));
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return wrong("there is no such file or folder; check the path");
            }
            Err(error) => return Err(Ending::from(error)),
        };
        if !found.is_dir() {
            return Ok(Self { path: path.to_owned(), pieces: Pieces::File });
        }
        let folder = Folder::existing(path);
        let names = folder.pieces()?;
        if names.is_empty() {
            return wrong("there are no pieces of a backup in this folder; check the path");
        }
        Ok(Self { path: path.to_owned(), pieces: Pieces::Folder(folder, names) })
    }

    /// Reads every record in order, verifies it, and calls `visit` with it.
    pub(crate) fn read(
        &self,
        mut visit: impl FnMut(Record<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Summary> {
        let mut reading = Reading { draws: Draws::default(), end: None, visit: &mut visit };
        match &self.pieces {
            Pieces::File => {
                let file = File::open(&self.path).map_err(anyhow::Error::from);
                file.and_then(|file| reading.piece(file)).with_context(|| self.place())?;
            }
            Pieces::Folder(folder, names) => {
                for name in names {
                    let file = folder.open(name).map_err(anyhow::Error::from);
                    let read = file.and_then(|file| reading.named(name, file));
                    read.with_context(|| format!("{}: {name}", self.place()))?;
                }
            }
        }
        let Piece { start, tip, people } = reading.end.expect("a backup has a piece");
        Ok(Summary { id: start.id, tip, draws: reading.draws.statuses(), people })
    }

    /// Returns the ledger's id.
    pub(crate) fn id(&self) -> anyhow::Result<LedgerId> {
        let file = match &self.pieces {
            Pieces::File => File::open(&self.path),
            Pieces::Folder(folder, names) => folder.open(&names[0]),
        };
        let id = file.map_err(anyhow::Error::from).and_then(piece::id);
        id.with_context(|| self.place())
    }

    fn place(&self) -> String {
        format!("backup {}", self.path.display())
    }
}

/// Pieces being read, one after another.
struct Reading<'a> {
    draws: Draws,
    /// The last piece read.
    end: Option<Piece>,
    visit: &'a mut dyn FnMut(Record<'_>) -> anyhow::Result<()>,
}

impl Reading<'_> {
    fn named(&mut self, name: &PieceName, file: File) -> anyhow::Result<()> {
        self.piece(file)?;
        name.expect_of(self.end.as_ref().expect("it was read"))
    }

    /// Reads a piece, which must continue the one before it.
    fn piece(&mut self, file: File) -> anyhow::Result<()> {
        let before = self.end.take();
        let (draws, visit) = (&mut self.draws, &mut self.visit);
        let reader = piece::Reader::open(BufReader::with_capacity(piece::BUFFER_LEN, file))?;
        let start = reader.start();
        match &before {
            None if start.sequence > 0 => {
                bail!("it begins with record {}: the pieces before it are missing", start.sequence)
            }
            None => {}
            Some(Piece { start: of, .. }) if of.id != start.id => {
                bail!("it is of another ledger; put each backup into a folder of its own")
            }
            Some(Piece { tip, .. })
                if (tip.sequence, tip.chain) != (start.sequence, start.chain) =>
            {
                bail!(
                    "it does not continue the piece before it at record {}: it is of another \
                     history; put each backup into a folder of its own",
                    tip.sequence
                )
            }
            Some(_) => {}
        }
        let mut end = reader.read(|record| {
            let Record { sequence, at, left, event, .. } = record;
            let replayed = draws.replay(event, at);
            if let Err(why) = replayed {
                bail!("record {sequence} is an event that the rules forbid: {why}");
            }
            if (left > 0) != draws.due().is_some() {
                bail!("record {sequence} is of a decision that the rules have end elsewhere");
            }
            visit(record)
        })?;
        if let (true, Some(before)) = (end.tip.sequence == start.sequence, before) {
            end.tip.at = before.tip.at;
        }
        self.end = Some(end);
        Ok(())
    }
}
