//! Follows the central: asks for what comes after the end of the copy, again and again.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use engine::{Copier, CopyError, Gone, Log, StreamError};
use operators::People;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::copy::{Copy, Ended};
use crate::incoming::{Incoming, Part};
use crate::limits::{ANSWER_TIME_MIN, RETRY_TIME_MAX, RETRY_TIME_MIN};
use crate::source::{Answer, Source};
use crate::state::{Failure, FollowError, Place, State, Tell};

/// Follows a central.
pub struct Follower {
    source: Source,
    place: Arc<dyn Place>,
    copy: Copy,
    tell: Tell,
}

/// Asks again after a failure, later each time; tells why, if it is another reason than before.
struct Retries {
    pause: Duration,
    told: Option<String>,
    tell: Tell,
    state: fn(String) -> State,
}

impl Follower {
    /// Continues the copy in `log`, or begins one if there is none.
    ///
    /// # Errors
    /// When the log can't be used.
    pub fn new(
        source: Source,
        place: Arc<dyn Place>,
        log: Option<Box<dyn Log>>,
        tell: impl Fn(State) + Send + Sync + 'static,
    ) -> Result<Self, CopyError> {
        let tell: Tell = Arc::new(tell);
        let copier = log.map(|log| {
            let id = log.reader().id();
            Copier::to(log, id)
        });
        let copy = Copy::new(Arc::clone(&place), copier.transpose()?, Arc::clone(&tell));
        Ok(Self { source, place, copy, tell })
    }

    /// Follows until `shutdown` is cancelled. What was received by then is durable when this
    /// returns.
    ///
    /// # Errors
    /// When the central does not let itself be followed, or the copy can't be continued.
    pub async fn follow(self, shutdown: &CancellationToken) -> Result<(), FollowError> {
        let Self { source, place, copy, tell } = self;
        let over = shutdown.child_token();
        let is_open = copy.is_open();
        let records = async {
            let retries = Retries::new(&tell, State::RecordsLost);
            let followed = follow_records(&source, copy, retries, &over).await;
            over.cancel();
            followed
        };
        let operators = async {
            let retries = Retries::new(&tell, State::OperatorsLost);
            let followed = follow_operators(&source, &place, is_open, retries, &over).await;
            over.cancel();
            followed
        };
        let (records, operators) = tokio::join!(records, operators);
        records.and(operators)
    }
}

async fn follow_records(
    source: &Source,
    mut copy: Copy,
    mut retries: Retries,
    over: &CancellationToken,
) -> Result<(), FollowError> {
    while !over.is_cancelled() {
        let asked_at = Instant::now();
        let asking = source.records(copy.copier.as_ref().map(Copier::tip));
        let outcome = match over.run_until_cancelled(asking).await {
            None => break,
            Some(Err(failure)) => Err(failure),
            Some(Ok((goal, answer))) => {
                let ended;
                (copy, ended) = append(copy, goal, answer, over).await;
                ended.map_err(|ended| failure(ended, &source.address))
            }
        };
        if over.is_cancelled() {
            break;
        }
        copy.has_caught_up &= outcome.is_ok();
        over.run_until_cancelled(retries.pause(outcome, asked_at)).await.transpose()?;
    }
    Ok(())
}

/// Appends the records of an answer until it ends, or following is over.
async fn append(
    mut copy: Copy,
    goal: u64,
    mut answer: Answer,
    over: &CancellationToken,
) -> (Copy, Result<(), Ended>) {
    let (sender, incoming) = Incoming::new();
    let mut appending = spawn_blocking(move || {
        let ended = copy.append(goal, incoming);
        (copy, ended)
    });
    let appended = tokio::select! {
        appended = &mut appending => Some(appended),
        () = forward(&mut answer, sender) => None,
        () = over.cancelled() => None,
    };
    // Without a sender the rest of what has arrived is appended.
    let appended = match appended {
        Some(appended) => appended,
        None => appending.await,
    };
    appended.map_err(JoinError::into_panic).unwrap_or_else(|panic| resume_unwind(panic))
}

async fn forward(answer: &mut Answer, to: mpsc::Sender<Part>) {
    while let Some(part) = answer.part().await {
        let is_broken = part.is_err();
        if to.send(part).await.is_err() || is_broken {
            break;
        }
    }
}

async fn follow_operators(
    source: &Source,
    place: &Arc<dyn Place>,
    mut is_open: watch::Receiver<bool>,
    mut retries: Retries,
    over: &CancellationToken,
) -> Result<(), FollowError> {
    // They are kept with the ledger that they are of.
    let opening = over.run_until_cancelled(is_open.wait_for(|is_open| *is_open));
    if !matches!(opening.await, Some(Ok(_))) {
        return Ok(());
    }
    let mut version = None;
    while !over.is_cancelled() {
        let asked_at = Instant::now();
        let Some(asked) = over.run_until_cancelled(source.operators(version)).await else { break };
        let outcome = match asked {
            Err(failure) => Err(failure),
            Ok(document) => match People::of_document(&document) {
                Err(why) => Err(Failure::Passing(format!("its operators can't be read: {why}"))),
                Ok(people) if version == Some(people.version()) => Ok(()),
                Ok(people) => {
                    let kept = keep(place, people).await;
                    version = kept.as_ref().ok().copied();
                    kept.map(|version| (retries.tell)(State::Operators { version }))
                }
            },
        };
        over.run_until_cancelled(retries.pause(outcome, asked_at)).await.transpose()?;
    }
    Ok(())
}

/// Keeps the operators; returns their version.
async fn keep(place: &Arc<dyn Place>, people: People) -> Result<u64, Failure> {
    let (place, version) = (Arc::clone(place), people.version());
    let kept = spawn_blocking(move || place.keep(people)).await;
    let kept = kept.unwrap_or_else(|broken_off| Err(broken_off.to_string()));
    kept.map(|()| version).map_err(Failure::Passing)
}

/// What the end of an answer means for the next one.
fn failure(ended: Ended, from: &Address) -> Failure {
    let (from, error) = (from.clone(), ended.to_string());
    Failure::Final(match ended {
        Ended::Stream(StreamError::NewerVersion { .. } | StreamError::NewerFeature { .. }) => {
            FollowError::Newer { from, error }
        }
        Ended::Copy(CopyError::Source { .. } | CopyError::OtherHistory) => {
            FollowError::Forged { from, error }
        }
        Ended::Copy(CopyError::Target(Gone::Failed(_))) | Ended::Place(_) => {
            FollowError::Copy(error)
        }
        Ended::Copy(CopyError::Target(Gone::Away | Gone::Full(_)))
        | Ended::Stream(_)
        | Ended::OtherRecords => return Failure::Passing(error),
    })
}

impl Retries {
    fn new(tell: &Tell, state: fn(String) -> State) -> Self {
        Self { pause: RETRY_TIME_MIN, told: None, tell: Arc::clone(tell), state }
    }

    /// Pauses before the next question: longer after each failure. After an answer that took long,
    /// not at all.
    async fn pause(
        &mut self,
        outcome: Result<(), Failure>,
        asked_at: Instant,
    ) -> Result<(), FollowError> {
        match outcome {
            Ok(()) => {
                (self.pause, self.told) = (RETRY_TIME_MIN, None);
                sleep_until(asked_at + ANSWER_TIME_MIN).await;
                Ok(())
            }
            Err(Failure::Passing(why)) => {
                if self.told.as_ref() != Some(&why) {
                    self.told = Some(why.clone());
                    (self.tell)((self.state)(why));
                }
                sleep(self.pause).await;
                self.pause = (self.pause * 2).min(RETRY_TIME_MAX);
                Ok(())
            }
            Err(Failure::Final(error)) => Err(error),
        }
    }
}
