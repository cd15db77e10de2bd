//! Reads concurrently with the writer. Only durable records that match what was acknowledged are
//! returned.
//!
//! Everything is verified before it is returned:
//!
//! - a record found by an index, against its index entry, and the index against all records of its
//!   segment;
//! - records read in sequence, against the chain, up to where the next segment continues it; those
//!   of a segment without an index, against what is kept in memory of each.

use std::ops::ControlFlow;

use engine::{Chain, LedgerId, Reader, Record};
use lottery::{
    AuditSpan, Bet, BetKey, BetName, DrawId, Event, StoredBatch, StoredEvent, Timestamp,
    WinningResult,
};

use crate::contents::{EventAt, RecordAt};
use crate::error::Fault;
use crate::index::{self, BatchHits};
use crate::limits::RECORDS_AT_ONCE_MAX;
use crate::segment::{self, BATCH_LIKELY_LEN, EVENT_LIKELY_LEN};
use crate::segments::{Segment, Segments};

/// Takes winning bets, until it breaks.
type Visit<'a> = dyn FnMut(BetName, &Bet<'_>) -> ControlFlow<()> + 'a;

/// Reads the segments of an open ledger.
pub(crate) struct SegmentsReader {
    pub(crate) id: LedgerId,
    pub(crate) segments: Segments,
}

impl Reader for SegmentsReader {
    fn id(&self) -> LedgerId {
        self.id
    }

    fn records(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        records(&self.segments, from, visit).map_err(|fault| fault.to_string())
    }

    fn winning_bets(
        &self,
        draw: DrawId,
        result: WinningResult,
        visit: &mut Visit<'_>,
    ) -> Result<(), String> {
        winning_bets(&self.segments, draw, result, visit).map_err(|fault| fault.to_string())
    }

    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        scan(&self.segments, draw, visit).map_err(|fault| fault.to_string())
    }

    fn audit_log(
        &self,
        span: AuditSpan,
        visit: &mut dyn FnMut(StoredEvent, Chain) -> ControlFlow<()>,
    ) -> Result<(), String> {
        audit_log(&self.segments, span, visit).map_err(|fault| fault.to_string())
    }
}

/// Calls `visit` with the records from number `from` on, until it breaks.
fn records(
    segments: &Segments,
    from: u64,
    visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let segments = segments.snapshot();
    let passed = segments.partition_point(|segment| segment.header.first_sequence <= from);
    for segment in &segments[passed.saturating_sub(1)..] {
        if records_in(segment, from, visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Calls `visit` with a segment's records from number `from` on. While the segment has no index,
/// each is read by itself: the end of a ledger is read often, and little of it at a time.
fn records_in(
    segment: &Segment,
    from: u64,
    visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Fault> {
    let first = segment.header.first_sequence;
    // The record before the first one is read for its chain.
    let mut next = from.saturating_sub(1).max(first);
    let mut before = (next == first).then_some(segment.header.chain);
    while let Some(found) = segment.records_from(next, RECORDS_AT_ONCE_MAX) {
        if found.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        for at in &found {
            let record = segment::read_record(
                &*segment.file,
                &segment.header,
                at.offset(),
                BATCH_LIKELY_LEN,
            )?;
            let decoded = record.decode()?;
            let is_acknowledged = match at {
                RecordAt::Batch(at) => decoded.event == Event::BatchAccepted(at.summary),
                RecordAt::Event(at) => record.fingerprint() == at.fingerprint,
            };
            let continues = |before| record.continues(before, &decoded.tail_digest);
            if record.sequence() != next || !is_acknowledged || !before.is_none_or(continues) {
                return Err(record.damage("another record than was acknowledged"));
            }
            (next, before) = (next + 1, Some(record.chain()));
            if record.sequence() >= from && visit(record.read(&decoded)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    let (image, expected) = segment.image()?;
    let records = expected.records(&image)?;
    let wanted = records.iter().filter(|record| record.header.sequence >= next.max(from));
    Ok(wanted.map(segment::Record::read).try_for_each(visit))
}

/// Calls `visit` with the batches of a draw, in order, until it breaks.
fn scan(
    segments: &Segments,
    draw: DrawId,
    visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
) -> Result<(), Fault> {
    for segment in segments.snapshot() {
        if segment.may_have_batches_of(draw) && batches_in(&segment, draw, visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Calls `visit` with the events of `span` other than batches, until it breaks.
fn audit_log(
    segments: &Segments,
    span: AuditSpan,
    visit: &mut dyn FnMut(StoredEvent, Chain) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let segments = segments.snapshot();
    let next_starts = segments.iter().skip(1).map(|next| next.header.first_sequence);
    let mut wanted: Vec<_> = segments.iter().zip(next_starts.chain([u64::MAX])).collect();
    match span {
        AuditSpan::From(from) => wanted.retain(|(_, end)| *end > from),
        AuditSpan::Before(end) => {
            wanted.retain(|(segment, _)| segment.header.first_sequence < end);
            wanted.reverse();
        }
    }
    for (segment, _) in wanted {
        if audit_log_in(segment, span, visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Calls `visit` with the winning bets of a draw, in order, until it breaks; reads only the batches
/// that have some.
fn winning_bets(
    segments: &Segments,
    draw: DrawId,
    result: WinningResult,
    visit: &mut Visit<'_>,
) -> Result<(), Fault> {
    for segment in segments.snapshot() {
        if segment.may_have_batches_of(draw)
            && winning_bets_in(&segment, draw, result, visit)?.is_break()
        {
            break;
        }
    }
    Ok(())
}

fn audit_log_in(
    segment: &Segment,
    span: AuditSpan,
    visit: &mut dyn FnMut(StoredEvent, Chain) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Fault> {
    let Some(mut events) = segment.events() else {
        // The index is derived: if it is unsound, the records are read instead.
        return trail_by_reading(segment, span, visit);
    };
    let sequence_of = |at: &EventAt| segment.header.first_sequence + u64::from(at.position);
    events.retain(|at| is_in(span, sequence_of(at)));
    if let AuditSpan::Before(_) = span {
        events.reverse();
    }
    for at in events {
        let sequence = sequence_of(&at);
        let offset = index::index_usize(at.offset);
        let record =
            segment::read_record(&*segment.file, &segment.header, offset, EVENT_LIKELY_LEN)?;
        if record.sequence() != sequence || record.fingerprint() != at.fingerprint {
            return Err(record.damage("another record than was acknowledged"));
        }
        let event = StoredEvent { sequence, at: record.at(), event: record.decode()?.event };
        if visit(event, record.chain()).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn trail_by_reading(
    segment: &Segment,
    span: AuditSpan,
    visit: &mut dyn FnMut(StoredEvent, Chain) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Fault> {
    let (image, expected) = segment.image()?;
    let mut records = expected.records(&image)?;
    if let AuditSpan::Before(_) = span {
        records.reverse();
    }
    for record in records {
        let (sequence, at) = (record.header.sequence, Timestamp(record.header.at_ms));
        if !is_in(span, sequence) || matches!(record.event, Event::BatchAccepted(_)) {
            continue;
        }
        let (event, chain) = (record.event, record.header.chain);
        if visit(StoredEvent { sequence, at, event }, chain).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn is_in(span: AuditSpan, sequence: u64) -> bool {
    match span {
        AuditSpan::From(from) => sequence >= from,
        AuditSpan::Before(end) => sequence < end,
    }
}

fn winning_bets_in(
    segment: &Segment,
    draw: DrawId,
    result: WinningResult,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Fault> {
    let Some(hits) = segment.find(draw, &result.keys())? else {
        // The index is derived: if it is unsound, the records are read instead.
        return winning_bets_by_reading(segment, draw, result, visit);
    };
    for hits in &hits {
        if winning_bets_in_batch(segment, hits, result, visit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Calls `visit` with the winning bets of a batch, once all of the batch is verified.
fn winning_bets_in_batch(
    segment: &Segment,
    hits: &BatchHits,
    result: WinningResult,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Fault> {
    let offset = index::index_usize(hits.batch.offset);
    let record = segment::read_record(&*segment.file, &segment.header, offset, BATCH_LIKELY_LEN)?;
    let decoded = record.decode()?;
    let batch = hits.batch.summary;
    let as_acknowledged = decoded.event == Event::BatchAccepted(batch)
        && record.sequence() == segment.header.first_sequence + hits.place;
    if !as_acknowledged {
        return Err(record.damage("another batch than was acknowledged"));
    }
    let astray = || record.damage("the index finds other bets here than the batch holds");
    let (keys, mut winning) = (result.keys(), Vec::new());
    let mut found = hits.positions.iter().peekable();
    for bet in index::stored(&batch, decoded.text).bets() {
        let (name, bet) = bet.map_err(|unsound| record.damage(&unsound.to_string()))?;
        let is_found = found.next_if_eq(&&name.position).is_some();
        if is_found != keys.contains(&BetKey::of(&bet)) {
            return Err(astray());
        }
        if result.wins(&bet) {
            winning.push((name, bet));
        }
    }
    if found.next().is_some() {
        return Err(astray());
    }
    Ok(winning.iter().try_for_each(|(name, bet)| visit(*name, bet)))
}

fn winning_bets_by_reading(
    segment: &Segment,
    draw: DrawId,
    result: WinningResult,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Fault> {
    let mut unsound = None;
    let flow = batches_in(segment, draw, &mut |batch| {
        result.visit(&batch, visit).unwrap_or_else(|bet| {
            unsound = Some(bet);
            ControlFlow::Break(())
        })
    })?;
    match unsound {
        None => Ok(flow),
        Some(unsound) => Err(segment.damage(0, &unsound.to_string())),
    }
}

/// Calls `visit` with a segment's batches of a draw, once all records of the segment are verified.
fn batches_in(
    segment: &Segment,
    draw: DrawId,
    visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Fault> {
    let (image, expected) = segment.image()?;
    for record in expected.records(&image)? {
        if let Event::BatchAccepted(batch) = &record.event
            && batch.draw == draw
            && visit(index::stored(batch, record.text)).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
