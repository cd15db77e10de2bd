//! The winners' documents in WINNERS and WINNERS_PART.
//!
//! ```text
//! WINNERS        u16 id = 17, u16 length, documents
//! WINNERS_PART   u16 id = 21, u16 length, u8 last (0 or 1), documents
//! documents      joined by ",", UTF-8; no bytes = no documents
//! ```
//!
//! WINNERS holds at most 65,535 bytes of them. More are sent in parts, which requires HELLO: see
//! [`super::winners_part`].

use super::fields::{Fields, PayloadError};
use crate::limits::DOCUMENTS_LEN_MAX;
use std::borrow::Cow;
use thiserror::Error;

/// Documents joined by commas, at most 65,535 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Documents<'a>(Cow<'a, str>);

/// Why documents can't be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DocumentsError {
    /// They do not fit the message.
    #[error("the documents take more than {max} bytes")]
    TooLong {
        /// The most bytes that fit.
        max: usize,
    },
    /// A document is empty or contains a comma, so it would not read back.
    #[error("a document that is empty or holds a comma cannot be sent")]
    Unsendable,
}

impl<'a> Documents<'a> {
    /// Joins `documents` for one WINNERS. Stops when they do not fit.
    ///
    /// # Errors
    /// When they do not fit, or one can't be sent.
    pub fn join<D: AsRef<str>>(
        documents: impl IntoIterator<Item = D>,
    ) -> Result<Documents<'static>, DocumentsError> {
        let mut text = String::new();
        for document in documents {
            push(&mut text, document.as_ref())?;
        }
        Ok(Documents(Cow::Owned(text)))
    }

    /// Wraps documents that are already joined.
    ///
    /// # Errors
    /// When `text` is too long.
    pub fn from_text(text: impl Into<Cow<'a, str>>) -> Result<Self, DocumentsError> {
        let text = text.into();
        if text.len() > DOCUMENTS_LEN_MAX {
            return Err(DocumentsError::TooLong { max: DOCUMENTS_LEN_MAX });
        }
        Ok(Self(text))
    }

    /// Returns the documents joined by commas.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Iterates over the documents.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        // Splitting an empty text returns one empty piece.
        self.text().split(',').filter(|_| !self.is_empty())
    }

    /// Whether there are no documents.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Converts to owned text.
    pub fn into_owned(self) -> Documents<'static> {
        Documents(Cow::Owned(self.0.into_owned()))
    }

    pub(super) fn from_fields(fields: &mut Fields<'a>) -> Result<Self, PayloadError> {
        Self::from_text(fields.text()?).map_err(|_| fields.malformed())
    }
}

fn push(text: &mut String, document: &str) -> Result<(), DocumentsError> {
    if document.is_empty() || document.contains(',') {
        return Err(DocumentsError::Unsendable);
    }
    let comma = if text.is_empty() { "" } else { "," };
    if text.len() + comma.len() + document.len() > DOCUMENTS_LEN_MAX {
        return Err(DocumentsError::TooLong { max: DOCUMENTS_LEN_MAX });
    }
    text.push_str(comma);
    text.push_str(document);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_are_no_documents() {
        assert_eq!(Documents::default().iter().count(), 0);
        assert_eq!(Documents::join([""; 0]), Ok(Documents::default()));
    }

    #[test]
    fn documents_are_joined_and_split_by_commas() {
        let documents = Documents::join(["30876370", "24807259"]).expect("short");
        assert_eq!(documents.text(), "30876370,24807259");
        assert_eq!(documents.iter().collect::<Vec<_>>(), ["30876370", "24807259"]);
    }

    #[test]
    fn documents_that_would_read_back_differently_are_refused() {
        assert_eq!(Documents::join(["1", ""]), Err(DocumentsError::Unsendable));
        assert_eq!(Documents::join(["1,2"]), Err(DocumentsError::Unsendable));
    }

    #[test]
    fn one_winners_holds_65535_bytes() {
        let too_long = Err(DocumentsError::TooLong { max: 65_535 });
        // 7,281 documents of 8 bytes with their commas take 65,528.
        let eights = std::iter::repeat_n("12345678", 7281);
        assert_eq!(
            Documents::join(eights.clone().chain(["123456"])).map(|d| d.0.len()),
            Ok(65_535)
        );
        assert_eq!(Documents::join(eights.chain(["1234567"])), too_long);
        assert!(Documents::from_text("1".repeat(65_535)).is_ok());
        assert_eq!(Documents::from_text("1".repeat(65_536)), too_long);
    }

    #[test]
    fn joining_stops_when_they_are_too_many() {
        let endless = std::iter::repeat("12345678");
        assert_eq!(Documents::join(endless), Err(DocumentsError::TooLong { max: 65_535 }));
    }
}
