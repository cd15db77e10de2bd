//! Changes that were made on the command line, which the central has not recorded yet.

use lottery::limits::COMMAND_LINE_CHANGES_MAX;
use lottery::{CommandLineChange, Label, OperatorsChange, Role, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Name, PeopleError, TokenId, role_name};

/// A change as the operators' file keeps it until the central has recorded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unrecorded {
    /// The user of the machine who made it.
    pub user: String,
    /// When it was made.
    pub at_ms: u64,
    /// The version of the operators that it made.
    pub version: u64,
    /// What was changed.
    pub change: Change,
}

/// A change of operators and tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Change {
    Add {
        name: Name,
        #[serde(with = "role_name")]
        role: Role,
    },
    Disable(Name),
    Enable(Name),
    ChangePassword(Name),
    GiveToken {
        name: Name,
        #[serde(with = "role_name")]
        role: Role,
        days: u32,
        label: String,
    },
    RevokeToken(TokenId),
}

/// Why a change on the command line was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandLineError {
    /// The change is not allowed.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// Too many changes wait to be recorded.
    #[error(
        "there are {COMMAND_LINE_CHANGES_MAX} changes that no central has recorded, which is the \
         most: start the central, which records them"
    )]
    TooManyUnrecorded,
}

impl Unrecorded {
    /// Returns the change as it is recorded.
    #[must_use]
    pub fn record(&self) -> CommandLineChange {
        let change = match &self.change {
            Change::Add { name, role } => OperatorsChange::Add { name: name.label(), role: *role },
            Change::Disable(name) => OperatorsChange::Disable(name.label()),
            Change::Enable(name) => OperatorsChange::Enable(name.label()),
            Change::ChangePassword(name) => OperatorsChange::ChangePassword(name.label()),
            Change::GiveToken { name, role, days, label } => {
                let (name, label) = (name.label(), Label::nearest(label));
                OperatorsChange::GiveTokenTo { name, role: *role, days: *days, label }
            }
            Change::RevokeToken(id) => OperatorsChange::RevokeToken(id.0),
        };
        let (user, at) = (Label::nearest(&self.user), Timestamp(self.at_ms));
        CommandLineChange { user, at, change }
    }
}
