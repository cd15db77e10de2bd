//! A place of a ledger that can be read and written as a whole: a folder, or a shared store.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;
use engine::{LedgerId, Log};
use ledger_postgres::{PostgresLog, schema};
use operators::OperatorsFile;

use super::operator::Kept;
use super::stored::StoredIn;
use crate::arg_types::StoreUrl;
use crate::exit::Ending;

/// The file that marks a folder which is being restored to.
const RESTORING: &str = "restoring";

/// Options that select such a place.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct LocationArgs {
    /// Folder of the ledger.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// Store that several centrals share, as `serve --store` has it.
    #[arg(long, env = "BOLILLERO_STORE", value_name = "URL", hide_env_values = true)]
    store: Option<StoreUrl>,
}

impl LocationArgs {
    pub(super) fn location(&self) -> Result<Location, Ending> {
        match (self.data.clone(), self.store.clone()) {
            (Some(data), _) => Ok(Location::Folder(data)),
            (None, Some(store)) => Ok(Location::Shared(store)),
            (None, None) => Err(Ending::wrong("--data or --store is required")),
        }
    }
}

/// A folder or a shared store.
#[derive(Clone, Debug)]
pub(super) enum Location {
    Folder(PathBuf),
    Shared(StoreUrl),
}

impl FromStr for Location {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        Ok(match is_url {
            true => Self::Shared(text.parse()?),
            false => Self::Folder(PathBuf::from(text)),
        })
    }
}

impl Location {
    /// Its events, for reading.
    pub(super) fn stored(&self) -> StoredIn {
        match self.clone() {
            Self::Folder(data) => StoredIn { data: Some(data), ..StoredIn::default() },
            Self::Shared(store) => StoredIn { store: Some(store), ..StoredIn::default() },
        }
    }

    /// Its operators.
    pub(super) fn operators(&self) -> Result<Kept, Ending> {
        match self {
            Self::Folder(data) => Ok(Kept::Folder(OperatorsFile::in_folder(data))),
            Self::Shared(store) => Kept::in_store(store),
        }
    }

    /// Opens it to be written to, as the ledger `id`.
    pub(super) fn log(&self, id: LedgerId) -> Result<Box<dyn Log>, Ending> {
        match self {
            Self::Folder(data) => {
                let opened = ledger::Ledger::open(data, ledger::Options::new(id));
                Ok(Box::new(opened.with_context(|| data.display().to_string())?))
            }
            Self::Shared(store) => {
                let target = store.target()?;
                let open = || {
                    schema::init(&target, id)?;
                    PostgresLog::open(&target, ledger_postgres::Options::new("copy"))
                };
                let log =
                    open().map_err(|error| Ending::of_store(error, format!("store {target}")))?;
                Ok(Box::new(log))
            }
        }
    }

    /// Marks a folder as one that is being restored to. A store has no such mark.
    pub(super) fn mark_as_part(&self) -> anyhow::Result<()> {
        let Self::Folder(data) = self else { return Ok(()) };
        let options =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).clone();
        let marked = options.open(data.join(RESTORING)).and_then(|mark| {
            mark.sync_all()?;
            File::open(data)?.sync_all()
        });
        marked.with_context(|| format!("can't write to {}", data.display()))
    }

    /// Removes the mark from what is restored.
    pub(super) fn mark_as_whole(&self) -> anyhow::Result<()> {
        let Self::Folder(data) = self else { return Ok(()) };
        match fs::remove_file(data.join(RESTORING)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("can't write to {}", data.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Checks that a folder is not one that holds a part of what is to be restored to it: a central
/// would begin another history there.
pub(super) fn expect_whole(data: &Path) -> Result<(), Ending> {
    // What else is wrong with the folder, opening the ledger tells.
    if !data.join(RESTORING).exists() {
        return Ok(());
    }
    Err(Ending::wrong(format!(
        "{} is not restored to its end: run `bolillero restore` again; or remove the file \
         '{RESTORING}' in it to do without the rest for good",
        data.display()
    )))
}
