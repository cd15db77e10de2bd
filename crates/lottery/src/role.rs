//! The roles of operators.

use std::fmt;

use thiserror::Error;

/// An operator's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads the board: draws, agencies, counts.
    Viewer,
    /// Runs draws.
    Operator,
    /// Reads everything, changes nothing.
    Auditor,
    /// Runs draws and manages operators.
    Admin,
    /// A program that copies the ledger: sees all that is stored, and nothing else.
    Standby,
}

/// The name of no role.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is no role; there are viewer, operator, auditor, admin and standby")]
pub struct UnknownRole(String);

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] =
        [Self::Viewer, Self::Operator, Self::Auditor, Self::Admin, Self::Standby];

    /// Returns the name used in commands, files and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
            Self::Standby => "standby",
        }
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
    fn a_role_parses_from_its_name() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().unwrap_err().to_string().contains("'root' is no role"));
    }
}
