//! What is asked about bets and draws, and what comes of it: outcomes, and why they are refused.

use thiserror::Error;

use crate::agencies::{Agencies, AgencyId};
use crate::bet::{Bet, NumberRange};
use crate::bet_name::{BetName, UnsoundBet};
use crate::bets::{Bets, bets_in};
use crate::draw::{DrawId, DrawName, DrawTerms, Timestamp};
use crate::event::Event;
use crate::limits::{AGENCY_BATCHES_MAX, DRAWS_MAX};

/// An agency's number for one of its batches in one draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub u32);

impl std::fmt::Display for ChunkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Bets that an agency sends together, to be stored all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// In which draw.
    pub draw: DrawId,
    /// Of which agency.
    pub agency: AgencyId,
    /// The agency's number for it.
    pub chunk: ChunkId,
    /// The bets, already checked.
    pub bets: Bets,
}

/// A batch as read back from a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBatch<'a> {
    /// In which draw.
    pub draw: DrawId,
    /// Of which agency.
    pub agency: AgencyId,
    /// The agency's number for it.
    pub chunk: ChunkId,
    /// The bets in canonical text.
    pub text: &'a str,
}

impl Batch {
    /// The batch as a store would show it.
    #[must_use]
    pub fn stored(&self) -> StoredBatch<'_> {
        let Self { draw, agency, chunk, ref bets } = *self;
        StoredBatch { draw, agency, chunk, text: bets.text() }
    }
}

impl<'a> StoredBatch<'a> {
    /// The bets with their names, in order, each checked again (but for the draw's range of
    /// numbers).
    pub fn bets(&self) -> impl Iterator<Item = Result<(BetName, Bet<'a>), UnsoundBet>> + use<'a> {
        let Self { draw, agency, chunk, text } = *self;
        (0..).zip(bets_in(text)).map(move |(position, bet)| {
            let name = BetName { draw, agency, chunk, position };
            bet.map(|bet| (name, bet)).map_err(|fault| UnsoundBet { name, fault })
        })
    }
}

/// An event as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// How many events were kept before it.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The event.
    pub event: Event,
}

/// A batch is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// By this call.
    New,
    /// Already, with the same content.
    Repeated,
}

/// An agency has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Whether it had before this call.
    pub repeated: bool,
    /// How many different agencies of the draw have finished.
    pub agencies_finished: u64,
    /// Whether they are all of them.
    pub all: bool,
}

/// The store itself could not do its work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreFault {
    /// Something failed for good: nothing is acknowledged any more.
    #[error("the store failed and takes nothing more: {0}")]
    Failed(String),
    /// No room now; the same may succeed later.
    #[error("the store is full: {0}")]
    Full(String),
    /// It is being closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreFault {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

/// Why a draw was not opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenDrawError {
    /// A draw of this name has other terms.
    #[error(
        "the draw '{name}' was opened for agencies {agencies} and numbers {numbers}; open it with \
         the same, or give another draw's name",
        name = .0.name, agencies = .0.agencies, numbers = .0.numbers
    )]
    OtherTerms(Box<DrawTerms>),
    /// The draw of this name is not to be made by itself.
    #[error(
        "operators lead the draw '{0}'; give another name, or start without --agencies to serve \
         all that they announce"
    )]
    LedByOperators(DrawName),
    /// The draw of this name was opened with another number, which is told to nobody.
    #[error(
        "the draw '{0}' was opened to be made with another winning number; give that one, or \
         another draw's name"
    )]
    OtherNumber(DrawName),
    /// Not a number that could win.
    #[error("the winning number {number} is outside the range {range} of the draw")]
    NumberRange {
        /// The number given.
        number: u32,
        /// The draw's range.
        range: NumberRange,
    },
    /// The name would be taken for another draw's.
    #[error("the name looks the same as that of draw {draw}, '{name}'; give another name")]
    LooksLike {
        /// The other draw.
        draw: DrawId,
        /// Its name.
        name: DrawName,
    },
    /// More than [`DRAWS_MAX`].
    #[error("this ledger has {DRAWS_MAX} draws, which is the most; give the --data of a new one")]
    TooManyDraws,
    /// See [`StoreFault`].
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why a batch was not stored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// No such draw.
    #[error("there is no draw {0}")]
    UnknownDraw(DrawId),
    /// Not an agency of this draw.
    #[error("agency {agency} is not registered in this draw; its agencies are {registered}")]
    UnknownAgency {
        /// Who asked.
        agency: AgencyId,
        /// Who is registered.
        registered: Agencies,
    },
    /// A number outside the draw's range.
    #[error("a bet's number is outside the range {0} of this draw")]
    NumberRange(NumberRange),
    /// The same chunk is stored with other content.
    #[error("chunk {0} is already stored with other bets; a new batch needs a new chunk id")]
    ChunkConflict(ChunkId),
    /// The agency said before that it had no more bets.
    #[error("agency {0} has finished and can't send more bets to this draw")]
    AgencyFinished(AgencyId),
    /// More than [`AGENCY_BATCHES_MAX`].
    #[error(
        "agency {0} has {AGENCY_BATCHES_MAX} batches in this draw, which is the most; they take \
         part once it says FINISH, and with more bets in each it needs fewer"
    )]
    TooManyBatches(AgencyId),
    /// The draw takes no more bets; since when, if that is on record.
    #[error("the draw is closed and takes no more bets{}", since(.0))]
    DrawClosed(Option<Timestamp>),
    /// The draw takes no bets yet.
    #[error("the draw has not been opened yet")]
    NotOpened,
    /// Operators disabled the agency.
    #[error("agency {0} is disabled; ask the lottery's operators")]
    AgencyDisabled(AgencyId),
    /// See [`StoreFault`].
    #[error(transparent)]
    Store(#[from] StoreFault),
}

fn since(closed_at: &Option<Timestamp>) -> String {
    closed_at.map_or_else(String::new, |at| format!(" since {at}"))
}

/// Why an agency could not finish.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FinishError {
    /// No such draw.
    #[error("there is no draw {0}")]
    UnknownDraw(DrawId),
    /// Not an agency of this draw.
    #[error("agency {agency} is not registered in this draw; its agencies are {registered}")]
    UnknownAgency {
        /// Who asked.
        agency: AgencyId,
        /// Who is registered.
        registered: Agencies,
    },
    /// The draw takes no bets yet.
    #[error("the draw has not been opened yet")]
    NotOpened,
    /// Operators disabled the agency.
    #[error("agency {0} is disabled; ask the lottery's operators")]
    AgencyDisabled(AgencyId),
    /// See [`StoreFault`].
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why an agency's progress is not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProgressError {
    /// No such draw.
    #[error("there is no draw {0}")]
    UnknownDraw(DrawId),
    /// Not an agency of this draw.
    #[error("agency {agency} is not registered in this draw; its agencies are {registered}")]
    UnknownAgency {
        /// Who asked.
        agency: AgencyId,
        /// Who is registered.
        registered: Agencies,
    },
    /// See [`StoreFault`].
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why something stored could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// No such draw.
    #[error("there is no draw {0}")]
    UnknownDraw(DrawId),
    /// Winners were asked of a draw that was not made.
    #[error("the draw has not been made")]
    NotDrawn,
    /// The store's data could not be read or is damaged; says where.
    #[error("{0}")]
    Unreadable(String),
}
