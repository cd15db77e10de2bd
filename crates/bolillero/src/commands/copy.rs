//! `bolillero copy`: copies a ledger to a folder or a shared store, event by event.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;
use engine::{Copier, LedgerId, Log};
use ledger_postgres::{PostgresLog, schema};
use lottery::text::counted;
use operators::OperatorsFile;

use super::operator::Kept;
use super::progress;
use super::stored::StoredIn;
use crate::arg_types::StoreUrl;
use crate::exit::{Ending, print};

const EXAMPLES: &str = "\
Examples:
  bolillero copy --from ./data --to 'postgres://owner@db1,db2/lottery?sslrootcert=ca.crt'
  bolillero copy --from 'postgres://owner@db1,db2/lottery?sslrootcert=ca.crt' --to ./data

Order, times, the audit log and the chain stay as they are; at the end the copy is read again and
compared. An interrupted copy continues when it is run again. Stop the centrals first: what they
write while it runs is copied by the next run. Operators and tokens are copied to where there are
none yet.";

/// What to copy, and to where.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CopyArgs {
    /// Folder or store (postgres://...) to copy from.
    #[arg(long, value_name = "DIR|URL")]
    from: Location,

    /// Folder or store to copy to: new, or an earlier copy. A store is prepared as by `store init`.
    #[arg(long, value_name = "DIR|URL")]
    to: Location,
}

/// A folder or a shared store.
#[derive(Clone, Debug)]
enum Location {
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
    fn stored(&self) -> StoredIn {
        match self.clone() {
            Self::Folder(data) => StoredIn { data: Some(data), store: None },
            Self::Shared(store) => StoredIn { data: None, store: Some(store) },
        }
    }

    fn operators(&self) -> Result<Kept, Ending> {
        match self {
            Self::Folder(data) => Ok(Kept::Folder(OperatorsFile::in_folder(data))),
            Self::Shared(store) => Kept::in_store(store),
        }
    }

    /// Opens it to be written to, as the ledger `id`.
    fn log(&self, id: LedgerId) -> Result<Box<dyn Log>, Ending> {
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

/// Copies, and compares the copy.
pub(crate) fn run(args: &CopyArgs) -> Result<(), Ending> {
    let source = args.from.stored().open()?;
    let Some(id) = source.id()? else {
        return Err(Ending::wrong("there is nothing to copy: nothing was ever written there"));
    };
    let mut copier = Copier::to(args.to.log(id)?, id)?;
    let bar = progress::counter("events copied");
    let read = source.read(|record| {
        bar.inc(1);
        Ok(copier.add(&record)?)
    })?;
    bar.finish_and_clear();
    read.tell_reach();
    let end = copier.finish()?;
    let copied = args.to.stored().open()?.check(|_| Ok(()))?;
    if (copied.records, copied.end) != (read.records, read.end) || Some((id, end.chain)) != read.end
    {
        let why = "the copy is not the same: others write to it, or its disk is damaged";
        return Err(Ending::Failed(anyhow::anyhow!(why)));
    }
    let operators = args.from.operators()?.copy_to(&mut args.to.operators()?)?;
    print(&format!(
        "copied and compared {}{operators}\nledger    {id}\nchain     {}\n",
        counted(copied.records, "event", "events"),
        end.chain
    ))
}
