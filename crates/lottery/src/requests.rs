//! The outcomes and errors of requests about bets and draws.

use thiserror::Error;

use crate::agencies::{Agencies, AgencyId};
use crate::bet::NumberRange;
use crate::bet_name::ChunkId;
use crate::draw::{DrawId, DrawName, DrawTerms, Timestamp};
use crate::limits::{AGENCY_BATCHES_MAX, DRAWS_MAX};
use crate::store::StoreFault;

/// The outcome of storing a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Stored by this request.
    New,
    /// Stored before, with the same content.
    Repeated,
}

/// The outcome of a FINISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Whether the agency had finished before.
    pub repeated: bool,
    /// The number of agencies that have finished the draw.
    pub agencies_finished: u64,
    /// Whether these are all agencies of the draw.
    pub all: bool,
}

/// Why a draw was not opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum OpenDrawError {
    #[error(
        "the draw '{name}' was opened for agencies {agencies} and numbers {numbers}; open it with \
         the same ones, or use another name",
        name = .0.name, agencies = .0.agencies, numbers = .0.numbers
    )]
    OtherTerms(Box<DrawTerms>),
    #[error(
        "operators run the draw '{0}'; use another name, or start without --agencies to serve \
         every draw that they announce"
    )]
    LedByOperators(DrawName),
    #[error(
        "the draw '{0}' was opened with another winning number; use that one, or another \
         draw's name"
    )]
    OtherNumber(DrawName),
    #[error("the winning number {number} is outside the range {range} of the draw")]
    NumberRange { number: u32, range: NumberRange },
    #[error("the name looks the same as that of draw {draw}, '{name}'; choose another name")]
    LooksLike { draw: DrawId, name: DrawName },
    #[error("this ledger has {DRAWS_MAX} draws, which is the limit; set --data to a new folder")]
    TooManyDraws,
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why an agency is in no draw.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum NotInDraw {
    #[error("there is no draw {0}")]
    UnknownDraw(DrawId),
    #[error("agency {agency} is not registered in this draw; its agencies are {registered}")]
    UnknownAgency { agency: AgencyId, registered: Agencies },
}

impl Agencies {
    /// Checks that `agency` is in the set of its draw.
    ///
    /// # Errors
    /// [`NotInDraw::UnknownAgency`] when it is not.
    pub fn must_have(&self, agency: AgencyId) -> Result<(), NotInDraw> {
        if self.contains(agency) {
            return Ok(());
        }
        Err(NotInDraw::UnknownAgency { agency, registered: self.clone() })
    }
}

/// Why an agency can't take part in a draw.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum NoPart {
    #[error(transparent)]
    NotInDraw(#[from] NotInDraw),
    #[error("agency {0} is disabled; ask the lottery's operators")]
    AgencyDisabled(AgencyId),
    #[error("the draw has not been opened yet")]
    NotOpened,
}

/// Why a batch was not stored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum AppendError {
    #[error(transparent)]
    NoPart(#[from] NoPart),
    #[error("a bet's number is outside the range {0} of this draw")]
    NumberRange(NumberRange),
    #[error("chunk {0} is already stored with other bets; a new batch needs a new chunk id")]
    ChunkConflict(ChunkId),
    #[error("agency {0} has finished and can't send more bets to this draw")]
    AgencyFinished(AgencyId),
    #[error(
        "agency {0} has {AGENCY_BATCHES_MAX} batches in this draw, which is the limit; they take \
         part once it sends FINISH; larger batches need fewer of them"
    )]
    TooManyBatches(AgencyId),
    #[error("the draw is closed and accepts no more bets{}", since(.0))]
    DrawClosed(Option<Timestamp>),
    #[error(transparent)]
    Store(#[from] StoreFault),
}

fn since(closed_at: &Option<Timestamp>) -> String {
    closed_at.map_or_else(String::new, |at| format!(" since {at}"))
}

/// Why an agency could not finish.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum FinishError {
    #[error(transparent)]
    NoPart(#[from] NoPart),
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why an agency's progress is not available.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum ProgressError {
    #[error(transparent)]
    NotInDraw(#[from] NotInDraw),
    #[error(transparent)]
    Store(#[from] StoreFault),
}
