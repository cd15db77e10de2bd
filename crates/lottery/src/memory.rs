//! The simplest store: everything in memory, for tests and for comparison.
//!
//! It keeps the contract but for durability: what it holds ends with the process. A scan holds up
//! everything else.

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard};

use crate::agencies::AgencyId;
use crate::draw::{DrawId, DrawState, DrawStatus, DrawTerms, Timestamp};
use crate::draws::{AgencyProgress, Draws, Ruling};
use crate::store::{
    AppendError, Appended, Batch, CloseError, Closed, Done, DrawError, Drawn, FinishError,
    Finished, OpenDrawError, ProgressError, ReadError, Store, StoreFault, StoredBatch,
};
use crate::winners::Winners;

/// A store in memory. Every call is answered before it returns.
#[derive(Debug, Default)]
pub struct MemoryStore {
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    draws: Draws,
    batches: Vec<Batch>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("no call panics while it holds the lock")
    }
}

impl Store for MemoryStore {
    fn open_draw(
        &self,
        terms: DrawTerms,
        _at: Timestamp,
        done: Done<Result<DrawId, OpenDrawError>>,
    ) {
        let opened = self.content().decide(|draws| draws.decide_open(terms));
        done(opened);
    }

    fn append(&self, batch: Batch, _at: Timestamp, done: Done<Result<Appended, AppendError>>) {
        let appended = self.content().append(batch);
        done(appended);
    }

    fn finish(
        &self,
        draw: DrawId,
        agency: AgencyId,
        _at: Timestamp,
        done: Done<Result<Finished, FinishError>>,
    ) {
        let finished = self.content().decide(|draws| draws.decide_finish(draw, agency));
        done(finished);
    }

    fn close(&self, draw: DrawId, _at: Timestamp, done: Done<Result<Closed, CloseError>>) {
        let closed = self.content().decide(|draws| draws.decide_close(draw));
        done(closed);
    }

    fn draw(
        &self,
        draw: DrawId,
        number: u32,
        _at: Timestamp,
        done: Done<Result<Drawn, DrawError>>,
    ) {
        let drawn = self.content().decide(|draws| draws.decide_draw(draw, number));
        done(drawn);
    }

    fn draws(&self, done: Done<Result<Vec<DrawStatus>, StoreFault>>) {
        let statuses = self.content().draws.statuses();
        done(Ok(statuses));
    }

    fn progress(
        &self,
        draw: DrawId,
        agency: AgencyId,
        done: Done<Result<AgencyProgress, ProgressError>>,
    ) {
        let progress = self.content().draws.progress(draw, agency);
        done(progress);
    }

    fn winners(&self, draw: DrawId) -> Result<Winners, ReadError> {
        let content = self.content();
        let status = content.draws.status(draw).ok_or(ReadError::UnknownDraw(draw))?;
        let DrawState::Drawn { number } = status.state else {
            return Err(ReadError::NotDrawn);
        };
        let mut winners = Winners::default();
        for batch in content.batches.iter().filter(|batch| batch.draw == draw) {
            for bet in batch.stored().bets() {
                let bet = bet.map_err(|fault| ReadError::Unreadable(fault.to_string()))?;
                if bet.number() == number {
                    winners.add(batch.agency, bet.document());
                }
            }
        }
        Ok(winners)
    }

    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let content = self.content();
        content.draws.status(draw).ok_or(ReadError::UnknownDraw(draw))?;
        let mut batches = content.batches.iter().filter(|batch| batch.draw == draw);
        let _ = batches.try_for_each(|batch| visit(batch.stored()));
        Ok(())
    }
}

impl Content {
    fn append(&mut self, batch: Batch) -> Result<Appended, AppendError> {
        let appended = self.decide(|draws| draws.decide_append(&batch))?;
        if appended == Appended::New {
            self.batches.push(batch);
        }
        Ok(appended)
    }

    fn decide<T, E>(
        &mut self,
        decide: impl FnOnce(&Draws) -> Result<Ruling<T>, E>,
    ) -> Result<T, E> {
        let Ruling { outcome, event } = decide(&self.draws)?;
        if let Some(event) = event {
            self.draws.apply(&event);
        }
        Ok(outcome)
    }
}
