//! One engine over the shared log, with its clock: its requests and its reports.

use std::sync::Arc;

use engine::conformance::{SharedLog, TestClock};
use engine::{Committer, Engine, Gone};
use lottery::{
    ActError, Acted, AgencyId, AgencyProgress, AppendError, Appended, Batch, DrawId, DrawTerms,
    FinishError, Finished, News, OpenDrawError, ProgressError, RecordedAct, SealedNumber,
    StoreFault, View,
};
use parking_lot::{Mutex, MutexGuard};

use super::rights::{Credential, Rights};
use super::shown::Shown;

/// An engine; see the module documentation.
pub(super) struct Site {
    number: usize,
    engine: Engine,
    committer: SiteCommitter,
    book: Book,
}

/// Commits the engine's groups until the engine ends.
#[derive(Clone)]
pub(super) struct SiteCommitter(Arc<Mutex<Option<Committer>>>);

/// A request to an engine.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Open(DrawTerms, SealedNumber),
    Append(Batch),
    Finish(DrawId, AgencyId),
    Act(RecordedAct, Credential),
    /// Includes how many chunks were known to be stored without a gap.
    Progress(DrawId, AgencyId, u64),
    Time,
}

/// The result of a request.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Opened(Result<DrawId, OpenDrawError>),
    Appended(Result<Appended, AppendError>),
    Finished(Result<Finished, FinishError>),
    Acted(Result<Acted, ActError>),
    Progress(Result<AgencyProgress, ProgressError>),
    Time(Result<(), StoreFault>),
}

/// An answer, and how many events were durable when it was given.
pub(super) struct Answer {
    pub(super) request: u64,
    pub(super) outcome: Outcome,
    pub(super) durable: usize,
}

/// News, with the view at that moment and how many events were durable.
pub(super) struct Told {
    pub(super) site: usize,
    pub(super) news: News,
    pub(super) shown: Shown,
    pub(super) durable: usize,
}

/// The reports of the engines, in order.
#[derive(Clone, Default)]
pub(super) struct Book(Arc<Mutex<Pages>>);

#[derive(Default)]
pub(super) struct Pages {
    pub(super) answers: Vec<Answer>,
    pub(super) told: Vec<Told>,
    /// The view of each engine, while it is up.
    views: [View; 2],
}

impl Book {
    pub(super) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock()
    }
}

impl Site {
    pub(super) fn start(
        number: usize,
        log: &SharedLog,
        clock: Arc<TestClock>,
        book: &Book,
    ) -> Result<Self, Gone> {
        let (engine, committer) = Engine::stepped(log.log(), clock)?;
        book.pages().views[number] = engine.view().clone();
        let (log, told) = (log.clone(), book.clone());
        engine.view().follow(move |news| {
            let mut pages = told.pages();
            let (shown, durable) = (Shown::of(&pages.views[number]), log.durable_count());
            pages.told.push(Told { site: number, news, shown, durable });
        });
        let committer = SiteCommitter(Arc::new(Mutex::new(Some(committer))));
        Ok(Self { number, engine, committer, book: book.clone() })
    }

    pub(super) fn view(&self) -> &View {
        self.engine.view()
    }

    pub(super) fn committer(&self) -> &SiteCommitter {
        &self.committer
    }

    pub(super) fn commit_group(&self) {
        self.committer.commit_unless_committing();
    }

    pub(super) fn ask(
        &self,
        request: u64,
        ask: Ask,
        log: &SharedLog,
        (rights, clock): (&Rights, &Arc<TestClock>),
    ) {
        let (book, log) = (self.book.clone(), log.clone());
        let put = move |outcome| {
            let durable = log.durable_count();
            book.pages().answers.push(Answer { request, outcome, durable });
        };
        let engine = &self.engine;
        match ask {
            Ask::Open(terms, number) => {
                engine.open_draw(terms, number, move |it| put(Outcome::Opened(it)));
            }
            Ask::Append(batch) => engine.append(batch, move |it| put(Outcome::Appended(it))),
            Ask::Finish(draw, agency) => {
                engine.finish(draw, agency, move |it| put(Outcome::Finished(it)));
            }
            Ask::Act(recorded, credential) => {
                let judge = rights.judge(credential, Arc::clone(clock));
                engine.act(recorded, judge, move |it| put(Outcome::Acted(it)));
            }
            Ask::Progress(draw, agency, _) => {
                engine.progress(draw, agency, move |it| put(Outcome::Progress(it)));
            }
            Ask::Time => engine.keep_time(move |it| put(Outcome::Time(it))),
        }
    }
}

impl SiteCommitter {
    /// Commits a group, unless a commit of this engine is in progress.
    pub(super) fn commit_unless_committing(&self) {
        if let Some(mut committer) = self.0.try_lock()
            && let Some(committer) = &mut *committer
        {
            committer.commit_group();
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.committer.0.lock().take());
        // Break the reference cycle: the view holds the follower, which holds the book.
        self.book.pages().views[self.number] = View::default();
    }
}

impl Outcome {
    /// Returns whether the requester had no right to it when it was decided.
    pub(super) fn is_not_allowed(&self) -> bool {
        matches!(self, Self::Acted(Err(ActError::NotAllowed)))
    }

    /// Returns the fault that prevented a decision, if any.
    pub(super) fn fault(&self) -> Option<&StoreFault> {
        match self {
            Self::Opened(Err(OpenDrawError::Store(fault)))
            | Self::Appended(Err(AppendError::Store(fault)))
            | Self::Finished(Err(FinishError::Store(fault)))
            | Self::Acted(Err(ActError::Store(fault)))
            | Self::Progress(Err(ProgressError::Store(fault)))
            | Self::Time(Err(fault)) => Some(fault),
            _ => None,
        }
    }
}
