//! Short texts: names of people, agencies and places, and reasons.

use std::fmt;

use thiserror::Error;

use crate::limits::{LABEL_LEN_MAX, REASON_LEN_MAX};
use crate::text::{self, TextFault};

/// A single-line text of 1-64 bytes that follows the rules of [`text::accept`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

/// The reason for an act: at most 500 bytes, may be empty; otherwise follows [`text::accept`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(String);

/// A text that breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// Not a [`Label`].
    #[error("it {0}")]
    Label(TextFault),
    /// Not a [`Reason`].
    #[error("a reason {0}")]
    Reason(TextFault),
}

impl Label {
    /// Validates new input.
    ///
    /// # Errors
    /// [`TextError::Label`] when the text breaks the rules.
    pub fn new(text: impl AsRef<str>) -> Result<Self, TextError> {
        text::accept(text.as_ref(), LABEL_LEN_MAX).map(Self).map_err(TextError::Label)
    }

    /// Reads a stored label, which may predate the rules; `None` when it can't have been stored.
    #[must_use]
    pub fn stored(text: &str) -> Option<Self> {
        text::may_be_stored(text, LABEL_LEN_MAX).then(|| Self(text.to_owned()))
    }

    /// Converts any text to a label: shortens it and escapes forbidden characters.
    #[must_use]
    pub fn nearest(text: &str) -> Self {
        let mut nearest = String::new();
        for c in text.trim().chars() {
            let escapes = text::is_hidden(c);
            let shown = if escapes { c.escape_default().to_string() } else { c.into() };
            if nearest.len() + shown.len() > LABEL_LEN_MAX {
                break;
            }
            nearest += &shown;
        }
        Self::new(nearest.trim_end()).unwrap_or_else(|_| Self("-".to_owned()))
    }

    /// Whether both labels are equal after Unicode normalisation.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        text::is_same(&self.0, &other.0)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Reason {
    /// Validates new input, without surrounding spaces.
    ///
    /// # Errors
    /// [`TextError::Reason`] when the text breaks the rules.
    pub fn new(text: &str) -> Result<Self, TextError> {
        match text.trim() {
            "" => Ok(Self::default()),
            text => text::accept(text, REASON_LEN_MAX).map(Self).map_err(TextError::Reason),
        }
    }

    /// Reads a stored reason, which may predate the rules; `None` when it can't have been stored.
    #[must_use]
    pub fn stored(text: &str) -> Option<Self> {
        let may_be = text.is_empty() || text::may_be_stored(text, REASON_LEN_MAX);
        may_be.then(|| Self(text.to_owned()))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no reason was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_and_on_one_line() {
        assert!(Label::new("Ñandú 7").is_ok() && Label::new("x".repeat(64)).is_ok());
        for bad in ["", " a", "a\tb", "a\u{202e}b", &"x".repeat(65)] {
            assert!(matches!(Label::new(bad), Err(TextError::Label(_))), "{bad:?}");
        }
        for (text, nearest) in [
            ("ana", "ana"),
            (" a\tb ", "a\\tb"),
            ("a\u{202e}", "a\\u{202e}"),
            ("  ", "-"),
            ("", "-"),
        ] {
            assert_eq!(Label::nearest(text).as_str(), nearest, "{text:?}");
        }
        assert_eq!(Label::nearest(&"ñ".repeat(40)).as_str(), "ñ".repeat(32));
        assert_eq!(Reason::new("  corte de luz ").unwrap().as_str(), "corte de luz");
        for empty in ["", " \u{a0}"] {
            assert!(Reason::new(empty).unwrap().is_empty());
        }
        for bad in ["a\nb", "a\u{2028}b", &"x".repeat(501)] {
            assert!(matches!(Reason::new(bad), Err(TextError::Reason(_))), "{bad:?}");
        }
    }

    #[test]
    fn stored_texts_from_before_the_rules_are_read() {
        let text = "a\u{202e}b\u{200b}";
        assert_eq!(Label::stored(text).unwrap().as_str(), text);
        assert_eq!(Reason::stored(text).unwrap().as_str(), text);
        assert!(Reason::stored("").unwrap().is_empty());
        for bad in [" a", "a\tb", &"x".repeat(501)] {
            assert!(Label::stored(bad).is_none() && Reason::stored(bad).is_none(), "{bad:?}");
        }
    }
}
