//! The store's contract over an engine: changes and exact queries become requests, in the order of
//! the calls; the view, winners and scans are read beside it.
//!
//! The one implementation for every way of running an engine. It is a macro because a trait of
//! another crate can't be implemented for all types that have a trait of this one.

use lottery::{DrawId, DrawStatus, ReadError, View};

use crate::engine::Request;
use crate::error::Fault;
use crate::segments::Segments;

/// A way of running an engine.
pub(crate) trait RunsEngine {
    /// Has the engine decide a request, after those submitted before.
    fn submit(&self, request: Request);

    /// What is published of what is durable.
    fn published(&self) -> &View;

    /// What may be read beside the engine.
    fn segments(&self) -> &Segments;

    /// One draw.
    fn status(&self, draw: DrawId) -> Result<DrawStatus, ReadError> {
        self.published().draw(draw).ok_or(ReadError::UnknownDraw(draw))
    }
}

pub(crate) fn unreadable(fault: Fault) -> ReadError {
    ReadError::Unreadable(fault.to_string())
}

/// Implements [`lottery::Store`] for a type that [`RunsEngine`].
macro_rules! store_by_requests {
    ($runs_engine:ty) => {
        impl lottery::Store for $runs_engine {
            fn open_draw(
                &self,
                terms: lottery::DrawTerms,
                number: lottery::SealedNumber,
                at: lottery::Timestamp,
                done: lottery::Done<Result<lottery::DrawId, lottery::OpenDrawError>>,
            ) {
                self.submit(Request::OpenDraw(terms, number, at, done));
            }

            fn append(
                &self,
                batch: lottery::Batch,
                at: lottery::Timestamp,
                done: lottery::Done<Result<lottery::Appended, lottery::AppendError>>,
            ) {
                self.submit(Request::Append(batch, at, done));
            }

            fn finish(
                &self,
                draw: lottery::DrawId,
                agency: lottery::AgencyId,
                at: lottery::Timestamp,
                done: lottery::Done<Result<lottery::Finished, lottery::FinishError>>,
            ) {
                self.submit(Request::Finish(draw, agency, at, done));
            }

            fn view(&self) -> &lottery::View {
                $crate::contract::RunsEngine::published(self)
            }

            fn progress(
                &self,
                draw: lottery::DrawId,
                agency: lottery::AgencyId,
                done: lottery::Done<Result<lottery::AgencyProgress, lottery::ProgressError>>,
            ) {
                self.submit(Request::Progress(draw, agency, done));
            }

            fn act(
                &self,
                signed: lottery::Signed,
                judge: lottery::Judge,
                at: lottery::Timestamp,
                done: lottery::Done<Result<lottery::Acted, lottery::ActError>>,
            ) {
                self.submit(Request::Act(Box::new(signed), judge, at, done));
            }

            fn check(&self, done: lottery::Done<Result<(), lottery::StoreFault>>) {
                self.submit(Request::Check(done));
            }

            fn winners(
                &self,
                draw: lottery::DrawId,
            ) -> Result<lottery::Winners, lottery::ReadError> {
                let lottery::DrawState::Drawn { number } = self.status(draw)?.state else {
                    return Err(lottery::ReadError::NotDrawn);
                };
                let result = lottery::WinningResult { number };
                $crate::reading::winners(self.segments(), draw, result)
                    .map_err($crate::contract::unreadable)
            }

            fn scan(
                &self,
                draw: lottery::DrawId,
                visit: &mut dyn FnMut(lottery::StoredBatch<'_>) -> std::ops::ControlFlow<()>,
            ) -> Result<(), lottery::ReadError> {
                self.status(draw)?;
                $crate::reading::scan(self.segments(), draw, visit)
                    .map_err($crate::contract::unreadable)
            }

            fn trail(
                &self,
                from: u64,
                visit: &mut dyn FnMut(lottery::Trace) -> std::ops::ControlFlow<()>,
            ) -> Result<(), lottery::ReadError> {
                $crate::reading::trail(self.segments(), from, visit)
                    .map_err($crate::contract::unreadable)
            }
        }
    };
}

pub(crate) use store_by_requests;
