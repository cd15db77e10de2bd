//! Answers that a check waits for.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::engine::Done;

/// Longest wait for an answer, so that a lost one fails a test instead of hanging.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// A pending answer.
#[derive(Debug)]
#[must_use = "an ignored answer checks nothing"]
pub struct Pending<T>(Receiver<T>);

/// Makes a call without waiting: `submit(|done| engine.append(batch, done))`.
pub fn submit<T: Send + 'static>(call: impl FnOnce(Done<T>)) -> Pending<T> {
    let (sender, receiver) = mpsc::channel();
    call(Box::new(move |answer| {
        // The receiver is gone only when a check has failed and is unwinding.
        let _ = sender.send(answer);
    }));
    Pending(receiver)
}

/// Makes a call and waits for its answer: `wait(|done| engine.append(batch, done))`.
///
/// # Panics
/// When no answer comes: see [`Pending::answer`].
pub fn wait<T: Send + 'static>(call: impl FnOnce(Done<T>)) -> T {
    submit(call).answer()
}

impl<T> Pending<T> {
    /// Waits for the answer.
    ///
    /// # Panics
    /// When the callback was dropped without running, or takes longer than [`ANSWER_TIME_MAX`].
    #[must_use]
    pub fn answer(self) -> T {
        match self.0.recv_timeout(ANSWER_TIME_MAX) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the store dropped a completion without running it")
            }
            Err(RecvTimeoutError::Timeout) => {
                panic!("the store has not answered for {ANSWER_TIME_MAX:?}")
            }
        }
    }
}
