//! `bolillero export`: a draw's bets as a file.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use ledger::Archive;
use lottery::DrawId;

use super::folder::{self, FolderArgs};
use crate::exit::{Ending, printed};

const EXAMPLES: &str = "\
Examples:
  bolillero export --data ./data --format csv --out bets.csv
  bolillero export --data ./data --draw sorteo | head";

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
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A header line, then a bet a line; fields quoted only where they must be.
    Csv,
}

/// Exports.
pub(crate) fn run(args: &ExportArgs) -> Result<(), Ending> {
    let Format::Csv = args.format;
    let (archive, draw) = args.folder.open()?;
    let data = &args.folder.data;
    match &args.out {
        None => printed(write(&archive, data, draw.id, std::io::stdout().lock()))?,
        Some(path) => write_file(&archive, data, draw.id, path)?,
    }
    Ok(())
}

fn write_file(archive: &Archive, data: &Path, draw: DrawId, path: &Path) -> anyhow::Result<()> {
    let cant = || format!("can't write {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .with_context(cant)?;
    write(archive, data, draw, &mut file)?;
    file.as_file().sync_all().with_context(cant)?;
    file.persist(path).with_context(cant)?;
    Ok(())
}

fn write(archive: &Archive, data: &Path, draw: DrawId, out: impl Write) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["agency", "first_name", "last_name", "document", "birthdate", "number"])?;
    folder::each_bet(archive, data, draw, |agency, bet| {
        let (agency, number) = (agency.to_string(), bet.number().to_string());
        let birthdate = bet.birthdate().to_string();
        let fields =
            [&agency, bet.first_name(), bet.last_name(), bet.document(), &birthdate, &number];
        csv.write_record(fields).context("can't write the export")
    })?;
    csv.flush().context("can't write the export")
}
