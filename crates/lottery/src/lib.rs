//! The lottery's domain: bets, agencies, operators' acts and the life of a draw.
//!
//! Pure: no IO, no clock, no threads. [`Draws`] is the state machine: each decision is an
//! [`Event`], and replaying stored events checks the same rules. [`View`] is what readers see.
//!
//! Deliberately absent: wire and disk formats, sockets, durability.

mod act;
mod agencies;
mod audit_filter;
mod audited;
mod bet;
mod bet_name;
mod bets;
mod description;
mod draw;
mod draws;
mod event;
mod lifecycle;
pub mod limits;
mod requests;
mod role;
mod split;
pub mod text;
mod view;
mod winners;

pub use act::{
    Act, ActError, Acted, Actor, Judge, Label, Reason, RecordedAct, Registration, Schedule,
    TextError, Unfinished, always_allowed,
};
pub use agencies::{Agencies, AgenciesError, AgencyId};
pub use audit_filter::AuditFilter;
pub use audited::{AuditedAction, BetsSearch, LogInFailed, OperatorsChange};
pub use bet::{Bet, BetFault, Birthdate, NumberRange, NumberRangeError};
pub use bet_name::{BetName, BetNameError, UnsoundBet};
pub use bets::{BetAt, Bets, BetsFault, ChunkDigest, PrefixDigest, SetDigest};
pub use description::{ACTIONS, Argument, Description, Doer, action_named};
pub use draw::{
    DrawId, DrawName, DrawNameError, DrawState, DrawStatus, DrawTerms, SealedNumber, Timestamp,
};
pub use draws::{AgencyProgress, AgencyTotals, Draws, Ruling};
pub use event::{BatchSummary, Event};
pub use lifecycle::{Closing, HistoryEntry, HistoryStep, Lifecycle};
pub use requests::{
    AppendError, Appended, AuditSpan, Batch, ChunkId, FinishError, Finished, NoPart, NotInDraw,
    OpenDrawError, ProgressError, ReadError, StoreFault, StoredBatch, StoredEvent,
};
pub use role::{Role, UnknownRole};
pub use view::{News, Publisher, Totals, View};
pub use winners::{BetKey, Documents, Winners, WinningResult};
