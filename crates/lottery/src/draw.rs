//! A draw: its name, its terms, and the states it goes through, each once.

use std::fmt;

use thiserror::Error;

use crate::agencies::Agencies;
use crate::bet::NumberRange;
use crate::limits::DRAW_NAME_LEN_MAX;

/// A draw's number in its store, from 1, in the order of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DrawId(pub u32);

impl fmt::Display for DrawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since the Unix epoch, by the central's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

/// The name people call a draw by: 1-64 bytes, no control characters, no spaces at its ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DrawName(String);

/// A name that a draw can't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a draw's name has 1 to {DRAW_NAME_LEN_MAX} bytes, without control characters and without \
     spaces at its ends"
)]
pub struct DrawNameError;

impl DrawName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty, too long, padded, or has control characters.
    pub fn new(name: impl Into<String>) -> Result<Self, DrawNameError> {
        let name = name.into();
        let padded = name.trim() != name;
        if name.is_empty()
            || name.len() > DRAW_NAME_LEN_MAX
            || padded
            || name.chars().any(char::is_control)
        {
            return Err(DrawNameError);
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DrawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is fixed when a draw is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawTerms {
    /// Its name, unique in a store.
    pub name: DrawName,
    /// Who may bet in it, and who must finish before it can be made.
    pub agencies: Agencies,
    /// The numbers that may be betted on.
    pub numbers: NumberRange,
}

/// Where a draw is in its life. It only ever goes down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawState {
    /// Takes bets.
    Open,
    /// Takes no more bets; the winning number is not known.
    Closed,
    /// Made.
    Drawn {
        /// The winning number.
        number: u32,
    },
}

/// What is known of a draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawStatus {
    /// Its number in the store.
    pub id: DrawId,
    /// What it was opened with.
    pub terms: DrawTerms,
    /// Where it is.
    pub state: DrawState,
    /// How many different agencies have finished.
    pub agencies_finished: u64,
    /// How many batches it holds.
    pub batches: u64,
    /// How many bets it holds.
    pub bets: u64,
}

impl DrawStatus {
    /// Whether every registered agency has finished.
    #[must_use]
    pub fn all_finished(&self) -> bool {
        self.agencies_finished == self.terms.agencies.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_has_a_presentable_name() {
        let long = "x".repeat(64);
        for good in ["sorteo", "Quiniela nocturna 2026-11-23", "ñ", &long] {
            assert!(DrawName::new(good).is_ok(), "{good:?}");
        }
        for bad in ["", " ", " a", "a ", "a\nb", &format!("{long}x")] {
            assert!(DrawName::new(bad).is_err(), "{bad:?}");
        }
    }
}
