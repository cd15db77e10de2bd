//! A piece of a backup: a record stream ([`engine::StreamWriter`]), and the operators.
//!
//! | bytes | what |
//! |---|---|
//! | | the record stream |
//! | 8 | `BOLIOPER` |
//! | 4 | n, little-endian: the length of the operators' document; 0 if there never were any |
//! | 4 | 0 |
//! | n | the document, as in `operators.json` |
//! | 32 | SHA-256 of the three parts before, after the stream |
//!
//! Nothing follows. The operators are read after the records, so they are as new as any act among
//! these, or newer.

use std::io::{self, BufReader, Read, Write};

use anyhow::ensure;
use engine::{LedgerId, Record, StreamError, StreamReader, StreamStart, StreamWriter, Tip};
use lottery::Timestamp;
use operators::People;
use operators::limits::FILE_LEN_MAX;
use sha2::{Digest as _, Sha256};

/// Bytes of a piece that are read or written at once.
pub(crate) const BUFFER_LEN: usize = 256 << 10;

const MAGIC: [u8; 8] = *b"BOLIOPER";
const HEAD_LEN: usize = 16;
/// What to do about a piece that is not as it was written.
const ADVICE: &str = "take it from another copy of the backup";

/// What a piece holds besides its records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: StreamStart,
    /// The position after its last record. Without records, its time is 0.
    pub(crate) tip: Tip,
    pub(crate) people: People,
}

/// Writes a piece.
pub(crate) struct Writer<W> {
    stream: StreamWriter<Counted<W>>,
    pub(crate) start: StreamStart,
    pub(crate) tip: Tip,
}

struct Counted<W> {
    out: W,
    len: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.len += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Writer<W> {
    pub(crate) fn start(out: W, start: StreamStart) -> io::Result<Self> {
        let stream = StreamWriter::start(Counted { out, len: 0 }, start)?;
        let StreamStart { sequence, chain, .. } = start;
        Ok(Self { stream, start, tip: Tip { sequence, chain, at: Timestamp(0) } })
    }

    pub(crate) fn add(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.stream.add(record)?;
        self.tip = record.tip();
        Ok(())
    }

    /// Returns whether the piece is as long as pieces should be, and may end here.
    pub(crate) fn is_full(&self, len_max: u64) -> bool {
        self.stream.may_end() && self.stream.get_ref().len >= len_max
    }

    /// Writes the operators, and returns what was written to.
    pub(crate) fn finish(self, people: &People) -> io::Result<W> {
        let document = if people.version() > 0 { people.document() } else { String::new() };
        let len = u32::try_from(document.len()).map_err(io::Error::other)?;
        let section = [&MAGIC[..], &len.to_le_bytes(), &[0; 4], document.as_bytes()].concat();
        let mut out = self.stream.finish()?.out;
        out.write_all(&section)?;
        out.write_all(&Sha256::digest(&section))?;
        Ok(out)
    }
}

/// Reads a piece.
pub(crate) struct Reader<R>(StreamReader<R>);

impl<R: Read> Reader<R> {
    pub(crate) fn open(from: R) -> anyhow::Result<Self> {
        Ok(Self(StreamReader::open(from).map_err(advised)?))
    }

    pub(crate) fn start(&self) -> StreamStart {
        self.0.start()
    }

    /// Reads the rest, verifies it, and calls `visit` with each record.
    pub(crate) fn read(
        mut self,
        mut visit: impl FnMut(Record<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Piece> {
        let start = self.0.start();
        let mut tip = Tip { sequence: start.sequence, chain: start.chain, at: Timestamp(0) };
        while let Some(record) = self.0.read().map_err(advised)? {
            tip = record.tip();
            visit(record)?;
        }
        Ok(Piece { start, tip, people: people(self.0.into_inner())? })
    }
}

/// Reads a piece, and verifies it alone.
pub(crate) fn verified(from: impl Read) -> anyhow::Result<Piece> {
    Reader::open(BufReader::with_capacity(BUFFER_LEN, from))?.read(|_| Ok(()))
}

/// Returns the id of the ledger that a piece is of.
pub(crate) fn id(from: impl Read) -> anyhow::Result<LedgerId> {
    Ok(Reader::open(from)?.start().id)
}

/// Adds what to do, if the error does not say that.
fn advised(error: StreamError) -> anyhow::Error {
    match error {
        StreamError::NewerVersion { .. }
        | StreamError::NewerFeature { .. }
        | StreamError::Io(_) => error.into(),
        _ => anyhow::anyhow!("{error}; {ADVICE}"),
    }
}

fn people(mut from: impl Read) -> anyhow::Result<People> {
    let mut section = vec![0; HEAD_LEN];
    fill(&mut from, &mut section)?;
    let len = u32::from_le_bytes(*section[MAGIC.len()..].first_chunk().expect("a head is longer"));
    let is_sound = section.starts_with(&MAGIC) && section.ends_with(&[0; 4]);
    ensure!(
        is_sound && u64::from(len) <= FILE_LEN_MAX,
        "what follows its records is not a list of operators; {ADVICE}"
    );
    section.resize(HEAD_LEN + usize::try_from(len)?, 0);
    fill(&mut from, &mut section[HEAD_LEN..])?;
    let mut digest = [0; 32];
    fill(&mut from, &mut digest)?;
    let is_same = Sha256::digest(&section)[..] == digest;
    ensure!(is_same, "its operators do not match their digest; {ADVICE}");
    ensure!(from.read(&mut [0])? == 0, "something follows its end; {ADVICE}");
    match std::str::from_utf8(&section[HEAD_LEN..])? {
        "" => Ok(People::default()),
        document => {
            People::of_document(document).map_err(|why| anyhow::anyhow!("its operators: {why}"))
        }
    }
}

fn fill(from: &mut impl Read, bytes: &mut [u8]) -> anyhow::Result<()> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            anyhow::anyhow!("it is cut off after its records; {ADVICE}")
        }
        _ => error.into(),
    })
}
