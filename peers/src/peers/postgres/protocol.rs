//! What is said to PostgreSQL, in version 3.0 of its protocol: extended queries, binary, prepared,
//! with everything of a batch sent at once. That is as lean as a client can be.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::bail;

use super::USER;
use crate::batches::{Batch, Bet};
use crate::peer::{Reply, Speech, connected};

/// Version 3.0.
const VERSION: i32 = 3 << 16;
/// Name of the one prepared statement of a connection.
const STATEMENT: &[u8] = b"s\0";
/// Of a message: its kind and its length, which counts itself but not the kind.
const HEADER_LEN: usize = 5;

/// Object numbers of types, as in pg_type.
const TEXT: i32 = 25;
const INT4: i32 = 23;
const DATE: i32 = 1082;

/// Rows for COPY, as text is: a field is its length and its bytes.
pub(super) struct Copied {
    /// For each batch its rows, each without the agency and the chunk.
    batches: Vec<Vec<Vec<u8>>>,
}

/// Rows for INSERT: an array for each column.
pub(super) struct Inserted {
    /// For each batch its arrays, one behind the other.
    batches: Vec<Vec<u8>>,
}

/// A connection on which the statement is prepared.
pub(super) fn prepared(port: u16, statement: &str) -> anyhow::Result<TcpStream> {
    let mut stream = connected(port)?;
    let mut out = Vec::new();
    with_length(&mut out, |out| {
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(format!("user\0{USER}\0database\0{USER}\0\0").as_bytes());
    });
    message(&mut out, b'P', |out| {
        out.extend_from_slice(STATEMENT);
        out.extend_from_slice(statement.as_bytes());
        // No types are given: they follow from the statement.
        out.extend_from_slice(&[0, 0, 0]);
    });
    message(&mut out, b'S', |_| {});
    stream.write_all(&out)?;
    // Ready after the start, and after the preparing.
    let mut readies = 0;
    while readies < 2 {
        let mut header = [0; HEADER_LEN];
        stream.read_exact(&mut header)?;
        let mut whole = header.to_vec();
        whole.resize(message_len(&header), 0);
        stream.read_exact(&mut whole[HEADER_LEN..])?;
        readies += usize::from(reply(&whole)?.is_some_and(|reply| reply.acknowledges));
    }
    Ok(stream)
}

impl Copied {
    pub(super) fn new(batches: &[Batch]) -> Self {
        let row = |bet: &Bet| {
            let mut row = Vec::new();
            for text in [&bet.first_name, &bet.last_name, &bet.document] {
                field(&mut row, text.as_bytes());
            }
            field(&mut row, &days(&bet.birthdate).to_be_bytes());
            field(&mut row, &bet.number.to_be_bytes());
            row
        };
        let rows = |batch: &Batch| batch.bets.iter().map(row).collect();
        Self { batches: batches.iter().map(rows).collect() }
    }
}

impl Speech for Copied {
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) {
        message(out, b'B', |out| {
            out.push(0);
            out.extend_from_slice(STATEMENT);
            // No formats, no parameters, no formats of results.
            out.extend_from_slice(&[0; 6]);
        });
        execute(out);
        message(out, b'd', |out| {
            out.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
            // No flags, no extension.
            out.extend_from_slice(&[0; 8]);
            for row in &self.batches[chunk as usize % self.batches.len()] {
                out.extend_from_slice(&7_i16.to_be_bytes());
                field(out, &agency.to_be_bytes());
                field(out, &chunk.to_be_bytes());
                out.extend_from_slice(row);
            }
            out.extend_from_slice(&(-1_i16).to_be_bytes());
        });
        message(out, b'c', |_| {});
        message(out, b'S', |_| {});
    }

    fn reply(&self, received: &[u8]) -> anyhow::Result<Option<Reply>> {
        reply(received)
    }
}

impl Inserted {
    pub(super) fn new(batches: &[Batch]) -> Self {
        let arrays = |batch: &Batch| {
            let bets = &batch.bets;
            let mut out = Vec::new();
            array(&mut out, TEXT, bets.iter().map(|bet| bet.first_name.as_bytes().to_vec()));
            array(&mut out, TEXT, bets.iter().map(|bet| bet.last_name.as_bytes().to_vec()));
            array(&mut out, TEXT, bets.iter().map(|bet| bet.document.as_bytes().to_vec()));
            array(&mut out, DATE, bets.iter().map(|bet| days(&bet.birthdate).to_be_bytes().into()));
            array(&mut out, INT4, bets.iter().map(|bet| bet.number.to_be_bytes().into()));
            out
        };
        Self { batches: batches.iter().map(arrays).collect() }
    }
}

impl Speech for Inserted {
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) {
        message(out, b'B', |out| {
            out.push(0);
            out.extend_from_slice(STATEMENT);
            // One format, binary, for all of the seven parameters.
            out.extend_from_slice(&[0, 1, 0, 1, 0, 7]);
            field(out, &agency.to_be_bytes());
            field(out, &chunk.to_be_bytes());
            out.extend_from_slice(&self.batches[chunk as usize % self.batches.len()]);
            // No formats of results.
            out.extend_from_slice(&[0; 2]);
        });
        execute(out);
        message(out, b'S', |_| {});
    }

    fn reply(&self, received: &[u8]) -> anyhow::Result<Option<Reply>> {
        reply(received)
    }
}

/// Ready for the next is what acknowledges: only then is the transaction durable.
fn reply(received: &[u8]) -> anyhow::Result<Option<Reply>> {
    let Some(header) = received.first_chunk() else { return Ok(None) };
    let len = message_len(header);
    let Some(whole) = received.get(..len) else { return Ok(None) };
    match header[0] {
        b'E' => bail!("PostgreSQL refused: {}", refusal(&whole[HEADER_LEN..])),
        kind => Ok(Some(Reply { len, acknowledges: kind == b'Z' })),
    }
}

/// The text for people among the fields of an error.
fn refusal(fields: &[u8]) -> String {
    let mut texts = fields.split(|byte| *byte == 0).filter_map(|field| field.strip_prefix(b"M"));
    String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned()
}

fn message_len(header: &[u8; HEADER_LEN]) -> usize {
    let [_, len @ ..] = *header;
    1 + u32::from_be_bytes(len) as usize
}

fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    with_length(out, body);
}

/// A length that counts itself, and what it is of.
fn with_length(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let len = length(out.len() - at);
    out[at..at + 4].copy_from_slice(&len);
}

fn execute(out: &mut Vec<u8>) {
    // The unnamed portal, all rows.
    message(out, b'E', |out| out.extend_from_slice(&[0; 5]));
}

/// A value behind its length.
fn field(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&length(value.len()));
    out.extend_from_slice(value);
}

/// An array of one dimension, without nulls, from 1 on.
fn array(out: &mut Vec<u8>, of: i32, values: impl ExactSizeIterator<Item = Vec<u8>>) {
    let mut body = Vec::new();
    for number in [1_i32, 0, of] {
        body.extend_from_slice(&number.to_be_bytes());
    }
    body.extend_from_slice(&length(values.len()));
    body.extend_from_slice(&1_i32.to_be_bytes());
    for value in values {
        field(&mut body, &value);
    }
    field(out, &body);
}

fn length(len: usize) -> [u8; 4] {
    i32::try_from(len).expect("a batch is a few kilobytes").to_be_bytes()
}

/// A date as PostgreSQL keeps it: days since 2000-01-01.
fn days(date: &str) -> i32 {
    let numbers: Vec<i32> = date.split('-').filter_map(|it| it.parse().ok()).collect();
    let [year, month, day] = numbers[..] else { panic!("'{date}' was generated as a date") };
    const BEFORE_MONTH: [i32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days_before = |year: i32| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let is_leap = leap_days_before(year + 1) > leap_days_before(year);
    let leap_days =
        leap_days_before(year) - leap_days_before(2000) + i32::from(is_leap && month > 2);
    let month = usize::try_from(month - 1).expect("months are from 1 on");
    (year - 2000) * 365 + leap_days + BEFORE_MONTH[month] + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::small;

    #[test]
    fn dates_are_days_since_2000() {
        let cases = [
            ("2000-01-01", 0),
            ("1999-12-31", -1),
            ("2000-03-01", 60),
            ("2001-01-01", 366),
            ("1970-01-01", -10_957),
            ("1900-03-01", -36_465),
        ];
        for (date, expected) in cases {
            assert_eq!(days(date), expected, "{date}");
        }
    }

    #[test]
    fn every_message_of_a_batch_has_its_length() {
        let kinds = |speech: &dyn Speech| {
            let (mut out, mut kinds) = (Vec::new(), String::new());
            speech.add(&mut out, 1, 70);
            let mut rest = &out[..];
            while let Some(header) = rest.first_chunk() {
                kinds.push(char::from(header[0]));
                rest = &rest[message_len(header)..];
            }
            assert!(rest.is_empty());
            kinds
        };
        assert_eq!(kinds(&Copied::new(&[small()])), "BEdcS");
        assert_eq!(kinds(&Inserted::new(&[small()])), "BES");
    }

    #[test]
    fn only_a_server_that_is_ready_again_has_acknowledged() {
        let complete = b"C\0\0\0\x0bCOPY 1\0";
        assert_eq!(reply(complete).unwrap(), Some(Reply { len: 12, acknowledges: false }));
        let ready = b"Z\0\0\0\x05I";
        for end in 0..ready.len() {
            assert_eq!(reply(&ready[..end]).unwrap(), None);
        }
        assert_eq!(reply(ready).unwrap(), Some(Reply { len: 6, acknowledges: true }));
        let error = reply(b"E\0\0\0\x10SERROR\0Mno\0\0").unwrap_err().to_string();
        assert_eq!(error, "PostgreSQL refused: no");
    }
}
