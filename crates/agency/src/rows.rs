//! Reads the rows of a file of bets, one at a time, in constant memory.
//!
//! The file is CSV as in RFC 4180. Rows end with LF, CRLF or CR, optional after the last row. A
//! byte order mark is allowed and empty lines are skipped. Delimiter, header and encoding are given
//! by the [`Form`].
//!
//! ```text
//! 0          start                  end             buffer.len()
//! | consumed  | the row, what follows | free space    |
//! ```
//!
//! Invariants:
//! - a row is reported with the line it starts on, counted from 1, even if fields hold line ends;
//! - a row takes at most [`ROW_LEN_MAX`] bytes, so that a missing quotation mark costs no memory;
//! - when the quoting is broken, the end of the row is unknown: only its first line is refused and
//!   reading continues on the next line. A bet takes one line, so no valid bet is lost.
//!
//! `csv_core` accepts any bytes as CSV; what RFC 4180 does not allow is refused here.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read};

use csv_core::ReadRecordResult;
use lottery::{Bet, NumberRange};

use crate::error::RowReason;
use crate::form::{Decoded, Delimiter, Form};
use crate::limits::{READ_LEN, ROW_LEN_MAX};

const FIELDS: usize = 5;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads rows from `input`.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    input: Decoded<R>,
    delimiter: Delimiter,
    /// Whether a header is still to be skipped.
    header: bool,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// The line of `buffer[start]`.
    line: u64,
    /// Whether the byte before `buffer[start]` is a CR; an LF then ends the same line.
    after_cr: bool,
    parser: csv_core::Reader,
    /// The unquoted fields of the current row, concatenated; its first line if it is not valid CSV.
    text: Vec<u8>,
    /// The end of each field in `text`.
    ends: Vec<usize>,
    current: Current,
}

/// A row of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    /// The line it starts on, counted from 1.
    pub(crate) line: u64,
    /// The line it ends on; differs from `line` when a quoted field holds line ends.
    pub(crate) last_line: u64,
    /// The fields, or why the row does not have the form of a bet.
    pub(crate) fields: Result<[&'a str; FIELDS], RowReason>,
}

#[derive(Debug)]
struct Current {
    line: u64,
    last_line: u64,
    /// The number of fields, or why the row is not valid CSV.
    fields: Result<usize, RowReason>,
    /// The number of ends in `ends`.
    cells: usize,
}

impl<R: Read> Rows<R> {
    pub(crate) fn new(input: R, form: Form) -> Self {
        let Form { delimiter, header, encoding } = form;
        Self {
            input: Decoded::new(input, encoding),
            delimiter,
            header,
            buffer: vec![0; READ_LEN],
            start: 0,
            end: 0,
            ended: false,
            line: 1,
            after_cr: false,
            parser: fresh_parser(delimiter),
            // Large enough for the longest row, so that neither buffer is ever full.
            text: vec![0; ROW_LEN_MAX + 2],
            ends: vec![0; ROW_LEN_MAX + 2],
            current: Current { line: 0, last_line: 0, fields: Ok(0), cells: 0 },
        }
    }

    /// Advances to the next row that is not a header; returns `false` after the last.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        if std::mem::take(&mut self.header) && !self.advance_to_any()? {
            return Ok(false);
        }
        self.advance_to_any()
    }

    fn advance_to_any(&mut self) -> io::Result<bool> {
        if self.current.line == 0 {
            self.skip_byte_order_mark()?;
        }
        if !self.skip_line_ends()? {
            return Ok(false);
        }
        let line = self.line;
        let fields = self.parse()?;
        let cells = match fields {
            Ok((row_len, count)) => {
                self.take(row_len);
                count
            }
            Err(_) => {
                self.parser = fresh_parser(self.delimiter);
                self.ends[0] = self.skip_line()?;
                1
            }
        };
        let fields = fields.map(|(_, count)| count);
        self.current = Current { line, last_line: self.line, fields, cells };
        Ok(true)
    }

    /// Returns the current row.
    pub(crate) fn row(&self) -> Row<'_> {
        let fields = self.current.fields.and_then(|count| {
            let Ok(ends) = <[usize; FIELDS]>::try_from(&self.ends[..count]) else {
                return Err(RowReason::FieldCount(count));
            };
            let mut fields = [""; FIELDS];
            let mut start = 0;
            for (field, end) in fields.iter_mut().zip(ends) {
                let bytes = &self.text[start..end];
                *field = str::from_utf8(bytes).map_err(|_| RowReason::NotUtf8)?;
                start = end;
            }
            Ok(fields)
        });
        Row { line: self.current.line, last_line: self.current.last_line, fields }
    }

    /// Returns the line that the current row starts on.
    pub(crate) fn line(&self) -> u64 {
        self.current.line
    }

    /// Returns the cells of the current row, for people: its fields, or its first line if it is not
    /// valid CSV. Malformed text is replaced.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let ends = &self.ends[..self.current.cells];
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts.zip(ends).map(|(start, &end)| String::from_utf8_lossy(&self.text[start..end]))
    }

    /// Parses the row that begins at `start` into `text` and `ends` without consuming it. Returns
    /// its length without the line end and the number of fields.
    fn parse(&mut self) -> io::Result<Result<(usize, usize), RowReason>> {
        let (mut row_len, mut text_len, mut count) = (0, 0, 0);
        loop {
            let at_end = self.start + row_len == self.end && !self.fill()?;
            let upto = self.end.min(self.start + ROW_LEN_MAX + 1);
            let input = if at_end {
                // The missing line end of the last row; it does not end an open quoted field.
                b"\n"
            } else {
                &self.buffer[self.start + row_len..upto]
            };
            let (result, taken, written, ended) =
                self.parser.read_record(input, &mut self.text[text_len..], &mut self.ends[count..]);
            text_len += written;
            count += ended;
            if !at_end {
                row_len += taken;
            }
            if result == ReadRecordResult::Record {
                row_len -= usize::from(!at_end);
                let row = &self.buffer[self.start..self.start + row_len];
                return Ok(if quoting_is_sound(row, self.delimiter) {
                    Ok((row_len, count))
                } else {
                    Err(RowReason::Quotes)
                });
            }
            if at_end {
                return Ok(Err(RowReason::Quotes));
            }
            if row_len > ROW_LEN_MAX {
                return Ok(Err(RowReason::TooLong));
            }
        }
    }

    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        while self.end - self.start < BYTE_ORDER_MARK.len() && self.fill()? {}
        if self.buffer[self.start..self.end].starts_with(BYTE_ORDER_MARK) {
            self.start += BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    /// Consumes line ends, including empty lines; returns `false` at the end of the file.
    fn skip_line_ends(&mut self) -> io::Result<bool> {
        loop {
            if self.start == self.end && !self.fill()? {
                return Ok(false);
            }
            if !is_line_end(self.buffer[self.start]) {
                return Ok(true);
            }
            self.take(1);
        }
    }

    /// Consumes everything up to the next line end. Copies the first [`ROW_LEN_MAX`] bytes to `text`
    /// and returns how many there are.
    fn skip_line(&mut self) -> io::Result<usize> {
        let mut kept_len = 0;
        loop {
            let unread = &self.buffer[self.start..self.end];
            let at = unread.iter().position(|&byte| is_line_end(byte));
            let len = at.unwrap_or(unread.len());
            let keep_len = len.min(ROW_LEN_MAX - kept_len);
            self.text[kept_len..kept_len + keep_len].copy_from_slice(&unread[..keep_len]);
            kept_len += keep_len;
            self.take(len);
            if at.is_some() || !self.fill()? {
                return Ok(kept_len);
            }
        }
    }

    /// Consumes `len` bytes, counting their lines.
    fn take(&mut self, len: usize) {
        for &byte in &self.buffer[self.start..self.start + len] {
            let ends_line = byte == b'\r' || (byte == b'\n' && !self.after_cr);
            self.line += u64::from(ends_line);
            self.after_cr = byte == b'\r';
        }
        self.start += len;
    }

    /// Reads more input after the unconsumed bytes; returns `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 && (self.start == self.end || self.end == self.buffer.len()) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while !self.ended {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(len) => {
                    self.end += len;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

impl<'a> Row<'a> {
    /// Returns the bet that the row holds.
    ///
    /// # Errors
    /// When the row is not a valid bet.
    pub(crate) fn bet(&self, numbers: NumberRange) -> Result<Bet<'a>, RowReason> {
        if self.last_line > self.line {
            return Err(RowReason::Lines(self.last_line));
        }
        Bet::check(self.fields?, numbers).map_err(RowReason::Bet)
    }
}

/// Returns a parser positioned after the first row, where `csv_core` would remove a byte order mark
/// a second time.
fn fresh_parser(delimiter: Delimiter) -> csv_core::Reader {
    let mut parser = csv_core::ReaderBuilder::new().delimiter(delimiter.byte()).build();
    parser.read_record(b"\n", &mut [0], &mut [0]);
    parser
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Returns whether quotation marks are only where RFC 4180 allows them: around a whole field, and
/// doubled in it. `row` must not include its line end and must end outside of quotation marks.
fn quoting_is_sound(row: &[u8], delimiter: Delimiter) -> bool {
    #[derive(Clone, Copy)]
    enum At {
        FieldStart,
        Plain,
        Quoted,
        /// After a mark in a quoted field: it either ends the field or is the first of a pair.
        Mark,
    }
    if !row.contains(&b'"') {
        return true;
    }
    let mut at = At::FieldStart;
    for &byte in row {
        at = match (at, byte) {
            (At::FieldStart | At::Mark, b'"') => At::Quoted,
            (At::Plain, b'"') => return false,
            (At::Quoted, b'"') => At::Mark,
            (At::Quoted, _) => At::Quoted,
            (At::FieldStart | At::Plain | At::Mark, _) if byte == delimiter.byte() => {
                At::FieldStart
            }
            (At::Mark, _) => return false,
            (At::FieldStart | At::Plain, _) => At::Plain,
        };
    }
    true
}

#[cfg(test)]
mod tests;
