//! BETS, agency -> central: a batch of bets with its chunk id.
//!
//! ```text
//! u16 id = 12, u16 length
//! agency "&" chunk *( "&" bet )                                UTF-8
//! bet    = first-name "|" last-name "|" document "|" birthdate "|" number
//! agency, chunk = decimal digits, leading zeros allowed, fits u32
//! ```
//!
//! 2&7" is an empty batch; "2&7&" is a batch of one empty, invalid bet. Decoding parses the two numbers only: [`BetsFrame::text`] checks for UTF-8, and the store validates the bets. [`RawBets`] splits them, for agencies and tests.

use super::fields::PayloadError;
use crate::limits::BET_FIELDS;
use std::str::Split;
use thiserror::Error;

const MALFORMED: PayloadError = PayloadError::Malformed("BETS");

/// The payload of BETS, with the bets as raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BetsFrame<'a> {
    /// The agency.
    pub agency: u32,
    /// The batch's id, chosen by the agency.
    pub chunk: u32,
    /// The bets joined by `&`; `None` for an empty batch, `Some(b"")` for one empty bet.
    pub bets: Option<&'a [u8]>,
}

/// Iterates over the bets of a batch, split at `|`.
#[derive(Clone, Debug)]
pub struct RawBets<'a> {
    bets: Option<Split<'a, char>>,
}

/// The bets are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bets are not UTF-8")]
pub struct NotUtf8;

/// A bet does not have five fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a bet of {0} fields instead of {BET_FIELDS}")]
pub struct FieldCount(pub usize);

impl<'a> BetsFrame<'a> {
    /// Returns the bets as text; `None` for an empty batch.
    ///
    /// # Errors
    /// When they are not UTF-8.
    pub fn text(&self) -> Result<Option<&'a str>, NotUtf8> {
        self.bets.map(simdutf8::basic::from_utf8).transpose().map_err(|_| NotUtf8)
    }

    /// Iterates over the bets, each with five fields or a wrong count.
    ///
    /// # Errors
    /// When they are not UTF-8.
    pub fn raw_bets(&self) -> Result<RawBets<'a>, NotUtf8> {
        Ok(RawBets { bets: self.text()?.map(|text| text.split('&')) })
    }

    pub(super) fn from_payload(payload: &'a [u8]) -> Result<Self, PayloadError> {
        let (agency, rest) = decimal(payload)?;
        let (chunk, rest) = decimal(after_separator(rest)?.ok_or(MALFORMED)?)?;
        Ok(Self { agency, chunk, bets: after_separator(rest)? })
    }

    pub(super) fn put_payload(&self, out: &mut Vec<u8>) {
        put_numbers(out, self.agency, self.chunk);
        if let Some(bets) = self.bets {
            out.push(b'&');
            out.extend_from_slice(bets);
        }
    }
}

impl<'a> Iterator for RawBets<'a> {
    type Item = Result<[&'a str; BET_FIELDS], FieldCount>;

    fn next(&mut self) -> Option<Self::Item> {
        let bet = self.bets.as_mut()?.next()?;
        let mut fields = [""; BET_FIELDS];
        let mut count = 0;
        for field in bet.split('|') {
            if let Some(slot) = fields.get_mut(count) {
                *slot = field;
            }
            count += 1;
        }
        Some(if count == BET_FIELDS { Ok(fields) } else { Err(FieldCount(count)) })
    }
}

/// Appends the start of every BETS payload.
pub(super) fn put_numbers(out: &mut Vec<u8>, agency: u32, chunk: u32) {
    out.extend_from_slice(agency.to_string().as_bytes());
    out.push(b'&');
    out.extend_from_slice(chunk.to_string().as_bytes());
}

/// Parses leading digits; returns the number and the rest.
fn decimal(bytes: &[u8]) -> Result<(u32, &[u8]), PayloadError> {
    let mut number: u32 = 0;
    let mut len = 0;
    for digit in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        number = number
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u32::from(digit - b'0')))
            .ok_or(MALFORMED)?;
        len += 1;
    }
    if len == 0 { Err(MALFORMED) } else { Ok((number, &bytes[len..])) }
}

/// Returns the bytes after a `&`; `None` at the end of the payload.
fn after_separator(bytes: &[u8]) -> Result<Option<&[u8]>, PayloadError> {
    match bytes {
        [] => Ok(None),
        [b'&', rest @ ..] => Ok(Some(rest)),
        _ => Err(MALFORMED),
    }
}

#[cfg(test)]
mod tests {
    use super::super::AgencyMessage;
    use super::super::checks::check_agency_message;
    use super::*;

    fn bets(agency: u32, chunk: u32, bets: Option<&[u8]>) -> BetsFrame<'_> {
        BetsFrame { agency, chunk, bets }
    }

    #[test]
    fn bets_have_the_bytes_of_the_field() {
        let one = bets(1, 0, Some(b"Santiago Lionel|Lorca|30904465|1999-03-17|2201"));
        let bytes = b"\x00\x0c\x00\x321&0&Santiago Lionel|Lorca|30904465|1999-03-17|2201";
        check_agency_message(&AgencyMessage::Bets(one), bytes);
    }

    #[test]
    fn an_empty_batch_is_not_a_batch_of_one_empty_bet() {
        check_agency_message(&AgencyMessage::Bets(bets(2, 7, None)), b"\0\x0c\0\x032&7");
        check_agency_message(&AgencyMessage::Bets(bets(2, 7, Some(b""))), b"\0\x0c\0\x042&7&");
    }

    #[test]
    fn the_numbers_are_digits_that_fit_u32() {
        let decode = BetsFrame::from_payload;
        assert_eq!(decode(b"0&00"), Ok(bets(0, 0, None)));
        assert_eq!(decode(b"0000000000004&4294967295"), Ok(bets(4, u32::MAX, None)));
        for payload in [
            &b""[..],
            b"1",
            b"1&",
            b"&1",
            b"&",
            b"1&&x",
            b"+1&1",
            b"-1&1",
            b" 1&1",
            b"1 &1",
            b"1&1 ",
            b"1&+1",
            b"1&1|",
            b"1a&1",
            b"1&0x1",
            b"4294967296&1",
            b"1&4294967296",
            b"1&99999999999999999999",
            b"\xd9\xa1&1",
        ] {
            assert_eq!(decode(payload), Err(MALFORMED), "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn bets_that_are_not_utf8_are_decoded_but_fail_as_text() {
        let frame = BetsFrame::from_payload(b"1&2&\xff").expect("the numbers are right");
        assert_eq!(frame, bets(1, 2, Some(b"\xff")));
        assert_eq!(frame.text(), Err(NotUtf8));
        assert!(frame.raw_bets().is_err());
    }

    #[test]
    fn raw_bets_are_five_fields_each() {
        let frame = bets(1, 2, Some(b"a|b|c|d|e&|||||&a|b&&||||"));
        let bets: Vec<_> = frame.raw_bets().expect("UTF-8").collect();
        let expected = [
            Ok(["a", "b", "c", "d", "e"]),
            Err(FieldCount(6)),
            Err(FieldCount(2)),
            Err(FieldCount(1)),
            Ok([""; 5]),
        ];
        assert_eq!(bets, expected);
    }

    #[test]
    fn an_empty_batch_has_no_raw_bets_and_an_empty_bet_is_one() {
        assert_eq!(bets(1, 2, None).raw_bets().expect("UTF-8").count(), 0);
        assert_eq!(bets(1, 2, Some(b"")).raw_bets().expect("UTF-8").count(), 1);
    }
}
