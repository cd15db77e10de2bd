//! `bolillero winners`: recounts the winners of a draw from the ledger alone.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use exports::{Cells, winners_csv, winners_json};
use lottery::text::{counted, shown_lines};
use lottery::{DrawState, DrawStatus, Winners};

use super::stored::DrawArgs;
use crate::exit::{Ending, printed};

const EXAMPLES: &str = "\
Examples:
  bolillero winners --data ./data
  bolillero winners --data ./data --draw sorteo --format json

Reads every bet of the ledger and uses no index. Works while the central runs, too.";

/// The draw to count, and the output format.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WinnersArgs {
    #[command(flatten)]
    draw: DrawArgs,

    /// Output format.
    #[arg(long, env = "BOLILLERO_FORMAT", value_name = "FORMAT", default_value = "table")]
    format: Format,

    /// Write CSV cells exactly as they are stored, for programs. By default, cells that a
    /// spreadsheet would evaluate are prefixed with an apostrophe.
    #[arg(long)]
    raw: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A table.
    Table,
    /// A header line, then one winning bet per line: agency, document.
    Csv,
    /// One JSON object.
    Json,
}

/// Recounts and prints the winners.
pub(crate) fn run(args: &WinnersArgs) -> Result<(), Ending> {
    let (stored, draw) = args.draw.open()?;
    let DrawState::Drawn { number } = draw.state else {
        return Err(Ending::Failed(anyhow::anyhow!(
            "the draw '{}' has not been made: agencies that have finished: {} of {}",
            draw.terms.name,
            draw.agencies_finished,
            draw.terms.agencies.count()
        )));
    };
    let winners = stored.winners(draw.id, number)?;
    let cells = if args.raw { Cells::Raw } else { Cells::Inert };
    let mut text = Vec::new();
    match args.format {
        Format::Table => text.extend(shown_lines(&table(&draw, number, &winners)).bytes()),
        Format::Csv => winners_csv(&draw, &winners, cells, &mut text)?,
        Format::Json => winners_json(&draw, number, &winners, &mut text)?,
    }
    let mut out = std::io::stdout().lock();
    let written = out.write_all(&text).and_then(|()| out.flush());
    Ok(printed(written.context("can't write the winners"))?)
}

fn table(draw: &DrawStatus, number: u32, winners: &Winners) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["agency", "winners", "documents"]);
    for (agency, documents) in of_each(draw, winners) {
        table.add_row([agency.to_string(), documents.len().to_string(), documents.join(" ")]);
    }
    for column in 0..2 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!(
        "draw {}, winning number {number}: {} among {}\n{table}\n",
        draw.terms.name,
        counted(winners.count(), "winner", "winners"),
        counted(draw.bets, "bet", "bets")
    )
}

/// Returns every agency of the draw with its winners, including agencies without any.
fn of_each<'a>(
    draw: &'a DrawStatus,
    winners: &'a Winners,
) -> impl Iterator<Item = (u32, Vec<&'a str>)> {
    draw.terms.agencies.iter().map(|agency| {
        let documents = winners.of(agency);
        (agency.0, documents.iter().flat_map(|documents| documents.iter()).collect())
    })
}
