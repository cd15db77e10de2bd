//! Draws: name, terms and states.

use std::fmt;

use thiserror::Error;

use crate::agencies::Agencies;
use crate::bet::NumberRange;
use crate::lifecycle::{HistoryEntry, HistoryStep, Lifecycle};
use crate::limits::DRAW_NAME_LEN_MAX;
use crate::text::{self, TextFault};

/// A draw's number in its store, from 1, in order of creation.
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

impl fmt::Display for Timestamp {
    /// Formats as RFC 3339, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_S: u64 = 86_400;
        const YEARS_400_DAYS: u64 = 146_097;
        let (second, ms) = (self.0 / 1000, self.0 % 1000);
        let (hour, minute) = (second % DAY_S / 3600, second % 3600 / 60);
        // Counts years from March, so that the leap day is a year's last.
        let day = second / DAY_S + 719_468;
        let of_400_years = day % YEARS_400_DAYS;
        let leaps = of_400_years / 1460 + of_400_years / (YEARS_400_DAYS - 1);
        let year_of_400 = (of_400_years + of_400_years / 36_524 - leaps) / 365;
        let of_year = of_400_years - (year_of_400 * 365 + year_of_400 / 4 - year_of_400 / 100);
        let from_march = (5 * of_year + 2) / 153;
        let of_month = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = day / YEARS_400_DAYS * 400 + year_of_400 + u64::from(month <= 2);
        let second = second % 60;
        write!(f, "{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}")?;
        write!(f, ".{ms:03}Z")
    }
}

/// A draw's name: 1-64 bytes that follow the rules of [`text::accept`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DrawName(String);

/// A text that can't be a draw's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a draw's name {0}")]
pub struct DrawNameError(pub TextFault);

impl DrawName {
    /// Validates new input.
    ///
    /// # Errors
    /// When the text breaks the rules.
    pub fn new(name: impl AsRef<str>) -> Result<Self, DrawNameError> {
        text::accept(name.as_ref(), DRAW_NAME_LEN_MAX).map(Self).map_err(DrawNameError)
    }

    /// Reads a stored name, which may predate the rules; `None` when it can't have been stored.
    #[must_use]
    pub fn stored(name: &str) -> Option<Self> {
        text::may_be_stored(name, DRAW_NAME_LEN_MAX).then(|| Self(name.to_owned()))
    }

    /// Reads a name that refers to a draw: an existing one, which may predate the rules, or a new
    /// one.
    ///
    /// # Errors
    /// When no draw can have the name.
    pub fn requested(name: &str) -> Result<Self, DrawNameError> {
        Self::stored(name).map_or_else(|| Self::new(name), Ok)
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both names are equal after Unicode normalisation.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        text::is_same(&self.0, &other.0)
    }

    /// Finds the draw with this exact name, or else one whose normalised name is the same.
    pub fn find<'a, T>(draws: &'a [T], name: &str, name_of: impl Fn(&T) -> &Self) -> Option<&'a T> {
        let exactly = draws.iter().find(|draw| name_of(draw).as_str() == name);
        exactly.or_else(|| {
            let is_same = text::same_as(name);
            draws.iter().find(|draw| is_same(name_of(draw).as_str()))
        })
    }
}

impl fmt::Display for DrawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is fixed when a draw is announced or opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawTerms {
    /// Its name, unique in a store.
    pub name: DrawName,
    /// The agencies that may bet in it; an automatic draw waits for all of them.
    pub agencies: Agencies,
    /// The numbers that may be bet on.
    pub numbers: NumberRange,
}

/// A winning number that must stay secret before the draw: `Debug` does not print it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SealedNumber(pub u32);

impl fmt::Debug for SealedNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedNumber")
    }
}

/// A draw's state. It only moves down this list, but for a result that is voided: the draw is
/// closed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DrawState {
    /// Does not take bets yet.
    Announced,
    /// Takes bets.
    Open,
    /// Takes no more bets; has no winning number yet.
    Closed,
    /// Has its winning number.
    Drawn {
        /// The winning number.
        number: u32,
    },
    /// Was cancelled before it was opened; its name is free.
    Cancelled,
}

/// The published status of a draw.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct DrawStatus {
    pub id: DrawId,
    pub terms: DrawTerms,
    pub state: DrawState,
    pub agencies_finished: u64,
    pub batches: u64,
    pub bets: u64,
    /// Its history.
    pub life: Lifecycle,
}

impl DrawStatus {
    /// Whether every agency of the draw has finished.
    #[must_use]
    pub fn all_finished(&self) -> bool {
        self.agencies_finished == self.terms.agencies.count()
    }

    /// Whether the numbers that operators entered at this time may be told: before its result was
    /// made, or before one that was voided.
    #[must_use]
    pub fn tells_entries_of(&self, at: Timestamp) -> bool {
        let is_void = |it: &&HistoryEntry| it.step == HistoryStep::Voided;
        match self.life.drawn_at {
            Some(made) => at <= made,
            None => self.life.history.iter().rfind(is_void).is_some_and(|void| at < void.at),
        }
    }

    /// Whether its winners are published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.life.published_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_rfc_3339() {
        for (ms, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_724_278_275_001, "2024-08-21T22:11:15.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_798_761_599_000, "2026-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(Timestamp(ms).to_string(), shown);
        }
        assert!(Timestamp(u64::MAX).to_string().ends_with('Z'));
    }

    #[test]
    fn stored_names_from_before_the_rules_are_read() {
        for older in ["sorteo", "a\u{202e}b", "man\u{303}ana"] {
            assert_eq!(DrawName::stored(older).unwrap().as_str(), older);
        }
        assert!(DrawName::new("a\u{202e}b").is_err());
        let (older, given) = (DrawName::stored("man\u{303}ana"), DrawName::new("man\u{303}ana"));
        let (older, given) = (older.unwrap(), given.unwrap());
        assert!(older != given && older.is_same(&given));
        for bad in ["", " ", " a", "a ", "a\nb", &"x".repeat(65)] {
            assert!(DrawName::stored(bad).is_none() && DrawName::new(bad).is_err(), "{bad:?}");
            assert_eq!(DrawName::requested(bad), DrawName::new(bad));
        }
        for older in ["a\u{202e}b", "man\u{303}ana"] {
            assert_eq!(DrawName::requested(older).ok(), DrawName::stored(older));
        }
        let long_apart = "n\u{303}".repeat(32);
        assert_eq!(DrawName::requested(&long_apart), DrawName::new("ñ".repeat(32)));
    }

    #[test]
    fn an_exact_name_is_preferred_to_a_normalised_match() {
        let draws = ["man\u{303}ana", "mañana", "\u{212a}ino"];
        let draws = draws.map(|name| DrawName::stored(name).unwrap());
        let find = |name| DrawName::find(&draws, name, |draw| draw);
        for (name, at) in [("man\u{303}ana", 0), ("mañana", 1), ("Kino", 2), ("\u{212a}ino", 2)] {
            assert_eq!(find(name), Some(&draws[at]), "{name}");
        }
        for name in ["", "manana", "Mañana", "kino"] {
            assert!(find(name).is_none(), "{name}");
        }
    }
}
