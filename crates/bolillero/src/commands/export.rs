//! `bolillero export`: a draw's bets as a file, or all of a draw as a folder of files.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use exports::{BetsWriter, Digested, ExportError, Manifest, Summary, winners_csv, winners_json};
use ledger::Archive;
use lottery::{DrawState, DrawStatus, Winners};
use tempfile::NamedTempFile;

use super::folder::{self, FolderArgs};
use crate::exit::{Ending, printed};

const EXAMPLES: &str = "\
Examples:
  bolillero export --data ./data --format csv --out bets.csv
  bolillero export --data ./data --format parquet --out bets.parquet
  bolillero export --data ./data --folder ./sorteo
  bolillero export --data ./data --draw sorteo | head

A folder gets the bets in both formats, the winners once the draw was made, and manifest.json, which
is written last: the length and SHA-256 of every file, and what draw it is.";

/// What to export.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    folder: FolderArgs,

    /// Format of the file.
    #[arg(long, env = "BOLILLERO_FORMAT", value_name = "FORMAT", default_value = "csv")]
    format: Format,

    /// File to write, complete or not at all; standard output when not given.
    #[arg(long, env = "BOLILLERO_OUT", value_name = "FILE")]
    out: Option<PathBuf>,

    /// Folder to write everything to, in place of one file; made if need be, and must be empty.
    #[arg(long = "folder", value_name = "DIR", conflicts_with_all = ["format", "out"])]
    folder_out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A header line, then a bet a line; fields quoted only where they must be.
    Csv,
    /// Columns, compressed; for programs that analyse.
    Parquet,
}

impl From<Format> for exports::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv,
            Format::Parquet => Self::Parquet,
        }
    }
}

/// Exports.
pub(crate) fn run(args: &ExportArgs) -> Result<(), Ending> {
    let (archive, draw) = args.folder.open()?;
    let source = Source { archive: &archive, data: &args.folder.data, draw: &draw };
    let format = args.format.into();
    match (&args.folder_out, &args.out) {
        (Some(folder), _) => write_folder(&source, folder)?,
        (None, Some(path)) => {
            let file = source.bets(format, BufWriter::new(beside(path)?))?.1;
            keep(file, path)?;
        }
        (None, None) => printed(source.bets(format, std::io::stdout()).map(drop))?,
    }
    Ok(())
}

/// Where the draw comes from.
struct Source<'a> {
    archive: &'a Archive,
    data: &'a Path,
    draw: &'a DrawStatus,
}

impl Source<'_> {
    /// Writes the bets; says how many.
    fn bets<W: Write + Send>(&self, format: exports::Format, out: W) -> anyhow::Result<(u64, W)> {
        let mut writer = BetsWriter::new(format, out)?;
        folder::each_batch(self.archive, self.draw.id, |batch| {
            let added = writer.add(batch);
            added.with_context(|| folder::in_folder(self.data))
        })?;
        Ok(writer.finish()?)
    }

    fn winners(&self, number: u32) -> anyhow::Result<Winners> {
        folder::winners(self.archive, self.data, self.draw.id, number)
    }
}

/// Everything about a draw, with a manifest as the last.
fn write_folder(source: &Source<'_>, folder: &Path) -> Result<(), Ending> {
    let cant = || format!("can't write to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cant)?;
    if std::fs::read_dir(folder).with_context(cant)?.next().is_some() {
        let folder = folder.display();
        return Err(Ending::wrong(format!("{folder} is not empty: give a folder of its own")));
    }
    let mut manifest = Manifest::of(source.draw);
    for format in [exports::Format::Csv, exports::Format::Parquet] {
        let name = format!("bets.{}", format.extension());
        let (rows, written) = write_file(&folder.join(&name), |out| source.bets(format, out))?;
        manifest.add(&name, rows, written);
    }
    if let DrawState::Drawn { number } = source.draw.state {
        let (draw, winners) = (source.draw, source.winners(number)?);
        let mut add = |name: &str, write: &dyn Fn(&mut Out) -> Result<(), ExportError>| {
            let written = write_file(&folder.join(name), |mut out| {
                write(&mut out)?;
                Ok((winners.count(), out))
            });
            written.map(|(rows, written)| manifest.add(name, rows, written))
        };
        add("winners.csv", &|out| winners_csv(draw, &winners, out))?;
        add("winners.json", &|out| winners_json(draw, number, &winners, out))?;
    }
    write_file(&folder.join("manifest.json"), |mut out| {
        manifest.write(&mut out)?;
        Ok((0, out))
    })?;
    Ok(())
}

type Out = Digested<BufWriter<NamedTempFile>>;

/// A file, complete or not at all; says how many rows it has.
fn write_file(
    path: &Path,
    write: impl FnOnce(Out) -> anyhow::Result<(u64, Out)>,
) -> anyhow::Result<(u64, Summary)> {
    let (rows, out) = write(Digested::new(BufWriter::new(beside(path)?)))?;
    let (summary, file) = out.finish();
    keep(file, path)?;
    Ok((rows, summary))
}

/// A file that is to be at `path` once it is complete: for its owner alone, as the ledger is.
fn beside(path: &Path) -> anyhow::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(|| cant_write(path))
}

fn keep(file: BufWriter<NamedTempFile>, path: &Path) -> anyhow::Result<()> {
    let file = file.into_inner().map_err(std::io::IntoInnerError::into_error);
    let file = file.with_context(|| cant_write(path))?;
    file.as_file().sync_all().with_context(|| cant_write(path))?;
    file.persist(path).with_context(|| cant_write(path))?;
    Ok(())
}

fn cant_write(path: &Path) -> String {
    format!("can't write {}", path.display())
}
