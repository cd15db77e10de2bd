//! A bet: its five fields and their validation.
//!
//! A [`Bet`] borrows its text, so checking a batch copies nothing. [`Bet::check`] is the only
//! constructor, so every `Bet` is valid.

use std::fmt;

use thiserror::Error;

use crate::limits::{DOCUMENT_LEN_MAX, NAME_LEN_MAX, NUMBER_MAX_DEFAULT, NUMBER_MIN_DEFAULT};

/// A checked bet. Its text form is `first|last|document|YYYY-MM-DD|number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bet<'a> {
    first_name: &'a str,
    last_name: &'a str,
    document: &'a str,
    birthdate: Birthdate,
    number: u32,
}

/// The key of a bet in an index: opaque, compared for equality only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BetKey(pub u32);

/// A real day of the Gregorian calendar, years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Birthdate {
    year: u16,
    month: u8,
    day: u8,
}

/// The numbers that bets of a draw may be placed on, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    min: u32,
    max: u32,
}

/// A range whose minimum is above its maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the smallest number {min} is above the largest {max}")]
pub struct NumberRangeError {
    min: u32,
    max: u32,
}

/// Why a bet is invalid: the first invalid field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum BetFault {
    #[error("a bet has five fields: first name, last name, document, birthdate, number")]
    FieldCount,
    #[error("the first name must have 1 to 100 bytes, without control characters, '|' or '&'")]
    FirstName,
    #[error("the last name must have 1 to 100 bytes, without control characters, '|' or '&'")]
    LastName,
    #[error("the document must have 1 to 15 ASCII letters, digits, '.' or '-'")]
    Document,
    #[error("the birthdate must be a real date written YYYY-MM-DD")]
    Birthdate,
    #[error("the number must be decimal digits only, without sign or space")]
    NumberFormat,
    #[error("the number is outside the range of this draw")]
    NumberRange,
}

impl<'a> Bet<'a> {
    /// Validates the five fields.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn check(fields: [&'a str; 5], numbers: NumberRange) -> Result<Self, BetFault> {
        Self::check_plain(fields, numbers, false)
    }

    /// As [`Bet::check`]. With `plain` the caller has checked that no field has control characters,
    /// `|` or `&`: doing that once per batch takes a tenth of the time.
    pub(crate) fn check_plain(
        fields: [&'a str; 5],
        numbers: NumberRange,
        plain: bool,
    ) -> Result<Self, BetFault> {
        let [first_name, last_name, document, birthdate, number] = fields;
        if !is_name(first_name, plain) {
            return Err(BetFault::FirstName);
        }
        if !is_name(last_name, plain) {
            return Err(BetFault::LastName);
        }
        if !is_document(document) {
            return Err(BetFault::Document);
        }
        let birthdate = Birthdate::parse(birthdate).ok_or(BetFault::Birthdate)?;
        let number = parse_number(number).ok_or(BetFault::NumberFormat)?;
        match u32::try_from(number) {
            Ok(number) if numbers.contains(number) => {
                Ok(Self { first_name, last_name, document, birthdate, number })
            }
            _ => Err(BetFault::NumberRange),
        }
    }

    /// Returns the first name, 1-100 bytes.
    #[must_use]
    pub fn first_name(&self) -> &'a str {
        self.first_name
    }

    /// Returns the last name, 1-100 bytes.
    #[must_use]
    pub fn last_name(&self) -> &'a str {
        self.last_name
    }

    /// Returns the document: 1-15 ASCII letters, digits, `.` or `-`.
    #[must_use]
    pub fn document(&self) -> &'a str {
        self.document
    }

    /// Returns the birthdate.
    #[must_use]
    pub fn birthdate(&self) -> Birthdate {
        self.birthdate
    }

    /// Returns the number bet on.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl BetKey {
    /// Returns a bet's key.
    #[must_use]
    pub fn of(bet: &Bet<'_>) -> Self {
        Self::of_number(bet.number())
    }

    pub(crate) fn of_number(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Bet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first_name, last_name, document, birthdate, number } = self;
        write!(f, "{first_name}|{last_name}|{document}|{birthdate}|{number}")
    }
}

impl Birthdate {
    /// Parses `YYYY-MM-DD`; `None` unless it is a real date in that form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text.as_bytes() else {
            return None;
        };
        let digits = [y0, y1, y2, y3, m0, m1, d0, d1];
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let two = |tens: u8, ones: u8| (tens - b'0') * 10 + (ones - b'0');
        let year = u16::from(two(y0, y1)) * 100 + u16::from(two(y2, y3));
        let (month, day) = (two(m0, m1), two(d0, d1));
        let day_max = *DAYS_MAX.get(usize::from(month))?;
        let leap_day = (month, day) == (2, 29);
        let real = year > 0 && (1..=day_max).contains(&day) && (!leap_day || is_leap(year));
        real.then_some(Self { year, month, day })
    }
}

impl fmt::Display for Birthdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl NumberRange {
    /// Creates the range `min..=max`.
    ///
    /// # Errors
    /// When `min` is above `max`.
    pub fn new(min: u32, max: u32) -> Result<Self, NumberRangeError> {
        if min > max {
            return Err(NumberRangeError { min, max });
        }
        Ok(Self { min, max })
    }

    /// Returns the smallest number.
    #[must_use]
    pub fn min(self) -> u32 {
        self.min
    }

    /// Returns the largest number.
    #[must_use]
    pub fn max(self) -> u32 {
        self.max
    }

    /// Whether bets may be placed on `number`.
    #[must_use]
    pub fn contains(self, number: u32) -> bool {
        (self.min..=self.max).contains(&number)
    }
}

impl Default for NumberRange {
    fn default() -> Self {
        Self { min: NUMBER_MIN_DEFAULT, max: NUMBER_MAX_DEFAULT }
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

fn is_name(text: &str, plain: bool) -> bool {
    let is_plain = |text: &str| !has_control(text) && !text.contains(['|', '&']);
    (1..=NAME_LEN_MAX).contains(&text.len()) && (plain || is_plain(text))
}

/// Whether a text has a control character. Branch-free, so that it vectorises.
pub(crate) fn has_control(text: &str) -> bool {
    let bytes = text.as_bytes();
    let of_one = bytes.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == 0x7f));
    // U+0080 to U+009F are C2 80 to C2 9F in UTF-8: the only control characters of two bytes.
    let of_two =
        bytes.windows(2).fold(false, |found, two| found | ((two[0] == 0xc2) & (two[1] < 0xa0)));
    of_one || of_two
}

fn is_document(text: &str) -> bool {
    (1..=DOCUMENT_LEN_MAX).contains(&text.len())
        && text.bytes().all(|byte| IN_DOCUMENT[usize::from(byte)])
}

static IN_DOCUMENT: [bool; 256] = {
    let mut in_document = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        let good = byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        in_document[byte as usize] = good;
        byte += 1;
    }
    in_document
};

/// Parses decimal digits, saturating at `u64::MAX`; `None` for anything else.
fn parse_number(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0_u64, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}

const DAYS_MAX: [u8; 13] = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 5] = ["Ñandú", "D'Angelo", "30.904-465A", "1999-03-17", "0007"];

    fn check_with(position: usize, text: &str) -> Result<(), BetFault> {
        let mut fields = GOOD;
        fields[position] = text;
        Bet::check(fields, NumberRange::default()).map(|_| ())
    }

    #[test]
    fn a_valid_bet_prints_in_its_canonical_form() {
        let bet = Bet::check(GOOD, NumberRange::default()).unwrap();
        assert_eq!(bet.to_string(), "Ñandú|D'Angelo|30.904-465A|1999-03-17|7");
    }

    #[test]
    fn each_field_is_checked_by_its_own_rule() {
        let (name_100, name_101) = ("x".repeat(100), "x".repeat(101));
        let accented_101 = format!("{}é", "x".repeat(99));
        let name_cases: [(&str, bool); 13] = [
            ("", false),
            (" ", true),
            (&name_100, true),
            (&name_101, false),
            (&accented_101, false),
            ("a|b", false),
            ("a&b", false),
            ("a\tb", false),
            ("a\u{7f}", false),
            ("a\u{80}", false),
            ("a\u{85}", false),
            ("a\u{9f}", false),
            ("a\u{a0}é", true),
        ];
        for (text, good) in name_cases {
            assert_eq!(check_with(0, text), if good { Ok(()) } else { Err(BetFault::FirstName) });
            assert_eq!(check_with(1, text), if good { Ok(()) } else { Err(BetFault::LastName) });
        }
        let documents = [("", false), ("123456789012345", true), ("1234567890123456", false)]
            .into_iter()
            .chain([("M-1.2", true), ("1 2", false), ("1,2", false), ("ñ", false)]);
        for (text, good) in documents {
            let expected = if good { Ok(()) } else { Err(BetFault::Document) };
            assert_eq!(check_with(2, text), expected, "{text:?}");
        }
        let numbers = [
            ("0", Ok(())),
            ("9999", Ok(())),
            ("00000000000000000000000009999", Ok(())),
            ("10000", Err(BetFault::NumberRange)),
            ("4294967296", Err(BetFault::NumberRange)),
            ("99999999999999999999999999", Err(BetFault::NumberRange)),
            ("", Err(BetFault::NumberFormat)),
            ("+7", Err(BetFault::NumberFormat)),
            ("-7", Err(BetFault::NumberFormat)),
            (" 7", Err(BetFault::NumberFormat)),
            ("7 ", Err(BetFault::NumberFormat)),
            ("7.0", Err(BetFault::NumberFormat)),
            ("٧", Err(BetFault::NumberFormat)),
        ];
        for (text, expected) in numbers {
            assert_eq!(check_with(4, text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_birthdate_is_a_real_day() {
        let cases = [
            ("2000-02-29", true),
            ("1900-02-29", false),
            ("2024-02-29", true),
            ("2023-02-29", false),
            ("1999-04-31", false),
            ("1999-12-31", true),
            ("0001-01-01", true),
            ("0000-01-01", false),
            ("1999-00-10", false),
            ("1999-13-10", false),
            ("1999-01-00", false),
            ("1999-1-01", false),
            ("1999/01/01", false),
            ("+999-01-01", false),
            ("1999-01-01 ", false),
            ("", false),
        ];
        for (text, good) in cases {
            let expected = if good { Ok(()) } else { Err(BetFault::Birthdate) };
            assert_eq!(check_with(3, text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_backwards_range_is_refused() {
        assert!(NumberRange::new(2, 1).is_err());
        assert!(NumberRange::new(1, 1).unwrap().contains(1));
    }
}
