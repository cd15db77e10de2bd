//! Feeds the bytes of either side, in any pieces, to wire's `FrameReader`.
//!
//! Input: side, maximum message length, a schedule of pieces, the bytes.

use wire::limits::{FRAME_LEN_LEAST, FRAME_LEN_MAX, MESSAGE_LEN_MAX};
use wire::{AgencyMessage, CentralMessage, Frame, FrameError, FrameReader, Sender};

use crate::decisions::{Decisions, Schedule};
use crate::frames::{self, Ending};

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let sender = if decisions.flag() { Sender::Agency } else { Sender::Central };
    let len_max = decisions.one_of(&[FRAME_LEN_LEAST, FRAME_LEN_MAX, MESSAGE_LEN_MAX]);
    let pieces = decisions.schedule();
    let stream = decisions.rest();

    let (frames, rest, ending) = frames::split(sender, stream, len_max as usize);
    let whole = Decisions::new(&[]).schedule();
    for pieces in [pieces, whole] {
        let (read, refused) = read_in_pieces(sender, len_max, stream, pieces, rest.len());
        assert_eq!(read, frames, "the frames depend on the pieces");
        let refused = match refused {
            None => Ending::Unfinished,
            Some(FrameError::UnknownId(_)) => Ending::UnknownId,
            Some(FrameError::TooLong { max, .. }) => {
                assert_eq!(max, len_max);
                Ending::TooLong
            }
        };
        assert_eq!(refused, ending);
    }
    for frame in frames {
        match sender {
            Sender::Agency => agency_message_survives(frame),
            Sender::Central => central_message_survives(frame),
        }
    }
}

/// Returns every frame read, with its header encoded again, and the error that ended reading.
fn read_in_pieces(
    sender: Sender,
    len_max: u32,
    stream: &[u8],
    mut pieces: Schedule<'_>,
    rest_len: usize,
) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut reader = FrameReader::new(sender, len_max);
    let mut unread = stream;
    let mut frames = Vec::new();
    loop {
        loop {
            let announced = reader.has_next();
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    assert!(announced, "has_next said there was none");
                    frames.push(with_header(frame));
                }
                Ok(None) => break assert!(!announced, "has_next said there was one"),
                Err(error) => {
                    assert_eq!(reader.next_frame(), Err(error), "it is refused again");
                    assert!(reader.has_next() && !reader.is_mid_frame());
                    return (frames, Some(error));
                }
            }
        }
        if unread.is_empty() {
            break;
        }
        // A step of 0 reads as much as there is room for.
        let wanted = match pieces.step() {
            0 => usize::MAX,
            step => step,
        };
        let space = reader.space();
        let len = wanted.min(space.len()).min(unread.len());
        assert!(len > 0, "no room, though no frame waits");
        space[..len].copy_from_slice(&unread[..len]);
        reader.filled(len);
        unread = &unread[len..];
        assert!(reader.memory_len() <= reader.memory_len_max(), "memory out of bounds");
    }
    assert_eq!(reader.is_mid_frame(), rest_len > 0);
    assert!(rest_len > 0 || reader.memory_len() == 0, "an empty reader holds memory");
    (frames, None)
}

fn with_header(frame: Frame<'_>) -> Vec<u8> {
    let mut bytes = frame.id.to_be_bytes().to_vec();
    // The lengths of these messages of the legacy protocol are fixed, not encoded.
    if !matches!(frame.id, 13..=16) {
        let len = u16::try_from(frame.payload.len()).expect("a payload is within a u16");
        bytes.extend_from_slice(&len.to_be_bytes());
    }
    bytes.extend_from_slice(frame.payload);
    bytes
}

fn agency_message_survives(bytes: &[u8]) {
    let Ok(message) = AgencyMessage::decode(bytes) else { return };
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    if let AgencyMessage::Bets(bets) = &message {
        // Numbers may have been written with leading zeros.
        assert_eq!(AgencyMessage::decode(&encoded).as_ref(), Ok(&message));
        assert!(encoded.len() <= bytes.len());
        bets.raw_bets().into_iter().flatten().for_each(drop);
    } else {
        assert_eq!(encoded, bytes, "{message:?}");
    }
}

fn central_message_survives(bytes: &[u8]) {
    let Ok(message) = CentralMessage::decode(bytes) else { return };
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    assert_eq!(encoded, bytes, "{message:?}");
}
