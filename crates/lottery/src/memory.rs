//! The simplest store: everything in memory, for tests and for comparison.
//!
//! It keeps the contract but for durability: what it holds ends with the process.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::act::{ActError, Acted, Judge, Signed};
use crate::agencies::AgencyId;
use crate::draw::{DrawId, DrawState, DrawTerms, SealedNumber, Timestamp};
use crate::draws::{AgencyProgress, Draws, Ruling};
use crate::event::Event;
use crate::store::{
    AppendError, Appended, Batch, Done, FinishError, Finished, OpenDrawError, ProgressError,
    ReadError, Store, StoreFault, StoredBatch, Trace,
};
use crate::view::{Publisher, View};
use crate::winners::{Winners, WinningResult};

/// A store in memory. Every call is answered before it returns.
#[derive(Debug)]
pub struct MemoryStore {
    content: Mutex<Content>,
    view: View,
}

#[derive(Debug)]
struct Content {
    draws: Draws,
    publisher: Publisher,
    batches: Vec<Arc<Batch>>,
    /// How many events there were.
    events: u64,
    /// Those that are no batches.
    trail: Vec<Trace>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let draws = Draws::default();
        let publisher = Publisher::of(&draws);
        let view = publisher.view().clone();
        let content =
            Content { draws, publisher, batches: Vec::new(), events: 0, trail: Vec::new() };
        Self { content: Mutex::new(content), view }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("no call panics while it holds the lock")
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn open_draw(
        &self,
        terms: DrawTerms,
        number: SealedNumber,
        at: Timestamp,
        done: Done<Result<DrawId, OpenDrawError>>,
    ) {
        let opened = self.content().decide(at, |draws| draws.decide_open(terms, number));
        done(opened);
    }

    fn append(&self, batch: Batch, at: Timestamp, done: Done<Result<Appended, AppendError>>) {
        let appended = self.content().append(batch, at);
        done(appended);
    }

    fn finish(
        &self,
        draw: DrawId,
        agency: AgencyId,
        at: Timestamp,
        done: Done<Result<Finished, FinishError>>,
    ) {
        let finished = self.content().decide(at, |draws| draws.decide_finish(draw, agency));
        done(finished);
    }

    fn view(&self) -> &View {
        &self.view
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

    fn act(
        &self,
        signed: Signed,
        judge: Judge,
        at: Timestamp,
        done: Done<Result<Acted, ActError>>,
    ) {
        let acted = self.content().decide(at, |draws| draws.decide_act(&signed, judge, at));
        done(acted);
    }

    fn check(&self, done: Done<Result<(), StoreFault>>) {
        done(Ok(()));
    }

    fn winners(&self, draw: DrawId) -> Result<Winners, ReadError> {
        let content = self.content();
        let status = content.draws.status(draw).ok_or(ReadError::UnknownDraw(draw))?;
        let DrawState::Drawn { number } = status.state else {
            return Err(ReadError::NotDrawn);
        };
        let mut winners = Winners::default();
        for batch in content.batches.iter().filter(|batch| batch.draw == draw) {
            let added = winners.add_batch(WinningResult { number }, &batch.stored());
            added.map_err(|unsound| ReadError::Unreadable(unsound.to_string()))?;
        }
        Ok(winners)
    }

    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let batches = {
            let content = self.content();
            content.draws.status(draw).ok_or(ReadError::UnknownDraw(draw))?;
            content.batches.clone()
        };
        let mut wanted = batches.iter().filter(|batch| batch.draw == draw);
        let _ = wanted.try_for_each(|batch| visit(batch.stored()));
        Ok(())
    }

    fn trail(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Trace) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let trail = self.content().trail.clone();
        let mut wanted = trail.into_iter().filter(|trace| trace.sequence >= from);
        let _ = wanted.try_for_each(visit);
        Ok(())
    }
}

impl Content {
    fn append(&mut self, batch: Batch, at: Timestamp) -> Result<Appended, AppendError> {
        let appended = self.decide(at, |draws| draws.decide_append(&batch, at))?;
        if appended == Appended::New {
            self.batches.push(Arc::new(batch));
        }
        Ok(appended)
    }

    fn decide<T, E>(
        &mut self,
        at: Timestamp,
        decide: impl FnOnce(&Draws) -> Result<Ruling<T>, E>,
    ) -> Result<T, E> {
        let Ruling { outcome, event } = decide(&self.draws)?;
        if let Some(event) = event {
            let following = self.draws.carry_out(&event, at);
            for event in std::iter::once(event).chain(following) {
                self.publisher.note(&event);
                if !matches!(event, Event::BatchAccepted(_)) {
                    self.trail.push(Trace { sequence: self.events, at, event });
                }
                self.events += 1;
            }
            self.publisher.publish(&self.draws);
        }
        Ok(outcome)
    }
}
