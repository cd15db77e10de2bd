//! Reading beside the writer: only what is durable, every record checked.

use std::ops::ControlFlow;

use lottery::planted::{Bug, planted};
use lottery::{BatchSummary, Bet, BetFault, DrawId, Event, StoredBatch, Trace, Winners};

use crate::error::Fault;
use crate::index::{self, BetPlace};
use crate::segment::{self, Image, LoneRecord};
use crate::segments::{Segment, Segments};

/// Shows the batches of a draw, in order, until `visit` breaks.
pub(crate) fn scan(
    segments: &Segments,
    draw: DrawId,
    visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
) -> Result<(), Fault> {
    for segment in segments.snapshot() {
        let image = segment.image()?;
        let scanned = batches_of(&image, |batch, text, _| {
            if batch.draw != draw {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(visit(index::stored(batch, text)))
        })?;
        if scanned.is_break() {
            break;
        }
    }
    Ok(())
}

/// Shows the events that are no batches, from a sequence on, until `visit` breaks.
pub(crate) fn trail(
    segments: &Segments,
    from: u64,
    visit: &mut dyn FnMut(Trace) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let segments = segments.snapshot();
    let next_starts = segments.iter().skip(1).map(|next| next.header.first_sequence);
    let ends = next_starts.chain([u64::MAX]);
    for (segment, _) in segments.iter().zip(ends).filter(|(_, end)| *end > from) {
        for offset in segment.event_offsets()? {
            let record = segment::read_record(&*segment.file, &segment.header, offset)?;
            let (sequence, at) = (record.sequence(), record.at());
            if sequence < from {
                continue;
            }
            let event = record.decode()?.event;
            if visit(Trace { sequence, at, event }).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The winners of a draw: only the records that hold some are read.
pub(crate) fn winners(segments: &Segments, draw: DrawId, number: u32) -> Result<Winners, Fault> {
    let mut winners = Winners::default();
    for segment in segments.snapshot() {
        if segment.index.get().is_none() && planted(Bug::IndexNotRebuilt) {
            continue;
        }
        winners_in(&segment, draw, number, &mut winners)?;
    }
    Ok(winners)
}

fn winners_in(
    segment: &Segment,
    draw: DrawId,
    number: u32,
    winners: &mut Winners,
) -> Result<(), Fault> {
    let Some(places) = segment.bets_on(draw, number)? else {
        // The index is derived: when it turns out unsound, the records still tell.
        return winners_by_reading(&segment.image()?, draw, number, winners);
    };
    for of_batch in places.chunk_by(|a, b| a.offset == b.offset) {
        let offset = usize::try_from(of_batch[0].offset).expect("u32 fits usize");
        let record = segment::read_record(&*segment.file, &segment.header, offset)?;
        winners_in_batch(&record, of_batch, draw, number, winners)?;
    }
    Ok(())
}

fn winners_in_batch(
    record: &LoneRecord,
    places: &[BetPlace],
    draw: DrawId,
    number: u32,
    winners: &mut Winners,
) -> Result<(), Fault> {
    let astray = || record.damage("the index says that a bet on the number is here, and it is not");
    let decoded = record.decode()?;
    let Event::BatchAccepted(batch) = decoded.event else {
        return Err(astray());
    };
    if batch.draw != draw {
        return Err(astray());
    }
    let mut wanted = places.iter().map(|place| place.position).peekable();
    for (position, bet) in (0..).zip(index::stored(&batch, decoded.text).bets()) {
        if wanted.next_if_eq(&position).is_none() {
            continue;
        }
        let bet = bet.ok().filter(|bet| bet.number() == number).ok_or_else(astray)?;
        winners.add(batch.agency, bet.document());
    }
    if wanted.next().is_some() { Err(astray()) } else { Ok(()) }
}

fn winners_by_reading(
    image: &Image,
    draw: DrawId,
    number: u32,
    winners: &mut Winners,
) -> Result<(), Fault> {
    let read = batches_of(image, |batch, text, offset| {
        if batch.draw == draw {
            for bet in index::stored(batch, text).bets() {
                let bet: Bet<'_> =
                    bet.map_err(|fault: BetFault| image.damage(offset, fault.to_string()))?;
                if bet.number() == number {
                    winners.add(batch.agency, bet.document());
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    assert!(read.is_continue(), "nothing above breaks");
    Ok(())
}

/// Shows the batches of an image, which ends where its records end.
fn batches_of(
    image: &Image,
    mut visit: impl FnMut(&BatchSummary, &str, usize) -> Result<ControlFlow<()>, Fault>,
) -> Result<ControlFlow<()>, Fault> {
    let mut walk = image.walk();
    while !walk.is_at_end() {
        let record = walk.step().map_err(|stop| walk.damage(&stop))?;
        if let Event::BatchAccepted(batch) = &record.event
            && visit(batch, record.text, record.offset)?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
