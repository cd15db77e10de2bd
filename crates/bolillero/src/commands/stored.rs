//! Options that select where a lottery's events are stored, and functions that read them, beside
//! running centrals too.
//!
//! A folder, a shared store and a backup are read alike: in order, with everything verified.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use engine::{Chain, LedgerId, Record, StreamStart, Tip};
use ledger::Fault;
use ledger_postgres::StoreError;
use lottery::{DrawId, DrawName, DrawStatus, StoredBatch, Timestamp, Winners, WinningResult};

use super::progress;
use crate::arg_types::StoreUrl;
use crate::backup::{self, Backup};
use crate::exit::Ending;

/// Where the events are.
#[derive(Args, Clone, Debug, Default)]
#[group(required = true, multiple = false)]
pub(crate) struct StoredIn {
    /// Folder of the ledger. Its central may be running.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    pub(super) data: Option<PathBuf>,

    /// Store that several centrals share, as `serve --store` has it. They may be running.
    #[arg(long, env = "BOLILLERO_STORE", value_name = "URL", hide_env_values = true)]
    pub(super) store: Option<StoreUrl>,

    /// Backup, as `backup --to` has it.
    #[arg(long, value_name = "FILE|DIR|URL")]
    pub(super) backup: Option<PathBuf>,
}

/// A place of events, and one of its draws.
#[derive(Args, Clone, Debug)]
pub(crate) struct DrawArgs {
    #[command(flatten)]
    stored: StoredIn,

    /// Name of the draw; required only if there are several.
    #[arg(long, env = "BOLILLERO_DRAW", value_name = "NAME")]
    draw: Option<String>,
}

/// The events, opened for reading.
pub(super) struct Stored {
    archive: Archive,
    /// Where they are, for errors.
    place: String,
}

enum Archive {
    Folder(ledger::Archive),
    Shared(Box<ledger_postgres::Archive>),
    Backup(Backup),
}

/// What was read and found sound.
pub(super) struct Summary {
    /// How many records there are.
    pub(super) records: u64,
    /// The ledger's id and the chain of its last record; `None` when nothing was ever written.
    pub(super) end: Option<(LedgerId, Chain)>,
    /// When the last record was decided.
    at: Timestamp,
    /// Whether more may have been written since: by whom.
    beside: Option<&'static str>,
    /// The draws and their status.
    pub(super) draws: Vec<DrawStatus>,
    /// What concerns the files of a folder.
    pub(super) files: Option<Files>,
}

/// See [`ledger::Summary`].
#[derive(Clone, Copy, Default)]
pub(super) struct Files {
    pub(super) segments: u64,
    pub(super) torn_bytes: u64,
    pub(super) indexes_missing: u64,
}

impl StoredIn {
    /// Opens the events for reading.
    pub(super) fn open(&self) -> Result<Stored, Ending> {
        match (&self.data, &self.store, &self.backup) {
            (Some(data), ..) => {
                let place = format!("data folder {}", data.display());
                let opened = ledger::Archive::open(data).map_err(|fault| {
                    let is_wrong = fault.is_of_no_folder();
                    Ending::of(is_wrong, anyhow::Error::new(fault).context(place.clone()))
                });
                Ok(Stored { archive: Archive::Folder(opened?), place })
            }
            (None, Some(url), _) => {
                let target = url.target()?;
                let place = format!("store {target}");
                let opened = ledger_postgres::Archive::open(&target)
                    .map_err(|error| Ending::of_store(error, place.clone()))?;
                Ok(Stored { archive: Archive::Shared(Box::new(opened)), place })
            }
            (None, None, Some(path)) => {
                let place = format!("backup {}", path.display());
                Ok(Stored { archive: Archive::Backup(Backup::open(path)?), place })
            }
            (None, None, None) => Err(Ending::wrong("--data, --store or --backup is required")),
        }
    }
}

impl DrawArgs {
    /// Opens the events, reads them once, and finds the selected draw.
    pub(super) fn open(&self) -> Result<(Stored, DrawStatus), Ending> {
        let stored = self.stored.open()?;
        let bar = progress::counter("records verified");
        let read = stored.read(|_| {
            bar.inc(1);
            Ok(())
        });
        bar.finish_and_clear();
        let summary = read?;
        summary.tell_reach();
        let draw = self.pick(&stored, &summary)?;
        Ok((stored, draw))
    }

    fn pick(&self, stored: &Stored, summary: &Summary) -> Result<DrawStatus, Ending> {
        let draws = &summary.draws;
        let names: Vec<_> = draws.iter().map(|draw| draw.terms.name.as_str()).collect();
        let names = names.join("', '");
        match (&self.draw, draws.as_slice()) {
            (_, []) => Err(Ending::wrong(format!("{} has no draw", stored.place))),
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(Ending::wrong(format!(
                "there are several draws: set --draw to one of '{names}'"
            ))),
            (Some(name), _) => {
                DrawName::find(draws, name, |draw| &draw.terms.name).cloned().ok_or_else(|| {
                    Ending::wrong(format!("there is no draw '{name}'; the draws are '{names}'"))
                })
            }
        }
    }
}

impl Stored {
    /// Reads every record in order, verifies it, and calls `visit` with each event.
    pub(super) fn read(
        &self,
        visit: impl FnMut(Record<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Summary> {
        let read = match &self.archive {
            Archive::Folder(archive) => archive.read(visit).map(Summary::of_folder),
            Archive::Shared(archive) => archive.read(visit).map(Summary::of_shared),
            Archive::Backup(backup) => return backup.read(visit).map(Summary::of_backup),
        };
        read.with_context(|| self.place.clone())
    }

    /// As [`Stored::read`], and verifies the indexes of a folder too.
    pub(super) fn check(
        &self,
        visit: impl FnMut(Record<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Summary> {
        let read = match &self.archive {
            Archive::Folder(archive) => archive.check(visit).map(Summary::of_folder),
            Archive::Shared(archive) => archive.read(visit).map(Summary::of_shared),
            Archive::Backup(backup) => return backup.read(visit).map(Summary::of_backup),
        };
        read.with_context(|| self.place.clone())
    }

    /// Reads the records from `start` on, verifies them, and calls `visit` with each. Without the
    /// records before, the rules are not applied.
    pub(super) fn read_from(
        &self,
        start: StreamStart,
        visit: impl FnMut(Record<'_>) -> anyhow::Result<()>,
    ) -> Result<Tip, Ending> {
        let read = match &self.archive {
            Archive::Folder(archive) => archive.read_from(start, visit),
            Archive::Shared(archive) => archive.read_from(start, visit),
            Archive::Backup(_) => unreachable!("a backup is not backed up"),
        };
        read.map_err(|error| {
            let is_wrong = matches!(error.downcast_ref(), Some(Fault::OtherHistory(_)))
                || matches!(error.downcast_ref(), Some(StoreError::Unsuitable(_)));
            Ending::of(is_wrong, error.context(self.place.clone()))
        })
    }

    /// Returns the ledger's id, if anything was ever written.
    pub(super) fn id(&self) -> anyhow::Result<Option<LedgerId>> {
        match &self.archive {
            Archive::Folder(archive) => archive.id().with_context(|| self.place.clone()),
            Archive::Shared(archive) => Ok(Some(archive.id())),
            Archive::Backup(backup) => backup.id().map(Some),
        }
    }

    /// Reads what is needed to know the draws.
    pub(super) fn draws(&self) -> anyhow::Result<Vec<DrawStatus>> {
        let read = match &self.archive {
            Archive::Folder(archive) => {
                archive.skim().map(|it| it.draws).map_err(anyhow::Error::from)
            }
            Archive::Shared(archive) => {
                archive.skim().map(|it| it.draws).map_err(anyhow::Error::from)
            }
            Archive::Backup(backup) => return backup.read(|_| Ok(())).map(|it| it.draws),
        };
        read.with_context(|| self.place.clone())
    }

    /// Calls `visit` with every batch of a draw, in the order of acceptance; it returns how many
    /// bets it processed.
    pub(super) fn each_batch(
        &self,
        draw: DrawId,
        mut visit: impl FnMut(&StoredBatch<'_>) -> anyhow::Result<u64>,
    ) -> anyhow::Result<()> {
        let bar = progress::counter("bets");
        self.read(|record| {
            if let Some(batch) = record.batch().filter(|batch| batch.draw == draw) {
                bar.inc(visit(&batch)?);
            }
            Ok(())
        })?;
        bar.finish_and_clear();
        Ok(())
    }

    /// Counts the winners of a draw from its bets alone.
    pub(super) fn winners(&self, draw: DrawId, number: u32) -> anyhow::Result<Winners> {
        let mut winners = Winners::default();
        let result = WinningResult { number };
        self.each_batch(draw, |batch| Ok(winners.add_batch(result, batch)?))?;
        Ok(winners)
    }
}

impl Summary {
    fn of_folder(read: ledger::Summary) -> Self {
        let ledger::Summary { segments, torn_bytes, indexes_missing, .. } = read;
        Self {
            records: read.records,
            end: read.end,
            at: read.at,
            beside: read.central_runs.then_some("the central is running"),
            draws: read.draws,
            files: Some(Files { segments, torn_bytes, indexes_missing }),
        }
    }

    fn of_shared(read: ledger_postgres::Summary) -> Self {
        Self {
            records: read.events,
            end: Some(read.end),
            at: read.at,
            beside: Some("centrals may be running"),
            draws: read.draws,
            files: None,
        }
    }

    fn of_backup(read: backup::Summary) -> Self {
        let backup::Summary { id, tip, draws, .. } = read;
        Self {
            records: tip.sequence,
            end: Some((id, tip.chain)),
            at: tip.at,
            beside: None,
            draws,
            files: None,
        }
    }

    /// Returns up to which record was read, if more may have been written since.
    pub(super) fn reach(&self) -> Option<String> {
        self.beside.map(|beside| match self.records.checked_sub(1) {
            Some(last) => format!("up to record {last}, at {}; {beside}", self.at),
            None => format!("up to its start; {beside}"),
        })
    }

    /// Prints up to which record was read, if more may have been written since.
    #[expect(clippy::print_stderr, reason = "standard output has the result")]
    pub(super) fn tell_reach(&self) {
        if let Some(reach) = self.reach() {
            eprintln!("read {reach}");
        }
    }
}
