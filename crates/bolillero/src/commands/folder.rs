//! A data folder read from outside: which draw is meant, and what it holds.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use ledger::{Archive, Fault, Summary};
use lottery::{DrawId, DrawStatus};

use super::progress;
use crate::exit::Ending;
use crate::values::Name;

/// Which ledger, and which of its draws.
#[derive(Args, Clone, Debug)]
pub(crate) struct FolderArgs {
    /// Folder of the ledger. The central that writes to it must be stopped.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    pub(super) data: PathBuf,

    /// Name of the draw; needed only where there are several.
    #[arg(long, env = "BOLILLERO_DRAW", value_name = "NAME")]
    draw: Option<Name>,
}

impl FolderArgs {
    /// Opens the ledger, reads it once, and finds the draw meant.
    pub(super) fn open(&self) -> Result<(Archive, DrawStatus), Ending> {
        let archive = open(&self.data)?;
        let bar = progress::counter("records verified");
        let read = archive.read(|_| {
            bar.inc(1);
            Ok::<_, Fault>(())
        });
        bar.finish_and_clear();
        let summary = read.with_context(|| in_folder(&self.data))?;
        let draw = self.pick(&summary)?;
        Ok((archive, draw))
    }

    fn pick(&self, summary: &Summary) -> Result<DrawStatus, Ending> {
        let draws = &summary.draws;
        let names: Vec<_> = draws.iter().map(|draw| draw.terms.name.as_str()).collect();
        let names = names.join("', '");
        match (&self.draw, draws.as_slice()) {
            (_, []) => Err(Ending::wrong(format!("{} holds no draw", self.data.display()))),
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(Ending::wrong(format!(
                "there are several draws: give --draw, one of '{names}'"
            ))),
            (Some(Name(name)), _) => {
                let found = draws.iter().find(|draw| draw.terms.name == *name);
                found.cloned().ok_or_else(|| {
                    Ending::wrong(format!("there is no draw '{name}'; there are '{names}'"))
                })
            }
        }
    }
}

/// Opens the ledger in a folder for reading.
pub(super) fn open(data: &Path) -> Result<Archive, Ending> {
    Archive::open(data).map_err(|fault| {
        let wrong = matches!(fault, Fault::NoLedger) || fault.is_of_no_folder();
        let error = anyhow::Error::new(fault).context(in_folder(data));
        if wrong { Ending::Wrong(error) } else { Ending::Failed(error) }
    })
}

/// Shows `visit` every bet of a draw, in the order of the ledger.
pub(super) fn each_bet(
    archive: &Archive,
    data: &Path,
    draw: DrawId,
    mut visit: impl FnMut(lottery::AgencyId, lottery::Bet<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let bar = progress::counter("bets");
    archive.read(|entry| {
        let Some(batch) = entry.batch.filter(|batch| batch.draw == draw) else {
            return anyhow::Ok(());
        };
        for bet in batch.bets() {
            let bet = bet.with_context(|| {
                format!("{}: record {} holds a bet that is none", data.display(), entry.sequence)
            })?;
            visit(batch.agency, bet)?;
            bar.inc(1);
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(())
}

/// Where it happened.
pub(super) fn in_folder(data: &Path) -> String {
    format!("data folder {}", data.display())
}
