//! The limits of the protocol. Lengths are in bytes unless the name says otherwise.

use thiserror::Error;

/// The highest supported version of the protocol, sent in HELLO.
pub const VERSION: u16 = 1;

/// The length of a header: the id and the payload's length, if there is one.
pub const HEADER_LEN: u32 = 4;

/// The longest payload that a `u16` length allows.
pub const PAYLOAD_LEN_MAX: u32 = u16::MAX as u32;

/// The longest possible message with its header; also the highest `frame_len_max`.
pub const MESSAGE_LEN_MAX: u32 = HEADER_LEN + PAYLOAD_LEN_MAX;

/// The default `frame_len_max`, fixed by the original agencies: 8 kB with the header.
pub const FRAME_LEN_MAX: u32 = 8192;

/// The lowest `frame_len_max` that can be configured: it fits HELLO and more than one bet.
pub const FRAME_LEN_LEAST: u32 = 256;

/// The default for the most bets in a batch: `4 + 22 + 86 n < 8192`, and below 94.
pub const BATCH_BETS: u32 = 93;

/// The fields of a bet: first name, last name, document, birthdate, number.
pub const BET_FIELDS: usize = 5;

/// The default window: how many chunks (for the central: requests) may be unanswered.
pub const WINDOW: u16 = 16;

/// The largest window. An agency that is offered more uses this.
pub const WINDOW_MAX: u16 = 1024;

/// The longest name of a draw.
pub const DRAW_NAME_LEN_MAX: usize = 64;

/// The longest reason in an ERROR; longer ones are truncated.
pub const REASON_LEN_MAX: usize = 512;

/// The most faults in one ERROR; the rest are omitted.
pub const FAULTS_MAX: usize = 1024;

/// The longest list of documents in WINNERS, commas included.
pub const DOCUMENTS_LEN_MAX: usize = PAYLOAD_LEN_MAX as usize;

/// A reader's initial and smallest read size.
pub const READ_LEN_LEAST: usize = 4 * 1024;

/// A reader's largest read size, reached by doubling while reads fill it.
pub const READ_LEN_MAX: usize = 64 * 1024;

/// A central's session takes no requests while this much is waiting to be sent.
pub const OUTGOING_LEN_MAX: usize = 64 * 1024;

/// Checks a `frame_len_max` for sessions, encoders and splitters.
///
/// # Errors
/// [`LimitsError::FrameLen`] outside `FRAME_LEN_LEAST..=MESSAGE_LEN_MAX`.
pub fn check_frame_len_max(frame_len_max: u32) -> Result<(), LimitsError> {
    if (FRAME_LEN_LEAST..=MESSAGE_LEN_MAX).contains(&frame_len_max) {
        Ok(())
    } else {
        Err(LimitsError::FrameLen(frame_len_max))
    }
}

/// Checks a `window` for sessions.
///
/// # Errors
/// [`LimitsError::Window`] outside `1..=WINDOW_MAX`.
pub fn check_window(window: u16) -> Result<(), LimitsError> {
    if (1..=WINDOW_MAX).contains(&window) { Ok(()) } else { Err(LimitsError::Window(window)) }
}

/// A configured limit out of its range.
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

// Relations between the limits.
const _: () = {
    assert!(FRAME_LEN_LEAST <= FRAME_LEN_MAX && FRAME_LEN_MAX <= MESSAGE_LEN_MAX);
    assert!(1 <= WINDOW && WINDOW <= WINDOW_MAX);
    assert!(HEADER_LEN + 22 + 86 * BATCH_BETS < FRAME_LEN_MAX && BATCH_BETS < 94);
    // An ERROR with all faults and the longest reason is one message.
    assert!(2 + 1 + 4 + 2 + 4 * FAULTS_MAX + REASON_LEN_MAX <= PAYLOAD_LEN_MAX as usize);
    assert!(READ_LEN_LEAST <= READ_LEN_MAX);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_ranges() {
        assert_eq!(check_frame_len_max(FRAME_LEN_MAX), Ok(()));
        assert_eq!(check_window(WINDOW), Ok(()));
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
