//! Framing: where one message ends and the next begins.
//!
//! ```text
//! frame    = u16 id, payload                 FINISH, FINISH_ACK, GET_WINNERS, BETS_ACK: 4 bytes
//!          / u16 id                          NO_WINNERS: none
//!          / u16 id, u16 length, payload     the others: `length` bytes
//! ```
//!
//! Integers are big-endian. Id 14 is FINISH from an agency and FINISH_ACK from the central, so
//! reading a frame requires its sender. An id is checked after 2 bytes and a length after 4:
//! nothing is buffered for a frame that will be refused.

use crate::limits::PAYLOAD_LEN_MAX;
use thiserror::Error;

/// The ids of the messages.
pub mod ids {
    /// agency -> central: a batch of bets.
    pub const BETS: u16 = 12;
    /// central -> agency: the batch is stored.
    pub const BETS_ACK: u16 = 13;
    /// agency -> central: no more bets will come.
    pub const FINISH: u16 = 14;
    /// central -> agency: FINISH is recorded. Same id as FINISH.
    pub const FINISH_ACK: u16 = 14;
    /// agency -> central: asks for this agency's winners.
    pub const GET_WINNERS: u16 = 15;
    /// central -> agency: the draw has not been made yet.
    pub const NO_WINNERS: u16 = 16;
    /// central -> agency: all winners, to an agency without HELLO.
    pub const WINNERS: u16 = 17;
    /// agency -> central: the agency and its draw.
    pub const HELLO: u16 = 18;
    /// central -> agency: HELLO is accepted; what is stored already.
    pub const WELCOME: u16 = 19;
    /// central -> agency: a refusal.
    pub const ERROR: u16 = 20;
    /// central -> agency: some winners, to an agency with HELLO.
    pub const WINNERS_PART: u16 = 21;
}

/// The side that sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// An agency.
    Agency,
    /// The central.
    Central,
}

/// A whole frame with an id that its sender may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// One of [`ids`].
    pub id: u16,
    /// The bytes after the header.
    pub payload: &'a [u8],
}

/// A frame refused by its header. The stream can't be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The sender has no message with this id.
    #[error("unknown message id {0}")]
    UnknownId(u16),
    /// The frame is longer than the limit, header included.
    #[error("a message of {len} bytes, longer than the limit of {max}")]
    TooLong {
        /// The announced length, with the header.
        len: u32,
        /// The limit, with the header.
        max: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u16,
    pub(crate) payload_at: usize,
    /// The length of the frame with its header. It may not have arrived yet.
    pub(crate) len: usize,
}

/// Reads the header at the start of `bytes`; `None` while it is incomplete.
pub(crate) fn header(
    sender: Sender,
    bytes: &[u8],
    frame_len_max: u32,
) -> Result<Option<Header>, FrameError> {
    let Some((id, rest)) = split_u16(bytes) else {
        return Ok(None);
    };
    let (payload_at, payload_len) = match shape(sender, id) {
        None => return Err(FrameError::UnknownId(id)),
        Some(Shape::Fixed(len)) => (2, u32::from(len)),
        Some(Shape::Prefixed) => match split_u16(rest) {
            None => return Ok(None),
            Some((len, _)) => (4, u32::from(len)),
        },
    };
    let len = payload_at + payload_len;
    if len > frame_len_max {
        return Err(FrameError::TooLong { len, max: frame_len_max });
    }
    Ok(Some(Header { id, payload_at: payload_at as usize, len: len as usize }))
}

pub(crate) fn put_fixed(out: &mut Vec<u8>, id: u16, payload: &[u8]) {
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Appends a frame with a length prefix; `payload` appends the payload. The message types keep it
/// within a `u16`, or document where not.
pub(crate) fn put_prefixed(out: &mut Vec<u8>, id: u16, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    payload(out);
    set_len(&mut out[start..]);
}

/// Writes the length of `frame`'s payload into its header.
pub(crate) fn set_len(frame: &mut [u8]) {
    let len = frame.len() - 4;
    let Ok(len) = u16::try_from(len) else {
        panic!("a payload of {len} bytes, longer than the {PAYLOAD_LEN_MAX} a message can have");
    };
    frame[2..4].copy_from_slice(&len.to_be_bytes());
}

enum Shape {
    /// Always this many bytes, without a length prefix.
    Fixed(u16),
    /// A `u16` length prefix.
    Prefixed,
}

fn shape(sender: Sender, id: u16) -> Option<Shape> {
    match (sender, id) {
        (Sender::Agency, ids::BETS | ids::HELLO) => Some(Shape::Prefixed),
        (Sender::Agency, ids::FINISH | ids::GET_WINNERS) => Some(Shape::Fixed(4)),
        (Sender::Central, ids::BETS_ACK | ids::FINISH_ACK) => Some(Shape::Fixed(4)),
        (Sender::Central, ids::NO_WINNERS) => Some(Shape::Fixed(0)),
        (Sender::Central, ids::WINNERS | ids::WELCOME | ids::ERROR | ids::WINNERS_PART) => {
            Some(Shape::Prefixed)
        }
        _ => None,
    }
}

fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_id_is_refused_from_two_bytes() {
        assert_eq!(header(Sender::Agency, &[0], 8192), Ok(None));
        assert_eq!(header(Sender::Agency, &[0, 13], 8192), Err(FrameError::UnknownId(13)));
        assert_eq!(header(Sender::Central, &[0, 12], 8192), Err(FrameError::UnknownId(12)));
    }

    #[test]
    fn a_frame_too_long_is_refused_from_four_bytes() {
        assert_eq!(header(Sender::Agency, &[0, 12, 0x1f], 8192), Ok(None));
        let longest = Header { id: 12, payload_at: 4, len: 8192 };
        assert_eq!(header(Sender::Agency, &[0, 12, 0x1f, 0xfc], 8192), Ok(Some(longest)));
        let refused = Err(FrameError::TooLong { len: 8193, max: 8192 });
        assert_eq!(header(Sender::Agency, &[0, 12, 0x1f, 0xfd], 8192), refused);
    }

    #[test]
    fn each_side_has_its_own_ids() {
        let known = |sender| {
            let ids = 0..=u16::MAX;
            ids.filter(|id| header(sender, &id.to_be_bytes(), 8192).is_ok()).collect::<Vec<_>>()
        };
        assert_eq!(known(Sender::Agency), [12, 14, 15, 18]);
        assert_eq!(known(Sender::Central), [13, 14, 16, 17, 19, 20, 21]);
    }
}
