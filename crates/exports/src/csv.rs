//! The bets as lines.

use std::io::Write;

use lottery::{AgencyId, Bet};

use crate::bets::COLUMNS;
use crate::error::ExportError;

pub(crate) struct CsvBets<W: Write> {
    out: csv::Writer<W>,
}

impl<W: Write> CsvBets<W> {
    pub(crate) fn new(out: W) -> Result<Self, ExportError> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record(COLUMNS)?;
        Ok(Self { out })
    }

    pub(crate) fn add(&mut self, agency: AgencyId, bet: &Bet<'_>) -> Result<(), ExportError> {
        let (agency, number) = (agency.to_string(), bet.number().to_string());
        let birthdate = bet.birthdate().to_string();
        let fields =
            [&agency, bet.first_name(), bet.last_name(), bet.document(), &birthdate, &number];
        Ok(self.out.write_record(fields)?)
    }

    pub(crate) fn finish(mut self) -> Result<W, ExportError> {
        self.out.flush()?;
        self.out.into_inner().map_err(|error| ExportError::Write(error.into_error()))
    }
}
