//! How a file of bets is written: field delimiter, header line and text encoding.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use encoding_rs::{Decoder, DecoderResult, UTF_8};
use thiserror::Error;

use crate::limits::{DECODED_LEN, READ_LEN};

/// How a file of bets is written. By default: commas, no header, UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The character between two fields.
    pub delimiter: Delimiter,
    /// Whether the first row is a header instead of a bet.
    pub header: bool,
    /// The text encoding. A byte order mark overrides it.
    pub encoding: Encoding,
}

/// The character between two fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(u8);

/// A text encoding, identified by its name in the WHATWG Encoding Standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

/// An invalid value for a [`Form`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormError {
    /// The text is not a valid [`Delimiter`].
    #[error("'{0}' is not a field separator: use one ASCII character such as ';', or 'tab'")]
    Delimiter(String),
    /// The text is not a known [`Encoding`].
    #[error("'{0}' is not a known encoding, such as utf-8, windows-1252 or utf-16le")]
    Encoding(String),
}

impl Delimiter {
    /// Returns the character, which is ASCII.
    #[must_use]
    pub fn byte(self) -> u8 {
        self.0
    }
}

impl Encoding {
    pub(crate) fn of(encoding: &'static encoding_rs::Encoding) -> Self {
        Self(encoding)
    }

    pub(crate) fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    /// Decodes `bytes`, replacing malformed sequences.
    pub(crate) fn decode_lossy(self, bytes: &[u8]) -> String {
        self.0.decode(bytes).0.into_owned()
    }
}

impl Default for Delimiter {
    fn default() -> Self {
        Self(b',')
    }
}

impl Default for Encoding {
    fn default() -> Self {
        Self(UTF_8)
    }
}

impl FromStr for Delimiter {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        match text.as_bytes() {
            b"tab" | b"\\t" => Ok(Self(b'\t')),
            // Letters and digits occur in fields; quotation marks enclose them.
            &[byte] if byte == b'\t' || (byte.is_ascii_punctuation() && byte != b'"') => {
                Ok(Self(byte))
            }
            _ => Err(FormError::Delimiter(text.to_owned())),
        }
    }
}

impl FromStr for Encoding {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let known = encoding_rs::Encoding::for_label_no_replacement(text.as_bytes());
        known.map(Self).ok_or_else(|| FormError::Encoding(text.to_owned()))
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\t' => f.write_str("tab"),
            byte => write!(f, "{}", char::from(byte)),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name().to_ascii_lowercase())
    }
}

/// Converts text of any encoding to UTF-8. A malformed sequence becomes [`NOT_TEXT`], so that the
/// row that holds it is refused; UTF-8 input is passed through unchanged.
#[derive(Debug)]
pub(crate) struct Decoded<R> {
    input: R,
    /// `None` for UTF-8.
    decoding: Option<Box<Decoding>>,
}

/// A byte that never occurs in UTF-8.
const NOT_TEXT: u8 = 0xff;

struct Decoding {
    decoder: Decoder,
    /// The input buffer; `raw[raw_start..raw_end]` is not decoded yet.
    raw: Vec<u8>,
    raw_start: usize,
    raw_end: usize,
    /// The output buffer; `text[start..end]` is not returned yet.
    text: Vec<u8>,
    start: usize,
    end: usize,
    input_ended: bool,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    pub(crate) fn new(input: R, encoding: Encoding) -> Self {
        let decoding = (!encoding.is_utf8()).then(|| Box::new(Decoding::of(encoding)));
        Self { input, decoding }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Self { input, decoding: Some(decoding) } = self else { return self.input.read(room) };
        while decoding.start == decoding.end && !decoding.ended {
            decoding.decode_more(input)?;
        }
        let Decoding { text, start, end, .. } = &mut **decoding;
        let len = room.len().min(*end - *start);
        room[..len].copy_from_slice(&text[*start..*start + len]);
        *start += len;
        Ok(len)
    }
}

impl Decoding {
    fn of(Encoding(encoding): Encoding) -> Self {
        Self {
            decoder: encoding.new_decoder(),
            raw: vec![0; READ_LEN],
            raw_start: 0,
            raw_end: 0,
            text: vec![0; DECODED_LEN],
            start: 0,
            end: 0,
            input_ended: false,
            ended: false,
        }
    }

    /// Decodes buffered input, reading more first if needed. Must not be called after the end.
    fn decode_more(&mut self, input: &mut impl Read) -> io::Result<()> {
        if self.raw_start == self.raw_end && !self.input_ended {
            self.raw_end = input.read(&mut self.raw)?;
            self.raw_start = 0;
            self.input_ended = self.raw_end == 0;
        }
        // The last byte is reserved for NOT_TEXT.
        let room = self.text.len() - 1;
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
            &self.raw[self.raw_start..self.raw_end],
            &mut self.text[..room],
            self.input_ended,
        );
        self.raw_start += read;
        (self.start, self.end) = (0, written);
        match result {
            DecoderResult::Malformed(..) => {
                self.text[written] = NOT_TEXT;
                self.end += 1;
            }
            DecoderResult::InputEmpty => self.ended = self.input_ended,
            DecoderResult::OutputFull => {}
        }
        Ok(())
    }
}

impl fmt::Debug for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoding").field("encoding", &self.decoder.encoding()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8], encoding: &str, piece_len: usize) -> Vec<u8> {
        let mut reader = Decoded::new(bytes, encoding.parse().unwrap());
        let (mut text, mut piece) = (Vec::new(), vec![0; piece_len]);
        loop {
            match reader.read(&mut piece).unwrap() {
                0 => return text,
                len => text.extend(&piece[..len]),
            }
        }
    }

    fn utf16le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn values_are_read_as_they_are_shown() {
        for text in [",", ";", "|", "tab"] {
            assert_eq!(text.parse::<Delimiter>().unwrap().to_string(), text);
        }
        assert_eq!("\\t".parse::<Delimiter>(), "\t".parse());
        for text in ["", "\"", "\n", "a", "1", " ", ";;", "ñ"] {
            assert!(text.parse::<Delimiter>().is_err(), "{text:?}");
        }
        for text in ["utf-8", "windows-1252", "utf-16le", "iso-8859-15"] {
            assert_eq!(text.parse::<Encoding>().unwrap().to_string(), text);
        }
        assert_eq!("latin1".parse::<Encoding>(), "Windows-1252".parse());
        for text in ["", "ascii-ish", "iso-2022-cn", "replacement"] {
            assert!(text.parse::<Encoding>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_becomes_a_byte_that_is_none() {
        // An unpaired surrogate, and half a code unit at the end.
        let bytes = [&utf16le("a"), &[0x00, 0xd8][..], &utf16le("b"), &[7]].concat();
        assert_eq!(decoded(&bytes, "utf-16le", 9), b"a\xffb\xff");
    }

    #[test]
    fn a_byte_order_mark_says_which_way_round() {
        let text = "\u{feff}José";
        let big_end_first: Vec<_> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [big_end_first, utf16le(text)] {
            assert_eq!(decoded(&bytes, "utf-16", 9), "José".as_bytes());
        }
    }

    proptest! {
        #[test]
        fn text_is_the_same_in_every_encoding(
            text in "[a-zñÑéü,\n]{0,200}",
            piece_len in 1_usize..50,
        ) {
            let latin: Vec<_> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            prop_assert_eq!(decoded(&latin, "latin1", piece_len), text.as_bytes());
            prop_assert_eq!(decoded(&utf16le(&text), "utf-16le", piece_len), text.as_bytes());
            prop_assert_eq!(decoded(text.as_bytes(), "utf-8", piece_len), text.as_bytes());
        }
    }
}
