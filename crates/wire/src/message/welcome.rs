//! WELCOME, central -> agency: HELLO is accepted; limits and what is stored already.
//!
//! ```text
//! u16 id = 19, u16 length
//! u16 version          the one both use from now on
//! u32 agency           HELLO's
//! u16 window           chunks that may be in flight
//! u32 frame_len_max    the longest BETS, its 4 header bytes included
//! u32 number_min
//! u32 number_max       the numbers of this draw, both included
//! u64 chunks_stored    chunks 0..chunks_stored are all stored
//! u64 bets_stored      the bets in those chunks
//! [32] prefix_digest   of those chunks; opaque here
//! u8  state            0 open, 1 this agency has finished, 2 draw closed, 3 drawn
//! [0..=64] name        of the draw, UTF-8
//! ```

use super::draw_name::DrawName;
use super::fields::{Fields, PayloadError};

/// The payload of WELCOME.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Welcome<'a> {
    /// The version used from now on.
    pub version: u16,
    pub agency: u32,
    /// How many chunks may be in flight.
    pub window: u16,
    /// The longest BETS, in bytes, with its header.
    pub frame_len_max: u32,
    pub number_min: u32,
    pub number_max: u32,
    /// Chunks `0..chunks_stored` are all stored.
    pub chunks_stored: u64,
    pub bets_stored: u64,
    pub prefix_digest: [u8; 32],
    pub state: DrawState,
    pub draw_name: DrawName<'a>,
}

/// The draw's state for this agency. The numbers are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DrawState {
    /// 0: takes bets from this agency.
    Open,
    /// 1: this agency has finished.
    AgencyFinished,
    /// 2: takes no more bets from any agency.
    Closed,
    /// 3: the draw has been made.
    Drawn,
}

impl<'a> Welcome<'a> {
    /// Converts to owned text.
    pub fn into_owned(self) -> Welcome<'static> {
        Welcome {
            version: self.version,
            agency: self.agency,
            window: self.window,
            frame_len_max: self.frame_len_max,
            number_min: self.number_min,
            number_max: self.number_max,
            chunks_stored: self.chunks_stored,
            bets_stored: self.bets_stored,
            prefix_digest: self.prefix_digest,
            state: self.state,
            draw_name: self.draw_name.into_owned(),
        }
    }

    pub(super) fn from_payload(payload: &'a [u8]) -> Result<Self, PayloadError> {
        let mut fields = Fields::new(payload, "WELCOME");
        Ok(Self {
            version: fields.u16()?,
            agency: fields.u32()?,
            window: fields.u16()?,
            frame_len_max: fields.u32()?,
            number_min: fields.u32()?,
            number_max: fields.u32()?,
            chunks_stored: fields.u64()?,
            bets_stored: fields.u64()?,
            prefix_digest: fields.array()?,
            state: DrawState::from_number(fields.u8()?).ok_or(fields.malformed())?,
            draw_name: DrawName::from_fields(&mut fields)?,
        })
    }

    pub(super) fn put_payload(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.agency.to_be_bytes());
        out.extend_from_slice(&self.window.to_be_bytes());
        out.extend_from_slice(&self.frame_len_max.to_be_bytes());
        out.extend_from_slice(&self.number_min.to_be_bytes());
        out.extend_from_slice(&self.number_max.to_be_bytes());
        out.extend_from_slice(&self.chunks_stored.to_be_bytes());
        out.extend_from_slice(&self.bets_stored.to_be_bytes());
        out.extend_from_slice(&self.prefix_digest);
        out.push(self.state.number());
        out.extend_from_slice(self.draw_name.as_str().as_bytes());
    }
}

impl DrawState {
    /// Returns the state's number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::AgencyFinished => 1,
            Self::Closed => 2,
            Self::Drawn => 3,
        }
    }

    /// Returns the state of a number on the wire.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::AgencyFinished),
            2 => Some(Self::Closed),
            3 => Some(Self::Drawn),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::check_central_message;
    use super::super::{CentralMessage, DecodeError};
    use super::*;

    fn welcome(state: DrawState) -> CentralMessage<'static> {
        CentralMessage::Welcome(Welcome {
            version: 1,
            agency: 2,
            window: 3,
            frame_len_max: 8192,
            number_min: 0,
            number_max: 9999,
            chunks_stored: 5,
            bets_stored: 0x0102_0304_0506_0708,
            prefix_digest: [0xab; 32],
            state,
            draw_name: DrawName::new("N8").expect("short"),
        })
    }

    fn bytes(state: u8) -> Vec<u8> {
        let mut bytes =
            b"\0\x13\0\x47\0\x01\0\0\0\x02\0\x03\0\0\x20\0\0\0\0\0\0\0\x27\x0f".to_vec();
        bytes.extend_from_slice(b"\0\0\0\0\0\0\0\x05\x01\x02\x03\x04\x05\x06\x07\x08");
        bytes.extend_from_slice(&[0xab; 32]);
        bytes.push(state);
        bytes.extend_from_slice(b"N8");
        bytes
    }

    #[test]
    fn welcome_has_these_bytes() {
        check_central_message(&welcome(DrawState::Open), &bytes(0));
        check_central_message(&welcome(DrawState::AgencyFinished), &bytes(1));
        check_central_message(&welcome(DrawState::Closed), &bytes(2));
        check_central_message(&welcome(DrawState::Drawn), &bytes(3));
    }

    #[test]
    fn an_unknown_state_is_malformed() {
        let malformed = Err(DecodeError::Payload(PayloadError::Malformed("WELCOME")));
        assert_eq!(CentralMessage::decode(&bytes(4)), malformed);
    }
}
