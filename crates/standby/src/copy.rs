//! Appends the records of an answer to the copy.

use std::sync::Arc;

use engine::{Copier, CopyError, StreamError, StreamReader};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::incoming::Incoming;
use crate::limits::{BEHIND_RECORDS_MAX, PROGRESS_TIME};
use crate::state::{Place, State, Tell};

/// The copy, and how far it has come.
pub(crate) struct Copy {
    place: Arc<dyn Place>,
    /// `None` until the first answer tells which ledger it is of.
    pub(crate) copier: Option<Copier>,
    tell: Tell,
    /// Whether there is a copy.
    open: watch::Sender<bool>,
    /// How many records the central had when it began to answer.
    goal: u64,
    pub(crate) has_caught_up: bool,
    told_at: Instant,
}

/// Why an answer was not read to its end.
#[derive(Debug, Error)]
pub(crate) enum Ended {
    /// What was sent is no sound record stream, or not all of one.
    #[error("it sent what can't be used: {0}")]
    Stream(#[from] StreamError),
    /// What was sent continues another copy.
    #[error("it sent other records than it was asked for")]
    OtherRecords,
    /// The copy does not take it.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The copy can't be opened.
    #[error("{0}")]
    Place(String),
}

impl Copy {
    pub(crate) fn new(place: Arc<dyn Place>, copier: Option<Copier>, tell: Tell) -> Self {
        let open = watch::Sender::new(copier.is_some());
        Self { place, copier, tell, open, goal: 0, has_caught_up: false, told_at: Instant::now() }
    }

    /// Follows whether there is a copy.
    pub(crate) fn is_open(&self) -> watch::Receiver<bool> {
        self.open.subscribe()
    }

    /// Appends the records of an answer, which began when the central had `goal` records. Blocks.
    /// What is sound is kept, also after an error.
    pub(crate) fn append(&mut self, goal: u64, answer: Incoming) -> Result<(), Ended> {
        self.begin(goal);
        let read = self.read(answer);
        self.flush()?;
        read
    }

    fn begin(&mut self, goal: u64) {
        self.goal = goal;
        let behind = goal.saturating_sub(self.records());
        self.has_caught_up &= behind <= BEHIND_RECORDS_MAX;
        if behind > 0 && !self.has_caught_up {
            self.tell_behind();
        }
    }

    fn read(&mut self, answer: Incoming) -> Result<(), Ended> {
        let mut stream = StreamReader::open(answer)?;
        let start = stream.start();
        let copier = match &mut self.copier {
            Some(copier) => copier,
            None => {
                let log = self.place.open(start.id).map_err(Ended::Place)?;
                self.open.send_replace(true);
                self.copier.insert(Copier::to(log, start.id)?)
            }
        };
        let next = copier.tip();
        if (start.sequence, start.chain) != (next.sequence, next.chain) {
            return Err(Ended::OtherRecords);
        }
        loop {
            if stream.get_ref().waits() {
                self.flush()?;
            }
            let Some(record) = stream.read()? else { return Ok(()) };
            let copier = self.copier.as_mut().expect("it was opened above");
            copier.add(&record)?;
            if !self.has_caught_up && self.told_at.elapsed() >= PROGRESS_TIME {
                self.tell_behind();
            }
        }
    }

    /// Makes durable what was read so far.
    fn flush(&mut self) -> Result<(), CopyError> {
        let Some(copier) = &mut self.copier else { return Ok(()) };
        copier.flush()?;
        if self.records() >= self.goal && !self.has_caught_up {
            self.has_caught_up = true;
            (self.tell)(State::CaughtUp { records: self.records() });
        }
        Ok(())
    }

    fn records(&self) -> u64 {
        self.copier.as_ref().map_or(0, |copier| copier.tip().sequence)
    }

    fn tell_behind(&mut self) {
        self.told_at = Instant::now();
        let records = self.records();
        (self.tell)(State::Behind { records, behind: self.goal.saturating_sub(records) });
    }
}
