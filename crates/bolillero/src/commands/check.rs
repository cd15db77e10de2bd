//! `bolillero check`: verifies everything in a ledger.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use lottery::DrawState;
use lottery::text::{counted, shown_lines};

use super::progress;
use super::stored::{Files, StoredIn, Summary};
use crate::exit::{Ending, printed};

const EXAMPLES: &str = "\
Examples:
  bolillero check --data ./data
  bolillero check --store 'postgres://reader@db1,db2/lottery?sslrootcert=ca.crt'
  bolillero check --backup /mnt/backup/lottery

Verifies every record, the hash chain, the rules of the lottery, and every index. Changes nothing.
While a central runs, verifies up to the last whole decision, and says which record that is.
Prints the end of the chain: store it elsewhere to detect later changes of anything before it. Exits
with 1 at the first damage, and reports its place.";

/// The ledger to check.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    stored: StoredIn,
}

/// Runs the check.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Ending> {
    let stored = args.stored.open()?;
    let bar = progress::counter("records verified");
    let checked = stored.check(|_| {
        bar.inc(1);
        Ok(())
    });
    bar.finish_and_clear();
    let summary = checked?;
    let mut out = std::io::stdout().lock();
    let text = describe(&summary);
    let text = shown_lines(&text);
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(printed(written.context("can't write the result"))?)
}

fn describe(summary: &Summary) -> String {
    let segments = summary
        .files
        .as_ref()
        .map(|files| format!(" in {}", counted(files.segments, "segment", "segments")));
    let mut lines = vec![
        summary.reach().map_or("intact".to_owned(), |reach| format!("intact {reach}")),
        format!("records   {}{}", summary.records, segments.unwrap_or_default()),
    ];
    if let Some((ledger, chain)) = summary.end {
        lines.push(format!("ledger    {ledger}"));
        lines.push(format!("chain     {chain}"));
    }
    for draw in &summary.draws {
        let state = match draw.state {
            DrawState::Announced => "announced".to_owned(),
            DrawState::Open => "open".to_owned(),
            DrawState::Closed => "closed".to_owned(),
            DrawState::Drawn { number } => format!("drawn, winning number {number}"),
            DrawState::Cancelled => "cancelled".to_owned(),
        };
        lines.push(format!(
            "draw      {}: {state}; {} in {}; {} of {} finished",
            draw.terms.name,
            counted(draw.bets, "bet", "bets"),
            counted(draw.batches, "batch", "batches"),
            draw.agencies_finished,
            counted(draw.terms.agencies.count(), "agency", "agencies")
        ));
    }
    let Files { torn_bytes, indexes_missing, .. } = summary.files.unwrap_or_default();
    if torn_bytes > 0 {
        lines.push(format!(
            "note      {} at the end, of an incomplete write that was never acknowledged; the \
             central removes it at its next start",
            counted(torn_bytes, "byte", "bytes")
        ));
    }
    if indexes_missing > 0 {
        lines.push(format!(
            "note      segments without an index yet: {indexes_missing}; the central builds it"
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}
