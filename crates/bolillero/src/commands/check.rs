//! `bolillero check`: verifies everything in a ledger.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use ledger::{Fault, Summary};
use lottery::DrawState;
use lottery::text::shown_lines;

use super::{ledger_args, progress};
use crate::exit::{Ending, printed};

const EXAMPLES: &str = "\
Example:
  bolillero check --data ./data

Verifies every record, the hash chain, the rules of the lottery, and every index. Changes nothing.
While the central runs, verifies up to the last whole decision, and says which record that is.
Prints the end of the chain: store it elsewhere to detect later changes of anything before it. Exits
with 1 at the first damage, and reports its place.";

/// The ledger to check.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// Folder of the ledger. Its central may be running.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    data: PathBuf,
}

/// Runs the check.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Ending> {
    let archive = ledger_args::open(&args.data)?;
    let bar = progress::counter("records verified");
    let checked = archive.check(|_| {
        bar.inc(1);
        Ok::<_, Fault>(())
    });
    bar.finish_and_clear();
    let summary = checked.with_context(|| ledger_args::in_folder(&args.data))?;
    let mut out = std::io::stdout().lock();
    let text = describe(&summary);
    let text = shown_lines(&text);
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(printed(written.context("can't write the result"))?)
}

fn describe(summary: &Summary) -> String {
    let mut lines = vec![
        ledger_args::reach(summary).map_or("intact".to_owned(), |reach| format!("intact {reach}")),
        format!("records   {} in {} segments", summary.records, summary.segments),
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
            "draw      {}: {state}; {} bets in {} batches; {} of {} agencies finished",
            draw.terms.name,
            draw.bets,
            draw.batches,
            draw.agencies_finished,
            draw.terms.agencies.count()
        ));
    }
    if summary.torn_bytes > 0 {
        lines.push(format!(
            "note      {} bytes at the end are an incomplete write; they were never acknowledged, \
             and the central removes them at its next start",
            summary.torn_bytes
        ));
    }
    if summary.indexes_missing > 0 {
        lines.push(format!(
            "note      {} segments have no index yet; the central builds it",
            summary.indexes_missing
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}
