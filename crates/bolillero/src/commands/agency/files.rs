//! What an agency's run writes: its winners, and the file of rejected rows.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use agency::{Language, Rejected, Report, RowFault, WinningBet, WinningBets};
use anyhow::Context as _;
use exports::Cells;
use lottery::text::shown;

use super::Format;
use super::screen::Screen;
use crate::exit::Ending;
use crate::output::{How, Output};

/// Marks a file as UTF-8 for spreadsheets.
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// Bettors' data: only this user may read it.
const PRIVATE: u32 = 0o600;

/// The file of rejected rows; nothing is at its path until it is complete.
pub(super) struct RejectedFile {
    path: PathBuf,
    output: Output,
}

impl RejectedFile {
    pub(super) fn create(path: &Path, force: bool, language: Language) -> Result<Self, Ending> {
        let how = How { force, mode: PRIVATE, durable: true };
        let output = Output::open(path, how);
        let output = output.map_err(|unopened| unopened.ending(path, language))?;
        Ok(Self { path: path.to_owned(), output })
    }

    /// Writes a header line, then file, line, reason and cells of each row, in the file's own
    /// delimiter. No cell is a formula.
    fn write(self, rows: Rejected<'_>, screen: &Screen) -> anyhow::Result<()> {
        let Self { path, mut output } = self;
        let language = screen.language();
        let count = write_rows(rows, language, &mut output)
            .map_err(anyhow::Error::from)
            .and_then(|count| output.finish().map(|_| count));
        let cant = || {
            let cant = language
                .t("no se pueden escribir las filas rechazadas", "can't write the rejected rows");
            format!("{cant} ({})", path.display())
        };
        let count = count.with_context(cant)?;
        let rejected = language.t("Filas rechazadas:", "Rejected rows:");
        screen.say(&format!("{rejected} {count} ({})", path.display()));
        Ok(())
    }
}

/// Writes the file of rejected rows, if one is wanted and there can be such rows.
pub(super) fn write_rejected(
    file: Option<RejectedFile>,
    rows: Option<Rejected<'_>>,
    screen: &Screen,
) -> anyhow::Result<()> {
    match (file, rows) {
        (Some(file), Some(rows)) => file.write(rows, screen),
        _ => Ok(()),
    }
}

/// Returns whether two paths are of the same existing file.
pub(super) fn are_same(one: &Path, other: &Path) -> bool {
    let of = |path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    of(one).is_some_and(|one| Some(one) == of(other))
}

fn write_rows(rows: Rejected<'_>, language: Language, output: &mut Output) -> io::Result<u64> {
    output.write_all(BYTE_ORDER_MARK.as_bytes())?;
    let mut csv = csv::WriterBuilder::new()
        .delimiter(rows.delimiter().byte())
        .flexible(true)
        .from_writer(output);
    csv.write_record(header(language).split(','))?;
    let mut count = 0;
    rows.each(&mut |fault, cells| {
        count += 1;
        let RowFault { file, line, reason } = fault;
        let about = [file.display().to_string(), line.to_string(), reason.text(language)];
        let cells = about.iter().map(String::as_str).chain(cells.iter().map(|cell| &**cell));
        let cells: Vec<_> = cells.map(|cell| Cells::Inert.write(cell)).collect();
        Ok(csv.write_record(cells.iter().map(|cell| cell.as_bytes()))?)
    })?;
    csv.flush()?;
    Ok(count)
}

fn header(language: Language) -> &'static str {
    language.t(
        "archivo,línea,motivo,nombre,apellido,documento,fecha de nacimiento,número",
        "file,line,reason,first name,last name,document,birthdate,number",
    )
}

/// Prints the winners.
pub(super) fn print(report: &Report, format: Format, screen: &Screen) -> Result<(), Ending> {
    let printed = match format {
        Format::Documents => print_documents(&report.winners),
        // There is no result yet.
        Format::Csv if report.stopped => Ok(()),
        Format::Csv => print_bets(report, screen),
    };
    let cant =
        screen.language().t("no se pueden escribir los ganadores", "can't write the winners");
    Ok(printed.context(cant)?)
}

fn print_documents(winners: &[String]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for document in winners {
        writeln!(out, "{}", shown(document))?;
    }
    out.flush()
}

fn documents_only(winners: &[String]) -> WinningBets {
    let bet =
        |document: &String| WinningBet { document: document.clone(), rest: <[_; 4]>::default() };
    WinningBets { bets: winners.iter().map(bet).collect(), known: false }
}

fn print_bets(report: &Report, screen: &Screen) -> io::Result<()> {
    let winning = report.winning_bets().unwrap_or_else(|error| {
        let cant = screen.language().t(
            "No se puede leer de nuevo el archivo de apuestas:",
            "Can't read the file of bets again:",
        );
        screen.say(&format!("{cant} {error}"));
        documents_only(&report.winners)
    });
    if !winning.known {
        screen.say(screen.language().t(
            "El archivo no alcanza para saber cuál apuesta de cada documento ganó: lo dudoso queda \
             vacío.",
            "The file does not tell which bet of each document won: what is in doubt is empty.",
        ));
    }
    let mut csv = csv::Writer::from_writer(io::stdout().lock());
    csv.write_record(["first_name", "last_name", "document", "birthdate", "number"])?;
    for WinningBet { document, rest: [first, last, birthdate, number] } in &winning.bets {
        let cells = [first, last, document, birthdate, number];
        csv.write_record(cells.map(|cell| Cells::Inert.write(cell).into_owned()))?;
    }
    csv.flush()
}
