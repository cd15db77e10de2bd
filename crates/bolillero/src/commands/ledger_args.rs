//! Options that select a data folder and a draw, and functions that read them, beside a running
//! central too.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use central::Zone;
use clap::Args;
use ledger::{Archive, Fault, Summary};
use lottery::{DrawId, DrawName, DrawStatus, StoredBatch, Winners, WinningResult};

use super::progress;
use crate::exit::Ending;

/// A ledger, and one of its draws.
#[derive(Args, Clone, Debug)]
pub(crate) struct FolderArgs {
    /// Folder of the ledger. Its central may be running.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    pub(super) data: PathBuf,

    /// Name of the draw; required only if there are several.
    #[arg(long, env = "BOLILLERO_DRAW", value_name = "NAME")]
    draw: Option<String>,
}

impl FolderArgs {
    /// Opens the ledger, reads it once, and finds the selected draw.
    pub(super) fn open(&self) -> Result<(Archive, DrawStatus), Ending> {
        let archive = open(&self.data)?;
        let bar = progress::counter("records verified");
        let read = archive.read(|_| {
            bar.inc(1);
            Ok::<_, Fault>(())
        });
        bar.finish_and_clear();
        let summary = read.with_context(|| in_folder(&self.data))?;
        tell_reach(&summary);
        let draw = self.pick(&summary)?;
        Ok((archive, draw))
    }

    fn pick(&self, summary: &Summary) -> Result<DrawStatus, Ending> {
        let draws = &summary.draws;
        let names: Vec<_> = draws.iter().map(|draw| draw.terms.name.as_str()).collect();
        let names = names.join("', '");
        match (&self.draw, draws.as_slice()) {
            (_, []) => Err(Ending::wrong(format!("{} has no draw", self.data.display()))),
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

/// Opens the ledger in a folder for reading.
pub(super) fn open(data: &Path) -> Result<Archive, Ending> {
    Archive::open(data).map_err(|fault| {
        let wrong = fault.is_of_no_folder();
        let error = anyhow::Error::new(fault).context(in_folder(data));
        if wrong { Ending::Wrong(error) } else { Ending::Failed(error) }
    })
}

/// Returns up to which record the ledger was read, if its central is running.
pub(super) fn reach(summary: &Summary) -> Option<String> {
    let at = || Zone::default().format(summary.at, "%Y-%m-%d %H:%M:%S").unwrap_or_default();
    let up_to = || match summary.records.checked_sub(1) {
        Some(last) => format!("up to record {last}, at {}; the central is running", at()),
        None => "up to its start; the central is running".to_owned(),
    };
    summary.central_runs.then(up_to)
}

/// Prints up to which record the ledger was read, if its central is running.
#[expect(clippy::print_stderr, reason = "standard output has the result")]
pub(super) fn tell_reach(summary: &Summary) {
    if let Some(reach) = reach(summary) {
        eprintln!("read {reach}");
    }
}

/// Calls `visit` with every batch of a draw, in ledger order; it returns how many bets it
/// processed.
pub(super) fn each_batch(
    archive: &Archive,
    draw: DrawId,
    mut visit: impl FnMut(&StoredBatch<'_>) -> anyhow::Result<u64>,
) -> anyhow::Result<()> {
    let bar = progress::counter("bets");
    archive.read(|entry| {
        if let Some(batch) = entry.batch.filter(|batch| batch.draw == draw) {
            bar.inc(visit(&batch)?);
        }
        anyhow::Ok(())
    })?;
    bar.finish_and_clear();
    Ok(())
}

/// Counts the winners of a draw from its bets alone.
pub(super) fn winners(
    archive: &Archive,
    data: &Path,
    draw: DrawId,
    number: u32,
) -> anyhow::Result<Winners> {
    let mut winners = Winners::default();
    let result = WinningResult { number };
    each_batch(archive, draw, |batch| {
        winners.add_batch(result, batch).with_context(|| in_folder(data))
    })?;
    Ok(winners)
}

/// Returns the context for errors about a data folder.
pub(super) fn in_folder(data: &Path) -> String {
    format!("data folder {}", data.display())
}
