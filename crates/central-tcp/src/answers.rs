//! Where the service's answers meet the connection's task.
//!
//! The service's completions put them, and the task takes them: those that arrive
//! while it does something else are taken at one waking.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::connection::Answer;

/// The answers to one connection's calls that its task has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Answers {
    arrived: Mutex<Vec<Answer>>,
    wake: Notify,
}

impl Answers {
    /// Adds an answer and wakes the task.
    pub(super) fn put(&self, answer: Answer) {
        self.arrived.lock().push(answer);
        self.wake.notify_one();
    }

    /// Wakes the task without an answer.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Takes what there is, in the order of its arrival.
    pub(super) fn take(&self) -> Vec<Answer> {
        std::mem::take(&mut self.arrived.lock())
    }

    /// Ends when something was put, or it was woken, since the last time it ended.
    pub(super) async fn arrived(&self) {
        self.wake.notified().await;
    }
}
