//! Requests: decided in order, decided again if not stored, answered once.

use std::sync::Arc;

use lottery::{Batch, Draws, Event, Ruling, StoreFault, Timestamp};

use crate::limits::ACT_LEN_MAX;
use crate::log::{Gone, Log, len_of};

/// A request to the engine, answered exactly once.
pub struct Request {
    inner: Box<dyn AnyRequest>,
    changes: bool,
    len_max: usize,
}

pub(crate) struct Deciding<'a> {
    pub(crate) draws: &'a Draws,
    pub(crate) now: Timestamp,
    /// Set when the log was full during this commit.
    pub(crate) full: Option<&'a StoreFault>,
    pub(crate) log: &'a mut dyn Log,
}

/// A decided event, with its bets if it is a batch.
pub(crate) type Decided = (Event, Option<Arc<Batch>>);

trait AnyRequest: Send {
    /// Decides and remembers the outcome; returns the event to store before the answer.
    fn decide(&mut self, deciding: &mut Deciding<'_>) -> Option<Decided>;

    /// Answers with the outcome, or with the fault.
    fn answer(self: Box<Self>, stored: Result<(), StoreFault>);
}

struct QueuedRequest<T, E, Decide, Done> {
    decide: Decide,
    batch: Option<Arc<Batch>>,
    outcome: Option<Result<T, E>>,
    done: Done,
}

impl<T, E, Decide, Done> AnyRequest for QueuedRequest<T, E, Decide, Done>
where
    T: Send,
    E: From<StoreFault> + Send,
    Decide: FnMut(&mut Deciding<'_>, Option<&Batch>) -> Result<Ruling<T>, E> + Send,
    Done: FnOnce(Result<T, E>) + Send,
{
    fn decide(&mut self, deciding: &mut Deciding<'_>) -> Option<Decided> {
        match (self.decide)(deciding, self.batch.as_deref()) {
            Ok(Ruling { outcome, event }) => {
                self.outcome = Some(Ok(outcome));
                event.map(|event| (event, self.batch.clone()))
            }
            Err(refusal) => {
                self.outcome = Some(Err(refusal));
                None
            }
        }
    }

    fn answer(self: Box<Self>, stored: Result<(), StoreFault>) {
        let outcome = match stored {
            Ok(()) => self.outcome.expect("it was decided"),
            Err(fault) => Err(fault.into()),
        };
        (self.done)(outcome);
    }
}

impl Request {
    pub(crate) fn ruled<T, E>(
        mut decide: impl FnMut(&Draws, Timestamp) -> Result<Ruling<T>, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: From<StoreFault> + Send + 'static,
    {
        let decide = move |it: &mut Deciding<'_>, _: Option<&Batch>| decide(it.draws, it.now);
        let inner = QueuedRequest { decide, batch: None, outcome: None, done };
        Self { inner: Box::new(inner), changes: true, len_max: ACT_LEN_MAX }
    }

    pub(crate) fn batch<T, E>(
        batch: Batch,
        decide: impl Fn(&Draws, &Batch, Timestamp) -> Result<Ruling<T>, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: From<StoreFault> + Send + 'static,
    {
        let len_max = len_of(BATCH_HEAD_LEN + batch.bets.text().len());
        let decide = move |it: &mut Deciding<'_>, batch: Option<&Batch>| {
            decide(it.draws, batch.expect("it came with it"), it.now)
        };
        let inner = QueuedRequest { decide, batch: Some(Arc::new(batch)), outcome: None, done };
        Self { inner: Box::new(inner), changes: true, len_max }
    }

    pub(crate) fn query<T, E>(
        mut decide: impl FnMut(&Draws) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: From<StoreFault> + Send + 'static,
    {
        let decide = move |it: &mut Deciding<'_>, _: Option<&Batch>| {
            decide(it.draws).map(|outcome| Ruling { outcome, event: None })
        };
        let inner = QueuedRequest { decide, batch: None, outcome: None, done };
        Self { inner: Box::new(inner), changes: false, len_max: 0 }
    }

    /// A request for the clock's due acts, which are decided first in every group.
    pub(crate) fn time(done: impl FnOnce(Result<(), StoreFault>) + Send + 'static) -> Self {
        let decide = |it: &mut Deciding<'_>, _: Option<&Batch>| match it.full {
            Some(full) if it.draws.due_by_the_clock(it.now).is_some() => Err(full.clone()),
            _ => Ok(Ruling { outcome: (), event: None }),
        };
        let inner = QueuedRequest { decide, batch: None, outcome: None, done };
        Self { inner: Box::new(inner), changes: true, len_max: 0 }
    }

    pub(crate) fn check(done: impl FnOnce(Result<(), StoreFault>) + Send + 'static) -> Self {
        let decide = |it: &mut Deciding<'_>, _: Option<&Batch>| match it.log.check() {
            Ok(()) | Err(Gone::Away) => Ok(Ruling { outcome: (), event: None }),
            Err(Gone::Full(why)) => Err(StoreFault::Full(why)),
            Err(Gone::Failed(why)) => Err(StoreFault::Failed(why)),
        };
        let inner = QueuedRequest { decide, batch: None, outcome: None, done };
        Self { inner: Box::new(inner), changes: false, len_max: 0 }
    }

    /// Whether it may change the state.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.changes
    }

    /// Answers with a fault, without a decision.
    pub fn refuse(self, fault: StoreFault) {
        self.inner.answer(Err(fault));
    }

    /// Returns the most bytes it takes in a log.
    pub(crate) fn len_max(&self) -> usize {
        self.len_max
    }

    pub(crate) fn decide(&mut self, deciding: &mut Deciding<'_>) -> Option<Decided> {
        self.inner.decide(deciding)
    }

    pub(crate) fn answer(self) {
        self.inner.answer(Ok(()));
    }
}

/// The length of a batch's body before its bets.
const BATCH_HEAD_LEN: usize = 16;
