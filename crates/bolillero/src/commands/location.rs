//! A place of a ledger that can be read and written as a whole: a folder, or a shared store.

use std::path::PathBuf;
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
}
