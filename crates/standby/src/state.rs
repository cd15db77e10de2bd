//! What a standby tells of itself, where it keeps the copy, and why it ends.

use std::sync::Arc;

use engine::{LedgerId, Log};
use operators::People;
use thiserror::Error;

use crate::address::Address;

/// Where the copy is kept. Every call may block.
pub trait Place: Send + Sync {
    /// Opens a log for a new copy of this ledger. Nobody else may write to it.
    ///
    /// # Errors
    /// What is in the way, and what to do.
    fn open(&self, id: LedgerId) -> Result<Box<dyn Log>, String>;

    /// Keeps the operators durably, in place of those before.
    ///
    /// # Errors
    /// What is in the way, and what to do.
    fn keep(&self, operators: People) -> Result<(), String>;
}

/// What a standby tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The copy has `records`, and the central had `behind` more when it was asked.
    Behind {
        /// How many records the copy has.
        records: u64,
        /// How many are still to come.
        behind: u64,
    },
    /// The copy has all that the central had when it was asked: told once, and again after a
    /// failure.
    CaughtUp {
        /// How many records the copy has.
        records: u64,
    },
    /// The operators are kept in this version.
    Operators {
        /// Their version.
        version: u64,
    },
    /// The records can't be had now, and are asked for again; told when the reason is another one.
    RecordsLost(String),
    /// As [`State::RecordsLost`], for the operators.
    OperatorsLost(String),
}

/// Takes what a standby tells.
pub(crate) type Tell = Arc<dyn Fn(State) + Send + Sync>;

/// Why following has ended for good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum FollowError {
    #[error("{from} refuses to be followed: {said}; {remedy}")]
    Refused { from: Address, said: String, remedy: String },
    #[error("{from} sent what this program does not know: {error}")]
    Newer { from: Address, error: String },
    #[error(
        "{from} sent records that no central writes ({error}), which are not stored: check that it \
         is the right one, and its ledger with `bolillero check`"
    )]
    Forged { from: Address, error: String },
    #[error("{0}")]
    Copy(String),
}

/// Why an answer was not had, or not all of it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The next one may be.
    Passing(String),
    /// None will be.
    Final(FollowError),
}
