//! Events as rows, and back. The columns are those of `schema/1.sql`.
//!
//! A batch is in columns, and its body is the text alone. Every other event is its body, in two
//! parts, as every log has it.

use std::borrow::Cow;

use engine::{Body, Chain, Entry, Link, Record, decode};
use lottery::{
    Act, AgencyId, Argument, BatchSummary, Bet, BetKey, ChunkDigest, ChunkId, DrawId, Event,
    StoredEvent, Timestamp, WinningResult,
};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::operators::DocumentDigest;

/// The kind of a batch.
const BATCH: i16 = 2;

/// The columns of an event without the text of a batch.
pub(crate) const EVENT_COLUMNS: &str = "\
sequence, at_ms, kind, events_left, draw, agency, chunk, bets, digest, head, \
CASE WHEN kind = 2 THEN NULL ELSE body END, chain";

/// The bets of a batch, directly behind [`EVENT_COLUMNS`].
pub(crate) const BETS_COLUMN: &str = ", CASE WHEN kind = 2 THEN body END";

/// Stores a group directly after the event that its central knows as the last. A statement that
/// arrives late finds another end of the log, and stores nothing.
pub(crate) const STORE: &str = "\
WITH moved AS ( \
  UPDATE ledger SET events = $1, chain = $2 WHERE events = $3 AND chain = $4 RETURNING 1 \
) \
INSERT INTO event (sequence, at_ms, node, kind, events_left, draw, agency, chunk, bets, digest, \
  keys, action, author, arguments, reason, head, body, chain) \
SELECT sequence, at_ms, $5, kind, events_left, draw, agency, chunk, bets, digest, \
  keys::integer[], action, author, arguments::jsonb, reason, head, body, chain \
FROM moved, unnest($6::bigint[], $7::bigint[], $8::smallint[], $9::integer[], $10::bigint[], \
  $11::bigint[], $12::bigint[], $13::bigint[], $14::bytea[], $15::text[], $16::text[], \
  $17::text[], $18::text[], $19::text[], $20::bytea[], $21::bytea[], $22::bytea[]) \
  AS e(sequence, at_ms, kind, events_left, draw, agency, chunk, bets, digest, keys, action, \
  author, arguments, reason, head, body, chain)";

/// The columns of an event that is not a batch for those who read SQL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuditRow<'a> {
    pub(crate) draw: Option<i64>,
    pub(crate) agency: Option<i64>,
    pub(crate) action: &'static str,
    pub(crate) author: String,
    pub(crate) arguments: String,
    pub(crate) reason: &'a str,
}

impl<'a> AuditRow<'a> {
    pub(crate) fn of(event: &'a Event) -> Self {
        let audited = event.describe();
        let arguments = audited.arguments.iter().map(|(name, argument)| {
            let value = match argument {
                Argument::Text(text) => Value::from(*text),
                Argument::Word(word) => Value::from(word.as_str()),
                Argument::Number(number) => Value::from(*number),
                Argument::Flag(flag) => Value::from(*flag),
                Argument::Time(at) => Value::from(at.to_string()),
            };
            ((*name).to_owned(), value)
        });
        let agency = match event {
            Event::AgencyFinished { agency, .. } => Some(*agency),
            Event::Acted(recorded) => match &recorded.act {
                Act::Reopen { agency, .. } => Some(*agency),
                _ => None,
            },
            _ => None,
        };
        Self {
            draw: audited.draw.map(|draw| draw.0.into()),
            agency: agency.map(|agency| agency.0.into()),
            action: audited.action,
            author: audited.by.to_string(),
            arguments: Value::Object(arguments.collect()).to_string(),
            reason: audited.why,
        }
    }
}

/// The columns of a group, as [`STORE`] takes them.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    sequence: Vec<i64>,
    at_ms: Vec<i64>,
    kind: Vec<i16>,
    events_left: Vec<i32>,
    draw: Vec<Option<i64>>,
    agency: Vec<Option<i64>>,
    chunk: Vec<Option<i64>>,
    bets: Vec<Option<i64>>,
    digest: Vec<Option<&'a [u8]>>,
    keys: Vec<Option<String>>,
    action: Vec<Option<&'static str>>,
    author: Vec<Option<String>>,
    arguments: Vec<Option<String>>,
    reason: Vec<Option<&'a str>>,
    head: Vec<Option<Vec<u8>>>,
    body: Vec<Cow<'a, [u8]>>,
    chain: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(group: &'a [Entry]) -> Self {
        let mut columns = Self::default();
        group.iter().for_each(|entry| columns.push(entry));
        columns
    }

    /// Returns the parameters of [`STORE`], which begin with those of the end of the log.
    pub(crate) fn parameters<'p>(
        &'p self,
        end: [&'p (dyn ToSql + Sync); 5],
    ) -> Vec<&'p (dyn ToSql + Sync)> {
        let columns: [&'p (dyn ToSql + Sync); 17] = [
            &self.sequence,
            &self.at_ms,
            &self.kind,
            &self.events_left,
            &self.draw,
            &self.agency,
            &self.chunk,
            &self.bets,
            &self.digest,
            &self.keys,
            &self.action,
            &self.author,
            &self.arguments,
            &self.reason,
            &self.head,
            &self.body,
            &self.chain,
        ];
        end.into_iter().chain(columns).collect()
    }

    fn push(&mut self, entry: &'a Entry) {
        let body = entry.body();
        self.sequence.push(signed(entry.sequence));
        self.at_ms.push(signed(entry.at.0));
        self.kind.push(i16::try_from(body.kind()).expect("kinds are small"));
        self.events_left.push(entry.left.into());
        self.chain.push(&entry.chain.0);
        let batch = entry.batch.as_deref();
        let of_batch = |of: &dyn Fn(&lottery::Batch) -> u32| batch.map(|it| of(it).into());
        let audited = batch.is_none().then(|| AuditRow::of(&entry.event));
        let (of_draw, of_agency) = audited.as_ref().map_or((None, None), |it| (it.draw, it.agency));
        self.draw.push(of_batch(&|it| it.draw.0).or(of_draw));
        self.agency.push(of_batch(&|it| it.agency.0).or(of_agency));
        self.action.push(audited.as_ref().map(|it| it.action));
        self.reason.push(audited.as_ref().map(|it| it.reason));
        let (author, arguments) = audited.map(|it| (it.author, it.arguments)).unzip();
        self.author.push(author);
        self.arguments.push(arguments);
        self.chunk.push(of_batch(&|it| it.chunk.0));
        self.bets.push(of_batch(&|it| it.bets.count()));
        self.digest.push(batch.map(|it| &it.bets.digest().0[..]));
        self.keys.push(batch.map(|it| array_of(it.bets.keys().map(|key| signed_key(key.0)))));
        match batch {
            Some(batch) => {
                self.head.push(None);
                self.body.push(Cow::Borrowed(batch.bets.text().as_bytes()));
            }
            None => {
                self.head.push(Some(body.head().to_vec()));
                self.body.push(Cow::Owned(body.tail().to_vec()));
            }
        }
    }
}

/// An array of integers as PostgreSQL writes it.
fn array_of(keys: impl Iterator<Item = i32>) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("{");
    for key in keys {
        if text.len() > 1 {
            text.push(',');
        }
        write!(text, "{key}").expect("a string takes everything");
    }
    text.push('}');
    text
}

/// The keys under which winning bets are found.
pub(crate) fn keys_of(result: WinningResult) -> Vec<i32> {
    result.keys().map(|key| signed_key(key.0)).to_vec()
}

/// The key under which a bet is found.
pub(crate) fn key_of(bet: &Bet<'_>) -> i32 {
    signed_key(BetKey::of(bet).0)
}

/// The database has no unsigned integers; keys are compared for equality only.
fn signed_key(key: u32) -> i32 {
    key.cast_signed()
}

/// Sequences and times fit: they count from 0, one by one and in milliseconds.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The end of the log.
pub(crate) const END: &str = "SELECT events, chain, operators FROM ledger";

/// A row of [`END`].
pub(crate) struct End {
    pub(crate) events: u64,
    pub(crate) chain: Chain,
    /// The digest of the operators.
    pub(crate) operators: DocumentDigest,
}

impl End {
    pub(crate) fn of(row: &Row) -> Result<Self, String> {
        Ok(Self {
            events: unsigned(column(row, 0)?)?,
            chain: Chain(digest(column(row, 1)?)?),
            operators: digest(column(row, 2)?)?,
        })
    }
}

/// An event read from its row.
pub(crate) struct ReadEvent {
    pub(crate) stored: StoredEvent,
    pub(crate) chain: Chain,
    link: Link,
    head: Vec<u8>,
    tail_digest: ChunkDigest,
}

impl ReadEvent {
    /// Reads a row of [`EVENT_COLUMNS`].
    pub(crate) fn of(row: &Row) -> Result<Self, String> {
        let sequence = unsigned(column(row, 0)?)?;
        let at_event = |why: &dyn std::fmt::Display| format!("event {sequence}: {why}");
        Self::read(row, sequence).map_err(|why| at_event(&why))
    }

    /// As [`ReadEvent::of`]; it must be the `expected` event and continue the chain, if that is
    /// known.
    pub(crate) fn following(
        row: &Row,
        expected: u64,
        before: Option<Chain>,
    ) -> Result<Self, String> {
        let read = Self::of(row)?;
        if read.stored.sequence != expected {
            return Err(format!("event {expected} is missing"));
        }
        before.map_or(Ok(()), |before| read.continues(before))?;
        Ok(read)
    }

    fn read(row: &Row, sequence: u64) -> Result<Self, String> {
        let at = Timestamp(unsigned(column(row, 1)?)?);
        let kind: i16 = column(row, 2)?;
        let left: i32 = column(row, 3)?;
        let chain = Chain(digest(column(row, 11)?)?);
        let (event, head, tail_digest) = if kind == BATCH {
            let number = |at: usize| {
                let wide: Option<i64> = column(row, at)?;
                wide.and_then(|it| u32::try_from(it).ok())
                    .ok_or("a batch without its columns")
                    .map_err(str::to_owned)
            };
            let digest = ChunkDigest(digest(column(row, 8)?)?);
            let summary = BatchSummary {
                draw: DrawId(number(4)?),
                agency: AgencyId(number(5)?),
                chunk: ChunkId(number(6)?),
                bets: number(7)?,
                digest,
            };
            let head = Body::of_batch(&summary).head().to_vec();
            (Event::BatchAccepted(summary), head, digest)
        } else {
            let head: Option<&[u8]> = column(row, 9)?;
            let tail: Option<&[u8]> = column(row, 10)?;
            let (Some(head), Some(tail)) = (head, tail) else {
                return Err("an event without its body".to_owned());
            };
            let kind = u16::try_from(kind).map_err(|_| "a kind below 0".to_owned())?;
            let decoded = decode(kind, head, tail).map_err(str::to_owned)?;
            (decoded.event, head.to_vec(), decoded.tail_digest)
        };
        let narrow = |number: i64| u16::try_from(number).map_err(|_| "a count out of range");
        let link = Link { sequence, at, kind: narrow(kind.into())?, left: narrow(left.into())? };
        let stored = StoredEvent { sequence, at, event };
        Ok(Self { stored, chain, link, head, tail_digest })
    }

    /// Returns the event with its bets, if it is a batch.
    pub(crate) fn record<'a>(&'a self, text: &'a str) -> Record<'a> {
        let (Link { sequence, at, left, .. }, chain) = (self.link, self.chain);
        Record { sequence, at, left, event: &self.stored.event, text, chain }
    }

    /// Checks that it continues the chain.
    pub(crate) fn continues(&self, before: Chain) -> Result<(), String> {
        if before.then(&self.link, &self.head, &self.tail_digest) == self.chain {
            return Ok(());
        }
        let sequence = self.stored.sequence;
        Err(format!("event {sequence} does not continue the chain of those before it"))
    }
}

/// Returns the bets of a batch in its row of [`EVENT_COLUMNS`] and [`BETS_COLUMN`].
pub(crate) fn bets_in<'a>(row: &'a Row, batch: &BatchSummary) -> Result<&'a str, String> {
    bets_of(column(row, 12)?, batch.digest)
}

/// Returns stored bets, which must be those of their digest.
pub(crate) fn bets_of(bytes: &[u8], digest: ChunkDigest) -> Result<&str, String> {
    let bets = std::str::from_utf8(bytes).map_err(|_| "bets that are not UTF-8")?;
    match ChunkDigest::of(bets) == digest {
        true => Ok(bets),
        false => Err("the bets are not those that were stored".to_owned()),
    }
}

fn column<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, String> {
    row.try_get(at).map_err(|error| error.to_string())
}

fn unsigned(number: i64) -> Result<u64, String> {
    u64::try_from(number).map_err(|_| format!("{number} where a count is expected"))
}

pub(crate) fn digest(bytes: &[u8]) -> Result<[u8; 32], String> {
    bytes.try_into().map_err(|_| "a digest of another length than 32 bytes".to_owned())
}
