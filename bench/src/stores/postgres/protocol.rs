//! What is said to PostgreSQL, in version 3.0 of its protocol: a COPY a batch, with everything of a
//! batch sent at once.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::batches::{Batch, Batches};
use crate::speech::{Reply, Speech, connected};

/// Its superuser in a cluster of tests.
const USER: &str = "postgres";
/// Version 3.0.
const VERSION: u32 = 3 << 16;
/// Of a message: its kind and its length, which counts itself but not the kind.
const HEADER_LEN: usize = 5;

/// Batches as rows for COPY.
pub(crate) struct Copies {
    batches: Rc<Batches>,
    /// For each batch its rows, each without the agency and the chunk.
    rows: Vec<Vec<String>>,
}

/// A connection to a database that is ready.
pub(crate) fn started(port: u16, database: &str) -> anyhow::Result<TcpStream> {
    let mut stream = connected(&format!("127.0.0.1:{port}"))?;
    let mut out = Vec::new();
    with_length(&mut out, |out| {
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(format!("user\0{USER}\0database\0{database}\0\0").as_bytes());
    });
    stream.write_all(&out)?;
    until_ready(&mut stream)?;
    Ok(stream)
}

/// Asks something, and takes all of the answer; gives how long that took.
pub(crate) fn asked(stream: &mut TcpStream, sql: &str) -> anyhow::Result<Duration> {
    let mut out = Vec::new();
    message(&mut out, b'Q', |out| out.extend_from_slice(format!("{sql}\0").as_bytes()));
    let started = Instant::now();
    stream.write_all(&out)?;
    until_ready(stream)?;
    Ok(started.elapsed())
}

fn until_ready(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut is_ready = false;
    while !is_ready {
        let mut whole = vec![0; HEADER_LEN];
        stream.read_exact(&mut whole)?;
        whole.resize(message_len(&whole), 0);
        stream.read_exact(&mut whole[HEADER_LEN..])?;
        is_ready = reply(&whole)?.is_some_and(|reply| reply.acknowledges);
    }
    Ok(())
}

impl Copies {
    pub(crate) fn new(batches: &Rc<Batches>) -> Self {
        let row = |bet: &str| format!("\t{}\n", bet.replace('|', "\t"));
        let rows = |batch: &Batch| batch.text.split('&').map(row).collect();
        Self { rows: batches.iter().map(rows).collect(), batches: Rc::clone(batches) }
    }
}

impl Speech for Copies {
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) -> anyhow::Result<()> {
        message(out, b'Q', |out| out.extend_from_slice(b"COPY bets FROM STDIN\0"));
        let start = format!("{agency}\t{chunk}");
        message(out, b'd', |out| {
            for row in &self.rows[self.batches.index(agency, chunk)] {
                out.extend_from_slice(start.as_bytes());
                out.extend_from_slice(row.as_bytes());
            }
        });
        message(out, b'c', |_| {});
        Ok(())
    }

    fn reply(&self, received: &[u8], _: Option<u32>) -> anyhow::Result<Option<Reply>> {
        reply(received)
    }
}

/// Ready for the next is what acknowledges: only then is the transaction durable.
fn reply(received: &[u8]) -> anyhow::Result<Option<Reply>> {
    let Some(header) = received.get(..HEADER_LEN) else { return Ok(None) };
    let len = message_len(header);
    let Some(whole) = received.get(..len) else { return Ok(None) };
    match header[0] {
        b'E' => bail!("PostgreSQL refused: {}", String::from_utf8_lossy(&whole[HEADER_LEN..])),
        kind => Ok(Some(Reply { len, acknowledges: kind == b'Z' })),
    }
}

fn message_len(header: &[u8]) -> usize {
    1 + u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize
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
    let len = u32::try_from(out.len() - at).expect("a batch is a few kilobytes");
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(error.starts_with("PostgreSQL refused: SERROR"), "{error}");
    }
}
