//! The store's contract over an engine: changes and queries become requests, in the order of the
//! calls; winners and scans read beside it.
//!
//! The one implementation for every way of running an engine. It is a macro because a trait of
//! another crate can't be implemented for all types that have a trait of this one.

use lottery::{DrawId, DrawStatus, ReadError, StoreFault};

use crate::engine::Request;
use crate::error::Fault;
use crate::segments::Segments;

/// A way of running an engine.
pub(crate) trait RunsEngine {
    /// Has the engine decide a request, after those submitted before.
    fn submit(&self, request: Request);

    /// The draws as the engine has them. Blocks.
    fn statuses(&self) -> Result<Vec<DrawStatus>, StoreFault>;

    /// What may be read beside the engine.
    fn segments(&self) -> &Segments;

    /// One draw.
    fn status(&self, draw: DrawId) -> Result<DrawStatus, ReadError> {
        let statuses = self.statuses().map_err(|fault| ReadError::Unreadable(fault.to_string()))?;
        let found = statuses.into_iter().find(|status| status.id == draw);
        found.ok_or(ReadError::UnknownDraw(draw))
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
                at: lottery::Timestamp,
                done: lottery::Done<Result<lottery::DrawId, lottery::OpenDrawError>>,
            ) {
                self.submit(Request::OpenDraw(terms, at, done));
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

            fn close(
                &self,
                draw: lottery::DrawId,
                at: lottery::Timestamp,
                done: lottery::Done<Result<lottery::Closed, lottery::CloseError>>,
            ) {
                self.submit(Request::Close(draw, at, done));
            }

            fn draw(
                &self,
                draw: lottery::DrawId,
                number: u32,
                at: lottery::Timestamp,
                done: lottery::Done<Result<lottery::Drawn, lottery::DrawError>>,
            ) {
                self.submit(Request::Draw(draw, number, at, done));
            }

            fn draws(
                &self,
                done: lottery::Done<Result<Vec<lottery::DrawStatus>, lottery::StoreFault>>,
            ) {
                self.submit(Request::Draws(done));
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

            fn roster(
                &self,
                done: lottery::Done<Result<Vec<lottery::Registration>, lottery::StoreFault>>,
            ) {
                self.submit(Request::Roster(done));
            }

            fn standings(
                &self,
                draw: lottery::DrawId,
                done: lottery::Done<Result<Vec<lottery::AgencyStanding>, lottery::ProgressError>>,
            ) {
                self.submit(Request::Standings(draw, done));
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
                $crate::reading::winners(self.segments(), draw, number)
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
