//! Backups: the records of a ledger and its operators, in immutable pieces.
//!
//! A backup is one file, which is one piece, or a folder or a bucket of an object store to which each
//! run adds pieces. These are numbered from 1, and each begins where the one before it ends; see
//! [`piece`] for their format and [`place`] for their names.
//!
//! Invariants:
//! - a piece is complete and durable before it has its name, and never changes after that;
//! - what is read is verified before it is returned: the pieces, the chain across them, the rules.

#[cfg(feature = "s3")]
mod bucket;
#[cfg(not(feature = "s3"))]
#[path = "backup/no_bucket.rs"]
mod bucket;
pub(crate) mod folder;
pub(crate) mod piece;
pub(crate) mod place;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use engine::{LedgerId, Record, Tip};
use lottery::{DrawStatus, Draws};
use operators::People;

use self::folder::Folder;
use self::piece::Piece;
use self::place::{PieceName, Place};
use crate::exit::Ending;

/// A backup, for reading.
pub(crate) enum Backup {
    File(PathBuf),
    Pieces(Box<dyn Place>, Vec<PieceName>),
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

/// Returns an address that is no path.
pub(crate) fn url(address: &Path) -> Option<&str> {
    address.to_str().filter(|text| text.contains("://"))
}

/// Opens the place that such an address names.
pub(crate) fn remote(url: &str) -> Result<Box<dyn Place>, Ending> {
    match url.strip_prefix("s3://") {
        Some(address) => bucket::open(address),
        None => Err(Ending::wrong(format!("{url} is neither a path nor s3://BUCKET/PREFIX"))),
    }
}

impl Backup {
    /// Opens a file, a folder or a bucket.
    pub(crate) fn open(address: &Path) -> Result<Self, Ending> {
        let wrong = |why: &str| Err(Ending::wrong(format!("backup {}: {why}", address.display())));
        let place = match url(address) {
            Some(url) => remote(url)?,
            None => match std::fs::metadata(address) {
                Ok(found) if found.is_dir() => Box::new(Folder::existing(address)),
                Ok(_) => return Ok(Self::File(address.to_owned())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return wrong("there is no such file or folder; check the path");
                }
                Err(error) => return Err(Ending::from(error)),
            },
        };
        let names = place.pieces()?;
        if names.is_empty() {
            return wrong("there are no pieces of a backup there; check the address");
        }
        Ok(Self::Pieces(place, names))
    }

    /// Reads every record in order, verifies it, and calls `visit` with it.
    pub(crate) fn read(
        &self,
        mut visit: impl FnMut(Record<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Summary> {
        let mut reading = Reading { draws: Draws::default(), end: None, visit: &mut visit };
        match self {
            Self::File(path) => {
                let file = File::open(path).map_err(anyhow::Error::from);
                file.and_then(|file| reading.piece(file)).with_context(|| self.place())?;
            }
            Self::Pieces(place, names) => {
                for name in names {
                    let read = place.open(name).and_then(|piece| reading.named(name, piece));
                    read.with_context(|| format!("{}: {name}", self.place()))?;
                }
            }
        }
        let Piece { start, tip, people } = reading.end.expect("a backup has a piece");
        Ok(Summary { id: start.id, tip, draws: reading.draws.statuses(), people })
    }

    /// Returns the ledger's id.
    pub(crate) fn id(&self) -> anyhow::Result<LedgerId> {
        let id = match self {
            Self::File(path) => File::open(path).map_err(anyhow::Error::from).and_then(piece::id),
            Self::Pieces(place, names) => place.open(&names[0]).and_then(piece::id),
        };
        id.with_context(|| self.place())
    }

    fn place(&self) -> String {
        match self {
            Self::File(path) => format!("backup {}", path.display()),
            Self::Pieces(place, _) => format!("backup {place}"),
        }
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
    fn named(&mut self, name: &PieceName, from: impl Read) -> anyhow::Result<()> {
        self.piece(from)?;
        name.expect_of(self.end.as_ref().expect("it was read"))
    }

    /// Reads a piece, which must continue the one before it.
    fn piece(&mut self, from: impl Read) -> anyhow::Result<()> {
        let before = self.end.take();
        let (draws, visit) = (&mut self.draws, &mut self.visit);
        let reader = piece::Reader::open(BufReader::with_capacity(piece::BUFFER_LEN, from))?;
        let start = reader.start();
        match &before {
            None if start.sequence > 0 => {
                bail!("it begins with record {}: the pieces before it are missing", start.sequence)
            }
            None => {}
            Some(Piece { start: of, .. }) if of.id != start.id => {
                bail!("it is of another ledger; put each backup into a place of its own")
            }
            Some(Piece { tip, .. })
                if (tip.sequence, tip.chain) != (start.sequence, start.chain) =>
            {
                bail!(
                    "it does not continue the piece before it at record {}: it is of another \
                     history; put each backup into a place of its own",
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
