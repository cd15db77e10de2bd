//! Reads a store without a central, for audits that trust nothing but the rows.
//!
//! Reads up to the event that was the last one when the archive was opened, beside running
//! centrals. Everything is verified: the chain, each batch's digest, count and keys, and the rules.

use std::cell::RefCell;

use engine::{Chain, LedgerId, Record, StreamStart, Tip};
use lottery::{BatchSummary, DrawStatus, Draws, Event, StoredBatch, StoredEvent, Timestamp};
use tokio::runtime::Runtime;
use tokio_postgres::Row;

use crate::error::StoreError;
use crate::limits::{BATCHES_PAGE_MAX, EVENTS_PAGE_MAX, READING_TIME_MAX};
use crate::primary::Primary;
use crate::rows::{self, AuditRow, BETS_COLUMN, EVENT_COLUMNS, End, ReadEvent, signed};
use crate::schema;
use crate::session::{Session, runtime};
use crate::target::Target;

/// A store opened for reading.
pub struct Archive {
    runtime: Runtime,
    session: RefCell<Session>,
    host: String,
    id: LedgerId,
    events: u64,
    chain: Chain,
}

/// The columns that are verified, behind those of an event and its bets.
const VERIFIED_COLUMNS: &str = ", keys, action, author, arguments::text, reason";

/// A summary of a store that was read and found sound.
#[derive(Debug)]
pub struct Summary {
    /// How many events it holds, up to where it was read.
    pub events: u64,
    /// The ledger's id, and the chain of its last event.
    pub end: (LedgerId, Chain),
    /// When the last event was decided.
    pub at: Timestamp,
    /// The draws and their status.
    pub draws: Vec<DrawStatus>,
}

impl Archive {
    /// Opens a store for reading. Blocks, as all of it.
    ///
    /// # Errors
    /// When no server can be read, or it has no ledger that this program knows.
    pub fn open(target: &Target) -> Result<Self, StoreError> {
        let runtime = runtime()?;
        let (session, host, id, events, chain) = runtime.block_on(async {
            let (Primary { mut session, host, .. }, id) = schema::opened(target).await?;
            let asked = session.ask(async |client| client.query_one(rows::END, &[]).await);
            let row = asked.await.map_err(|error| StoreError::Away(error.to_string()))?;
            let End { events, chain, .. } = End::of(&row).map_err(StoreError::Damaged)?;
            Ok((session, host, id, events, chain))
        })?;
        Ok(Self { runtime, session: RefCell::new(session), host, id, events, chain })
    }

    /// The ledger's id.
    #[must_use]
    pub fn id(&self) -> LedgerId {
        self.id
    }

    /// Reads every event in order, and calls `visit` with it.
    ///
    /// # Errors
    /// The first damage or failed reading, or an error that `visit` returns.
    pub fn read<E: From<StoreError>>(
        &self,
        visit: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        self.pass(self.start(), true, visit)
    }

    /// Reads the events from `start` on, and calls `visit` with each. The rules are applied only if
    /// `start` is the first.
    ///
    /// # Errors
    /// The first damage or failed reading, an error that `visit` returns, or that this ledger is not
    /// the one of `start`, or has another history before it.
    pub fn read_from<E: From<StoreError>>(
        &self,
        start: StreamStart,
        visit: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Tip, E> {
        let StreamStart { id, sequence, chain } = start;
        if id != self.id || self.chain_before(sequence)? != Some(chain) {
            let why = "it is another ledger or has another history";
            let why = format!("{why}: event {sequence} does not follow here");
            return Err(StoreError::Unsuitable(why).into());
        }
        let Summary { events, end: (_, chain), at, .. } = self.pass(start, true, visit)?;
        Ok(Tip { sequence: events, chain, at })
    }

    /// Returns the chain before an event; `None` if there are not so many.
    fn chain_before(&self, sequence: u64) -> Result<Option<Chain>, StoreError> {
        let Some(last) = sequence.checked_sub(1) else { return Ok(Some(Chain::first(self.id))) };
        if sequence >= self.events {
            return Ok((sequence == self.events).then_some(self.chain));
        }
        let query = format!(
            "SELECT {EVENT_COLUMNS} FROM event WHERE sequence >= $1 AND sequence < $2 \
             ORDER BY sequence LIMIT 1"
        );
        let page = self.page(&query, last)?;
        let missing = || StoreError::Damaged(format!("event {last} is missing"));
        let row = page.first().ok_or_else(missing)?;
        Ok(Some(ReadEvent::of(row).map_err(StoreError::Damaged)?.chain))
    }

    /// Reads every event but no bets.
    ///
    /// # Errors
    /// The first damage or failed reading.
    pub fn skim(&self) -> Result<Summary, StoreError> {
        self.pass(self.start(), false, |_| Ok(()))
    }

    fn start(&self) -> StreamStart {
        StreamStart { id: self.id, sequence: 0, chain: Chain::first(self.id) }
    }

    fn pass<E: From<StoreError>>(
        &self,
        start: StreamStart,
        with_bets: bool,
        mut visit: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        let (bets, verified, page_max) = match with_bets {
            true => (BETS_COLUMN, VERIFIED_COLUMNS, BATCHES_PAGE_MAX),
            false => ("", "", EVENTS_PAGE_MAX),
        };
        let query = format!(
            "SELECT {EVENT_COLUMNS}{bets}{verified} FROM event WHERE sequence >= $1 \
             AND sequence < $2 ORDER BY sequence LIMIT {page_max}"
        );
        let (mut draws, mut at) = (Draws::default(), Timestamp(0));
        let (mut chain, mut next) = (start.chain, start.sequence);
        while next < self.events {
            let page = self.page(&query, next)?;
            if page.is_empty() {
                let missing = format!("event {next} is missing of {}", self.events);
                return Err(StoreError::Damaged(missing).into());
            }
            for row in &page {
                let read = ReadEvent::following(row, next, Some(chain));
                let read = read.map_err(StoreError::Damaged)?;
                let StoredEvent { event, at: decided, .. } = &read.stored;
                if start.sequence == 0 {
                    draws.replay(event, *decided).map_err(|why| {
                        let why = format!("event {next} is one that the rules forbid: {why}");
                        StoreError::Damaged(why)
                    })?;
                }
                let damaged = |why| StoreError::Damaged(format!("event {next}: {why}"));
                let text = match event {
                    _ if !with_bets => "",
                    Event::BatchAccepted(batch) => verified_bets(row, batch).map_err(damaged)?,
                    other => {
                        expect_audit_row(row, other).map_err(damaged)?;
                        ""
                    }
                };
                visit(read.record(text))?;
                (chain, at, next) = (read.chain, *decided, next + 1);
            }
        }
        if chain != self.chain {
            let why = "the row of the ledger's end has another chain than its last event";
            return Err(StoreError::Damaged(why.to_owned()).into());
        }
        Ok(Summary { events: next, end: (self.id, chain), at, draws: draws.statuses() })
    }

    fn page(&self, query: &str, from: u64) -> Result<Vec<Row>, StoreError> {
        let (from, end) = (signed(from), signed(self.events));
        let mut session = self.session.borrow_mut();
        let asked = session
            .ask_within(READING_TIME_MAX, async |client| client.query(query, &[&from, &end]).await);
        let away = |error| StoreError::Away(format!("{}: {error}", self.host));
        self.runtime.block_on(asked).map_err(away)
    }
}

/// Returns the bets of a batch, which must be those of its digest, its count and its keys.
fn verified_bets<'a>(row: &'a Row, of: &BatchSummary) -> Result<&'a str, String> {
    let bets = rows::bets_in(row, of)?;
    let keys: Vec<i32> = row.try_get(13).map_err(|error| error.to_string())?;
    let batch = StoredBatch { draw: of.draw, agency: of.agency, chunk: of.chunk, text: bets };
    let expected = batch.bets().map(|bet| bet.map(|(_, bet)| rows::key_of(&bet)));
    let expected: Result<Vec<_>, _> = expected.collect();
    let expected = expected.map_err(|unsound| unsound.to_string())?;
    if expected != keys || expected.len() as u64 != u64::from(of.bets) {
        return Err("its columns are not those of its bets".to_owned());
    }
    Ok(bets)
}

/// Checks the columns of an event for those who read SQL.
fn expect_audit_row(row: &Row, event: &Event) -> Result<(), String> {
    let text = |error: tokio_postgres::Error| error.to_string();
    let audited = AuditRow::of(event);
    let arguments: Option<&str> = row.try_get(16).map_err(text)?;
    let is_same = (audited.draw, audited.agency)
        == (row.try_get(4).map_err(text)?, row.try_get(5).map_err(text)?)
        && row.try_get::<_, Option<&str>>(14).map_err(text)? == Some(audited.action)
        && row.try_get::<_, Option<&str>>(15).map_err(text)? == Some(audited.author.as_str())
        && arguments.and_then(parsed) == parsed(&audited.arguments)
        && row.try_get::<_, Option<&str>>(17).map_err(text)? == Some(audited.reason);
    if is_same { Ok(()) } else { Err("the audit log does not say what it is".to_owned()) }
}

fn parsed(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}
