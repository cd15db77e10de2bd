//! Reads durable events, beside the writer.
//!
//! Reads page by page, so that no transaction stays open for long; what was read up to is the last
//! event that was durable at the beginning. Each batch's text is compared with its digest, and each
//! other event with the chain as far as it is read.

use std::ops::ControlFlow;

use engine::{Chain, LedgerId, Reader, Record};
use lottery::{
    AgencyId, AuditSpan, Bet, BetName, ChunkDigest, ChunkId, DrawId, Event, StoredBatch,
    StoredEvent, WinningResult,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::connections::Connections;
use crate::limits::{BATCHES_PAGE_MAX, EVENTS_PAGE_MAX};
use crate::rows::{self, BETS_COLUMN, EVENT_COLUMNS, ReadEvent, keys_of, signed};
use crate::store::Durable;

/// Reads durable events on connections of its own.
pub(crate) struct PostgresReader {
    durable: Durable,
    connections: Connections,
}

const BATCH_COLUMNS: &str = "sequence, agency, chunk, digest, body";

impl PostgresReader {
    pub(crate) fn new(durable: Durable, connections: Connections) -> Self {
        Self { durable, connections }
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
        let (end, of) = (signed(self.durable.tip().sequence), i64::from(draw.0));
        self.connections.with(|connection| {
            let mut last = -1_i64;
            loop {
                let page = connection.page(&query, &[&of, &last, &end, parameter])?;
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

/// Reads a row of [`BATCH_COLUMNS`].
fn batch_in(row: &Row, draw: DrawId) -> Result<StoredBatch<'_>, String> {
    let failed = |error: tokio_postgres::Error| error.to_string();
    let sequence: i64 = row.try_get(0).map_err(failed)?;
    let wrong = |what: String| format!("event {sequence}: {what}");
    let number = |at: usize| {
        let wide: i64 = row.try_get(at).map_err(failed)?;
        u32::try_from(wide).map_err(|_| wrong("a number out of range".to_owned()))
    };
    let digest = ChunkDigest(rows::digest(row.try_get(3).map_err(failed)?)?);
    let text = rows::bets_of(row.try_get(4).map_err(failed)?, digest).map_err(wrong)?;
    Ok(StoredBatch { draw, agency: AgencyId(number(1)?), chunk: ChunkId(number(2)?), text })
}

impl Reader for PostgresReader {
    fn id(&self) -> LedgerId {
        self.connections.ledger()
    }

    fn records(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let query = format!(
            "SELECT {EVENT_COLUMNS}{BETS_COLUMN} FROM event WHERE sequence >= $1 \
             AND sequence < $2 ORDER BY sequence LIMIT {BATCHES_PAGE_MAX}"
        );
        let end = self.durable.tip().sequence;
        self.connections.with(|connection| {
            // The event before the first one is read for its chain.
            let mut next = from.saturating_sub(1);
            let mut before = (next == 0).then_some(Chain::first(self.id()));
            while next < end {
                let page = connection.page(&query, &[&signed(next), &signed(end)])?;
                if page.is_empty() {
                    return Err(format!("event {next} is missing of {end}"));
                }
                for row in &page {
                    let read = ReadEvent::following(row, next, before)?;
                    let text = match &read.stored.event {
                        Event::BatchAccepted(batch) => rows::bets_in(row, batch)
                            .map_err(|why| format!("event {next}: {why}"))?,
                        _ => "",
                    };
                    if next >= from && visit(read.record(text)).is_break() {
                        return Ok(());
                    }
                    (next, before) = (next + 1, Some(read.chain));
                }
            }
            Ok(())
        })
    }

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
        let durable = signed(self.durable.tip().sequence);
        let (mut from, mut before, order) = match span {
            AuditSpan::From(from) => (signed(from), durable, "ASC"),
            AuditSpan::Before(end) => (0, signed(end).min(durable), "DESC"),
        };
        let query = format!(
            "SELECT {EVENT_COLUMNS} FROM event WHERE kind <> 2 AND sequence >= $1 \
             AND sequence < $2 ORDER BY sequence {order} LIMIT {EVENTS_PAGE_MAX}"
        );
        self.connections.with(|connection| {
            loop {
                let page = connection.page(&query, &[&from, &before])?;
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
