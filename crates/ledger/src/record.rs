//! The format of a record: one event, framed so that it can be recognized in any bytes.
//!
//! Little-endian. A record starts at a multiple of 8 and is never split over two segments.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `BLR2` |
//! | 4 | 4 | CRC-32C of bytes 8..88 |
//! | 8 | 8 | sequence: 0 for the first record of the ledger, then one more each |
//! | 16 | 8 | time of the decision, in milliseconds since the Unix epoch, by the central's clock |
//! | 24 | 2 | kind of the body |
//! | 26 | 2 | left: how many records of the same decision follow |
//! | 28 | 2 | length of the body's head |
//! | 30 | 2 | 0 |
//! | 32 | 4 | length of the body |
//! | 36 | 4 | pending: how many records before `group` were not known to be durable; 0 so far |
//! | 40 | 8 | group: the sequence of the first record written together with this one |
//! | 48 | 8 | number of the segment |
//! | 56 | 32 | chain |
//! | 88 | n | body: its head, then its tail, then zeros up to a multiple of 8 |
//! | | 4 | CRC-32C of the body |
//! | | 4 | `2RLB` |
//!
//! `chain = SHA-256(chain of the record before || bytes 8..32 || head || SHA-256(tail))`, starting
//! from the ledger's first chain (see [`engine::Chain`]). Altering, removing or adding a record
//! changes every later chain. The chain does not cover how or where records are stored.
//!
//! Invariants:
//!
//! - The records of a decision are in one group and one segment; `left` counts those that follow.
//!   If one is missing, none of them counts.
//! - When a record is written, all records before `group - pending` are durable. This tells a torn
//!   tail from damage.
//! - The end mark is never zero, so that a sector of a record that reads as zeros was never
//!   written.

use engine::limits::BODY_LEN_MAX;
use engine::{Body, Chain, Entry, Link};
use lottery::{ChunkDigest, Timestamp};
use sha2::{Digest, Sha256};

/// The length of a record's header, which precedes the body.
pub(crate) const HEADER_LEN: usize = 88;
/// Records start at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;

const TRAILER_LEN: usize = 8;
const START_MARK: [u8; 4] = *b"BLR2";
const END_MARK: [u8; 4] = *b"2RLB";

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sequence: u64,
    pub(crate) at_ms: u64,
    pub(crate) kind: u16,
    pub(crate) left: u16,
    pub(crate) head_len: u16,
    pub(crate) body_len: u32,
    pub(crate) pending: u32,
    pub(crate) group: u64,
    pub(crate) segment: u64,
    pub(crate) chain: Chain,
}

/// Returns the length of a record whose body has `body_len` bytes.
pub(crate) const fn record_len(body_len: usize) -> usize {
    HEADER_LEN + body_len.next_multiple_of(ALIGNMENT) + TRAILER_LEN
}

/// Where a record is stored: its group and segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) group: u64,
    pub(crate) segment: u64,
}

/// Encodes an entry as a record into `out`, which must have exactly its length, and returns the
/// header.
pub(crate) fn encode(entry: &Entry, body: &Body<'_>, place: Place, out: &mut [u8]) -> Header {
    let body_len = body.len();
    assert!(body_len <= BODY_LEN_MAX, "the domain bounds every body");
    assert_eq!(out.len(), record_len(body_len), "the caller reserves what a record takes");
    let header = Header {
        sequence: entry.sequence,
        at_ms: entry.at.0,
        kind: body.kind(),
        left: entry.left,
        head_len: u16::try_from(body.head().len()).expect("heads are a few bytes"),
        body_len: u32::try_from(body_len).expect("bounded above"),
        pending: 0,
        group: place.group,
        segment: place.segment,
        chain: entry.chain,
    };
    out[..HEADER_LEN].copy_from_slice(&header.to_bytes());
    let (head, tail) = out[HEADER_LEN..][..body_len].split_at_mut(body.head().len());
    head.copy_from_slice(body.head());
    tail.copy_from_slice(body.tail());
    let crc = crc32c::crc32c(&out[HEADER_LEN..][..body_len]);
    let trailer = out.len() - TRAILER_LEN;
    out[HEADER_LEN + body_len..trailer].fill(0);
    out[trailer..trailer + 4].copy_from_slice(&crc.to_le_bytes());
    out[trailer + 4..].copy_from_slice(&END_MARK);
    header
}

/// Computes the chain of the record with this body and header, whose own chain is ignored.
pub(crate) fn chain(
    before: Chain,
    header: &Header,
    head: &[u8],
    tail_digest: &ChunkDigest,
) -> Chain {
    let Header { sequence, at_ms, kind, left, .. } = *header;
    before.then(&Link { sequence, at: Timestamp(at_ms), kind, left }, head, tail_digest)
}

/// Identifies a record: the first 8 bytes of the SHA-256 of its header and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 8]);

impl Fingerprint {
    pub(crate) fn of(header: &Header, body: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(header.to_bytes()).chain_update(body).finalize();
        Self(*hash.first_chunk().expect("SHA-256 has 32 bytes"))
    }
}

impl Header {
    /// Decodes the header at the start of `bytes`, if it is valid.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        if bytes[..4] != START_MARK || bytes[4..8] != crc32c::crc32c(&bytes[8..]).to_le_bytes() {
            return None;
        }
        let header = Self {
            sequence: u64_at(bytes, 8),
            at_ms: u64_at(bytes, 16),
            kind: u16_at(bytes, 24),
            left: u16_at(bytes, 26),
            head_len: u16_at(bytes, 28),
            body_len: u32_at(bytes, 32),
            pending: u32_at(bytes, 36),
            group: u64_at(bytes, 40),
            segment: u64_at(bytes, 48),
            chain: Chain(*bytes[56..].first_chunk()?),
        };
        let sound = header.body_len() <= BODY_LEN_MAX
            && usize::from(header.head_len) <= header.body_len()
            && header.group <= header.sequence
            && u64::from(header.pending) <= header.group
            && u16_at(bytes, 30) == 0;
        sound.then_some(header)
    }

    /// Returns the sequence before which all records were durable when this one was written.
    pub(crate) fn durable_before(&self) -> u64 {
        self.group - u64::from(self.pending)
    }

    /// Returns the length of the body.
    pub(crate) fn body_len(&self) -> usize {
        usize::try_from(self.body_len).expect("u32 fits usize")
    }

    /// Returns the length of the whole record.
    pub(crate) fn record_len(&self) -> usize {
        record_len(self.body_len())
    }

    fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&START_MARK);
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.at_ms.to_le_bytes());
        bytes[24..26].copy_from_slice(&self.kind.to_le_bytes());
        bytes[26..28].copy_from_slice(&self.left.to_le_bytes());
        bytes[28..30].copy_from_slice(&self.head_len.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.pending.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.group.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.segment.to_le_bytes());
        bytes[56..].copy_from_slice(&self.chain.0);
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// Returns the record's body if `record` holds it whole, with a valid checksum, padding and end
/// mark. The header must be valid.
pub(crate) fn body_of<'a>(header: &Header, record: &'a [u8]) -> Option<&'a [u8]> {
    let record = record.get(..header.record_len())?;
    let (rest, trailer) = record.split_at(record.len() - TRAILER_LEN);
    let (body, padding) = rest[HEADER_LEN..].split_at(header.body_len());
    let sound = trailer[4..] == END_MARK
        && trailer[..4] == crc32c::crc32c(body).to_le_bytes()
        && padding.iter().all(|&byte| byte == 0);
    sound.then_some(body)
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

#[cfg(test)]
mod tests {
    use lottery::{AgencyId, DrawId, Event};

    use super::*;

    fn finished_record() -> (Vec<u8>, Header) {
        let event = Event::AgencyFinished { draw: DrawId(1), agency: AgencyId(5) };
        let (sequence, at) = (9, Timestamp(1_700_000_000_000));
        let link = Link { sequence, at, kind: 3, left: 2 };
        let head = [1, 0, 0, 0, 5, 0, 0, 0];
        let chain = Chain([7; 32]).then(&link, &head, &ChunkDigest::of(""));
        let entry = Entry { sequence, at, left: 2, event, batch: None, chain };
        let body = entry.body();
        let mut record = vec![0xff; record_len(body.len())];
        encode(&entry, &body, Place { group: 8, segment: 3 }, &mut record);
        let header = Header::decode(&record).unwrap();
        (record, header)
    }

    #[test]
    fn a_record_reads_back() {
        let (record, header) = finished_record();
        assert_eq!((header.sequence, header.group, header.segment), (9, 8, 3));
        assert_eq!(header.at_ms, 1_700_000_000_000);
        assert_eq!(body_of(&header, &record), Some(&[1, 0, 0, 0, 5, 0, 0, 0][..]));
        let expected =
            chain(Chain([7; 32]), &header, &[1, 0, 0, 0, 5, 0, 0, 0], &ChunkDigest::of(""));
        assert_eq!(header.chain, expected);
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let (record, _) = finished_record();
        for at in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let header = Header::decode(&flipped);
            let body = header.as_ref().and_then(|header| body_of(header, &flipped));
            assert_eq!(body, None, "bit {at}");
        }
    }

    #[test]
    fn a_record_cut_anywhere_is_not_a_record() {
        let (record, header) = finished_record();
        for len in 0..record.len() {
            assert_eq!(body_of(&header, &record[..len]), None);
            assert!(Header::decode(&record[..len]).is_none() || len >= HEADER_LEN);
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_documented_format() {
        let (record, _) = finished_record();
        let start = [
            "424c5232",
            "????????",
            "0900000000000000",
            "0068e5cf8b010000",
            "0300",
            "0200",
            "0800",
            "0000",
            "08000000",
            "00000000",
            "0800000000000000",
            "0300000000000000",
        ];
        let hex: String = record.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut at = 0;
        for part in start {
            let found = &hex[at..at + part.len()];
            assert!(part.starts_with('?') || part == found, "{part} is {found}");
            at += part.len();
        }
        assert_eq!(&hex[176..192], "0100000005000000");
        assert!(
            hex.ends_with(&format!("{:08x}32524c42", crc32c::crc32c(&record[88..96]).swap_bytes()))
        );
    }
}
