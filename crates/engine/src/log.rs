//! The contract of a log: an ordered store of a lottery's events.
//!
//! Small and blocking: the commit thread makes all calls. A log stores events and knows no rules.
//!
//! A log promises:
//! - [`Log::commit`] stores a group whole or not at all, directly after what [`Log::begin`]
//!   returned, and reports which. After a lost answer it finds out what happened before it returns,
//!   however long that takes, and makes that outcome durable. It tells its own events from equal
//!   ones of another engine.
//! - What [`Log::begin`] and [`Log::recover`] return is readable, but may vanish until something is
//!   committed after it.
//! - [`Log::recover`] and the [`Reader`] return what was committed, in order.
//! - Several engines may share a log: [`Log::begin`] returns the others' events.

use std::ops::ControlFlow;
use std::sync::Arc;

use lottery::{
    AuditSpan, Batch, BatchSummary, Bet, BetName, DrawId, Draws, Event, StoredBatch, StoredEvent,
    Timestamp, WinningResult,
};

use thiserror::Error;

use crate::body::Body;
use crate::chain::{Chain, LedgerId};

/// An ordered, durable store of events.
pub trait Log: Send {
    /// Reads and replays all events. Called first, and again when [`Log::begin`] reports another
    /// history.
    ///
    /// # Errors
    /// When the log can't be read or is damaged.
    fn recover(&mut self) -> Result<Recovered, Gone>;

    /// Passes new events of other engines to `news`, in order. A group's decisions are based on
    /// them.
    ///
    /// # Errors
    /// When nothing can be committed now.
    fn begin(&mut self, news: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone>;

    /// Returns the most bytes of a group that starts with a decision of `first` bytes, as counted
    /// by [`Entry::len`]; at least that decision always fits.
    fn room_for(&self, first: usize) -> usize;

    /// Makes a group durable atomically. In a shared log, an empty group makes what [`Log::begin`]
    /// returned durable.
    ///
    /// # Errors
    /// When nothing is stored, or the outcome can't be known.
    fn commit(&mut self, group: &[Entry]) -> Result<(), Gone>;

    /// Checks that the log still works: its data is in place, and there is space if there was none.
    ///
    /// # Errors
    /// Why nothing can be committed.
    fn check(&mut self) -> Result<(), Gone> {
        Ok(())
    }

    /// Returns a reader of durable events for other threads.
    fn reader(&self) -> Arc<dyn Reader>;
}

/// Reads durable events. Every call blocks and covers at least what was committed before it. Errors
/// are descriptions of unreadable data.
pub trait Reader: Send + Sync {
    /// Returns the ledger's id.
    fn id(&self) -> LedgerId;

    /// Calls `visit` with all events from number `from` on, in order, until it breaks.
    ///
    /// # Errors
    /// When the log can't be read.
    fn records(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), String>;

    /// Calls `visit` with the winning bets of a draw with this result, in the order of acceptance,
    /// until it breaks.
    ///
    /// # Errors
    /// When the log can't be read.
    fn winning_bets(
        &self,
        draw: DrawId,
        result: WinningResult,
        visit: &mut dyn FnMut(BetName, &Bet<'_>) -> ControlFlow<()>,
    ) -> Result<(), String>;

    /// Calls `visit` with the batches of a draw in the order of acceptance, until it breaks.
    ///
    /// # Errors
    /// When the log can't be read.
    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), String>;

    /// Calls `visit` with the events of `span` that are not batches, and the chain up to each, until
    /// it breaks.
    ///
    /// # Errors
    /// When the log can't be read.
    fn audit_log(
        &self,
        span: AuditSpan,
        visit: &mut dyn FnMut(StoredEvent, Chain) -> ControlFlow<()>,
    ) -> Result<(), String>;
}

/// A log's replayed content.
#[derive(Debug)]
pub struct Recovered {
    /// The state after all events.
    pub draws: Draws,
    /// The position of the next event.
    pub tip: Tip,
}

/// The position of the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The number of events before it.
    pub sequence: u64,
    /// The chain after the last event.
    pub chain: Chain,
    /// When the last event was decided; the next is not earlier.
    pub at: Timestamp,
}

/// The outcome of reading other engines' events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// They were returned; the next event goes here.
    UpTo(Tip),
    /// The log has lost events that this engine had read; it must be recovered.
    OtherHistory,
}

/// Why a log can't do a call now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Gone {
    /// It can't be reached now. Nothing was stored.
    #[error("the log can't be reached")]
    Away,
    /// It is full now. Nothing was stored.
    #[error("the log has no room: {0}")]
    Full(String),
    /// It failed permanently.
    #[error("the log failed: {0}")]
    Failed(String),
}

/// An event to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of events before it.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The number of later events of the same decision.
    pub left: u16,
    /// The event.
    pub event: Event,
    /// The batch with its bets, if one was accepted.
    pub batch: Option<Arc<Batch>>,
    /// The chain of this event and all before it.
    pub chain: Chain,
}

/// An event as a log or a record stream returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number of events before it.
    pub sequence: u64,
    /// When it was decided, by the central's clock.
    pub at: Timestamp,
    /// The number of later events of the same decision.
    pub left: u16,
    /// The event.
    pub event: &'a Event,
    /// The bets of an accepted batch in canonical text; otherwise empty.
    pub text: &'a str,
    /// The chain of this event and all before it.
    pub chain: Chain,
}

impl<'a> Record<'a> {
    /// Returns the position of the next event.
    #[must_use]
    pub fn tip(&self) -> Tip {
        Tip { sequence: self.sequence + 1, chain: self.chain, at: self.at }
    }

    /// Returns the body, which is the same in every log.
    #[must_use]
    pub fn body(&self) -> Body<'a> {
        Body::of(self.event, self.text)
    }

    /// Returns the batch with its bets if the event is one.
    #[must_use]
    pub fn batch(&self) -> Option<StoredBatch<'a>> {
        match self.event {
            Event::BatchAccepted(BatchSummary { draw, agency, chunk, .. }) => {
                let (draw, agency, chunk) = (*draw, *agency, *chunk);
                Some(StoredBatch { draw, agency, chunk, text: self.text })
            }
            _ => None,
        }
    }
}

/// Bytes that an entry counts for besides its body.
pub const ENTRY_OVERHEAD_LEN: usize = 96;

impl Entry {
    pub(crate) fn new(
        tip: Tip,
        at: Timestamp,
        left: u16,
        event: Event,
        batch: Option<Arc<Batch>>,
    ) -> Self {
        let Tip { sequence, chain, .. } = tip;
        let mut entry = Self { sequence, at, left, event, batch, chain };
        entry.chain = chain.then_body(sequence, at, left, &entry.body());
        entry
    }

    /// Returns the position of the next event.
    #[must_use]
    pub fn tip(&self) -> Tip {
        Tip { sequence: self.sequence + 1, chain: self.chain, at: self.at }
    }

    /// Returns it as it is read.
    #[must_use]
    pub fn record(&self) -> Record<'_> {
        let Self { sequence, at, left, ref event, chain, .. } = *self;
        let text = self.batch.as_ref().map_or("", |batch| batch.bets.text());
        Record { sequence, at, left, event, text, chain }
    }

    /// Returns the body, which is the same in every log.
    #[must_use]
    pub fn body(&self) -> Body<'_> {
        self.record().body()
    }

    /// Returns the bytes it counts for: its body, rounded up to a multiple of 8, and
    /// [`ENTRY_OVERHEAD_LEN`].
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no entry is empty")]
    pub fn len(&self) -> usize {
        len_of(self.body().len())
    }
}

pub(crate) fn len_of(body_len: usize) -> usize {
    body_len.next_multiple_of(8) + ENTRY_OVERHEAD_LEN
}
