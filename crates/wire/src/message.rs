//! The messages of both sides and their encoding.
//!
//! | id | type | from -> to | payload |
//! |---|---|---|---|
//! | 12 | [`BetsFrame`] | agency -> central | see [`bets`] |
//! | 13 | [`CentralMessage::BetsAck`] | central -> agency | u32 chunk |
//! | 14 | [`AgencyMessage::Finish`] | agency -> central | u32 agency |
//! | 14 | [`CentralMessage::FinishAck`] | central -> agency | u32 agency |
//! | 15 | [`AgencyMessage::GetWinners`] | agency -> central | u32 agency |
//! | 16 | [`CentralMessage::NoWinners`] | central -> agency | nothing |
//! | 17 | [`CentralMessage::Winners`] | central -> agency | see [`documents`] |
//! | 18 | [`Hello`] | agency -> central | see [`hello`] |
//! | 19 | [`Welcome`] | central -> agency | see [`welcome`] |
//! | 20 | [`ErrorMessage`] | central -> agency | see [`error`] |
//! | 21 | [`CentralMessage::WinnersPart`] | central -> agency | see [`documents`] |
//!
//! Decoding borrows from the bytes; only ERROR allocates. A payload must be used up exactly.
//! Decoding BETS parses its two numbers only, so its cost does not depend on the number of bets.

pub mod bets;
pub mod bets_encoder;
pub mod documents;
pub mod draw_name;
pub mod error;
mod fields;
pub mod hello;
pub mod welcome;
pub mod winners_parts;

#[cfg(test)]
pub(crate) mod checks;

pub use bets::{BetsFrame, FieldCount, NotUtf8, RawBets};
pub use bets_encoder::{BetsEncoder, PushError};
pub use documents::{Documents, DocumentsError};
pub use draw_name::{DrawName, DrawNameTooLong};
pub use error::{ErrorMessage, Fault};
pub use fields::PayloadError;
pub use hello::Hello;
pub use welcome::{DrawState, Welcome};
pub use winners_parts::winners_part;

use crate::frame::{Frame, FrameError, Sender, header, ids, put_fixed, put_prefixed};
use crate::limits::MESSAGE_LEN_MAX;
use fields::Fields;
use thiserror::Error;

/// A message from an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum AgencyMessage<'a> {
    /// The agency and its draw.
    Hello(Hello<'a>),
    Bets(BetsFrame<'a>),
    /// No more bets will come from this agency.
    Finish {
        agency: u32,
    },
    /// Requests the agency's winners.
    GetWinners {
        agency: u32,
    },
}

/// A message from the central.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CentralMessage<'a> {
    /// Every bet of the chunk is stored.
    BetsAck {
        chunk: u32,
    },
    /// The agency's FINISH is recorded.
    FinishAck {
        agency: u32,
    },
    /// The draw has not been made yet.
    NoWinners,
    /// All winners, to an agency without HELLO.
    Winners(Documents<'a>),
    Welcome(Welcome<'a>),
    /// A request was refused.
    Error(ErrorMessage),
    /// Some winners, to an agency with HELLO.
    WinnersPart {
        /// Whether this is the last part.
        last: bool,
        /// At most 65,534 bytes of documents.
        documents: Documents<'a>,
    },
}

/// Bytes that are not exactly one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum DecodeError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error("the message is cut short")]
    Truncated,
    #[error("{0} bytes after the message")]
    Trailing(usize),
}

impl<'a> AgencyMessage<'a> {
    /// Decodes a frame that an agency sent.
    ///
    /// # Errors
    /// When its payload is invalid.
    pub fn from_frame(frame: Frame<'a>) -> Result<Self, PayloadError> {
        Ok(match frame.id {
            ids::BETS => Self::Bets(BetsFrame::from_payload(frame.payload)?),
            ids::FINISH => Self::Finish { agency: only_u32(frame.payload, "FINISH")? },
            ids::GET_WINNERS => {
                Self::GetWinners { agency: only_u32(frame.payload, "GET_WINNERS")? }
            }
            ids::HELLO => Self::Hello(Hello::from_payload(frame.payload)?),
            _ => return Err(PayloadError::Malformed("message id")),
        })
    }

    /// Decodes exactly one message of an agency.
    ///
    /// # Errors
    /// When `bytes` are not exactly one message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self::from_frame(only_frame(Sender::Agency, bytes)?)?)
    }

    /// Returns the agency in the message.
    pub fn agency(&self) -> u32 {
        match self {
            Self::Hello(hello) => hello.agency,
            Self::Bets(bets) => bets.agency,
            Self::Finish { agency } | Self::GetWinners { agency } => *agency,
        }
    }

    /// Appends the encoded message.
    ///
    /// # Panics
    /// When the bets do not fit the longest message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => put_prefixed(out, ids::HELLO, |out| hello.put_payload(out)),
            Self::Bets(bets) => put_prefixed(out, ids::BETS, |out| bets.put_payload(out)),
            Self::Finish { agency } => put_fixed(out, ids::FINISH, &agency.to_be_bytes()),
            Self::GetWinners { agency } => put_fixed(out, ids::GET_WINNERS, &agency.to_be_bytes()),
        }
    }
}

impl<'a> CentralMessage<'a> {
    /// Decodes a frame that the central sent.
    ///
    /// # Errors
    /// When its payload is invalid.
    pub fn from_frame(frame: Frame<'a>) -> Result<Self, PayloadError> {
        Ok(match frame.id {
            ids::BETS_ACK => Self::BetsAck { chunk: only_u32(frame.payload, "BETS_ACK")? },
            ids::FINISH_ACK => Self::FinishAck { agency: only_u32(frame.payload, "FINISH_ACK")? },
            ids::NO_WINNERS => {
                Fields::new(frame.payload, "NO_WINNERS").end()?;
                Self::NoWinners
            }
            ids::WINNERS => {
                let mut fields = Fields::new(frame.payload, "WINNERS");
                Self::Winners(Documents::from_fields(&mut fields)?)
            }
            ids::WELCOME => Self::Welcome(Welcome::from_payload(frame.payload)?),
            ids::ERROR => Self::Error(ErrorMessage::from_payload(frame.payload)?),
            ids::WINNERS_PART => {
                let mut fields = Fields::new(frame.payload, "WINNERS_PART");
                let last = fields.flag()?;
                Self::WinnersPart { last, documents: Documents::from_fields(&mut fields)? }
            }
            _ => return Err(PayloadError::Malformed("message id")),
        })
    }

    /// Decodes exactly one message of the central.
    ///
    /// # Errors
    /// When `bytes` are not exactly one message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self::from_frame(only_frame(Sender::Central, bytes)?)?)
    }

    /// Appends the encoded message.
    ///
    /// # Panics
    /// When the documents of a WINNERS_PART take 65,535 bytes: `last` is one more.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::BetsAck { chunk } => put_fixed(out, ids::BETS_ACK, &chunk.to_be_bytes()),
            Self::FinishAck { agency } => put_fixed(out, ids::FINISH_ACK, &agency.to_be_bytes()),
            Self::NoWinners => put_fixed(out, ids::NO_WINNERS, &[]),
            Self::Winners(documents) => put_prefixed(out, ids::WINNERS, |out| {
                out.extend_from_slice(documents.text().as_bytes());
            }),
            Self::Welcome(welcome) => {
                put_prefixed(out, ids::WELCOME, |out| welcome.put_payload(out));
            }
            Self::Error(error) => put_prefixed(out, ids::ERROR, |out| error.put_payload(out)),
            Self::WinnersPart { last, documents } => put_prefixed(out, ids::WINNERS_PART, |out| {
                out.push(u8::from(*last));
                out.extend_from_slice(documents.text().as_bytes());
            }),
        }
    }

    /// Returns the message's name in the protocol.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BetsAck { .. } => "BETS_ACK",
            Self::FinishAck { .. } => "FINISH_ACK",
            Self::NoWinners => "NO_WINNERS",
            Self::Winners(_) => "WINNERS",
            Self::Welcome(_) => "WELCOME",
            Self::Error(_) => "ERROR",
            Self::WinnersPart { .. } => "WINNERS_PART",
        }
    }

    /// Whether original agencies know this message. Without HELLO, only these are sent, and
    /// possibly one ERROR before closing.
    pub fn is_of_the_field(&self) -> bool {
        match self {
            Self::BetsAck { .. } | Self::FinishAck { .. } | Self::NoWinners | Self::Winners(_) => {
                true
            }
            Self::Welcome(_) | Self::Error(_) | Self::WinnersPart { .. } => false,
        }
    }
}

fn only_frame(sender: Sender, bytes: &[u8]) -> Result<Frame<'_>, DecodeError> {
    let header = header(sender, bytes, MESSAGE_LEN_MAX)?.ok_or(DecodeError::Truncated)?;
    if bytes.len() > header.len {
        return Err(DecodeError::Trailing(bytes.len() - header.len));
    }
    let payload = bytes.get(header.payload_at..header.len).ok_or(DecodeError::Truncated)?;
    Ok(Frame { id: header.id, payload })
}

fn only_u32(payload: &[u8], message: &'static str) -> Result<u32, PayloadError> {
    let mut fields = Fields::new(payload, message);
    let number = fields.u32()?;
    fields.end()?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::checks::{check_agency_message, check_central_message};
    use super::*;

    #[test]
    fn finish_and_get_winners_are_an_id_and_an_agency() {
        check_agency_message(&AgencyMessage::Finish { agency: 5 }, &[0, 14, 0, 0, 0, 5]);
        check_agency_message(&AgencyMessage::GetWinners { agency: 258 }, &[0, 15, 0, 0, 1, 2]);
    }

    #[test]
    fn the_acks_echo_a_number() {
        check_central_message(&CentralMessage::BetsAck { chunk: 43 }, &[0, 13, 0, 0, 0, 43]);
        check_central_message(&CentralMessage::FinishAck { agency: 5 }, &[0, 14, 0, 0, 0, 5]);
    }

    #[test]
    fn no_winners_is_an_id_only() {
        check_central_message(&CentralMessage::NoWinners, &[0, 16]);
    }

    #[test]
    fn winners_are_documents_after_a_length() {
        let documents = |text| Documents::from_text(text).expect("short");
        let winners = CentralMessage::Winners(documents("307,248"));
        check_central_message(&winners, b"\x00\x11\x00\x07307,248");
        check_central_message(&CentralMessage::Winners(documents("")), &[0, 17, 0, 0]);
    }

    #[test]
    fn a_part_of_the_winners_is_marked_as_last_or_not() {
        let documents = |text| Documents::from_text(text).expect("short");
        let part = CentralMessage::WinnersPart { last: false, documents: documents("307,248") };
        check_central_message(&part, b"\x00\x15\x00\x08\x00307,248");
        let part = CentralMessage::WinnersPart { last: true, documents: documents("") };
        check_central_message(&part, &[0, 21, 0, 1, 1]);
    }

    #[test]
    fn a_part_with_an_invalid_last_flag_is_malformed() {
        let malformed = Err(DecodeError::Payload(PayloadError::Malformed("WINNERS_PART")));
        assert_eq!(CentralMessage::decode(&[0, 21, 0, 1, 2]), malformed);
        assert_eq!(CentralMessage::decode(&[0, 21, 0, 0]), malformed);
    }

    #[test]
    fn winners_that_are_not_utf8_are_refused() {
        let not_utf8 = Err(DecodeError::Payload(PayloadError::NotUtf8("WINNERS")));
        assert_eq!(CentralMessage::decode(&[0, 17, 0, 1, 0xff]), not_utf8);
    }

    #[test]
    fn frames_built_by_a_caller_are_checked_too() {
        let frame = Frame { id: 99, payload: b"" };
        assert_eq!(AgencyMessage::from_frame(frame), Err(PayloadError::Malformed("message id")));
        assert_eq!(CentralMessage::from_frame(frame), Err(PayloadError::Malformed("message id")));
        let frame = Frame { id: 16, payload: b"x" };
        assert_eq!(CentralMessage::from_frame(frame), Err(PayloadError::Malformed("NO_WINNERS")));
        let frame = Frame { id: 14, payload: b"12345" };
        assert_eq!(AgencyMessage::from_frame(frame), Err(PayloadError::Malformed("FINISH")));
    }

    #[test]
    #[should_panic(expected = "longer than the 65535")]
    fn encoding_a_part_one_byte_too_long_panics() {
        let text = "1".repeat(65_535);
        let documents = Documents::from_text(&text).expect("fits WINNERS");
        CentralMessage::WinnersPart { last: true, documents }.encode(&mut Vec::new());
    }
}
