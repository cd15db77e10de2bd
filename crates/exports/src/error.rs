//! What goes wrong with an export.

use std::io;

use lottery::{AgencyId, BetFault, ChunkId};
use thiserror::Error;

/// Why a draw could not be exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Bytes could not be written.
    #[error("can't write the export: {0}")]
    Write(#[from] io::Error),
    /// A stored bet is not one.
    #[error("chunk {chunk} of agency {agency} holds a bet that is none: {fault}")]
    Bet {
        /// Whose.
        agency: AgencyId,
        /// In which of its batches.
        chunk: ChunkId,
        /// What is wrong with it.
        fault: BetFault,
    },
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        Self::Write(error.into())
    }
}

impl From<parquet::errors::ParquetError> for ExportError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Write(io::Error::other(error))
    }
}
