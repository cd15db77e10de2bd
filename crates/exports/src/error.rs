//! What goes wrong with an export.

use std::io;

use lottery::UnsoundBet;
use thiserror::Error;

/// Why a draw could not be exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Bytes could not be written.
    #[error("can't write the export: {0}")]
    Write(#[from] io::Error),
    /// A stored bet is not acceptable.
    #[error(transparent)]
    Bet(#[from] UnsoundBet),
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            // As it is: that a reader has gone shows in its kind.
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
