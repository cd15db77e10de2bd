//! Errors of exports.

use std::io;

use lottery::UnsoundBet;
use thiserror::Error;

/// Why an export failed.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The export can't be written.
    #[error("can't write the export: {0}")]
    Write(#[from] io::Error),
    /// A stored bet is invalid.
    #[error(transparent)]
    Bet(#[from] UnsoundBet),
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            // Preserves the error's kind, such as a closed pipe.
            csv::ErrorKind::Io(error) => Self::Write(error),
            kind => Self::Write(io::Error::other(format!("{kind:?}"))),
        }
    }
}

impl From<parquet::errors::ParquetError> for ExportError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Write(io::Error::other(error))
    }
}
