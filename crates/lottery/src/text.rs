//! The rules for texts that people type.
//!
//! - Stored in Unicode's NFC, so that equal texts are equal bytes.
//! - No invisible characters and none that reorder others; not blank, no spaces at the ends;
//!   bounded length.
//! - A name's [`Look`] finds others that look like it.
//!
//! The rules apply to new input. Older stored texts are read unchanged; [`shown`] escapes what is
//! invisible in them.

use std::borrow::Cow;
use std::fmt::Write as _;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use unicode_security::confusable_detection::skeleton;

/// Why a text is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum TextFault {
    #[error("must not be blank: type visible characters")]
    Blank,
    #[error("must have at most {0} bytes: shorten it")]
    TooLong(usize),
    #[error("must not begin or end with spaces: remove them")]
    Padded,
    #[error(
        "must not have invisible characters such as U+{code:04X}: type it instead of \
         pasting it",
        code = u32::from(*.0)
    )]
    Hidden(char),
}

/// How a name looks. Two names have equal looks when people would confuse them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Look(String);

/// Returns the text in the form to store.
///
/// # Errors
/// The rule that it breaks.
pub fn accept(text: &str, len_max: usize) -> Result<String, TextFault> {
    // Bounds the work of normalising, which never shortens a text that much.
    if text.len() > 4 * len_max {
        return Err(TextFault::TooLong(len_max));
    }
    let text: String = text.nfc().collect();
    match text.chars().find(|c| is_hidden(*c)) {
        _ if text.trim().is_empty() => Err(TextFault::Blank),
        Some(hidden) => Err(TextFault::Hidden(hidden)),
        None if text.trim() != text => Err(TextFault::Padded),
        None if text.len() > len_max => Err(TextFault::TooLong(len_max)),
        None => Ok(text),
    }
}

/// Whether a text may have been stored before [`accept`] existed.
pub(crate) fn may_be_stored(text: &str, len_max: usize) -> bool {
    let padded = text.trim() != text;
    !text.is_empty() && text.len() <= len_max && !padded && !text.chars().any(char::is_control)
}

/// Whether a character is invisible or reorders others. Spaces are not.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    use GeneralCategory as Category;
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let never_seen = matches!(
        c.general_category(),
        Category::Control
            | Category::Format
            | Category::LineSeparator
            | Category::ParagraphSeparator
    );
    // Invisible characters of other categories: a grapheme joiner, fillers, inherent vowels,
    // variation selectors, the blank braille cell, the null notehead, and code points that Unicode
    // reserves for such.
    never_seen
        || matches!(
            c,
            '\u{34f}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{2065}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fff8}'
                | '\u{1d159}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Escapes invisible characters, as in `a\u{202e}b`.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    escape_but(text, |_| false)
}

/// As [`shown`], but keeps line breaks.
#[must_use]
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    escape_but(text, |c| c == '\n')
}

/// Returns a count with its noun: `1 bet`, `2 bets`.
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Returns the bytes that hexadecimal digits stand for. Accepts lower-case digits only, so that
/// bytes have one written form.
#[must_use]
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks() else { return None };
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn escape_but(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let escaped = |c: char| is_hidden(c) && !stays(c);
    if !text.contains(escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if escaped(c) {
            write!(shown, "{}", c.escape_default()).expect("it is written to memory");
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

pub(crate) fn form(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { text.into() } else { text.nfc().collect::<String>().into() }
}

/// Returns a test for equality with `one` after normalisation.
pub fn same_as(one: &str) -> impl Fn(&str) -> bool {
    let one: String = one.nfc().collect();
    move |other| if other.is_ascii() { other == one } else { other.nfc().eq(one.chars()) }
}

pub(crate) fn is_same(one: &str, other: &str) -> bool {
    same_as(one)(other)
}

impl Look {
    /// The skeleton of a name as in Unicode's UTS 39, ignoring case and the number of spaces.
    #[must_use]
    pub fn of(name: &str) -> Self {
        // Before lowercasing and after: `I` looks like `l`, `i` does not.
        let same_letters = skeleton(name).collect::<String>().to_lowercase();
        let same_letters: String = skeleton(&same_letters).collect();
        Self(same_letters.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepted_texts_are_normalised() {
        let long = "x".repeat(64);
        for good in ["sorteo", "Quiniela nocturna 2026-11-23", "Ñandú 7", "夜の宝くじ", "🎱", &long]
        {
            assert_eq!(accept(good, 64).as_deref(), Ok(good));
        }
        assert_eq!(accept("man\u{303}ana", 64).as_deref(), Ok("mañana"));
        assert_eq!(accept(&"n\u{303}".repeat(32), 64), Ok("ñ".repeat(32)));
    }

    #[test]
    fn each_broken_rule_is_reported() {
        use TextFault::{Blank, Hidden, Padded, TooLong};
        for (bad, fault) in [
            ("", Blank),
            (" ", Blank),
            ("\u{a0}\u{3000}", Blank),
            (" a", Padded),
            ("a\u{a0}", Padded),
            ("\u{2003}a", Padded),
            ("a\nb", Hidden('\n')),
            ("a\u{7f}", Hidden('\u{7f}')),
            ("a\u{85}b", Hidden('\u{85}')),
            ("a\u{ad}b", Hidden('\u{ad}')),
            ("\u{34f}", Hidden('\u{34f}')),
            ("a\u{61c}", Hidden('\u{61c}')),
            ("\u{200b}", Hidden('\u{200b}')),
            ("a\u{200d}b", Hidden('\u{200d}')),
            ("\u{200e}a", Hidden('\u{200e}')),
            ("a\u{2028}b", Hidden('\u{2028}')),
            ("a\u{2029}b", Hidden('\u{2029}')),
            ("a\u{202e}b", Hidden('\u{202e}')),
            ("a\u{2060}b", Hidden('\u{2060}')),
            ("a\u{2066}b", Hidden('\u{2066}')),
            ("\u{2800}", Hidden('\u{2800}')),
            ("\u{3164}", Hidden('\u{3164}')),
            ("\u{ffa0}", Hidden('\u{ffa0}')),
            ("a\u{fe0f}", Hidden('\u{fe0f}')),
            ("\u{feff}a", Hidden('\u{feff}')),
            ("a\u{1d159}", Hidden('\u{1d159}')),
            ("a\u{e0041}", Hidden('\u{e0041}')),
            (&"x".repeat(65), TooLong(64)),
            (&"ñ".repeat(33), TooLong(64)),
            (&"x".repeat(100_000), TooLong(64)),
        ] {
            assert_eq!(accept(bad, 64), Err(fault), "{bad:?}");
        }
        let message = Hidden('\u{202e}').to_string();
        assert!(message.contains("such as U+202E"), "{message}");
    }

    #[test]
    fn lookalike_names_have_equal_looks() {
        for (one, other) in [
            ("Sorteo 1", "Sorteo l"),
            ("Sorteo I", "Sorteo l"),
            ("nocturna", "Nocturna"),
            ("nocturna", "noсturna"), // A Cyrillic с.
            ("NOCTURNA", "ΝΟCTURNA"), // Greek Ν and Ο.
            ("moderna", "modema"),
            ("mañana", "man\u{303}ana"),
            ("la gran 5", "la  gran\u{a0}5"),
            ("la gran 5", "la\u{200b} gran \u{202e}5"),
            ("sorteo", "ｓｏｒｔｅｏ"),
            ("2026-11-23", "2026‐11‐23"), // Hyphens.
        ] {
            assert_eq!(Look::of(one), Look::of(other), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("sorteo 1", "sorteo 2"),
            ("mañana", "manana"),
            ("nocturna", "nocturno"),
            ("la gran 5", "lagran 5"),
        ] {
            assert_ne!(Look::of(one), Look::of(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn bytes_have_one_form_in_hexadecimal_digits() {
        assert_eq!(from_hex("00097faf"), Some([0, 9, 0x7f, 0xaf]));
        assert_eq!(from_hex(""), Some([]));
        for wrong in
            ["", "00097f", "00097fa", "00097fafa", "00097faf00", "00097FAF", "0x097faf", "ñaaaaaa"]
        {
            assert_eq!(from_hex::<4>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn invisible_characters_are_escaped() {
        for (text, as_shown) in [
            ("mañana \"x\" \\", "mañana \"x\" \\"),
            ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
            ("a\nb\u{1b}[0m", "a\\nb\\u{1b}[0m"),
            ("a\u{a0}b", "a\u{a0}b"),
        ] {
            assert_eq!(shown(text), as_shown);
        }
        assert_eq!(shown_lines("a\nb\r\u{2028}"), "a\nb\\r\\u{2028}");
    }

    /// Any characters, often hidden ones or spaces.
    fn texts() -> impl Strategy<Value = String> {
        let chosen =
            prop::sample::select(vec!['\u{202e}', '\u{303}', 'n', ' ', '\u{a0}', '\u{ad}']);
        let characters =
            prop_oneof![4 => any::<char>(), 1 => chosen, 4 => prop::char::range('a', 'z')];
        prop::collection::vec(characters, 0..24).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn an_accepted_text_is_accepted_unchanged(text in texts()) {
            if let Ok(stored) = accept(&text, 64) {
                prop_assert_eq!(accept(&stored, 64), Ok(stored.clone()));
                prop_assert!(may_be_stored(&stored, 64));
                prop_assert!(is_same(&text, &stored));
                prop_assert_eq!(Look::of(&text), Look::of(&stored));
                prop_assert_eq!(&*shown(&stored), &*stored);
                let typed_apart: String = stored.nfd().collect();
                prop_assert_eq!(accept(&typed_apart, 64), Ok(stored));
            }
        }

        #[test]
        fn shown_texts_have_no_invisible_characters(text in texts()) {
            prop_assert!(!shown(&text).chars().any(is_hidden));
            prop_assert!(!shown_lines(&text).chars().any(|c| is_hidden(c) && c != '\n'));
        }
    }
}
