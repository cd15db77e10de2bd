//! Read-only access to a ledger, for audits that trust nothing but its bytes.
//!
//! - [`Archive::read`] and [`Archive::check`] read every record in order and verify it against its
//!   checksums, the chain and the rules. Nothing is changed, not even a torn tail.
//! - While no central runs, the folder is locked against one that starts.
//! - Beside a running central nothing is locked. The first pass reads up to the last whole decision
//!   that it finds, and later passes read up to the same one.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use engine::{Chain, LedgerId, Record, StreamStart, Tip};
use lottery::{DrawStatus, Timestamp};

use crate::disk::{Claim, Disk, DiskFile, Folder};
use crate::error::{Damage, Fault};
use crate::log::take;
use crate::pass::{
    Content, IndexState, Pass, Reads, header_now, opened, segments_growing, segments_in, was_sealed,
};
use crate::segment::{self, FIRST_SEGMENT, SegmentHeader, Tail};

/// A ledger opened for reading.
pub struct Archive {
    disk: Arc<dyn Disk>,
    /// `None` beside a running central.
    lock: Option<Box<dyn Send + Sync>>,
    /// How many records the first pass beside a running central found.
    end: OnceLock<u64>,
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
    /// When the last record was decided.
    pub at: Timestamp,
    /// Whether a central was running: it may have written more since.
    pub central_runs: bool,
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
    /// When the folder or the ledger is missing, or an IO operation fails.
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
        let lock = match take(&*disk, Claim::Read) {
            Ok(lock) => Some(lock),
            Err(Fault::InUse) => None,
            Err(fault) => return Err(fault),
        };
        let names = disk.names().map_err(|error| Fault::io("listing", "the data folder", error))?;
        match names.iter().any(|name| segment::number_in(name).is_some()) {
            true => Ok(Self { disk, lock, end: OnceLock::new() }),
            false => Err(Fault::NoLedger),
        }
    }

    /// Reads every record, ignores the indexes, and calls `visit` with each event.
    ///
    /// # Errors
    /// The first damage or failed read, or an error that `visit` returns.
    pub fn read<E: From<Fault>>(
        &self,
        visit: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        self.pass(Reads::Records, 0, visit)
    }

    /// Reads the records from `start` on, and calls `visit` with each. Segments without any of them
    /// or the record before them are not read. The rules are applied only if `start` is the first.
    ///
    /// # Errors
    /// The first damage or failed read, an error that `visit` returns, or that this ledger is not
    /// the one of `start`, or has another history before it.
    pub fn read_from<E: From<Fault>>(
        &self,
        start: StreamStart,
        mut visit: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Tip, E> {
        let StreamStart { id, sequence, chain } = start;
        if self.id()? != Some(id) {
            return Err(Fault::OtherHistory(sequence).into());
        }
        let mut is_same = sequence == 0 && chain == Chain::first(id);
        let read = self.pass(Reads::Records, sequence, |record| {
            if record.tip().sequence == sequence {
                is_same = record.chain == chain;
            }
            if record.sequence < sequence {
                return Ok(());
            }
            if is_same { visit(record) } else { Err(Fault::OtherHistory(sequence).into()) }
        })?;
        match read.end {
            Some((_, chain)) if is_same => Ok(Tip { sequence: read.records, chain, at: read.at }),
            _ => Err(Fault::OtherHistory(sequence).into()),
        }
    }

    /// Returns the ledger's id; `None` when nothing was ever written.
    ///
    /// # Errors
    /// When its first segment is damaged or can't be read.
    pub fn id(&self) -> Result<Option<LedgerId>, Fault> {
        Ok(header_now(&*self.disk, FIRST_SEGMENT)?.map(|header| header.ledger))
    }

    /// As [`Archive::read`], and verifies the indexes too.
    ///
    /// # Errors
    /// The first damage or failed read, or an error that `visit` returns.
    pub fn check<E: From<Fault>>(
        &self,
        visit: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        self.pass(Reads::RecordsAndIndexes, 0, visit)
    }

    /// Reads only what opening reads: sealed segments by their indexes.
    ///
    /// # Errors
    /// The first damage, the same that opening reports, or a failed read.
    pub fn skim(&self) -> Result<Summary, Fault> {
        self.pass(Reads::Indexes, 0, |_| Ok(()))
    }

    /// Begins with the segment that holds the record before `from`.
    fn pass<E: From<Fault>>(
        &self,
        reads: Reads,
        from: u64,
        mut visit: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        let until = self.end.get().copied();
        let central_runs = self.lock.is_none();
        let (claim, used) = if central_runs {
            (Claim::Look, self.segments_until(until)?)
        } else {
            (Claim::Read, segments_in(&*self.disk, Claim::Read)?)
        };
        let segments = used.len() as u64;
        let mut pass = Pass::new(reads, central_runs);
        let skipped = used.partition_point(|header| header.first_sequence < from).saturating_sub(1);
        if let (1.., Some(first)) = (skipped, used.get(skipped)) {
            pass.begin_at(first);
        }
        let (mut torn_bytes, mut indexes_missing) = (0, 0);
        for header in used.into_iter().skip(skipped) {
            let file = opened(&*self.disk, header.number, claim)?;
            let mut is_last = header.number == segments;
            if is_last && central_runs {
                if until.is_some() || !self.is_left(&*file, &header)? {
                    pass.read_growing(&*file, header, until, &mut visit)?;
                    continue;
                }
                is_last = false;
            }
            match pass.judge(file, header, is_last, &mut visit)?.what {
                Content::Full { index, .. } => {
                    indexes_missing += u64::from(index != IndexState::Sound);
                }
                Content::Last { last_group, tail: Tail::Torn { end }, .. } => {
                    torn_bytes = (end - last_group.end) as u64;
                }
                Content::Indexed(_) | Content::Last { .. } => {}
            }
        }
        let (draws, at) = (pass.draws.statuses(), pass.at);
        let (records, end) = (pass.next_sequence, pass.end);
        if central_runs {
            self.end.get_or_init(|| records);
        }
        Ok(Summary { records, segments, end, at, central_runs, draws, torn_bytes, indexes_missing })
    }

    /// Returns the segments that hold the records before `until`, or all, beside a running central.
    fn segments_until(&self, until: Option<u64>) -> Result<Vec<SegmentHeader>, Fault> {
        let mut used = segments_growing(&*self.disk)?;
        used.retain(|header| until.is_none_or(|until| header.first_sequence < until));
        Ok(used)
    }

    /// Returns whether a running central has left a segment for the next one, as it has if the
    /// segment is sealed.
    fn is_left(&self, file: &dyn DiskFile, header: &SegmentHeader) -> Result<bool, Fault> {
        if !was_sealed(file, header)? {
            return Ok(false);
        }
        let what = "the segment was sealed, so records followed it, and they are gone";
        let gone = || Damage::new(&segment::name(header.number), header.len, what);
        header_now(&*self.disk, header.number + 1)?.ok_or_else(|| Fault::Damage(gone()))?;
        Ok(true)
    }
}
