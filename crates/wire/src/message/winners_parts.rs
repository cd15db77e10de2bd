//! Splits winners into WINNERS_PART messages, one at a time.
//!
//! Invariants: every message fits the frame limit; exactly one, the last, says that it is; no
//! winners make one empty part; memory is that of one part and one document, however many there
//! are. Each part is filled as far as the next document allows.

use super::documents::try_push;
use super::{CentralMessage, Documents, DocumentsError};
use crate::limits::{HEADER_LEN, assert_frame_len_max};

/// Winners on their way into parts.
#[derive(Debug)]
pub struct WinnersParts<I: Iterator> {
    documents: I,
    /// The document that did not fit the part before.
    waiting: Option<I::Item>,
    text_len_max: usize,
    text: String,
    ended: bool,
}

impl<D: AsRef<str>, I: Iterator<Item = D>> WinnersParts<I> {
    /// Splits `documents` into messages of at most `frame_len_max` bytes, header included.
    ///
    /// # Panics
    ///
    /// If `limits::check_frame_len_max` refuses `frame_len_max`.
    pub fn new(documents: impl IntoIterator<IntoIter = I, Item = D>, frame_len_max: u32) -> Self {
        assert_frame_len_max(frame_len_max);
        let text_len_max = (frame_len_max - HEADER_LEN - 1) as usize;
        let documents = documents.into_iter();
        Self { documents, waiting: None, text_len_max, text: String::new(), ended: false }
    }

    /// The next message; `None` after the last.
    ///
    /// # Errors
    ///
    /// If a document cannot be sent, or is too long for any part. Nothing comes after that.
    pub fn next_part(&mut self) -> Result<Option<CentralMessage<'_>>, DocumentsError> {
        if self.ended {
            return Ok(None);
        }
        // Until the part is known to be good, so that an error is the end.
        self.ended = true;
        self.text.clear();
        let last = loop {
            let Some(document) = self.waiting.take().or_else(|| self.documents.next()) else {
                break true;
            };
            if !try_push(&mut self.text, document.as_ref(), self.text_len_max)? {
                if self.text.is_empty() {
                    return Err(DocumentsError::TooLong { max: self.text_len_max });
                }
                self.waiting = Some(document);
                break false;
            }
        };
        self.ended = last;
        let documents = Documents::from_text(&self.text)?;
        Ok(Some(CentralMessage::WinnersPart { last, documents }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(documents: &[String], frame_len_max: u32) -> Vec<(bool, Vec<String>)> {
        let mut parts = WinnersParts::new(documents, frame_len_max);
        let mut found = Vec::new();
        while let Some(part) = parts.next_part().expect("good documents") {
            let mut bytes = Vec::new();
            part.encode(&mut bytes);
            assert!(bytes.len() <= frame_len_max as usize);
            let CentralMessage::WinnersPart { last, documents } = part else {
                panic!("not a part");
            };
            found.push((last, documents.iter().map(str::to_owned).collect()));
        }
        assert_eq!(parts.next_part(), Ok(None));
        found
    }

    #[test]
    fn no_winners_are_one_empty_part() {
        assert_eq!(parts(&[], 256), [(true, Vec::new())]);
    }

    #[test]
    fn winners_that_fit_are_one_part() {
        // 251 bytes: 28 documents of 8 bytes with their commas take 251 exactly.
        let documents = vec!["12345678".to_owned(); 28];
        assert_eq!(parts(&documents[..27], 256).len(), 1);
        assert_eq!(parts(&documents, 256).len(), 1);
        let longer = [&documents[..], &["1".to_owned()]].concat();
        assert_eq!(parts(&longer, 256)[1], (true, vec!["1".to_owned()]));
    }

    #[test]
    fn every_winner_is_in_one_part_in_order_and_only_the_last_part_is_last() {
        for count in 0..300 {
            let documents: Vec<_> = (0..count).map(|n| (n * 7919).to_string()).collect();
            let parts = parts(&documents, 256);
            let joined: Vec<_> =
                parts.iter().flat_map(|(_, documents)| documents.clone()).collect();
            assert_eq!(joined, documents);
            let lasts = parts.iter().filter(|(last, _)| *last).count();
            assert!(lasts == 1 && parts.last().is_some_and(|(last, _)| *last));
        }
    }

    #[test]
    fn parts_are_made_as_they_are_asked_for() {
        let mut taken = 0;
        let endless = std::iter::repeat_with(|| {
            taken += 1;
            "12345678"
        });
        let mut parts = WinnersParts::new(endless, 256);
        assert!(matches!(
            parts.next_part(),
            Ok(Some(CentralMessage::WinnersPart { last: false, .. }))
        ));
        assert_eq!(taken, 29, "one part of 28, and the one that did not fit");
    }

    #[test]
    fn the_longest_parts_can_be_encoded() {
        let documents = vec!["12345678".to_owned(); 20_000];
        assert_eq!(parts(&documents, 65_539).len(), 3);
    }

    #[test]
    fn a_document_that_fits_no_part_ends_it() {
        let long = "1".repeat(252);
        let mut parts = WinnersParts::new(["1", &long, "2"], 256);
        assert!(matches!(parts.next_part(), Ok(Some(_))));
        assert_eq!(parts.next_part(), Err(DocumentsError::TooLong { max: 251 }));
        assert_eq!(parts.next_part(), Ok(None));
        let mut parts = WinnersParts::new(["1", "2,3"], 256);
        assert_eq!(parts.next_part(), Err(DocumentsError::Unsendable));
        assert_eq!(parts.next_part(), Ok(None));
    }
}
