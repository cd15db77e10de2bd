//! Reads concurrently with the writer. Only durable records that match what was acknowledged are
//! returned.
//!
//! Everything is verified before it is returned:
//!
//! - a record found by an index, against its index entry, and the index against all records of its
//!   segment;
//! - records read in sequence, against the chain, up to where the next segment continues it.

use std::ops::ControlFlow;

use engine::Reader;
use lottery::{BetKey, DrawId, Event, StoredBatch, StoredEvent, Timestamp, Winners, WinningResult};

use crate::error::Fault;
use crate::index::{self, BatchHits};
use crate::segment;
use crate::segments::{Segment, Segments};

/// Reads the segments of an open ledger.
pub(crate) struct SegmentsReader(pub(crate) Segments);

impl Reader for SegmentsReader {
    fn winners(&self, draw: DrawId, result: WinningResult) -> Result<Winners, String> {
        winners(&self.0, draw, result).map_err(|fault| fault.to_string())
    }

    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        scan(&self.0, draw, visit).map_err(|fault| fault.to_string())
    }

    fn audit_log(
        &self,
        from: u64,
        visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<(), String> {
        audit_log(&self.0, from, visit).map_err(|fault| fault.to_string())
    }
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

/// Calls `visit` with the events other than batches, from sequence `from` on, until it breaks.
fn audit_log(
    segments: &Segments,
    from: u64,
    visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let segments = segments.snapshot();
    let next_starts = segments.iter().skip(1).map(|next| next.header.first_sequence);
    let ends = next_starts.chain([u64::MAX]);
    for (segment, _) in segments.iter().zip(ends).filter(|(_, end)| *end > from) {
        if audit_log_in(segment, from, visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Returns the winners of a draw, reading only the batches that have some.
fn winners(segments: &Segments, draw: DrawId, result: WinningResult) -> Result<Winners, Fault> {
    let mut winners = Winners::default();
    for segment in segments.snapshot() {
        if segment.may_have_batches_of(draw) {
            winners_in(&segment, draw, result, &mut winners)?;
        }
    }
    Ok(winners)
}

fn audit_log_in(
    segment: &Segment,
    from: u64,
    visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Fault> {
    let Some(events) = segment.events() else {
        // The index is derived: if it is unsound, the records are read instead.
        return trail_by_reading(segment, from, visit);
    };
    for at in events {
        let sequence = segment.header.first_sequence + u64::from(at.position);
        if sequence < from {
            continue;
        }
        let offset = index::index_usize(at.offset);
        let record = segment::read_record(&*segment.file, &segment.header, offset)?;
        if record.sequence() != sequence || record.fingerprint() != at.fingerprint {
            return Err(record.damage("another record than was acknowledged"));
        }
        let event = record.decode()?.event;
        if visit(StoredEvent { sequence, at: record.at(), event }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn trail_by_reading(
    segment: &Segment,
    from: u64,
    visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Fault> {
    let (image, expected) = segment.image()?;
    for record in expected.records(&image)? {
        let (sequence, at) = (record.header.sequence, Timestamp(record.header.at_ms));
        if sequence < from || matches!(record.event, Event::BatchAccepted(_)) {
            continue;
        }
        if visit(StoredEvent { sequence, at, event: record.event }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn winners_in(
    segment: &Segment,
    draw: DrawId,
    result: WinningResult,
    winners: &mut Winners,
) -> Result<(), Fault> {
    let Some(hits) = segment.find(draw, &result.keys())? else {
        // The index is derived: if it is unsound, the records are read instead.
        return winners_by_reading(segment, draw, result, winners);
    };
    hits.iter().try_for_each(|hits| winners_in_batch(segment, hits, result, winners))
}

fn winners_in_batch(
    segment: &Segment,
    hits: &BatchHits,
    result: WinningResult,
    winners: &mut Winners,
) -> Result<(), Fault> {
    let offset = index::index_usize(hits.batch.offset);
    let record = segment::read_record(&*segment.file, &segment.header, offset)?;
    let decoded = record.decode()?;
    let batch = hits.batch.summary;
    let as_acknowledged = decoded.event == Event::BatchAccepted(batch)
        && record.sequence() == segment.header.first_sequence + hits.place;
    if !as_acknowledged {
        return Err(record.damage("another batch than was acknowledged"));
    }
    let astray = || record.damage("the index finds other bets here than the batch holds");
    let keys = result.keys();
    let mut found = hits.positions.iter().peekable();
    for bet in index::stored(&batch, decoded.text).bets() {
        let (name, bet) = bet.map_err(|unsound| record.damage(&unsound.to_string()))?;
        let is_found = found.next_if_eq(&&name.position).is_some();
        if is_found != keys.contains(&BetKey::of(&bet)) {
            return Err(astray());
        }
        if is_found {
            winners.add_if_wins(result, name, &bet);
        }
    }
    if found.next().is_some() { Err(astray()) } else { Ok(()) }
}

fn winners_by_reading(
    segment: &Segment,
    draw: DrawId,
    result: WinningResult,
    winners: &mut Winners,
) -> Result<(), Fault> {
    let mut added = Ok(0);
    let _ = batches_in(segment, draw, &mut |batch| {
        added = winners.add_batch(result, &batch);
        if added.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    match added {
        Ok(_) => Ok(()),
        Err(unsound) => Err(segment.damage(0, &unsound.to_string())),
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
