//! The contract of a log: whatever keeps the events of a lottery, in one order.
//!
//! Small and blocking: every call is made by whoever takes the engine's turn, on a thread that may
//! wait. A log keeps events, not rules: what may be appended is decided above.
//!
//! A log promises:
//! - [`Log::commit`] stores a group whole or not at all, behind all that [`Log::begin`] gave and
//!   nothing else, and says which: when it can't know what became of a write it finds out before
//!   it answers, however long that takes, and makes sure that what it found is as durable as any
//!   other; it tells its own events from equal ones that another engine decided;
//! - what [`Log::begin`] and [`Log::recover`] give can be read, and may vanish again until
//!   something is committed behind it;
//! - what was committed is given again by [`Log::recover`], in its order, and by the [`Reader`];
//! - several engines may share one: then each gets the others' events from [`Log::begin`].

use std::ops::ControlFlow;
use std::sync::Arc;

use lottery::{
    Batch, DrawId, Draws, Event, StoredBatch, StoredEvent, Timestamp, Winners, WinningResult,
};

use thiserror::Error;

use crate::body::Body;
use crate::chain::Chain;

/// See the module's documentation.
pub trait Log: Send {
    /// Everything that is kept, replayed by the rules. Called before anything else, and again when
    /// [`Log::begin`] found that the log does not continue what was known of it.
    ///
    /// # Errors
    /// When it can't be read, or is not as it was written.
    fn recover(&mut self) -> Result<Recovered, Gone>;

    /// Gives what others appended since the last call, in order. What a turn decides rests on it.
    ///
    /// # Errors
    /// When nothing can be committed now.
    fn begin(&mut self, news: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone>;

    /// How many bytes a group may have that begins with a decision of `first` bytes, as
    /// [`Entry::len`] counts them. It may always have that decision.
    fn room_for(&self, first: usize) -> usize;

    /// Makes a group durable, all of it at once. An empty one too, where others append: so that
    /// what [`Log::begin`] gave is known to be durable.
    ///
    /// # Errors
    /// When nothing of it is stored, or nobody can know.
    fn commit(&mut self, group: &[Entry]) -> Result<(), Gone>;

    /// Finds whether it can go on: what it keeps is where it was put, and there is room again if
    /// there was none.
    ///
    /// # Errors
    /// What is wrong.
    fn check(&mut self) -> Result<(), Gone> {
        Ok(())
    }

    /// Reads what is durable, beside the turns.
    fn reader(&self) -> Arc<dyn Reader>;
}

/// Reads what is durable. Every call blocks, covers at least what was committed before it, and
/// gives in words what is wrong when something can't be read.
pub trait Reader: Send + Sync {
    /// The winners of a draw with this result.
    ///
    /// # Errors
    /// When what is stored can't be read.
    fn winners(&self, draw: DrawId, result: WinningResult) -> Result<Winners, String>;

    /// Shows `visit` the batches of a draw in the order in which they were accepted, until it
    /// breaks.
    ///
    /// # Errors
    /// When what is stored can't be read.
    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), String>;

    /// Shows `visit` the events that are no batches, from the sequence `from` on, in order, until
    /// it breaks.
    ///
    /// # Errors
    /// When what is stored can't be read.
    fn audit_log(
        &self,
        from: u64,
        visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<(), String>;
}

/// What a log holds, replayed.
#[derive(Debug)]
pub struct Recovered {
    /// The state that its events lead to.
    pub draws: Draws,
    /// Where the next event goes.
    pub tip: Tip,
}

/// Where the next event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// How many events there are.
    pub sequence: u64,
    /// Of the last one.
    pub chain: Chain,
    /// When the last one was decided: the next is not earlier.
    pub at: Timestamp,
}

/// What came of asking for others' events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// They were given; the next event goes here.
    UpTo(Tip),
    /// The log does not hold any more what was known of it: it is to be recovered.
    OtherHistory,
}

/// Why a log can't do what is asked of it now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Gone {
    /// It can't be reached; it may be later. Nothing was stored.
    #[error("the log can't be reached")]
    Away,
    /// There is no room; there may be later. Nothing was stored.
    #[error("the log has no room: {0}")]
    Full(String),
    /// It failed for good.
    #[error("the log failed: {0}")]
    Failed(String),
}

/// An event to be kept.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How many events are before it.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// How many events of the same decision follow.
    pub left: u16,
    /// What happened.
    pub event: Event,
    /// The batch with its bets when that is what happened.
    pub batch: Option<Arc<Batch>>,
    /// Of this event and all before it.
    pub chain: Chain,
}

/// Bytes that an entry is counted for besides its body.
pub const ENTRY_OVERHEAD_LEN: usize = 96;

impl Entry {
    /// An event behind `tip`.
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

    /// Where the next event goes.
    #[must_use]
    pub fn tip(&self) -> Tip {
        Tip { sequence: self.sequence + 1, chain: self.chain, at: self.at }
    }

    /// The form that every log keeps it in.
    #[must_use]
    pub fn body(&self) -> Body<'_> {
        Body::of(&self.event, self.batch.as_deref())
    }

    /// Bytes that it is counted for: those of its body, up to a multiple of 8, and
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
