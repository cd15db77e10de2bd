//! Wraps the completions of requests: each runs exactly once, and a failed log is noticed.
//!
//! Invariants:
//! - a request that the engine drops unanswered is answered as failed;
//! - the log counts as full from a refusal for lack of room until something is stored, or a check
//!   finds room;
//! - a fault that ends all acknowledgements is noticed before the request's own completion runs.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use engine::Done;
use lottery::{
    ActError, Acted, AgencyProgress, AppendError, Appended, DrawId, FinishError, Finished,
    OpenDrawError, ProgressError, RecordedAct, StoreFault,
};
use tokio_util::sync::CancellationToken;

/// Whether the log failed for good, and with which fault; and whether it is full.
#[derive(Debug, Default)]
pub struct Failure {
    fault: OnceLock<StoreFault>,
    noticed: CancellationToken,
    full: AtomicBool,
}

/// An error of a request, which may be a fault of the log itself.
pub(super) trait StoreError: From<StoreFault> {
    fn store_fault(&self) -> Option<&StoreFault>;
}

/// The success of a request.
pub(super) trait StoreOutcome {
    /// Whether it shows that the log has room.
    fn is_stored(&self) -> bool;
}

/// A completion that reports to `failure`, and then runs `done`.
pub(super) fn watched<T, E, F>(failure: &Arc<Failure>, done: F) -> Done<Result<T, E>>
where
    T: StoreOutcome + 'static,
    E: StoreError + 'static,
    F: FnOnce(Result<T, E>) + Send + 'static,
{
    let answer = Answer { done: Some(done), failure: Arc::clone(failure), outcome: PhantomData };
    Box::new(move |outcome| answer.give(outcome))
}

impl Failure {
    /// The fault for which the log failed for good.
    pub fn fault(&self) -> Option<&StoreFault> {
        self.fault.get()
    }

    /// Whether the log has no room.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Returns once the log failed for good.
    pub async fn noticed(&self) {
        self.noticed.cancelled().await;
    }

    fn note(&self, fault: &StoreFault) {
        match fault {
            StoreFault::Full(_) => self.full.store(true, Ordering::Relaxed),
            StoreFault::Failed(_) | StoreFault::Closed => {
                self.fault.get_or_init(|| fault.clone());
                self.noticed.cancel();
            }
        }
    }

    fn note_stored(&self) {
        if self.is_full() {
            self.full.store(false, Ordering::Relaxed);
        }
    }
}

/// Runs the completion in [`Answer::give`], or else when it is dropped.
struct Answer<T: StoreOutcome, E: StoreError, F: FnOnce(Result<T, E>)> {
    done: Option<F>,
    failure: Arc<Failure>,
    outcome: PhantomData<fn(T, E)>,
}

impl<T: StoreOutcome, E: StoreError, F: FnOnce(Result<T, E>)> Answer<T, E, F> {
    fn give(mut self, outcome: Result<T, E>) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Result<T, E>) {
        let Some(done) = self.done.take() else { return };
        match &outcome {
            Ok(outcome) if outcome.is_stored() => self.failure.note_stored(),
            Ok(_) => {}
            Err(error) => error.store_fault().into_iter().for_each(|it| self.failure.note(it)),
        }
        done(outcome);
    }
}

impl<T: StoreOutcome, E: StoreError, F: FnOnce(Result<T, E>)> Drop for Answer<T, E, F> {
    fn drop(&mut self) {
        if self.done.is_some() {
            let dropped = "a request was dropped without an answer".to_owned();
            self.settle(Err(StoreFault::Failed(dropped).into()));
        }
    }
}

macro_rules! outcomes {
    ($($outcome:ty: $is_stored:expr),+ $(,)?) => {$(
        impl StoreOutcome for $outcome {
            fn is_stored(&self) -> bool {
                let is_stored: fn(&Self) -> bool = $is_stored;
                is_stored(self)
            }
        }
    )+};
}

outcomes!(
    Appended: |it| *it == Appended::New,
    Finished: |it| !it.repeated,
    Acted: |it| *it != Acted::Repeated,
    Option<(RecordedAct, Acted)>: |it| it.as_ref().is_some_and(|(_, acted)| acted.is_stored()),
    // A check that found room.
    (): |()| true,
    // The draw may have been there before.
    DrawId: |_| false,
    AgencyProgress: |_| false,
);

impl StoreError for StoreFault {
    fn store_fault(&self) -> Option<&StoreFault> {
        Some(self)
    }
}

macro_rules! store_errors {
    ($($error:ident),+) => {$(
        impl StoreError for $error {
            fn store_fault(&self) -> Option<&StoreFault> {
                if let Self::Store(fault) = self { Some(fault) } else { None }
            }
        }
    )+};
}

store_errors!(ActError, AppendError, FinishError, OpenDrawError, ProgressError);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    type Answered = Result<Appended, AppendError>;

    fn asked() -> (Arc<Failure>, Done<Answered>, mpsc::Receiver<Answered>) {
        let failure = Arc::new(Failure::default());
        let (answer, answered) = mpsc::channel();
        let done = watched(&failure, move |outcome| answer.send(outcome).unwrap());
        (failure, done, answered)
    }

    #[test]
    fn an_outcome_is_given_on_once() {
        let (failure, done, answered) = asked();
        done(Ok(Appended::New));
        assert_eq!(answered.try_iter().collect::<Vec<_>>(), [Ok(Appended::New)]);
        assert_eq!(failure.fault(), None);
    }

    #[test]
    fn a_full_store_has_not_failed() {
        let (failure, done, _answered) = asked();
        done(Err(StoreFault::Full("disk".to_owned()).into()));
        assert_eq!(failure.fault(), None);
        assert!(!failure.noticed.is_cancelled());
    }

    #[test]
    fn a_store_is_full_until_it_stores_something_or_could() {
        let failure = Arc::new(Failure::default());
        let answer = |outcome| watched(&failure, |_: Answered| ())(outcome);
        let full = || Err(StoreFault::Full("disk".to_owned()).into());
        assert!(!failure.is_full());
        answer(full());
        assert!(failure.is_full());
        // Outcomes that store nothing don't show that there is room.
        answer(Ok(Appended::Repeated));
        answer(Err(lottery::NoPart::NotOpened.into()));
        watched(&failure, |_: Result<_, OpenDrawError>| ())(Ok(DrawId(1)));
        assert!(failure.is_full());
        answer(Ok(Appended::New));
        assert!(!failure.is_full());
        let checked = |outcome| watched(&failure, |_: Result<(), StoreFault>| ())(outcome);
        checked(Err(StoreFault::Full("disk".to_owned())));
        assert!(failure.is_full());
        checked(Ok(()));
        assert!(!failure.is_full());
    }

    #[test]
    fn a_failed_store_is_noticed() {
        let (failure, done, answered) = asked();
        let fault = StoreFault::Failed("disk".to_owned());
        done(Err(fault.clone().into()));
        assert_eq!(answered.recv(), Ok(Err(AppendError::Store(fault.clone()))));
        assert_eq!(failure.fault(), Some(&fault));
        assert!(failure.noticed.is_cancelled());
    }

    #[test]
    fn a_request_dropped_by_the_store_is_a_failure() {
        let (failure, done, answered) = asked();
        drop(done);
        let outcomes: Vec<_> = answered.try_iter().collect();
        assert!(matches!(outcomes[..], [Err(AppendError::Store(StoreFault::Failed(_)))]));
        assert!(failure.fault().is_some());
    }
}
