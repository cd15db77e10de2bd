//! Reads durable events, beside the writer.
//!
//! A server is read only if it has the last event that this central knows to be durable: one that was
//! the primary before a promotion, and still answers, does not have it.
//!
//! Reads page by page, so that no transaction stays open for long; what was read up to is the last
//! event that was durable at the beginning. Each batch's text is compared with its digest, and each
//! other event with the chain as far as it is read.

use std::ops::ControlFlow;
use std::sync::Arc;

use engine::{Chain, Reader, Tip};
use lottery::{
    AgencyId, AuditSpan, Bet, BetName, ChunkDigest, ChunkId, DrawId, StoredBatch, StoredEvent,
    WinningResult,
};
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Runtime;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::limits::{BATCHES_PAGE_MAX, EVENTS_PAGE_MAX, READING_TIME_MAX, READINGS_MAX};
use crate::rows::{self, EVENT_COLUMNS, ReadEvent, keys_of, signed};
use crate::session::{Session, runtime};
use crate::store::{Durable, Store};

/// Reads durable events on connections of its own.
pub(crate) struct PostgresReader {
    store: Arc<Store>,
    durable: Durable,
    connections: Mutex<Connections>,
    returned: Condvar,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Reading>,
    in_use: usize,
}

struct Reading {
    runtime: Runtime,
    session: Session,
}

const BATCH_COLUMNS: &str = "sequence, agency, chunk, digest, body";

impl PostgresReader {
    pub(crate) fn new(store: Arc<Store>, durable: Durable) -> Self {
        Self { store, durable, connections: Mutex::default(), returned: Condvar::new() }
    }

    /// Runs a reading of what is before a position, on a connection that is kept for the next one if
    /// it succeeds.
    fn reading<T>(
        &self,
        end: Tip,
        read: impl FnOnce(&mut Reading) -> Result<T, String>,
    ) -> Result<T, String> {
        let idle = {
            let mut connections = self.connections.lock();
            while connections.in_use >= READINGS_MAX {
                self.returned.wait(&mut connections);
            }
            connections.in_use += 1;
            connections.idle.pop()
        };
        let _place = Place(self);
        // A connection that was idle may have ended, or its server been left behind.
        if let Some(mut reading) = idle
            && reading.has(end).is_ok()
        {
            return self.run(reading, read);
        }
        let runtime = runtime().map_err(|error| error.to_string())?;
        let session = runtime.block_on(self.store.connect_to_read());
        let session = session.map_err(|error| error.to_string())?;
        let mut reading = Reading { runtime, session };
        reading.has(end)?;
        self.run(reading, read)
    }

    fn run<T>(
        &self,
        mut reading: Reading,
        read: impl FnOnce(&mut Reading) -> Result<T, String>,
    ) -> Result<T, String> {
        let done = read(&mut reading)?;
        self.connections.lock().idle.push(reading);
        Ok(done)
    }

    /// Calls `visit` with the batches of a draw that `wanted`, a condition on `$4`, selects.
    fn batches<P: ToSql + Sync>(
        &self,
        draw: DrawId,
        wanted: &str,
        parameter: &P,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> Result<ControlFlow<()>, String>,
    ) -> Result<(), String> {
        let query = format!(
            "SELECT {BATCH_COLUMNS} FROM event WHERE kind = 2 AND draw = $1 AND sequence > $2 \
             AND sequence < $3 AND {wanted} ORDER BY sequence LIMIT {BATCHES_PAGE_MAX}"
        );
        let (durable, of) = (self.durable.tip(), i64::from(draw.0));
        let end = signed(durable.sequence);
        self.reading(durable, |reading| {
            let mut last = -1_i64;
            loop {
                let page = reading.page(&query, &[&of, &last, &end, parameter])?;
                let Some(newest) = page.last() else { return Ok(()) };
                last = newest.try_get(0).map_err(|error| error.to_string())?;
                for row in &page {
                    if visit(batch_in(row, draw)?)?.is_break() {
                        return Ok(());
                    }
                }
            }
        })
    }
}

/// A reading's place, free again when it ends.
struct Place<'a>(&'a PostgresReader);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.connections.lock().in_use -= 1;
        self.0.returned.notify_one();
    }
}

impl Reading {
    /// Checks that the server has everything before a position.
    fn has(&mut self, end: Tip) -> Result<(), String> {
        let Some(last) = end.sequence.checked_sub(1) else { return Ok(()) };
        let found = self.page("SELECT chain FROM event WHERE sequence = $1", &[&signed(last)])?;
        let chain = found.first().map(|row| row.try_get::<_, &[u8]>(0));
        match chain.transpose().map_err(|error| error.to_string())? {
            Some(chain) if chain == end.chain.0 => Ok(()),
            _ => {
                Err(format!("the server that answers does not have event {last} as it was stored"))
            }
        }
    }

    fn page(&mut self, query: &str, of: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, String> {
        let Self { runtime, session } = self;
        let asked =
            session.ask_within(READING_TIME_MAX, async |client| client.query(query, of).await);
        runtime.block_on(asked).map_err(|error| error.to_string())
    }
}

/// Reads a row of [`BATCH_COLUMNS`].
fn batch_in(row: &Row, draw: DrawId) -> Result<StoredBatch<'_>, String> {
    let failed = |error: tokio_postgres::Error| error.to_string();
    let sequence: i64 = row.try_get(0).map_err(failed)?;
    let wrong = |what: &str| format!("event {sequence}: {what}");
    let number = |at: usize| {
        let wide: i64 = row.try_get(at).map_err(failed)?;
        u32::try_from(wide).map_err(|_| wrong("a number out of range"))
    };
    let digest = ChunkDigest(rows::digest(row.try_get(3).map_err(failed)?)?);
    let text = std::str::from_utf8(row.try_get(4).map_err(failed)?);
    let text = text.map_err(|_| wrong("bets that are not UTF-8"))?;
    if ChunkDigest::of(text) != digest {
        return Err(wrong("the bets are not those that were stored"));
    }
    Ok(StoredBatch { draw, agency: AgencyId(number(1)?), chunk: ChunkId(number(2)?), text })
}

impl Reader for PostgresReader {
    fn winning_bets(
        &self,
        draw: DrawId,
        result: WinningResult,
        visit: &mut dyn FnMut(BetName, &Bet<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        self.batches(draw, "keys && $4", &keys_of(result), &mut |batch| {
            result.visit(&batch, visit).map_err(|unsound| unsound.to_string())
        })
    }

    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        self.batches(draw, "$4", &true, &mut |batch| Ok(visit(batch)))
    }

    fn audit_log(
        &self,
        span: AuditSpan,
        visit: &mut dyn FnMut(StoredEvent, Chain) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let tip = self.durable.tip();
        let durable = signed(tip.sequence);
        let (mut from, mut before, order) = match span {
            AuditSpan::From(from) => (signed(from), durable, "ASC"),
            AuditSpan::Before(end) => (0, signed(end).min(durable), "DESC"),
        };
        let query = format!(
            "SELECT {EVENT_COLUMNS} FROM event WHERE kind <> 2 AND sequence >= $1 \
             AND sequence < $2 ORDER BY sequence {order} LIMIT {EVENTS_PAGE_MAX}"
        );
        self.reading(tip, |reading| {
            loop {
                let page = reading.page(&query, &[&from, &before])?;
                if page.is_empty() {
                    return Ok(());
                }
                for row in &page {
                    let read = ReadEvent::of(row)?;
                    let sequence = signed(read.stored.sequence);
                    match span {
                        AuditSpan::From(_) => from = sequence + 1,
                        AuditSpan::Before(_) => before = sequence,
                    }
                    if visit(read.stored, read.chain).is_break() {
                        return Ok(());
                    }
                }
            }
        })
    }
}
