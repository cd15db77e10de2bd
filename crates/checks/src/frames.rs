//! A naive implementation of the documented framing, against which the checks compare wire's.

use wire::Sender;
use wire::frame::ids;

/// Splits `stream` into its leading complete frames, headers included, and the rest: an unfinished
/// frame, or everything from the first invalid header on.
pub(crate) fn split(
    sender: Sender,
    stream: &[u8],
    frame_len_max: usize,
) -> (Vec<&[u8]>, &[u8], Ending) {
    let mut frames = Vec::new();
    let mut rest = stream;
    let ending = loop {
        let Some(id) = u16_at(rest, 0) else { break Ending::Unfinished };
        let len = match (sender, id) {
            (Sender::Agency, ids::BETS | ids::HELLO)
            | (Sender::Central, ids::WINNERS | ids::WELCOME | ids::ERROR | ids::WINNERS_PART) => {
                match u16_at(rest, 2) {
                    Some(len) => 4 + usize::from(len),
                    None => break Ending::Unfinished,
                }
            }
            (Sender::Agency, ids::FINISH | ids::GET_WINNERS)
            | (Sender::Central, ids::BETS_ACK | ids::FINISH_ACK) => 6,
            (Sender::Central, ids::NO_WINNERS) => 2,
            _ => break Ending::UnknownId,
        };
        if len > frame_len_max {
            break Ending::TooLong;
        }
        let Some((frame, behind)) = rest.split_at_checked(len) else { break Ending::Unfinished };
        frames.push(frame);
        rest = behind;
    };
    (frames, rest, ending)
}

/// Why there are no more complete frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Unfinished,
    UnknownId,
    TooLong,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}
