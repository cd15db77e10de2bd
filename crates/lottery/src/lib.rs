//! The lottery's domain: bets, agencies, the draw's life, and what a store of them must promise.
//!
//! Everything here is pure: no IO, no clock, no threads of its own. [`Draws`] holds the rules
//! (which batch is new, who has finished, when a draw may be made) and every store calls it, so
//! that the rules exist once. [`View`] is what readers see of them. [`Store`] is the contract
//! between the central and whatever keeps the bets; [`conformance`] is the suite each store must
//! pass, and [`MemoryStore`] the simplest one that does.
//!
//! Deliberately absent: bytes on the wire or on disk, sockets, how durability is reached.

mod act;
mod agencies;
mod audited;
mod bet;
mod bet_name;
mod bets;
mod cuts;
mod description;
mod draw;
mod draws;
mod event;
mod lifecycle;
pub mod limits;
pub mod planted;
mod requests;
mod role;
pub mod text;
mod view;
mod winners;

pub use act::{
    Act, ActError, Acted, Actor, Judge, Label, Reason, Registration, Schedule, Signed, TextError,
    Unfinished, always_allowed,
};
pub use agencies::{Agencies, AgenciesError, AgencyId};
pub use audited::{AuditedAction, BetsSearch, OperatorsChange};
pub use bet::{Bet, BetFault, Birthdate, NumberRange, NumberRangeError};
pub use bet_name::{BetName, BetNameError, UnsoundBet};
pub use bets::{BetAt, Bets, BetsFault, ChunkDigest, PrefixDigest, SetDigest};
pub use description::{Argument, Description, Doer};
pub use draw::{
    DrawId, DrawName, DrawNameError, DrawState, DrawStatus, DrawTerms, SealedNumber, Timestamp,
};
pub use draws::{AgencyProgress, AgencyStanding, Draws, Ruling};
pub use event::{BatchSummary, Event};
pub use lifecycle::{Closing, Lifecycle};
pub use requests::{
    AppendError, Appended, Batch, ChunkId, FinishError, Finished, OpenDrawError, ProgressError,
    ReadError, StoreFault, StoredBatch, Trace,
};
pub use role::{Role, UnknownRole};
pub use view::{News, Publisher, Totals, View};
pub use winners::{BetKey, Documents, Winners, WinningResult};
