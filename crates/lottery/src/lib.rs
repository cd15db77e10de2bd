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
mod batch;
mod bet;
mod bet_name;
mod bets;
mod description;
mod draw;
mod draws;
mod event;
mod label;
mod lifecycle;
pub mod limits;
mod requests;
mod role;
mod split;
mod store;
pub mod text;
mod view;
mod winners;

pub use act::{
    Act, ActError, Acted, Actor, Judge, RecordedAct, Registration, Schedule, Unfinished,
    always_allowed,
};
pub use agencies::{Agencies, AgenciesError, AgencyId};
pub use audit_filter::{AuditFilter, AuditSpan};
pub use audited::{AuditedAction, BetsSearch, CommandLineChange, LogInFailed, OperatorsChange};
pub use batch::{Batch, StoredBatch};
pub use bet::{Bet, BetFault, BetKey, Birthdate, NumberRange, NumberRangeError};
pub use bet_name::{BetName, BetNameError, ChunkId, UnsoundBet};
pub use bets::{BetAt, Bets, BetsFault, ChunkDigest, PrefixDigest, SetDigest};
pub use description::{ACTIONS, Argument, Description, Doer, action_named};
pub use draw::{DrawId, DrawName, DrawNameError, DrawState, DrawTerms, SealedNumber, Timestamp};
pub use draws::{AgencyProgress, AgencyTotals, Draws, Ruling};
pub use event::{BatchSummary, Event, StoredEvent};
pub use label::{Label, Reason, TextError};
pub use lifecycle::{Closing, DrawStatus, HistoryEntry, HistoryStep, Lifecycle};
pub use requests::{
    AppendError, Appended, FinishError, Finished, NoPart, NotInDraw, OpenDrawError, ProgressError,
};
pub use role::{Role, UnknownRole};
pub use store::{ReadError, StoreFault};
pub use view::{News, Publisher, Totals, View};
pub use winners::{Documents, Winners, WinningResult};
