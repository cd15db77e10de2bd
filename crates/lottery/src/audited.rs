//! What operators do besides leading draws: each is on record before it takes effect.

use crate::act::Label;
use crate::agencies::AgencyId;
use crate::draw::DrawId;
use crate::role::Role;

/// Something that an operator does, of which the draws know nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditedAction {
    /// A session begins.
    LogIn,
    /// A session ends.
    LogOut,
    /// Who may do what changes.
    ChangeOperators(OperatorsChange),
    /// It did not change, although it is on record: the operators' file could not be written.
    OperatorsNotChanged(OperatorsChange),
    /// Bets are searched.
    SearchBets(BetsSearch),
    /// The winners of a draw are read before they are published.
    ReadWinners(DrawId),
    /// The bets of a draw are taken as a whole.
    ExportBets(DrawId),
}

/// A change of the operators' file. Operators are told by name, tokens by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorsChange {
    /// There is one more operator.
    Add {
        /// Called so.
        name: Label,
        /// As what.
        role: Role,
    },
    /// An operator may log in no more.
    Disable(Label),
    /// An operator may log in again.
    Enable(Label),
    /// An operator has another password.
    ChangePassword(Label),
    /// Whoever acts has one more token.
    GiveToken {
        /// As what.
        role: Role,
        /// For so many days.
        days: u32,
        /// What it is for.
        label: Label,
    },
    /// A token lets nobody in any more.
    RevokeToken(u32),
}

/// Which bets are searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BetsSearch {
    /// In which draw.
    pub draw: DrawId,
    /// Only those of this document, or of the one nearest to it that a label can hold.
    pub document: Option<Label>,
    /// Only those on this number.
    pub number: Option<u32>,
    /// Only those of this agency.
    pub agency: Option<AgencyId>,
    /// How many bets of the draw are passed over, since another part of the answer has them.
    pub after: u64,
}
