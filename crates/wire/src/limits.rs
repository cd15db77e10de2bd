//! Every limit of the protocol, by name. Lengths are in bytes unless the name says otherwise.

use thiserror::Error;

/// The highest version of the protocol spoken here, as said in HELLO.
pub const VERSION: u16 = 1;

/// Bytes of a header: the id, and the length of the payload (where the message has one).
pub const HEADER_LEN: u32 = 4;

/// The longest payload that a `u16` length can announce.
pub const PAYLOAD_LEN_MAX: u32 = u16::MAX as u32;

/// The longest message that can exist, header included. Also the highest `frame_len_max`.
pub const MESSAGE_LEN_MAX: u32 = HEADER_LEN + PAYLOAD_LEN_MAX;

/// The default `frame_len_max`, fixed by the field's agencies: 8 kB with the header.
pub const FRAME_LEN_MAX: u32 = 8192;

/// The lowest `frame_len_max` that can be configured: it must hold HELLO and more than one bet.
pub const FRAME_LEN_LEAST: u32 = 256;

/// The default for the largest number of bets in a batch: `4 + 22 + 86 n < 8192`, and below 94.
pub const BATCH_BETS: u32 = 93;

/// The fields of a bet: first name, last name, document, birthdate, number.
pub const BET_FIELDS: usize = 5;

/// The default window: chunks (for the central: requests) that may be unanswered at once.
pub const WINDOW: u16 = 16;

/// The largest window. An agency offered more uses this.
pub const WINDOW_MAX: u16 = 1024;

/// The longest name of a draw.
pub const DRAW_NAME_LEN_MAX: usize = 64;

/// The longest reason in an ERROR; a longer one is cut.
pub const REASON_LEN_MAX: usize = 512;

/// The most faults that one ERROR names; more are left out.
pub const FAULTS_MAX: usize = 1024;

/// The longest list of documents in WINNERS, commas included.
pub const DOCUMENTS_LEN_MAX: usize = PAYLOAD_LEN_MAX as usize;

/// How much a reader first makes room for, and the least that it offers to a read.
pub const READ_LEN_LEAST: usize = 4 * 1024;

/// The most that a reader makes room for at once, reached in doublings while reads come in full.
pub const READ_LEN_MAX: usize = 64 * 1024;

/// A central's session takes no more requests while this much waits to be sent.
pub const OUTGOING_LEN_MAX: usize = 64 * 1024;

/// Says whether `frame_len_max` can be used by a session, an encoder or a splitter.
///
/// # Errors
///
/// [`LimitsError::FrameLen`] outside `FRAME_LEN_LEAST..=MESSAGE_LEN_MAX`.
pub fn check_frame_len_max(frame_len_max: u32) -> Result<(), LimitsError> {
    if (FRAME_LEN_LEAST..=MESSAGE_LEN_MAX).contains(&frame_len_max) {
        Ok(())
    } else {
        Err(LimitsError::FrameLen(frame_len_max))
    }
}

/// Says whether `window` can be used by a session.
///
/// # Errors
///
/// [`LimitsError::Window`] outside `1..=WINDOW_MAX`.
pub fn check_window(window: u16) -> Result<(), LimitsError> {
    if (1..=WINDOW_MAX).contains(&window) { Ok(()) } else { Err(LimitsError::Window(window)) }
}

/// A configured limit that the protocol cannot live with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitsError {
    /// The longest message.
    #[error("a message of at most {0} bytes: must be from {FRAME_LEN_LEAST} to {MESSAGE_LEN_MAX}")]
    FrameLen(u32),
    /// The number of unanswered requests.
    #[error("a window of {0}: must be from 1 to {WINDOW_MAX}")]
    Window(u16),
}

pub(crate) fn assert_frame_len_max(frame_len_max: u32) {
    if let Err(error) = check_frame_len_max(frame_len_max) {
        panic!("{error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_ranges() {
        assert_eq!(check_frame_len_max(FRAME_LEN_MAX), Ok(()));
        assert_eq!(check_window(WINDOW), Ok(()));
        const { assert!(HEADER_LEN + 22 + 86 * BATCH_BETS < FRAME_LEN_MAX && BATCH_BETS < 94) };
    }

    #[test]
    fn limits_out_of_range_are_refused() {
        assert_eq!(check_frame_len_max(255), Err(LimitsError::FrameLen(255)));
        assert_eq!(check_frame_len_max(65_540), Err(LimitsError::FrameLen(65_540)));
        assert_eq!(check_frame_len_max(65_539), Ok(()));
        assert_eq!(check_window(0), Err(LimitsError::Window(0)));
        assert_eq!(check_window(1025), Err(LimitsError::Window(1025)));
    }
}
