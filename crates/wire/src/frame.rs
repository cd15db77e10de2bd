//! Frames: where one message ends and the next begins.
//!
//! ```text
//! frame    = u16 id, payload                 FINISH, FINISH_ACK, GET_WINNERS, BETS_ACK: 4 bytes
//!          / u16 id                          NO_WINNERS: none
//!          / u16 id, u16 length, payload     the others: `length` bytes
//! ```
//!
//! Integers are big-endian. Id 14 is FINISH one way and FINISH_ACK the other, so a frame can only
//! be read knowing who sent it. An id is judged as soon as its 2 bytes are there and a length as
//! soon as the 4 header bytes are: nothing is ever buffered for a frame that will be refused.

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
    /// central -> agency: it was noted. The same number as FINISH.
    pub const FINISH_ACK: u16 = 14;
    /// agency -> central: asks for this agency's winners.
    pub const GET_WINNERS: u16 = 15;
    /// central -> agency: the draw has not been made yet.
    pub const NO_WINNERS: u16 = 16;
    /// central -> agency: all the winners, to one that never said HELLO.
    pub const WINNERS: u16 = 17;
    /// agency -> central: who speaks, for which draw.
    pub const HELLO: u16 = 18;
    /// central -> agency: accepted, and what is already stored.
    pub const WELCOME: u16 = 19;
    /// central -> agency: a refusal.
    pub const ERROR: u16 = 20;
    /// central -> agency: some of the winners, to one that said HELLO.
    pub const WINNERS_PART: u16 = 21;
}

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// An agency.
    Agency,
    /// The central.
    Central,
}

/// One whole frame: an id that its sender may use, and as many bytes as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// One of [`ids`].
    pub id: u16,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// A frame refused from its header alone. What follows it cannot be told apart any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The sender has no message of this id.
    #[error("unknown message id {0}")]
    UnknownId(u16),
    /// Longer than the limit, header included.
    #[error("a message of {len} bytes, longer than the limit of {max}")]
    TooLong {
        /// The length announced, with the header.
        len: u32,
        /// The limit, with the header.
        max: u32,
    },
}

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u16,
    /// Where the payload begins.
    pub(crate) payload_at: usize,
    /// The whole frame, header included. Its bytes need not be there yet.
    pub(crate) len: usize,
}

/// Reads the header of the frame that `bytes` begin with; `None` while it is incomplete.
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

/// Appends a frame whose payload has a fixed length.
pub(crate) fn put_fixed(out: &mut Vec<u8>, id: u16, payload: &[u8]) {
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Appends a frame with a length, which is known once `payload` has appended its bytes.
///
/// The messages' types keep every payload within a `u16`, or say where they do not.
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
    /// No length: always this many bytes.
    Fixed(u16),
    /// A `u16` length first.
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

    #[test]
    fn a_message_without_payload_is_whole_with_its_id() {
        let whole = Header { id: 16, payload_at: 2, len: 2 };
        assert_eq!(header(Sender::Central, &[0, 16], 8192), Ok(Some(whole)));
    }
}
