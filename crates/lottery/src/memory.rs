//! The simplest store: everything in memory, for tests and for comparison.
//!
//! It keeps the contract but for durability: what it holds ends with the process.

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
        self.content
            .lock()
            .expect("no call panics while it holds the lock")
    }
}

impl Store for MemoryStore {
    fn open_draw(
        &self,
        terms: DrawTerms,
        _at: Timestamp,
        done: Done<Result<DrawId, OpenDrawError>>,
    ) {
        let mut content = self.content();
        let ruling = content.draws.decide_open(terms);
        done(content.follow(ruling));
    }

    fn append(&self, batch: Batch, _at: Timestamp, done: Done<Result<Appended, AppendError>>) {
        let mut content = self.content();
        let ruling = content.draws.decide_append(&batch);
        let outcome = content.follow(ruling);
        if outcome == Ok(Appended::New) {
            content.batches.push(batch);
        }
        done(outcome);
    }

    fn finish(
        &self,
        draw: DrawId,
        agency: AgencyId,
        _at: Timestamp,
        done: Done<Result<Finished, FinishError>>,
    ) {
        let mut content = self.content();
        let ruling = content.draws.decide_finish(draw, agency);
        done(content.follow(ruling));
    }

    fn close(&self, draw: DrawId, _at: Timestamp, done: Done<Result<Closed, CloseError>>) {
        let mut content = self.content();
        let ruling = content.draws.decide_close(draw);
        done(content.follow(ruling));
    }

    fn draw(
        &self,
        draw: DrawId,
        number: u32,
        _at: Timestamp,
        done: Done<Result<Drawn, DrawError>>,
    ) {
        let mut content = self.content();
        let ruling = content.draws.decide_draw(draw, number);
        done(content.follow(ruling));
    }

    fn draws(&self, done: Done<Result<Vec<DrawStatus>, StoreFault>>) {
        done(Ok(self.content().draws.statuses()));
    }

    fn progress(
        &self,
        draw: DrawId,
        agency: AgencyId,
        done: Done<Result<AgencyProgress, ProgressError>>,
    ) {
        done(self.content().draws.progress(draw, agency));
    }

    fn winners(&self, draw: DrawId) -> Result<Winners, ReadError> {
        let content = self.content();
        let status = content
            .draws
            .status(draw)
            .ok_or(ReadError::UnknownDraw(draw))?;
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
        content
            .draws
            .status(draw)
            .ok_or(ReadError::UnknownDraw(draw))?;
        let mut batches = content.batches.iter().filter(|batch| batch.draw == draw);
        let _ = batches.try_for_each(|batch| visit(batch.stored()));
        Ok(())
    }
}

impl Content {
    fn follow<T, E>(&mut self, ruling: Result<Ruling<T>, E>) -> Result<T, E> {
        let Ruling { outcome, event } = ruling?;
        if let Some(event) = event {
            self.draws.apply(&event);
        }
        Ok(outcome)
    }
}
