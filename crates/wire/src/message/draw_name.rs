//! A draw's name in HELLO and WELCOME: UTF-8, at most 64 bytes. In HELLO it may be empty, for no
//! name.

use super::fields::{Fields, PayloadError};
use crate::limits::DRAW_NAME_LEN_MAX;
use std::borrow::Cow;
use thiserror::Error;

/// A draw's name of valid length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DrawName<'a>(Cow<'a, str>);

/// A name of more than 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a draw's name of {0} bytes, longer than the limit of {DRAW_NAME_LEN_MAX}")]
pub struct DrawNameTooLong(pub usize);

impl<'a> DrawName<'a> {
    /// Creates a name.
    ///
    /// # Errors
    /// When it is too long.
    pub fn new(name: impl Into<Cow<'a, str>>) -> Result<Self, DrawNameTooLong> {
        let name = name.into();
        if name.len() > DRAW_NAME_LEN_MAX {
            return Err(DrawNameTooLong(name.len()));
        }
        Ok(Self(name))
    }

    /// Returns the name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no draw is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Converts to owned text.
    pub fn into_owned(self) -> DrawName<'static> {
        DrawName(Cow::Owned(self.0.into_owned()))
    }

    pub(super) fn from_fields(fields: &mut Fields<'a>) -> Result<Self, PayloadError> {
        let text = fields.text()?;
        Self::new(text).map_err(|_| fields.malformed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_limited_in_bytes_not_characters() {
        assert!(DrawName::new("ñ".repeat(32)).is_ok());
        assert_eq!(DrawName::new("ñ".repeat(33)), Err(DrawNameTooLong(66)));
    }
}
