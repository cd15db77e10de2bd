//! Builds a BETS message bet by bet, within the length limit.
//!
//! Fields never contain `|` or `&`, so the bets read back as they were pushed. They are not
//! validated: canonical text requires canonical fields.

use super::bets::put_numbers;
use crate::frame::{ids, set_len};
use crate::limits::{BET_FIELDS, assert_frame_len_max};
use thiserror::Error;

/// A BETS message under construction.
#[derive(Clone, Debug)]
pub struct BetsEncoder {
    frame: Vec<u8>,
    frame_len_max: usize,
    /// The offset of the bets' text, once there are any.
    bets_at: usize,
    bets: u32,
}

/// Why a bet fits in no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PushError {
    /// This field, counted from 0, contains a separator, `|` or `&`.
    #[error("field {0} holds '|' or '&', which the protocol cannot carry")]
    Separator(usize),
    /// The bet is too long even for an empty message.
    #[error("a bet of {len} bytes, longer than the {max} that a message can carry")]
    TooLong {
        /// The length of the bet's text.
        len: usize,
        /// The longest that fits an empty message.
        max: usize,
    },
}

impl BetsEncoder {
    /// Creates an empty batch of at most `frame_len_max` bytes, the 4 of the header included.
    ///
    /// # Panics
    /// When `limits::check_frame_len_max` rejects `frame_len_max`.
    pub fn new(agency: u32, chunk: u32, frame_len_max: u32) -> Self {
        assert_frame_len_max(frame_len_max);
        let frame_len_max = frame_len_max as usize;
        let mut frame = Vec::with_capacity(frame_len_max);
        frame.extend_from_slice(&ids::BETS.to_be_bytes());
        frame.extend_from_slice(&[0, 0]);
        put_numbers(&mut frame, agency, chunk);
        let bets_at = frame.len() + 1;
        Self { frame, frame_len_max, bets_at, bets: 0 }
    }

    /// Adds a bet: first name, last name, document, birthdate, number. Returns `false` and adds
    /// nothing when it does not fit this batch any more.
    ///
    /// # Errors
    /// When it fits in no batch. Nothing is added.
    pub fn try_push(&mut self, fields: &[&str; BET_FIELDS]) -> Result<bool, PushError> {
        let is_separator = |byte: &u8| matches!(byte, b'|' | b'&');
        if let Some(field) =
            fields.iter().position(|field| field.as_bytes().iter().any(is_separator))
        {
            return Err(PushError::Separator(field));
        }
        let len = fields.iter().map(|field| field.len()).sum::<usize>() + BET_FIELDS - 1;
        if self.frame.len() + 1 + len > self.frame_len_max {
            let max = self.frame_len_max - self.bets_at;
            return if len > max { Err(PushError::TooLong { len, max }) } else { Ok(false) };
        }
        for (separator, field) in [b'&', b'|', b'|', b'|', b'|'].into_iter().zip(fields) {
            self.frame.push(separator);
            self.frame.extend_from_slice(field.as_bytes());
        }
        self.bets += 1;
        Ok(true)
    }

    /// Returns the number of bets.
    pub fn bets(&self) -> u32 {
        self.bets
    }

    /// Whether there are no bets.
    pub fn is_empty(&self) -> bool {
        self.bets == 0
    }

    /// Returns the bets joined by `&`, for the chunk's content digest.
    pub fn bets_text(&self) -> &[u8] {
        self.frame.get(self.bets_at..).unwrap_or_default()
    }

    /// Returns the encoded message.
    pub fn finish(mut self) -> Vec<u8> {
        set_len(&mut self.frame);
        self.frame
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AgencyMessage, BetsFrame};
    use super::*;

    const BET: [&str; 5] = ["Santiago Lionel", "Lorca", "30904465", "1999-03-17", "2201"];

    #[test]
    fn a_batch_has_the_bytes_of_the_field() {
        let mut encoder = BetsEncoder::new(1, 0, 8192);
        assert_eq!(encoder.try_push(&BET), Ok(true));
        let text = b"Santiago Lionel|Lorca|30904465|1999-03-17|2201";
        assert_eq!((encoder.bets(), encoder.bets_text()), (1, &text[..]));
        assert_eq!(encoder.finish(), [&b"\x00\x0c\x00\x321&0&"[..], text].concat());
    }

    #[test]
    fn a_batch_without_bets_has_no_text() {
        let encoder = BetsEncoder::new(2, 7, 8192);
        assert!(encoder.is_empty() && encoder.bets_text().is_empty());
        assert_eq!(encoder.finish(), b"\0\x0c\0\x032&7");
    }

    #[test]
    fn a_batch_can_fill_the_limit_exactly() {
        // 1&0" and the header take 7 bytes, which leaves 249 for two bets of 99 and one of 51.
        let name = |len: usize| "n".repeat(len - 5);
        let mut encoder = BetsEncoder::new(1, 0, 256);
        assert_eq!(encoder.try_push(&[&name(100), "", "", "", ""]), Ok(true));
        assert_eq!(encoder.try_push(&[&name(100), "", "", "", ""]), Ok(true));
        assert_eq!(encoder.try_push(&[&name(50), "", "", "", ""]), Ok(false));
        assert_eq!(encoder.bets(), 2);
        assert_eq!(encoder.try_push(&[&name(49), "", "", "", ""]), Ok(true));
        assert_eq!(encoder.finish().len(), 256);
    }

    #[test]
    fn a_bet_that_fits_no_batch_is_refused_at_any_position() {
        let too_long = Err(PushError::TooLong { len: 249, max: 248 });
        let mut encoder = BetsEncoder::new(1, 0, 256);
        assert_eq!(encoder.try_push(&[&"n".repeat(245), "", "", "", ""]), too_long);
        assert_eq!(encoder.try_push(&BET), Ok(true));
        assert_eq!(encoder.try_push(&[&"n".repeat(245), "", "", "", ""]), too_long);
        assert_eq!(encoder.try_push(&[&"n".repeat(244), "", "", "", ""]), Ok(false));
        assert_eq!(encoder.bets(), 1);
    }

    #[test]
    fn separators_in_fields_are_refused() {
        let mut encoder = BetsEncoder::new(1, 0, 8192);
        for (field, bad) in [(0, "a|b"), (1, "&"), (4, "1|")] {
            let mut fields = BET;
            fields[field] = bad;
            assert_eq!(encoder.try_push(&fields), Err(PushError::Separator(field)));
        }
        assert_eq!(encoder.finish().len(), 7);
    }

    #[test]
    fn the_longest_message_can_be_filled() {
        let mut encoder = BetsEncoder::new(u32::MAX, u32::MAX, 65_539);
        while encoder.try_push(&BET) == Ok(true) {}
        let bets = encoder.bets();
        let frame = encoder.finish();
        let Ok(AgencyMessage::Bets(BetsFrame {
            agency: u32::MAX,
            chunk: u32::MAX,
            bets: Some(text),
        })) = AgencyMessage::decode(&frame)
        else {
            panic!("not decoded");
        };
        assert_eq!(text.split(|byte| *byte == b'&').count(), bets as usize);
    }
}
