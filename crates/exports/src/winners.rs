//! The winners of a draw: as counted, by agency, including agencies without any; or bet by bet.

use std::io::Write;

use lottery::{Bet, BetName, Documents, DrawStatus, Winners};
use serde::Serialize;

use crate::cells::Cells;
use crate::error::ExportError;

/// Writes a header line, then agency and document of each winning bet.
///
/// # Errors
/// When it can't be written.
pub fn winners_csv(
    draw: &DrawStatus,
    winners: &Winners,
    cells: Cells,
    out: impl Write,
) -> Result<(), ExportError> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["agency", "document"])?;
    for of_agency in of_each(draw, winners) {
        for document in of_agency.documents {
            csv.write_record([&of_agency.agency.to_string(), &*cells.write(document)])?;
        }
    }
    Ok(csv.flush()?)
}

/// Writes one JSON object.
///
/// # Errors
/// When it can't be written.
pub fn winners_json(
    draw: &DrawStatus,
    number: u32,
    winners: &Winners,
    mut out: impl Write,
) -> Result<(), ExportError> {
    let object = Object {
        agencies: of_each(draw, winners).collect(),
        bets: draw.bets,
        draw: draw.terms.name.as_str(),
        winners: winners.count(),
        winning_number: number,
    };
    serde_json::to_writer_pretty(&mut out, &object).map_err(std::io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

/// A writer for a CSV file of winning bets, with the names of bettors and agencies.
pub struct WinningBetsWriter<W: Write> {
    out: csv::Writer<W>,
    cells: Cells,
}

impl<W: Write> WinningBetsWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn new(out: W, cells: Cells) -> Result<Self, ExportError> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record([
            "agency",
            "agency_name",
            "chunk",
            "position",
            "first_name",
            "last_name",
            "document",
            "number",
        ])?;
        Ok(Self { out, cells })
    }

    /// Adds a bet of an agency with this registered name, which may be empty.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(
        &mut self,
        agency_name: &str,
        name: BetName,
        bet: &Bet<'_>,
    ) -> Result<(), ExportError> {
        let BetName { draw: _, agency, chunk, position } = name;
        let [agency, chunk, position, number] =
            [agency.0, chunk.0, position, bet.number()].map(|integer| integer.to_string());
        let [agency_name, first, last, document] =
            [agency_name, bet.first_name(), bet.last_name(), bet.document()]
                .map(|text| self.cells.write(text));
        let row: [&str; 8] =
            [&agency, &agency_name, &chunk, &position, &first, &last, &document, &number];
        Ok(self.out.write_record(row)?)
    }

    /// Completes the file; returns the inner writer.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(mut self) -> Result<W, ExportError> {
        self.out.flush()?;
        self.out.into_inner().map_err(|error| ExportError::Write(error.into_error()))
    }
}

#[derive(Serialize)]
struct Object<'a> {
    agencies: Vec<OfAgency<'a>>,
    bets: u64,
    draw: &'a str,
    winners: u64,
    winning_number: u32,
}

#[derive(Serialize)]
struct OfAgency<'a> {
    agency: u32,
    documents: Vec<&'a str>,
}

fn of_each<'a>(draw: &'a DrawStatus, winners: &'a Winners) -> impl Iterator<Item = OfAgency<'a>> {
    draw.terms.agencies.iter().map(|agency| OfAgency {
        agency: agency.0,
        documents: winners.of(agency).into_iter().flat_map(Documents::iter).collect(),
    })
}
