//! Audited actions of operators that change no draw. Each is stored before it takes effect, but for what is done
//! on the command line.

use std::net::IpAddr;

use crate::agencies::AgencyId;
use crate::draw::{DrawId, Timestamp};
use crate::label::Label;
use crate::role::Role;

/// An audited action that changes no draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditedAction {
    /// Begins a session.
    LogIn,
    /// Ends a session.
    LogOut,
    /// Log-ins in the name of the actor failed. It tells nothing of who tried.
    LogInFailed(LogInFailed),
    /// Changes the operators' file.
    ChangeOperators(OperatorsChange),
    /// Notes that a recorded change did not happen: the operators' file could not be written.
    OperatorsNotChanged(OperatorsChange),
    /// Notes a change that was made on the command line, beside the central.
    OnCommandLine(CommandLineChange),
    /// Searches the bets of a draw.
    SearchBets(BetsSearch),
    /// Reads the winners of a draw before they are published.
    ReadWinners(DrawId),
    /// Exports all bets of a draw.
    ExportBets(DrawId),
}

/// Log-ins that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogInFailed {
    /// How many, since the last ones of the same operator that are on record.
    pub attempts: u32,
    /// Where the last one came from.
    pub address: IpAddr,
}

/// A change of the operators' file that was made on the command line. The central stores it later;
/// its time and the version that it made, which the act holds, tell it from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLineChange {
    /// The user of the machine who made it.
    pub user: Label,
    /// When it was made.
    pub at: Timestamp,
    /// What was changed.
    pub change: OperatorsChange,
}

/// A change of the operators' file. Operators are identified by name, tokens by number.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum OperatorsChange {
    Add {
        name: Label,
        role: Role,
    },
    Disable(Label),
    Enable(Label),
    ChangePassword(Label),
    /// Issues a token to the acting operator.
    GiveToken {
        role: Role,
        /// How long it is valid, in days.
        days: u32,
        label: Label,
    },
    /// Issues a token to an operator.
    GiveTokenTo {
        name: Label,
        role: Role,
        /// How long it is valid, in days.
        days: u32,
        label: Label,
    },
    RevokeToken(u32),
}

/// The filter of a search for bets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BetsSearch {
    /// The draw to search.
    pub draw: DrawId,
    /// Only bets with this document, converted with [`Label::nearest`].
    pub document: Option<Label>,
    /// Only bets on this number.
    pub number: Option<u32>,
    /// Only bets of this agency.
    pub agency: Option<AgencyId>,
    /// How many of the draw's bets to skip, as earlier pages cover them.
    pub after: u64,
}
