//! Operators' names.

use std::fmt;

use lottery::Label;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::NAME_LEN_MAX;

/// The name that an operator logs in with and is recorded under: lower-case ASCII letters, digits,
/// `.`, `-` and `_`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A text that can't be an operator's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an operator's name has 1 to {NAME_LEN_MAX} of a-z, 0-9, '.', '-' and '_', and begins with a \
     letter"
)]
pub struct NameError;

impl Name {
    /// Validates a name.
    ///
    /// # Errors
    /// When it breaks the rules.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || name.len() > NAME_LEN_MAX || !name.chars().all(allowed) {
            return Err(NameError);
        }
        Ok(Self(name))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as it is recorded.
    #[must_use]
    pub fn label(&self) -> Label {
        Label::new(&self.0).expect("an operator's name is a short word")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        for name in ["a", "ana.paz", "ana-2", "a_b", &"a".repeat(32)] {
            assert_eq!(Name::new(name).unwrap().as_str(), name);
        }
        for name in ["", "Ana", "ana paz", "2ana", ".a", "añá", "a\n", "a/b", &"a".repeat(33)] {
            assert_eq!(Name::new(name), Err(NameError), "{name}");
        }
    }
}
