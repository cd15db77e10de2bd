//! Acts: what an operator, or the central's clock, does. Each one is an event with its author and
//! reason.

use std::fmt;

use thiserror::Error;

use crate::agencies::AgencyId;
use crate::audited::AuditedAction;
use crate::draw::{DrawId, DrawName, DrawTerms, Timestamp};
use crate::label::{Label, Reason};
use crate::limits::{DRAW_ACTS_MAX, DRAWS_MAX, DRAWS_UNMADE_MAX, REGISTERED_MAX};
use crate::store::StoreFault;

/// The author of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Actor {
    /// The central's clock, following a schedule.
    Clock,
    /// An operator in a session, by name.
    Operator(Label),
    /// A program, with a token that an operator issued.
    Token { owner: Label, number: u32, label: Label },
}

/// Authorizes an act at the moment it is decided: returns the version of the operators' file, or
/// `None` to reject. Runs on the deciding thread, so it must be short.
pub type Judge = Box<dyn Fn() -> Option<u64> + Send>;

/// A judge for acts that need no permission, such as the clock's.
#[must_use]
pub fn always_allowed() -> Judge {
    Box::new(|| Some(0))
}

/// An act with its author and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct RecordedAct {
    pub by: Actor,
    /// The version of the operators' file under which the [`Judge`] allowed the act. 0 before the
    /// decision, and for acts that need no permission.
    pub operators: u64,
    /// The reason, in the author's words.
    pub why: Reason,
    pub act: Act,
}

/// An action by an operator or the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Act {
    /// Announces a draw, to be opened later. It gets the next free draw number.
    Announce {
        terms: DrawTerms,
        /// When the clock opens and closes it.
        schedule: Schedule,
    },
    /// Changes an announced draw, until it is opened.
    Edit { draw: DrawId, terms: DrawTerms, schedule: Schedule },
    /// Cancels an announced draw. Its name is free again.
    Cancel(DrawId),
    /// Opens an announced draw for bets.
    Open(DrawId),
    /// Lets an agency that has finished send bets again, while the draw is open.
    Reopen { draw: DrawId, agency: AgencyId },
    /// Closes an open draw.
    Close(DrawId),
    /// Enters the winning number; two operators must enter the same one.
    EnterNumber { draw: DrawId, number: u32 },
    /// Replaces the number that the same operator entered, while the second one is missing.
    CorrectNumber { draw: DrawId, number: u32 },
    /// Voids the result of a draw that is not published; two operators must.
    Void(DrawId),
    /// Publishes the winners of a draw that was made.
    Publish(DrawId),
    /// Registers an agency or changes its registration.
    Register(Registration),
    /// Any other action that belongs in the audit log.
    Audited(AuditedAction),
}

/// When the clock opens and closes a draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Opening time; an operator may open earlier.
    pub opens_at: Option<Timestamp>,
    /// Closing time; an operator may close earlier.
    pub closes_at: Option<Timestamp>,
}

/// An agency's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Registration {
    pub agency: AgencyId,
    pub name: Label,
    pub place: Label,
    /// Whether it may bet. A disabled agency's requests are refused.
    pub enabled: bool,
}

/// The outcome of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// Done.
    Done,
    /// Done before; nothing changed.
    Repeated,
    /// The draw was announced under this number.
    Announced(DrawId),
    /// The first operator entered a number; a second one must enter it too.
    NumberAwaited,
    /// Both operators entered this number: the draw is made with it.
    NumbersAgree(u32),
    /// The two numbers differ: both operators must enter it again.
    NumbersDiffer,
    /// The first operator voids the result; a second one must too.
    VoidAwaited,
    /// Both operators void the result: the draw is closed, as before its number was entered.
    Voided,
}

/// Why an act was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum ActError {
    #[error("there is no draw {0}")]
    UnknownDraw(DrawId),
    #[error("a draw of this name already exists; choose another name")]
    NameTaken,
    #[error("the name looks the same as that of draw {draw}, '{name}'; choose another name")]
    DrawLooksLike { draw: DrawId, name: DrawName },
    #[error(
        "the name looks the same as that of agency {agency}, '{name}'; choose another name, such as \
         one with its place"
    )]
    AgencyLooksLike { agency: AgencyId, name: Label },
    #[error(
        "{DRAWS_UNMADE_MAX} draws have not been made yet, which is the limit; make one of them \
         first (one that was never opened can be closed, with a reason, after its closing time)"
    )]
    TooManyUnmade,
    #[error(
        "this ledger has {DRAWS_MAX} draws, which is the limit; start a central on a new folder"
    )]
    TooManyDraws,
    #[error(
        "{REGISTERED_MAX} agencies are registered, which is the limit; reuse the number of one of them"
    )]
    TooManyRegistered,
    #[error("there is no agency 0: agencies are numbered from 1")]
    AgencyZero,
    #[error("a draw must open before it closes, and close in the future")]
    Schedule,
    #[error("its closing time, {0}, has passed: announce another draw with another name")]
    Expired(Timestamp),
    #[error("the draw {now}, so it can't be {wanted} now")]
    State { now: &'static str, wanted: &'static str },
    #[error("closing now needs a reason: {0}")]
    ReasonNeeded(Unfinished),
    #[error("to {0} needs a reason")]
    NoReason(&'static str),
    #[error("agency {0} has not finished in this draw")]
    NotFinished(AgencyId),
    #[error("there is no entry of yours to correct")]
    NoEntry,
    #[error("{0} already voided the result; another operator must do it too")]
    VoidedBefore(Label),
    #[error("the result is published and can't be changed")]
    Published,
    #[error("{DRAW_ACTS_MAX} acts on this draw are on record, which is the limit")]
    TooManyActs,
    #[error("it is not time yet")]
    NotTime,
    #[error("the number {number} is outside the range {range} of this draw")]
    NumberRange { number: u32, range: crate::bet::NumberRange },
    #[error(
        "{0} already entered the number and may correct it; another operator must enter it too"
    )]
    EnteredBefore(Label),
    #[error("the clock can't do this")]
    NotForTheClock,
    #[error("a program can't do this; an operator must, in a session")]
    NotForPrograms,
    #[error("this account may no longer do this")]
    NotAllowed,
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why closing a draw now needs a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The number of agencies that have not finished.
    pub agencies: u64,
    /// The scheduled closing time, if it is in the future.
    pub closes_at: Option<Timestamp>,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock => f.write_str("the clock"),
            Self::Operator(name) => name.fmt(f),
            Self::Token { owner, number, label } => {
                write!(f, "{owner} with token {number} \"{label}\"")
            }
        }
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.agencies, self.closes_at) {
            (0, None) => f.write_str("say which"),
            (0, Some(at)) => write!(f, "it would close automatically at {at}"),
            (missing, None) => write!(f, "{missing} agencies have not finished"),
            (missing, Some(at)) => {
                write!(f, "{missing} agencies have not finished, and it would close at {at}")
            }
        }
    }
}

impl Actor {
    /// Returns the operator who acts in a session.
    #[must_use]
    pub fn operator(&self) -> Option<&Label> {
        match self {
            Self::Operator(name) => Some(name),
            Self::Clock | Self::Token { .. } => None,
        }
    }
}

impl RecordedAct {
    /// Creates an act that is yet to be decided.
    #[must_use]
    pub fn new(by: Actor, why: Reason, act: Act) -> Self {
        Self { by, operators: 0, why, act }
    }
}

impl Act {
    /// Returns the existing draw that the act applies to, if any.
    #[must_use]
    pub fn draw(&self) -> Option<DrawId> {
        match self {
            Self::Edit { draw, .. }
            | Self::Cancel(draw)
            | Self::Open(draw)
            | Self::Reopen { draw, .. }
            | Self::Close(draw)
            | Self::EnterNumber { draw, .. }
            | Self::CorrectNumber { draw, .. }
            | Self::Void(draw)
            | Self::Publish(draw) => Some(*draw),
            Self::Announce { .. } | Self::Register(_) | Self::Audited(_) => None,
        }
    }
}
