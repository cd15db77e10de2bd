//! Writes a draw's bets, batch by batch, to one file.

use std::io::Write;

use lottery::{Bet, BetName, StoredBatch};

use crate::cells::Cells;
use crate::csv::CsvBets;
use crate::error::ExportError;
use crate::parquet::ParquetBets;

/// The format of a file of bets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CSV with a header line; fields are quoted only if needed.
    Csv(Cells),
    /// Compressed Parquet columns, for analysis.
    Parquet,
}

/// A writer for a file of bets.
pub struct BetsWriter<W: Write + Send> {
    file: File<W>,
    bets: u64,
}

enum File<W: Write + Send> {
    Csv(Box<CsvBets<W>>),
    Parquet(Box<ParquetBets<W>>),
}

impl Format {
    /// Returns the file extension.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Parquet => "parquet",
        }
    }
}

impl<W: Write + Send> BetsWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn new(format: Format, out: W) -> Result<Self, ExportError> {
        let file = match format {
            Format::Csv(cells) => File::Csv(Box::new(CsvBets::new(out, cells)?)),
            Format::Parquet => File::Parquet(Box::new(ParquetBets::new(out)?)),
        };
        Ok(Self { file, bets: 0 })
    }

    /// Adds the bets of a batch; returns their number.
    ///
    /// # Errors
    /// When they can't be written or one is invalid.
    pub fn add(&mut self, batch: &StoredBatch<'_>) -> Result<u64, ExportError> {
        let before = self.bets;
        for bet in batch.bets() {
            let (name, bet) = bet?;
            self.add_bet(name, &bet)?;
            self.bets += 1;
        }
        Ok(self.bets - before)
    }

    /// Completes the file; returns the number of bets and the inner writer.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(self) -> Result<(u64, W), ExportError> {
        let out = match self.file {
            File::Csv(file) => file.finish()?,
            File::Parquet(file) => file.finish()?,
        };
        Ok((self.bets, out))
    }

    fn add_bet(&mut self, name: BetName, bet: &Bet<'_>) -> Result<(), ExportError> {
        match &mut self.file {
            File::Csv(file) => file.add(name, bet),
            File::Parquet(file) => file.add(name, bet),
        }
    }
}
