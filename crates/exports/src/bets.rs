//! A draw's batches, one after the other, into one file.

use std::io::Write;

use lottery::{Bet, BetName, StoredBatch};

use crate::cells::Cells;
use crate::csv::CsvBets;
use crate::error::ExportError;
use crate::parquet::ParquetBets;

/// What a file of bets is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A header line, then a bet a line; fields quoted only where they must be.
    Csv(Cells),
    /// Columns, compressed; for programs that analyse.
    Parquet,
}

/// The columns, in both formats. The first three are what the name of a bet has besides the draw.
pub(crate) const COLUMNS: [&str; 8] =
    ["agency", "chunk", "position", "first_name", "last_name", "document", "birthdate", "number"];

/// A file of bets that is being written.
pub struct BetsWriter<W: Write + Send> {
    file: File<W>,
    bets: u64,
}

enum File<W: Write + Send> {
    Csv(Box<CsvBets<W>>),
    Parquet(Box<ParquetBets<W>>),
}

impl Format {
    /// What files of it end in.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Parquet => "parquet",
        }
    }
}

impl<W: Write + Send> BetsWriter<W> {
    /// Begins a file.
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

    /// Adds the bets of a batch, and says how many there were.
    ///
    /// # Errors
    /// When they can't be written, or one of them is none.
    pub fn add(&mut self, batch: &StoredBatch<'_>) -> Result<u64, ExportError> {
        let before = self.bets;
        for bet in batch.bets() {
            let (name, bet) = bet?;
            self.add_bet(name, &bet)?;
            self.bets += 1;
        }
        Ok(self.bets - before)
    }

    /// Ends the file; says how many bets it holds, and gives back what it was written to.
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
