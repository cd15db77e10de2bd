//! The winners of a draw by agency, including agencies without any.

use std::io::Write;

use lottery::{Documents, DrawStatus, Winners};
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
