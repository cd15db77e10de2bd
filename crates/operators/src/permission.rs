//! The one table of what each role may do.

use lottery::Role;

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

    /// Whether this role may do it.
    #[must_use]
    pub fn is_held_by(self, role: Role) -> bool {
        match self {
            Self::ViewBoard => true,
            Self::RunDraws | Self::ManageAgencies => matches!(role, Role::Operator | Role::Admin),
            Self::SearchBets | Self::ReadWinners | Self::Export => role != Role::Viewer,
            // Whoever has the bets can count them by number: that is for who runs no draw.
            Self::SearchBetsBeforePublication | Self::ExportBeforePublication => {
                role == Role::Auditor
            }
            Self::ReadAudit => matches!(role, Role::Auditor | Role::Admin),
            Self::ManageOperators => role == Role::Admin,
        }
    }

    /// The roles that have it, named for people.
    #[must_use]
    pub fn holders(self) -> String {
        let holders = Role::ALL.into_iter().filter(|role| self.is_held_by(*role)).map(Role::as_str);
        holders.collect::<Vec<_>>().join(", ")
    }
}

/// Whether `role` may do all that `other` may.
#[must_use]
pub(crate) fn covers(role: Role, other: Role) -> bool {
    Permission::ALL.into_iter().all(|it| it.is_held_by(role) || !it.is_held_by(other))
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
            assert_eq!(
                Role::ALL.map(|role| permission.is_held_by(role)),
                expected,
                "{permission:?}"
            );
        }
    }

    #[test]
    fn who_runs_draws_sees_no_bets_before_publication() {
        let both = |role: &Role| {
            Permission::RunDraws.is_held_by(*role)
                && Permission::SearchBetsBeforePublication.is_held_by(*role)
        };
        assert_eq!(Role::ALL.iter().find(|role| both(role)), None);
    }

    #[test]
    fn a_role_covers_itself_and_what_is_below_it() {
        for role in Role::ALL {
            assert!(covers(role, role) && covers(role, Role::Viewer));
        }
        assert!(covers(Role::Admin, Role::Operator));
        assert!(!covers(Role::Admin, Role::Auditor));
        assert!(!covers(Role::Auditor, Role::Operator) && !covers(Role::Operator, Role::Auditor));
    }
}
