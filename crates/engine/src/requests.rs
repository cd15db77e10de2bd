//! A request: decided in its turn, decided again where that could not be stored, answered once.

use std::sync::Arc;

use lottery::{Batch, Draws, Event, Ruling, StoreFault, Timestamp};

use crate::limits::ACT_LEN_MAX;
use crate::log::{Gone, Log, len_of};

/// Something asked of the engine. Whoever has it answers it, once.
pub struct Request {
    asked: Box<dyn Ask>,
    /// Whether it may make an event.
    changes: bool,
    len_max: usize,
}

/// What a request is decided by.
pub(crate) struct Deciding<'a> {
    pub(crate) draws: &'a Draws,
    pub(crate) now: Timestamp,
    /// There was no room for something in this turn.
    pub(crate) full: Option<&'a StoreFault>,
    pub(crate) log: &'a mut dyn Log,
}

/// An event that was decided, and its bets if it is a batch.
pub(crate) type Decided = (Event, Option<Arc<Batch>>);

trait Ask: Send {
    /// Keeps the outcome; gives the event that is to be stored before it may be told.
    fn decide(&mut self, deciding: &mut Deciding<'_>) -> Option<Decided>;

    /// Tells the outcome that was kept, or why there is none.
    fn answer(self: Box<Self>, stored: Result<(), StoreFault>);
}

struct QueuedRequest<T, E, Decide, Done> {
    decide: Decide,
    batch: Option<Arc<Batch>>,
    outcome: Option<Result<T, E>>,
    done: Done,
}

impl<T, E, Decide, Done> Ask for QueuedRequest<T, E, Decide, Done>
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
    /// Something that the rules decide.
    pub(crate) fn ruled<T, E>(
        mut decide: impl FnMut(&Draws, Timestamp) -> Result<Ruling<T>, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: From<StoreFault> + Send + 'static,
    {
        let decide = move |it: &mut Deciding<'_>, _: Option<&Batch>| decide(it.draws, it.now);
        let asked = QueuedRequest { decide, batch: None, outcome: None, done };
        Self { asked: Box::new(asked), changes: true, len_max: ACT_LEN_MAX }
    }

    /// A batch.
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
        let asked = QueuedRequest { decide, batch: Some(Arc::new(batch)), outcome: None, done };
        Self { asked: Box::new(asked), changes: true, len_max }
    }

    /// A question that changes nothing.
    pub(crate) fn question<T, E>(
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
        let asked = QueuedRequest { decide, batch: None, outcome: None, done };
        Self { asked: Box::new(asked), changes: false, len_max: 0 }
    }

    /// What is due by the clock, which a turn does before all else.
    pub(crate) fn time(done: impl FnOnce(Result<(), StoreFault>) + Send + 'static) -> Self {
        let decide = |it: &mut Deciding<'_>, _: Option<&Batch>| match it.full {
            Some(full) if it.draws.due_by_the_clock(it.now).is_some() => Err(full.clone()),
            _ => Ok(Ruling { outcome: (), event: None }),
        };
        let asked = QueuedRequest { decide, batch: None, outcome: None, done };
        Self { asked: Box::new(asked), changes: true, len_max: 0 }
    }

    /// Whether the log can go on.
    pub(crate) fn check(done: impl FnOnce(Result<(), StoreFault>) + Send + 'static) -> Self {
        let decide = |it: &mut Deciding<'_>, _: Option<&Batch>| match it.log.check() {
            Ok(()) | Err(Gone::Away) => Ok(Ruling { outcome: (), event: None }),
            Err(Gone::Full(why)) => Err(StoreFault::Full(why)),
            Err(Gone::Failed(why)) => Err(StoreFault::Failed(why)),
        };
        let asked = QueuedRequest { decide, batch: None, outcome: None, done };
        Self { asked: Box::new(asked), changes: false, len_max: 0 }
    }

    /// Whether it may change something.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.changes
    }

    /// Answers it without deciding anything.
    pub fn refuse(self, fault: StoreFault) {
        self.asked.answer(Err(fault));
    }

    /// Most bytes that it takes in a log.
    pub(crate) fn len_max(&self) -> usize {
        self.len_max
    }

    pub(crate) fn decide(&mut self, deciding: &mut Deciding<'_>) -> Option<Decided> {
        self.asked.decide(deciding)
    }

    pub(crate) fn answer(self) {
        self.asked.answer(Ok(()));
    }
}

/// Bytes of a batch's body before its bets.
const BATCH_HEAD_LEN: usize = 16;
