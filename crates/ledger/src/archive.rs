//! A ledger read from outside, by someone who trusts nothing but its bytes.
//!
//! Reads every record of every segment in order, checks it against its checksums, the chain and the
//! rules, and shows it. Uses no index and changes nothing, not even a torn tail.

use std::io;
use std::path::Path;
use std::sync::Arc;

use lottery::{DrawStatus, Draws, Event, StoredBatch, Timestamp};

use crate::contents::Contents;
use crate::disk::{Claim, Disk, DiskFile, Folder};
use crate::error::{Damage, Fault};
use crate::index;
use crate::ledger::take;
use crate::record::Chain;
use crate::recovery::{admit_record, check_continues, segments_in};
use crate::segment::{self, Image, SegmentHeader, Tail};

/// A ledger open for reading.
pub struct Archive {
    disk: Arc<dyn Disk>,
    _lock: Box<dyn Send + Sync>,
}

/// One event as it was read.
pub struct Entry<'a> {
    /// Its number in the ledger, from 0.
    pub sequence: u64,
    /// When it was decided, by the central's clock.
    pub at: Timestamp,
    /// What happened.
    pub event: &'a Event,
    /// The batch with its bets when that is what happened.
    pub batch: Option<StoredBatch<'a>>,
}

/// What a ledger holds, once all of it was read and found sound.
#[derive(Debug)]
pub struct Summary {
    /// How many records.
    pub records: u64,
    /// How many segments they are in.
    pub segments: u64,
    /// Of the last record: whoever keeps it can tell later whether anything before was changed.
    pub chain: Chain,
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
        self.pass(false, visit)
    }

    /// Reads everything, the indexes too.
    ///
    /// # Errors
    /// The first damage, or what `visit` gives.
    pub fn check<E: From<Fault>>(
        &self,
        visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        self.pass(true, visit)
    }

    fn pass<E: From<Fault>>(
        &self,
        indexes: bool,
        mut visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        let used = segments_in(&*self.disk, Claim::Read)?;
        let segments = used.len() as u64;
        let mut draws = Draws::default();
        let (mut records, mut chain) = (0, Chain::GENESIS);
        let (mut torn_bytes, mut indexes_missing) = (0, 0);
        for (file, header) in used {
            check_continues(&header, records, chain)?;
            let image = Image::read(&*file, header, None)?;
            let mut walk = image.walk();
            let mut contents = Contents::default();
            let stop = loop {
                let record = match walk.step() {
                    Ok(record) => record,
                    Err(stop) => break stop,
                };
                admit_record(&mut draws, &mut contents, &record, &header)?;
                let batch = match &record.event {
                    Event::BatchAccepted(batch) => Some(index::stored(batch, record.text)),
                    _ => None,
                };
                let (sequence, at) = (record.header.sequence, Timestamp(record.header.at_ms));
                visit(Entry { sequence, at, event: &record.event, batch })?;
            };
            (records, chain) = (walk.next_sequence(), walk.chain());
            if header.number < segments {
                walk.expect_end(&stop)?;
                if indexes {
                    let first = header.first_sequence;
                    let given = index::encode(&contents, first, walk.offset(), chain);
                    indexes_missing += u64::from(!index_is_sound(&*file, &header, &given)?);
                }
            } else {
                if let Tail::Torn { end } = walk.judge_tail(&stop)? {
                    torn_bytes = (end - walk.offset()) as u64;
                }
                expect_len(&*file, &header, header.len)?;
            }
        }
        let draws = draws.statuses();
        Ok(Summary { records, segments, chain, draws, torn_bytes, indexes_missing })
    }
}

/// Checks that a segment's file has nothing behind `len`, where it ends.
fn expect_len(file: &dyn DiskFile, header: &SegmentHeader, len: u64) -> Result<(), Fault> {
    let name = segment::name(header.number);
    let found = file.len().map_err(|error| Fault::io("asking the length of", &name, error))?;
    if found <= len {
        return Ok(());
    }
    Err(Fault::Damage(Damage::new(&name, len, "the file is longer than what was written to it")))
}

/// Whether a sealed segment has the index that its records give; false when it has none.
fn index_is_sound(
    file: &dyn DiskFile,
    header: &SegmentHeader,
    given: &[u8],
) -> Result<bool, Fault> {
    let len = header.len;
    let name = segment::name(header.number);
    let failed = |error| Fault::io("reading the index of", &name, error);
    expect_len(file, header, len + given.len() as u64)?;
    let room = file.len().map_err(failed)?.saturating_sub(len);
    let mut found = vec![0; given.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
    file.read_at(len, &mut found).map_err(failed)?;
    if found == given {
        return Ok(true);
    }
    // The head is written last: without it, what follows was never said to be an index.
    if found.iter().take(index::HEAD_LEN).all(|&byte| byte == 0) {
        return Ok(false);
    }
    let differs = found.iter().zip(given).take_while(|(a, b)| a == b).count();
    let what = "the index is not the one that the records give";
    Err(Fault::Damage(Damage::new(&name, len + differs as u64, what)))
}
