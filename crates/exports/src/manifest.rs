//! The manifest of an export: its draw and its files with lengths and digests. Written last, so a
//! folder with a manifest is complete.

use std::io::Write;

use lottery::{DrawState, DrawStatus};
use serde::Serialize;

use crate::digested::Summary;
use crate::error::ExportError;

/// A manifest under construction.
#[derive(Debug, Serialize)]
pub struct Manifest {
    draw: Draw,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
struct Draw {
    id: u32,
    name: String,
    agencies: String,
    agencies_finished: u64,
    numbers: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    winning_number: Option<u32>,
    batches: u64,
    bets: u64,
}

#[derive(Debug, Serialize)]
struct File {
    name: String,
    bytes: u64,
    rows: u64,
    sha256: String,
}

impl Manifest {
    /// Creates a manifest without files.
    #[must_use]
    pub fn of(draw: &DrawStatus) -> Self {
        let (state, winning_number) = match draw.state {
            DrawState::Announced => ("announced", None),
            DrawState::Open => ("open", None),
            DrawState::Closed => ("closed", None),
            DrawState::Drawn { number } => ("drawn", Some(number)),
            DrawState::Cancelled => ("cancelled", None),
        };
        let draw = Draw {
            id: draw.id.0,
            name: draw.terms.name.to_string(),
            agencies: draw.terms.agencies.to_string(),
            agencies_finished: draw.agencies_finished,
            numbers: draw.terms.numbers.to_string(),
            state,
            winning_number,
            batches: draw.batches,
            bets: draw.bets,
        };
        Self { draw, files: Vec::new() }
    }

    /// Adds a file with its number of rows, without the header.
    pub fn add(&mut self, name: &str, rows: u64, written: Summary) {
        let Summary { len: bytes, sha256 } = written;
        self.files.push(File { name: name.to_owned(), bytes, rows, sha256 });
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, mut out: impl Write) -> Result<(), ExportError> {
        serde_json::to_writer_pretty(&mut out, self).map_err(std::io::Error::from)?;
        Ok(out.write_all(b"\n")?)
    }
}
