//! The bodies of records: one kind per event.
//!
//! Little-endian. A body is a head of fixed-width integers and a tail, either may be empty.
//!
//! | kind | event | head | tail |
//! |---|---|---|---|
//! | 1 | draw opened | u32 draw, u32 min, u32 max, u32 name's bytes | u32 number, name, ranges |
//! | 2 | batch accepted | u32 draw, u32 agency, u32 chunk, u32 bets | the bets in canonical text |
//! | 3 | agency finished | u32 draw, u32 agency | |
//! | 4 | draw closed | u32 draw, u32 0, u64 bets | 32 bytes: digest of the set of bets |
//! | 5 | draw made | u32 draw, u32 attempt, u32 winning number | |
//! | 6 | act | see [`act`] | see there |
//! | 7 | draw published | u32 draw | |
//!
//! Bets are on numbers from min to max; the opening holds the winning number of the automatic draw.
//! A range of agencies is u32 first, u32 last. Kinds are frozen; new events get new ones.

mod act;
mod audited;

use lottery::{
    Act, Agencies, AgencyId, BatchSummary, ChunkDigest, ChunkId, DrawId, DrawName, DrawTerms,
    Event, NumberRange, SealedNumber, SetDigest,
};

const DRAW_OPENED: u16 = 1;
const BATCH_ACCEPTED: u16 = 2;
const AGENCY_FINISHED: u16 = 3;
const DRAW_CLOSED: u16 = 4;
const DRAW_MADE: u16 = 5;
const ACTED: u16 = 6;
const DRAW_PUBLISHED: u16 = 7;

/// An encoded body.
pub struct Body<'a> {
    kind: u16,
    head: [u8; 16],
    head_len: usize,
    tail: Tail<'a>,
}

enum Tail<'a> {
    Bytes(Vec<u8>),
    Bets { text: &'a str, digest: ChunkDigest },
}

impl<'a> Body<'a> {
    /// Encodes an event; `text` has the bets of an accepted batch.
    #[must_use]
    pub fn of(event: &Event, text: &'a str) -> Self {
        match event {
            Event::DrawOpened { draw, terms, number } => Self::draw_opened(*draw, terms, *number),
            Event::BatchAccepted(batch) => {
                let tail = Tail::Bets { text, digest: batch.digest };
                Self { tail, ..Self::of_batch(batch) }
            }
            Event::AgencyFinished { draw, agency } => Self::agency_finished(*draw, *agency),
            Event::DrawClosed { draw, bets, set } => {
                let mut body = Self::new(DRAW_CLOSED, &[draw.0, 0, 0, 0]);
                body.head[8..].copy_from_slice(&bets.to_le_bytes());
                Self { tail: Tail::Bytes(set.0.to_vec()), ..body }
            }
            Event::DrawMade { draw, attempt, number } => {
                Self::new(DRAW_MADE, &[draw.0, *attempt, *number])
            }
            Event::DrawPublished { draw } => Self::new(DRAW_PUBLISHED, &[draw.0]),
            Event::Acted(recorded) => {
                let (head, tail) = act::encode(recorded);
                Self { tail: Tail::Bytes(tail), ..Self::new(ACTED, &head) }
            }
        }
    }

    fn agency_finished(draw: DrawId, agency: AgencyId) -> Self {
        Self::new(AGENCY_FINISHED, &[draw.0, agency.0])
    }

    /// Returns the length of head and tail, in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no body is empty")]
    pub fn len(&self) -> usize {
        self.head_len + self.tail().len()
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// Returns the head: fixed-width integers.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head[..self.head_len]
    }

    /// Returns the tail.
    #[must_use]
    pub fn tail(&self) -> &[u8] {
        match &self.tail {
            Tail::Bytes(bytes) => bytes,
            Tail::Bets { text, .. } => text.as_bytes(),
        }
    }

    /// Returns the SHA-256 of the tail; for bets, computed earlier.
    #[must_use]
    pub fn tail_digest(&self) -> ChunkDigest {
        match &self.tail {
            Tail::Bytes(bytes) => digest_of(bytes),
            Tail::Bets { digest, .. } => *digest,
        }
    }

    fn draw_opened(draw: DrawId, terms: &DrawTerms, number: SealedNumber) -> Self {
        let name = terms.name.as_str().as_bytes();
        let name_len = u32::try_from(name.len()).expect("a draw's name is short");
        let numbers = terms.numbers;
        let mut tail = [&number.0.to_le_bytes(), name].concat();
        for (first, last) in terms.agencies.ranges() {
            tail.extend_from_slice(&first.to_le_bytes());
            tail.extend_from_slice(&last.to_le_bytes());
        }
        let mut body = Self::new(DRAW_OPENED, &[draw.0, numbers.min(), numbers.max(), name_len]);
        body.tail = Tail::Bytes(tail);
        body
    }

    /// Encodes an accepted batch without its bets.
    #[must_use]
    pub fn of_batch(batch: &BatchSummary) -> Self {
        let BatchSummary { draw, agency, chunk, bets, .. } = batch;
        Self::new(BATCH_ACCEPTED, &[draw.0, agency.0, chunk.0, *bets])
    }

    fn new(kind: u16, integers: &[u32]) -> Self {
        let mut head = [0; 16];
        for (place, integer) in head.chunks_exact_mut(4).zip(integers) {
            place.copy_from_slice(&integer.to_le_bytes());
        }
        Self { kind, head, head_len: integers.len() * 4, tail: Tail::Bytes(Vec::new()) }
    }
}

/// The newest feature that this program knows. Increment it when adding a kind of event or act.
pub const FEATURE: u32 = 4;

/// Returns the feature that a program needs to read an event: 0, 1 for acts 18 to 22, 2 for act 23,
/// 3 for acts 24 and 25, 4 for acts that name the role 5.
#[must_use]
pub fn feature_of(event: &Event) -> u32 {
    match event {
        Event::Acted(recorded) => match &recorded.act {
            Act::Edit { .. }
            | Act::Cancel(_)
            | Act::Reopen { .. }
            | Act::CorrectNumber { .. }
            | Act::Void(_) => 1,
            Act::Audited(action) => audited::feature_of(action),
            _ => 0,
        },
        _ => 0,
    }
}

/// A decoded body.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The event.
    pub event: Event,
    /// The bets of an accepted batch in canonical text; otherwise empty.
    pub text: &'a str,
    /// SHA-256 of the tail.
    pub tail_digest: ChunkDigest,
}

/// Decodes a body.
///
/// # Errors
/// A short description of what is wrong with it.
pub fn decode<'a>(kind: u16, head: &[u8], tail: &'a [u8]) -> Result<Decoded<'a>, &'static str> {
    let draw = DrawId(integer(head, 0)?);
    if kind == BATCH_ACCEPTED {
        return batch(draw, head, tail);
    }
    let (head_len, event) = match kind {
        DRAW_OPENED => {
            let (number, tail) = tail.split_first_chunk().ok_or(SHORT)?;
            let number = SealedNumber(u32::from_le_bytes(*number));
            (16, Event::DrawOpened { draw, terms: terms(head, tail)?, number })
        }
        AGENCY_FINISHED => (8, Event::AgencyFinished { draw, agency: AgencyId(integer(head, 4)?) }),
        DRAW_CLOSED => {
            let bytes = head.get(..16).ok_or(SHORT)?;
            if u32_at(bytes, 4) != 0 {
                return Err("a close with something that it has no place for");
            }
            let set = SetDigest(tail.try_into().map_err(|_| WRONG_LENGTH)?);
            (16, Event::DrawClosed { draw, bets: u64_at(bytes, 8), set })
        }
        DRAW_MADE => {
            let (attempt, number) = (integer(head, 4)?, integer(head, 8)?);
            (12, Event::DrawMade { draw, attempt, number })
        }
        DRAW_PUBLISHED => (4, Event::DrawPublished { draw }),
        ACTED => (16, Event::Acted(Box::new(act::decode(head, tail)?))),
        _ => return Err("an event of a kind that this version does not know"),
    };
    if head.len() != head_len
        || (!matches!(kind, DRAW_OPENED | DRAW_CLOSED | ACTED) && !tail.is_empty())
    {
        return Err(WRONG_LENGTH);
    }
    Ok(Decoded { event, text: "", tail_digest: digest_of(tail) })
}

const WRONG_LENGTH: &str = "an event of the wrong length";
const SHORT: &str = "an event that is too short";

fn batch<'a>(draw: DrawId, head: &[u8], tail: &'a [u8]) -> Result<Decoded<'a>, &'static str> {
    if head.len() != 16 {
        return Err(WRONG_LENGTH);
    }
    let text = simdutf8::basic::from_utf8(tail).map_err(|_| "bets that are not UTF-8")?;
    let digest = ChunkDigest::of(text);
    let event = Event::BatchAccepted(BatchSummary {
        draw,
        agency: AgencyId(u32_at(head, 4)),
        chunk: ChunkId(u32_at(head, 8)),
        bets: u32_at(head, 12),
        digest,
    });
    Ok(Decoded { event, text, tail_digest: digest })
}

fn integer(head: &[u8], at: usize) -> Result<u32, &'static str> {
    head.get(at..at + 4).map(|bytes| u32_at(bytes, 0)).ok_or(SHORT)
}

fn terms(head: &[u8], tail: &[u8]) -> Result<DrawTerms, &'static str> {
    let name_len = usize::try_from(integer(head, 12)?).expect("u32 fits usize");
    let (name, ranges) = tail.split_at_checked(name_len).ok_or(SHORT)?;
    let name = std::str::from_utf8(name).ok().and_then(DrawName::stored);
    Ok(DrawTerms {
        name: name.ok_or("a draw's name that is not one")?,
        agencies: agencies(ranges)?,
        numbers: NumberRange::new(integer(head, 4)?, integer(head, 8)?)
            .map_err(|_| "a range of numbers that runs backwards")?,
    })
}

fn agencies(ranges: &[u8]) -> Result<Agencies, &'static str> {
    if !ranges.len().is_multiple_of(8) {
        return Err("agencies of a draw that are cut off");
    }
    let ranges = ranges.chunks_exact(8).map(|range| (u32_at(range, 0), u32_at(range, 4)));
    Agencies::from_ranges(ranges.collect()).map_err(|_| "agencies of a draw that are not a set")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

fn digest_of(bytes: &[u8]) -> ChunkDigest {
    use sha2::Digest as _;
    ChunkDigest(sha2::Sha256::digest(bytes).into())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use lottery::{Batch, Bets};

    use super::*;

    /// One event of each kind, with its batch if it is one, and every act.
    pub(crate) fn events() -> Vec<(Event, Option<Batch>)> {
        let draw = DrawId(3);
        let terms = DrawTerms {
            name: DrawName::new("Quiniela ñ").unwrap(),
            agencies: Agencies::from_ranges(vec![(1, 5), (7, 7)]).unwrap(),
            numbers: NumberRange::new(1, 99_999).unwrap(),
        };
        let bets = Bets::parse("Ñandú|B|1-2|2000-01-01|07", NumberRange::default()).unwrap();
        let batch = Batch { draw, agency: AgencyId(2), chunk: ChunkId(u32::MAX), bets };
        let acts =
            act::examples().into_iter().map(|recorded| (Event::Acted(Box::new(recorded)), None));
        let others = [
            (Event::DrawOpened { draw, terms, number: SealedNumber(7574) }, None),
            (Event::BatchAccepted(BatchSummary::of(&batch)), Some(batch)),
            (Event::AgencyFinished { draw, agency: AgencyId(7) }, None),
            (Event::DrawClosed { draw, bets: u64::MAX, set: SetDigest([7; 32]) }, None),
            (Event::DrawMade { draw, attempt: 1, number: 7574 }, None),
            (Event::DrawPublished { draw }, None),
        ];
        others.into_iter().chain(acts).collect()
    }

    fn text_of(batch: Option<&Batch>) -> &str {
        batch.map_or("", |batch| batch.bets.text())
    }

    #[test]
    fn every_event_decodes_but_nothing_shorter_or_longer() {
        for (event, batch) in events() {
            let body = Body::of(&event, text_of(batch.as_ref()));
            let read = decode(body.kind(), body.head(), body.tail()).unwrap();
            assert_eq!(read.event, event);
            assert_eq!(read.text, text_of(batch.as_ref()));
            assert_eq!(read.tail_digest, body.tail_digest());
            for len in 0..body.head().len() {
                assert!(decode(body.kind(), &body.head()[..len], body.tail()).is_err());
            }
            let longer = [body.head(), &[0]].concat();
            assert!(decode(body.kind(), &longer, body.tail()).is_err());
            if batch.is_none() {
                let longer = [body.tail(), &[0]].concat();
                assert!(decode(body.kind(), body.head(), &longer).is_err());
            }
        }
        assert!(decode(99, &[0; 16], &[]).is_err());
    }

    #[test]
    fn every_event_but_a_batch_is_of_a_kind_that_readers_of_the_audit_log_may_choose() {
        let kinds: BTreeSet<_> = events().iter().map(|(it, _)| it.describe().action).collect();
        let chosen = lottery::ACTIONS.into_iter().chain(["batch-accepted"]).collect();
        assert_eq!(kinds, chosen);
    }

    #[test]
    fn the_bytes_of_a_batch_are_frozen() {
        let (event, batch) = events().swap_remove(1);
        let body = Body::of(&event, text_of(batch.as_ref()));
        let head = [3, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0];
        assert_eq!((body.kind(), body.head()), (2, &head[..]));
        assert_eq!(body.tail(), "Ñandú|B|1-2|2000-01-01|7".as_bytes());
    }
}
