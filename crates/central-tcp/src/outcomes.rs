//! Where the store's completions, which run on its threads, meet a connection's task.
//!
//! A queue a connection and not a channel a request: one allocation for the connection's life, and
//! all outcomes of one commit are taken at one waking.

use std::sync::{Arc, Mutex, PoisonError};

use lottery::{
    AgencyId, AgencyProgress, AppendError, Appended, ChunkId, FinishError, Finished, ProgressError,
};
use tokio::sync::Notify;
use wire::Ticket;
use wire::message::DrawName;

use central::Draw;

/// The outcomes of one connection's requests that its task has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    arrived: Mutex<Vec<RequestOutcome>>,
    wake: Notify,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum RequestOutcome {
    /// Of HELLO.
    Greeted {
        ticket: Ticket,
        version: u16,
        agency: AgencyId,
        /// The draw's name as it was given, if one was.
        named: DrawName<'static>,
        draw: Arc<Draw>,
        progress: Result<AgencyProgress, ProgressError>,
    },
    /// Of BETS.
    Appended { ticket: Ticket, chunk: ChunkId, bets: u32, appended: Result<Appended, AppendError> },
    /// Of FINISH.
    Finished { ticket: Ticket, agency: AgencyId, finished: Result<Finished, FinishError> },
}

impl Outcomes {
    /// Adds an outcome and wakes the task.
    pub(super) fn put(&self, outcome: RequestOutcome) {
        self.queue().push(outcome);
        self.wake.notify_one();
    }

    /// Wakes the task without an outcome.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Takes what there is, in the order of its arrival.
    pub(super) fn take(&self) -> Vec<RequestOutcome> {
        std::mem::take(&mut self.queue())
    }

    /// Ends when something was put, or it was woken, since the last time it ended.
    pub(super) async fn arrived(&self) {
        self.wake.notified().await;
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Vec<RequestOutcome>> {
        // A push or a take leaves the queue whole even if the thread ends there.
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
