//! `bolillero copy`: copies a ledger to a folder or a shared store, event by event.

use clap::Args;
use engine::Copier;
use lottery::text::counted;

use super::location::Location;
use super::progress;
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
