//! What operators are for, and the one table of what each may do.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What an operator is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks at the board: draws, agencies, counts.
    Viewer,
    /// Runs draws.
    Operator,
    /// Examines everything and changes nothing.
    Auditor,
    /// Runs draws, and says who is an operator.
    Admin,
}

/// Something that some roles may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// See draws and agencies, how far they are, and who is connected.
    ViewBoard,
    /// Create, open and close draws, enter numbers, make and publish the draw.
    RunDraws,
    /// Register, enable and disable agencies.
    ManageAgencies,
    /// Search bets of a draw whose number was published.
    SearchBets,
    /// Search bets of a draw before that.
    SearchBetsBeforePublication,
    /// Read the winners of a draw that was made.
    ReadWinners,
    /// Take the bets of a draw whose number was published.
    Export,
    /// Take the bets of a draw before that.
    ExportBeforePublication,
    /// Read who did what.
    ReadAudit,
    /// Say who is an operator, and as what.
    ManageOperators,
}

/// A role that there is none of.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is no role; there are viewer, operator, auditor and admin")]
pub struct UnknownRole(String);

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Auditor, Self::Admin];

    /// Whether this role may do that.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        use Permission as P;
        match permission {
            P::ViewBoard => true,
            P::RunDraws | P::ManageAgencies => matches!(self, Self::Operator | Self::Admin),
            P::SearchBets | P::ReadWinners | P::Export => self != Self::Viewer,
            // Whoever has the bets can count them by number: that is for who runs no draw.
            P::SearchBetsBeforePublication | P::ExportBeforePublication => self == Self::Auditor,
            P::ReadAudit => matches!(self, Self::Auditor | Self::Admin),
            P::ManageOperators => self == Self::Admin,
        }
    }

    /// Whether it may do all that `other` may.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        Permission::ALL.into_iter().all(|it| self.may(it) || !other.may(it))
    }

    /// Its name in commands, files and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ViewBoard,
        Self::RunDraws,
        Self::ManageAgencies,
        Self::SearchBets,
        Self::SearchBetsBeforePublication,
        Self::ReadWinners,
        Self::Export,
        Self::ExportBeforePublication,
        Self::ReadAudit,
        Self::ManageOperators,
    ];

    /// The roles that have it, named for people.
    #[must_use]
    pub fn holders(self) -> String {
        let holders = Role::ALL.into_iter().filter(|role| role.may(self)).map(Role::as_str);
        holders.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_row_by_row() {
        use Permission as P;
        // Viewer, operator, auditor, admin.
        let rows = [
            (P::ViewBoard, [true, true, true, true]),
            (P::RunDraws, [false, true, false, true]),
            (P::ManageAgencies, [false, true, false, true]),
            (P::SearchBets, [false, true, true, true]),
            (P::SearchBetsBeforePublication, [false, false, true, false]),
            (P::ReadWinners, [false, true, true, true]),
            (P::Export, [false, true, true, true]),
            (P::ExportBeforePublication, [false, false, true, false]),
            (P::ReadAudit, [false, false, true, true]),
            (P::ManageOperators, [false, false, false, true]),
        ];
        assert!(rows.iter().map(|row| row.0).eq(Permission::ALL));
        for (permission, expected) in rows {
            assert_eq!(Role::ALL.map(|role| role.may(permission)), expected, "{permission:?}");
        }
    }

    #[test]
    fn who_runs_draws_sees_no_bets_before_publication() {
        let both = |role: &Role| {
            role.may(Permission::RunDraws) && role.may(Permission::SearchBetsBeforePublication)
        };
        assert_eq!(Role::ALL.iter().find(|role| both(role)), None);
    }

    #[test]
    fn a_role_covers_itself_and_what_is_below_it() {
        for role in Role::ALL {
            assert!(role.covers(role) && role.covers(Role::Viewer));
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!(Role::Admin.covers(Role::Operator));
        assert!(!Role::Admin.covers(Role::Auditor));
        assert!(!Role::Auditor.covers(Role::Operator) && !Role::Operator.covers(Role::Auditor));
        assert!("root".parse::<Role>().unwrap_err().to_string().contains("'root' is no role"));
    }
}
