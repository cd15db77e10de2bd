//! HELLO, agency -> central: the agency and its draw. Only as the first message.
//!
//! ```text
//! u16 id = 18, u16 length
//! u16 version        the highest that the agency speaks
//! u32 agency
//! [0..=64] name      of the draw, UTF-8; empty = none is named
//! ```

use super::draw_name::DrawName;
use super::fields::{Fields, PayloadError};

/// The payload of HELLO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The highest version of the protocol that the agency speaks.
    pub version: u16,
    /// The agency of this connection.
    pub agency: u32,
    /// The draw; empty for none.
    pub draw_name: DrawName<'a>,
}

impl<'a> Hello<'a> {
    pub(super) fn from_payload(payload: &'a [u8]) -> Result<Self, PayloadError> {
        let mut fields = Fields::new(payload, "HELLO");
        let version = fields.u16()?;
        let agency = fields.u32()?;
        Ok(Self { version, agency, draw_name: DrawName::from_fields(&mut fields)? })
    }

    pub(super) fn put_payload(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.agency.to_be_bytes());
        out.extend_from_slice(self.draw_name.as_str().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::check_agency_message;
    use super::super::{AgencyMessage, DecodeError};
    use super::*;

    fn hello(draw_name: &str) -> AgencyMessage<'_> {
        let draw_name = DrawName::new(draw_name).expect("short");
        AgencyMessage::Hello(Hello { version: 1, agency: 7, draw_name })
    }

    #[test]
    fn hello_has_these_bytes() {
        check_agency_message(&hello("año"), b"\0\x12\0\x0a\0\x01\0\0\0\x07a\xc3\xb1o");
        check_agency_message(&hello(""), b"\0\x12\0\x06\0\x01\0\0\0\x07");
    }

    #[test]
    fn a_name_over_64_bytes_is_malformed() {
        let with_name = |len: u8| {
            [&[0, 18, 0, 6 + len, 0, 1, 0, 0, 0, 7], "n".repeat(len.into()).as_bytes()].concat()
        };
        assert!(AgencyMessage::decode(&with_name(64)).is_ok());
        let malformed = Err(DecodeError::Payload(PayloadError::Malformed("HELLO")));
        assert_eq!(AgencyMessage::decode(&with_name(65)), malformed);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_refused_as_such() {
        let bytes = b"\0\x12\0\x07\0\x01\0\0\0\x07\xff";
        let not_utf8 = Err(DecodeError::Payload(PayloadError::NotUtf8("HELLO")));
        assert_eq!(AgencyMessage::decode(bytes), not_utf8);
    }

    #[test]
    fn a_payload_too_short_is_malformed() {
        let malformed = Err(DecodeError::Payload(PayloadError::Malformed("HELLO")));
        assert_eq!(AgencyMessage::decode(b"\0\x12\0\x05\0\x01\0\0\0"), malformed);
    }
}
