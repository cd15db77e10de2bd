//! `bolillero export`: writes a draw's bets to a file, or everything about a draw to a folder.

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use exports::{BetsWriter, Cells, Digested, Manifest, winners_csv, winners_json};
use lottery::{DrawState, DrawStatus, Winners};

use super::stored::{DrawArgs, Stored};
use crate::exit::{Ending, printed};
use crate::output::{self, How, Output};

const EXAMPLES: &str = "\
Examples:
  bolillero export --data ./data --format csv --out bets.csv
  bolillero export --data ./data --format parquet --out bets.parquet
  bolillero export --data ./data --folder ./sorteo
  bolillero export --data ./data --draw sorteo | head
  bolillero export --data ./data --raw --out >(gzip > bets.csv.gz)

--folder writes the bets in both formats, the winners once the draw has been made, and last of all
manifest.json: the draw, and the length and SHA-256 of every file. CSV is for spreadsheets: =1+1
becomes '=1+1. CSV with --raw, Parquet and JSON have the exact values. While the central runs, the
bets are those up to the last whole decision; every file of --folder ends at the same one.";

/// Exports are readable by their owner only, as the ledger is.
const NEW: How = How { force: false, mode: 0o600, durable: true };

/// The draw to export, and how.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    draw: DrawArgs,

    /// Format of the file.
    #[arg(long, env = "BOLILLERO_FORMAT", value_name = "FORMAT", default_value = "csv")]
    format: Format,

    /// File to write, completely or not at all; by default standard output. Links are followed;
    /// pipes and devices are written directly.
    #[arg(long, env = "BOLILLERO_OUT", value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite --out if it exists.
    #[arg(long, requires = "out")]
    force: bool,

    /// Write CSV cells exactly as they are stored, for programs. By default, cells that a
    /// spreadsheet would evaluate are prefixed with an apostrophe.
    #[arg(long)]
    raw: bool,

    /// Folder to write everything to, instead of one file; created if missing, and must be empty.
    #[arg(long = "folder", value_name = "DIR", conflicts_with_all = ["format", "out"])]
    folder_out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A header line, then one bet per line; fields are quoted only if necessary.
    Csv,
    /// Compressed columns, for data analysis.
    Parquet,
}

/// Runs the export.
pub(crate) fn run(args: &ExportArgs) -> Result<(), Ending> {
    let (stored, draw) = args.draw.open()?;
    let cells = if args.raw { Cells::Raw } else { Cells::Inert };
    let source = Source { stored: &stored, draw: &draw };
    let format = match args.format {
        Format::Csv => exports::Format::Csv(cells),
        Format::Parquet => exports::Format::Parquet,
    };
    match (&args.folder_out, &args.out) {
        (Some(folder), _) => write_folder(&source, cells, folder)?,
        (None, Some(path)) => {
            let how = How { force: args.force, ..NEW };
            let (bets, out) = source.bets(format, Output::create(path, how)?)?;
            output::tell(path, bets, out.finish()?);
        }
        (None, None) => printed(source.bets(format, std::io::stdout()).map(drop))?,
    }
    Ok(())
}

/// The ledger and the draw to export.
struct Source<'a> {
    stored: &'a Stored,
    draw: &'a DrawStatus,
}

impl Source<'_> {
    /// Writes the bets and returns how many there are.
    fn bets<W: Write + Send>(&self, format: exports::Format, out: W) -> anyhow::Result<(u64, W)> {
        let mut writer = BetsWriter::new(format, out)?;
        self.stored.each_batch(self.draw.id, |batch| Ok(writer.add(batch)?))?;
        Ok(writer.finish()?)
    }

    fn winners(&self, number: u32) -> anyhow::Result<Winners> {
        self.stored.winners(self.draw.id, number)
    }
}

/// Writes everything about a draw to a folder, and the manifest last.
fn write_folder(source: &Source<'_>, cells: Cells, folder: &Path) -> Result<(), Ending> {
    let cant = || format!("can't write to {}", folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(cant)?;
    if std::fs::read_dir(folder).with_context(cant)?.next().is_some() {
        let folder = folder.display();
        return Err(Ending::wrong(format!("{folder} is not empty: use an empty folder")));
    }
    let mut manifest = Manifest::of(source.draw);
    let mut add = |name: &str, write: &dyn Fn(Out) -> anyhow::Result<(u64, Out)>| {
        let path = folder.join(name);
        let (rows, out) = write(Digested::new(Output::create(&path, NEW)?))?;
        let (written, file) = out.finish();
        output::tell(&path, rows, file.finish()?);
        manifest.add(name, rows, written);
        Ok::<_, Ending>(())
    };
    for format in [exports::Format::Csv(cells), exports::Format::Parquet] {
        add(&format!("bets.{}", format.extension()), &|out| source.bets(format, out))?;
    }
    if let DrawState::Drawn { number } = source.draw.state {
        let (draw, winners) = (source.draw, source.winners(number)?);
        let count = winners.count();
        add("winners.csv", &|mut out| {
            winners_csv(draw, &winners, cells, &mut out)?;
            Ok((count, out))
        })?;
        add("winners.json", &|mut out| {
            winners_json(draw, number, &winners, &mut out)?;
            Ok((count, out))
        })?;
    }
    let mut out = Output::create(&folder.join("manifest.json"), NEW)?;
    manifest.write(&mut out)?;
    out.finish()?;
    Ok(())
}

type Out = Digested<Output>;
