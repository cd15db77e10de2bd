//! `bolillero restore`: restores a ledger and its operators from a backup.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use engine::{Copier, CopyError, Record};
use lottery::text::counted;
use lottery::{Act, DrawName, DrawStatus, Event};

use super::backup::anchor;
use super::location::LocationArgs;
use super::progress;
use crate::backup::{Backup, Summary};
use crate::exit::{Ending, print};

const EXAMPLES: &str = "\
Examples:
  bolillero restore --from /mnt/backup/lottery --data ./data
  bolillero restore --from ledger.bolb --data ./rehearsal --until nocturna
  bolillero restore --from s3://lottery-archive/2026 --data ./data
  bolillero restore --from ledger.bolb --store postgres://owner@db1,db2/lottery?sslrootcert=ca.crt

The target must be new, or hold the beginning of the same ledger: an interrupted restore goes on
when it is run again. Order, times, the audit log and the chain stay as they are; at the end the
copy is checked, and the end of its chain printed, as `backup` printed it. Operators and tokens are
restored to where there are none yet, as they were at the last run of the backup, also with --until.
No central starts on a folder that holds only a part; start none on a store before that, either.";

/// What to restore, and to where.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// Backup, as `backup --to` has it.
    #[arg(long, value_name = "FILE|DIR|URL")]
    from: PathBuf,

    #[command(flatten)]
    to: LocationArgs,

    /// Restore only up to the publication of this draw.
    #[arg(long, value_name = "DRAW")]
    until: Option<String>,
}

/// How much there is of everything up to some record.
#[derive(Clone, Copy, Default)]
struct Count {
    records: u64,
    bets: u64,
    draws: u64,
}

/// Runs the restore.
pub(crate) fn run(args: &RestoreArgs) -> Result<(), Ending> {
    let (backup, to) = (Backup::open(&args.from)?, args.to.location()?);
    let left_out = match &args.until {
        Some(name) => Some(published(&backup, name)?),
        None => None,
    };
    let end = left_out.map_or(u64::MAX, |(until, _)| until.records);
    let id = backup.id()?;
    let mut copier = Copier::to(to.log(id)?, id).map_err(of_target)?;
    if copier.tip().sequence == 0 {
        to.mark_as_part()?;
    }
    let bar = progress::counter("records restored");
    let read = backup.read(|record| {
        bar.inc(1);
        if record.sequence < end { Ok(copier.add(&record)?) } else { Ok(()) }
    });
    bar.finish_and_clear();
    let Summary { people, .. } = read.map_err(|error| match error.downcast_ref() {
        Some(CopyError::OtherHistory) => Ending::Wrong(error),
        _ => Ending::Failed(error),
    })?;
    let restored = copier.finish().map_err(of_target)?;
    let bar = progress::counter("records checked");
    let checked = to.stored().open()?.check(|_| {
        bar.inc(1);
        Ok(())
    });
    bar.finish_and_clear();
    let checked = checked?;
    if (checked.records, checked.end) != (restored.sequence, Some((id, restored.chain))) {
        let why =
            "what was restored does not read back: others write to it, or its disk is damaged";
        return Err(Ending::Failed(anyhow::anyhow!(why)));
    }
    let with_operators = to.operators()?.put(people)?;
    to.mark_as_whole()?;
    let records = counted(checked.records, "record", "records");
    let mut told = format!("restored and checked {records}");
    if with_operators {
        told += ", and the operators";
    }
    told += "\n";
    if let Some((until, all)) = left_out {
        let records = counted(all.records - until.records, "record", "records");
        let bets = counted(all.bets - until.bets, "bet", "bets");
        let draws = counted(all.draws - until.draws, "later draw", "later draws");
        told += &format!("left out  {records} with {bets}; {draws}\n");
    }
    print(&format!("{told}{}", anchor(id, restored)))
}

fn of_target(error: CopyError) -> Ending {
    Ending::of(error == CopyError::OtherHistory, error.into())
}

/// Reads the backup; returns what there is up to the publication of a draw, and in all.
fn published(backup: &Backup, name: &str) -> Result<(Count, Count), Ending> {
    let (mut count, mut publications) = (Count::default(), BTreeMap::new());
    let bar = progress::counter("records verified");
    let read = backup.read(|record| {
        bar.inc(1);
        count.add(&record);
        if let Event::DrawPublished { draw } = record.event {
            // The decision ends with the publication.
            publications.insert(*draw, count);
        }
        Ok(())
    });
    bar.finish_and_clear();
    let draws = read?.draws;
    let is_published = |draw: &&DrawStatus| publications.contains_key(&draw.id);
    let known: Vec<_> = draws.iter().filter(is_published).collect();
    let found = DrawName::find(&known, name, |draw| &draw.terms.name);
    let until = found.and_then(|draw: &&DrawStatus| publications.get(&draw.id).copied());
    until.map(|until| (until, count)).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|draw| draw.terms.name.as_str()).collect();
        let published = match names[..] {
            [] => "none was".to_owned(),
            _ => format!("published were '{}'", names.join("', '")),
        };
        Ending::wrong(format!("no draw '{name}' was published in the backup; {published}"))
    })
}

impl Count {
    fn add(&mut self, record: &Record<'_>) {
        self.records += 1;
        match record.event {
            Event::BatchAccepted(batch) => self.bets += u64::from(batch.bets),
            Event::DrawOpened { .. } => self.draws += 1,
            Event::Acted(recorded) if matches!(recorded.act, Act::Announce { .. }) => {
                self.draws += 1;
            }
            _ => {}
        }
    }
}
