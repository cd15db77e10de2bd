//! Checks for every message: exact bytes, round trip, truncation at every byte, trailing bytes.

use super::{AgencyMessage, CentralMessage, DecodeError};

pub(crate) fn check_agency_message(message: &AgencyMessage<'_>, bytes: &[u8]) {
    let mut encoded = vec![0xaa];
    message.encode(&mut encoded);
    assert_eq!(encoded[1..], *bytes, "the bytes of {message:?}");
    assert_eq!(AgencyMessage::decode(bytes).as_ref(), Ok(message));
    for len in 0..bytes.len() {
        assert_eq!(AgencyMessage::decode(&bytes[..len]), Err(DecodeError::Truncated), "{len}");
    }
    let longer = [bytes, b"1"].concat();
    assert_eq!(AgencyMessage::decode(&longer), Err(DecodeError::Trailing(1)));
}

pub(crate) fn check_central_message(message: &CentralMessage<'_>, bytes: &[u8]) {
    let mut encoded = vec![0xaa];
    message.encode(&mut encoded);
    assert_eq!(encoded[1..], *bytes, "the bytes of {message:?}");
    assert_eq!(CentralMessage::decode(bytes).as_ref(), Ok(message));
    for len in 0..bytes.len() {
        assert_eq!(CentralMessage::decode(&bytes[..len]), Err(DecodeError::Truncated), "{len}");
    }
    let longer = [bytes, b"1"].concat();
    assert_eq!(CentralMessage::decode(&longer), Err(DecodeError::Trailing(1)));
}
