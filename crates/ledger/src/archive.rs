//! Read-only access to a ledger without a running central, for audits that trust nothing but its
//! bytes.
//!
//! [`Archive::read`] and [`Archive::check`] read every record in order and verify it against its
//! checksums, the chain and the rules. Nothing is changed, not even a torn tail.

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

/// A ledger opened for reading.
pub struct Archive {
    disk: Arc<dyn Disk>,
    _lock: Box<dyn Send + Sync>,
}

/// A summary of a ledger that was read and found sound.
#[derive(Debug)]
pub struct Summary {
    /// How many records it holds.
    pub records: u64,
    /// How many segments hold them.
    pub segments: u64,
    /// The ledger's id and the chain of its last record, which an auditor can keep to detect later
    /// changes to these records. `None` when nothing was ever written.
    pub end: Option<(LedgerId, Chain)>,
    /// The draws and their status.
    pub draws: Vec<DrawStatus>,
    /// Length of the torn tail after the last record, in bytes. It was never acknowledged, and the
    /// central's next start cuts it.
    pub torn_bytes: u64,
    /// How many full segments have no sound index; the central's next start builds it.
    pub indexes_missing: u64,
}

impl Archive {
    /// Opens the ledger in the folder at `path` for reading.
    ///
    /// # Errors
    /// When the folder or the ledger is missing, a central has it open, or an IO operation fails.
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

    /// Reads every record, ignores the indexes, and calls `visit` with each event.
    ///
    /// # Errors
    /// The first damage or failed read, or an error that `visit` returns.
    pub fn read<E: From<Fault>>(
        &self,
        visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        self.pass(Reads::Records, visit)
    }

    /// As [`Archive::read`], and verifies the indexes too.
    ///
    /// # Errors
    /// The first damage or failed read, or an error that `visit` returns.
    pub fn check<E: From<Fault>>(
        &self,
        visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        self.pass(Reads::RecordsAndIndexes, visit)
    }

    /// Reads only what opening reads: sealed segments by their indexes.
    ///
    /// # Errors
    /// The first damage, the same that opening reports, or a failed read.
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
