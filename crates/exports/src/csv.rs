//! Bets as CSV.

use std::io::Write;

use lottery::{Bet, BetName};

use crate::cells::{COLUMNS, Cells};
use crate::error::ExportError;

pub(crate) struct CsvBets<W: Write> {
    out: csv::Writer<W>,
    cells: Cells,
}

impl<W: Write> CsvBets<W> {
    pub(crate) fn new(out: W, cells: Cells) -> Result<Self, ExportError> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record(COLUMNS)?;
        Ok(Self { out, cells })
    }

    pub(crate) fn add(&mut self, name: BetName, bet: &Bet<'_>) -> Result<(), ExportError> {
        let BetName { draw: _, agency, chunk, position } = name;
        let [agency, chunk, position, number] =
            [agency.0, chunk.0, position, bet.number()].map(|integer| integer.to_string());
        let birthdate = bet.birthdate().to_string();
        let [first, last, document] =
            [bet.first_name(), bet.last_name(), bet.document()].map(|text| self.cells.write(text));
        let name: [&str; 3] = [&agency, &chunk, &position];
        let bet: [&str; 5] = [&first, &last, &document, &birthdate, &number];
        Ok(self.out.write_record(name.into_iter().chain(bet))?)
    }

    pub(crate) fn finish(mut self) -> Result<W, ExportError> {
        self.out.flush()?;
        self.out.into_inner().map_err(|error| ExportError::Write(error.into_error()))
    }
}
