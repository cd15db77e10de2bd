//! A ledger read from outside, by someone who trusts nothing but its bytes.
//!
//! Reads every record of every segment in order, checks it against its checksums, the chain and the
//! rules, and shows it. Uses no index and changes nothing, not even a torn tail.

use std::io;
use std::path::Path;
use std::sync::Arc;

use engine::{Chain, LedgerId};
use lottery::DrawStatus;

use crate::disk::{Claim, Disk, Folder};
use crate::error::Fault;
use crate::log::take;
use crate::pass::{Content, Entry, IndexState, Pass, Reads, opened, segments_in};
use crate::segment::{self, Tail};

/// A ledger open for reading.
pub struct Archive {
    disk: Arc<dyn Disk>,
    _lock: Box<dyn Send + Sync>,
}

/// What a ledger holds, once all of it was read and found sound.
#[derive(Debug)]
pub struct Summary {
    /// How many records.
    pub records: u64,
    /// How many segments they are in.
    pub segments: u64,
    /// Which ledger it is, and the chain of its last record: whoever keeps it can tell later
    /// whether anything before was changed. None: nothing was ever written.
    pub end: Option<(LedgerId, Chain)>,
    /// The draws and where they are.
    pub draws: Vec<DrawStatus>,
    /// Bytes behind the last record that a crash left half written. They were never acknowledged,
    /// and the next start of the central cuts them.
    pub torn_bytes: u64,
    /// Sealed segments whose index is missing; the next start of the central makes it.
    pub indexes_missing: u64,
}

impl Archive {
    /// Opens the ledger in the folder at `path` for reading.
    ///
    /// # Errors
    /// When there is none, or a central has it open.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let folder = Folder::existing(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Fault::NoFolder,
            _ => Fault::io("opening", &path.display().to_string(), error),
        })?;
        Self::open_on(Arc::new(folder))
    }

    /// Opens the ledger on `disk`.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn open_on(disk: Arc<dyn Disk>) -> Result<Self, Fault> {
        let lock = take(&*disk, Claim::Read)?;
        let names = disk.names().map_err(|error| Fault::io("listing", "the data folder", error))?;
        match names.iter().any(|name| segment::number_in(name).is_some()) {
            true => Ok(Self { disk, _lock: lock }),
            false => Err(Fault::NoLedger),
        }
    }

    /// Reads everything but the indexes, and shows each event.
    ///
    /// # Errors
    /// The first damage, or what `visit` gives.
    pub fn read<E: From<Fault>>(
        &self,
        visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        self.pass(Reads::Records, visit)
    }

    /// Reads everything, the indexes too.
    ///
    /// # Errors
    /// The first damage, or what `visit` gives.
    pub fn check<E: From<Fault>>(
        &self,
        visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        self.pass(Reads::RecordsAndIndexes, visit)
    }

    /// Reads what opening reads, and no more: sealed segments by their indexes.
    ///
    /// # Errors
    /// The first damage: opening finds the same.
    pub fn skim(&self) -> Result<Summary, Fault> {
        self.pass(Reads::Indexes, |_| Ok(()))
    }

    fn pass<E: From<Fault>>(
        &self,
        reads: Reads,
        mut visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        let used = segments_in(&*self.disk, Claim::Read)?;
        let segments = used.len() as u64;
        let mut pass = Pass::new(reads);
        let (mut torn_bytes, mut indexes_missing) = (0, 0);
        for header in used {
            let file = opened(&*self.disk, header.number, Claim::Read)?;
            match pass.judge(file, header, header.number == segments, &mut visit)?.what {
                Content::Full { index, .. } => {
                    indexes_missing += u64::from(index != IndexState::Sound);
                }
                Content::Last { last_group, tail: Tail::Torn { end }, .. } => {
                    torn_bytes = (end - last_group.end) as u64;
                }
                Content::Indexed(_) | Content::Last { .. } => {}
            }
        }
        let draws = pass.draws.statuses();
        let (records, end) = (pass.next_sequence, pass.end);
        Ok(Summary { records, segments, end, draws, torn_bytes, indexes_missing })
    }
}
