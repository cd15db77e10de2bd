//! The permissions of each role.

use std::fmt;

use lottery::Role;

/// A permission that some roles have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Reads draws, agencies, their progress, and connections.
    ViewBoard,
    /// Creates, opens, closes and publishes draws, enters numbers.
    RunDraws,
    /// Registers, enables and disables agencies.
    ManageAgencies,
    /// Searches bets of a published draw.
    SearchBets,
    /// Searches bets before publication.
    SearchBetsBeforePublication,
    /// Reads the winners of a draw that was made.
    ReadWinners,
    /// Exports the bets of a published draw.
    Export,
    /// Exports bets before publication.
    ExportBeforePublication,
    /// Reads the audit log.
    ReadAudit,
    /// Manages operators.
    ManageOperators,
    /// Copies the ledger and the operators, what nobody may see included.
    CopyLedger,
}

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 11] = [
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
        Self::CopyLedger,
    ];

    /// Whether a role has this permission.
    #[must_use]
    pub fn is_held_by(self, role: Role) -> bool {
        match self {
            Self::ViewBoard => role != Role::Standby,
            Self::RunDraws | Self::ManageAgencies => matches!(role, Role::Operator | Role::Admin),
            Self::SearchBets | Self::ReadWinners | Self::Export => {
                !matches!(role, Role::Viewer | Role::Standby)
            }
            // Bets reveal how much is bet on each number, so nobody who runs draws may see them.
            Self::SearchBetsBeforePublication | Self::ExportBeforePublication => {
                role == Role::Auditor
            }
            Self::ReadAudit => matches!(role, Role::Auditor | Role::Admin),
            Self::ManageOperators => role == Role::Admin,
            // The ledger has what nobody may see: numbers that one operator entered.
            Self::CopyLedger => role == Role::Standby,
        }
    }

    /// Returns the permission that is enough once the draw is published.
    #[must_use]
    pub fn once_published(self) -> Option<Self> {
        match self {
            Self::SearchBetsBeforePublication => Some(Self::SearchBets),
            Self::ExportBeforePublication => Some(Self::Export),
            _ => None,
        }
    }

    /// Returns the names of the roles with this permission.
    #[must_use]
    pub fn holders(self) -> String {
        let holders = Role::ALL.into_iter().filter(|role| self.is_held_by(*role)).map(Role::as_str);
        holders.collect::<Vec<_>>().join(", ")
    }
}

/// What a permission allows, in words.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ViewBoard => "look at draws and agencies",
            Self::RunDraws => "run draws",
            Self::ManageAgencies => "manage agencies",
            Self::SearchBets => "search bets",
            Self::SearchBetsBeforePublication => "search bets of a draw that is not published",
            Self::ReadWinners => "read winners",
            Self::Export => "export bets",
            Self::ExportBeforePublication => "export bets of a draw that is not published",
            Self::ReadAudit => "read the audit log",
            Self::ManageOperators => "manage operators",
            Self::CopyLedger => "copy the ledger",
        })
    }
}

/// Whether `role` has all permissions of `other`.
#[must_use]
pub(crate) fn covers(role: Role, other: Role) -> bool {
    Permission::ALL.into_iter().all(|it| it.is_held_by(role) || !it.is_held_by(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_permissions() {
        use Permission as P;
        // Viewer, operator, auditor, admin, standby.
        let rows = [
            (P::ViewBoard, [true, true, true, true, false]),
            (P::RunDraws, [false, true, false, true, false]),
            (P::ManageAgencies, [false, true, false, true, false]),
            (P::SearchBets, [false, true, true, true, false]),
            (P::SearchBetsBeforePublication, [false, false, true, false, false]),
            (P::ReadWinners, [false, true, true, true, false]),
            (P::Export, [false, true, true, true, false]),
            (P::ExportBeforePublication, [false, false, true, false, false]),
            (P::ReadAudit, [false, false, true, true, false]),
            (P::ManageOperators, [false, false, false, true, false]),
            (P::CopyLedger, [false, false, false, false, true]),
        ];
        assert!(rows.iter().map(|row| row.0).eq(Permission::ALL));
        for (permission, expected) in rows {
            assert_eq!(
                Role::ALL.map(|role| permission.is_held_by(role)),
                expected,
                "{permission:?}"
            );
        }
    }
}
