//! Rows of a file of bets, one at a time, in constant memory.
//!
//! The file is CSV as RFC 4180 has it: rows ended by LF, CRLF or CR, the last end optional; a byte
//! order mark allowed. Empty lines are skipped. What its fields are apart by, whether a header
//! comes first, and its encoding are its [`Form`].
//!
//! ```text
//! 0        start                 end             buffer.len()
//! | taken  | the row, what follows | to read into  |
//! ```
//!
//! Invariants:
//! - a row is given with the line it starts on, from 1, whatever line ends its fields hold;
//! - a row takes at most [`ROW_LEN_MAX`] bytes, so that a missing quotation mark costs no memory;
//! - where the quoting is broken nobody can tell the end of the row: its first line alone is at
//!   fault, and reading goes on at the next line. A bet takes one line, so no good bet is lost.
//!
//! `csv_core` finds *some* reading of any bytes; what RFC 4180 does not allow is refused here.

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
    /// Whether a header is to come.
    header: bool,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// The line of `buffer[start]`.
    line: u64,
    /// Whether the byte before `buffer[start]` is a CR: a LF then ends the same line.
    after_cr: bool,
    parser: csv_core::Reader,
    /// The fields of the current row, unquoted, one after the other.
    text: Vec<u8>,
    /// Where in `text` each of them ends.
    ends: Vec<usize>,
    current: Current,
}

/// A row of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    /// The line it starts on, from 1.
    pub(crate) line: u64,
    /// The line it ends on: another one when a quoted field holds line ends.
    pub(crate) last_line: u64,
    /// Its fields, or why it has not the form of a bet.
    pub(crate) fields: Result<[&'a str; FIELDS], RowReason>,
}

#[derive(Debug)]
struct Current {
    line: u64,
    last_line: u64,
    /// How many fields it has, or what is wrong with it as a row of CSV.
    fields: Result<usize, RowReason>,
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
            // As many as the longest row could need, so that neither is ever full.
            text: vec![0; ROW_LEN_MAX + 2],
            ends: vec![0; ROW_LEN_MAX + 2],
            current: Current { line: 0, last_line: 0, fields: Ok(0) },
        }
    }

    /// Goes to the next row that is no header; `false` after the last.
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
        match fields {
            Ok((row_len, _)) => self.take(row_len),
            Err(_) => {
                self.parser = fresh_parser(self.delimiter);
                self.skip_line()?;
            }
        }
        self.current =
            Current { line, last_line: self.line, fields: fields.map(|(_, count)| count) };
        Ok(true)
    }

    /// The row last gone to.
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

    /// Cuts the row that begins at `start` into `text` and `ends`, without taking it: its length
    /// without the line end, and how many fields it has.
    fn parse(&mut self) -> io::Result<Result<(usize, usize), RowReason>> {
        let (mut row_len, mut text_len, mut count) = (0, 0, 0);
        loop {
            let at_end = self.start + row_len == self.end && !self.fill()?;
            let upto = self.end.min(self.start + ROW_LEN_MAX + 1);
            let input = if at_end {
                // As if the last line had an end: unless that is within quotation marks.
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

    /// Takes line ends, those of empty lines too; `false` when nothing follows them.
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

    /// Takes everything up to the next line end.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = unread.iter().position(|&byte| is_line_end(byte)) {
                self.take(at);
                return Ok(());
            }
            self.take(unread.len());
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Takes `len` bytes, counting their lines.
    fn take(&mut self, len: usize) {
        for &byte in &self.buffer[self.start..self.start + len] {
            let ends_line = byte == b'\r' || (byte == b'\n' && !self.after_cr);
            self.line += u64::from(ends_line);
            self.after_cr = byte == b'\r';
        }
        self.start += len;
    }

    /// Reads more behind what was not taken; `false` at the end of the file.
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
    /// The bet that the row holds.
    ///
    /// # Errors
    /// Why it holds none.
    pub(crate) fn bet(&self, numbers: NumberRange) -> Result<Bet<'a>, RowReason> {
        if self.last_line > self.line {
            return Err(RowReason::Lines(self.last_line));
        }
        Bet::check(self.fields?, numbers).map_err(RowReason::Bet)
    }
}

/// A parser at the start of a row that is not the first: at the first one, `csv_core` would drop a
/// byte order mark once more.
fn fresh_parser(delimiter: Delimiter) -> csv_core::Reader {
    let mut parser = csv_core::ReaderBuilder::new().delimiter(delimiter.byte()).build();
    parser.read_record(b"\n", &mut [0], &mut [0]);
    parser
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Whether quotation marks are only where RFC 4180 has them: around a whole field, and doubled in
/// it. `row` has no line end, and ends outside of quotation marks.
fn quoting_is_sound(row: &[u8], delimiter: Delimiter) -> bool {
    #[derive(Clone, Copy)]
    enum At {
        FieldStart,
        Plain,
        Quoted,
        /// Behind a mark in a quoted field: it ends the field, or is the first of two.
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
