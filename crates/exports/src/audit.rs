//! The audit log as CSV.

use std::io::Write;

use lottery::{Description, Event, StoredEvent};

use crate::cells::Cells;
use crate::error::ExportError;

/// A writer for a CSV file of the audit log.
pub struct AuditWriter<W: Write> {
    out: csv::Writer<W>,
    cells: Cells,
}

impl<W: Write> AuditWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn new(out: W, cells: Cells) -> Result<Self, ExportError> {
        let mut out = csv::Writer::from_writer(out);
        let columns = ["sequence", "at", "by", "action", "draw", "arguments", "why", "operators"];
        out.write_record(columns)?;
        Ok(Self { out, cells })
    }

    /// Adds an event with its description.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(&mut self, stored: &StoredEvent, it: &Description<'_>) -> Result<(), ExportError> {
        let operators = match &stored.event {
            Event::Acted(recorded) => recorded.operators,
            _ => 0,
        };
        let (by, arguments) = (it.by.to_string(), it.arguments_text());
        let draw = it.draw.map_or_else(String::new, |draw| draw.to_string());
        self.out.write_record([
            &stored.sequence.to_string(),
            &stored.at.to_string(),
            &*self.cells.write(&by),
            it.action,
            &draw,
            &*self.cells.write(&arguments),
            &*self.cells.write(it.why),
            &operators.to_string(),
        ])?;
        Ok(())
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
