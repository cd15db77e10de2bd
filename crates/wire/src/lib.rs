//! The agencies' protocol: messages to bytes, bytes to messages, and the state of one connection.
//!
//! Bolillero's central and its agencies speak the protocol of the field (ids 12 to 17, fixed years
//! ago) and, between those that ask for it with HELLO, what was added beside it (ids 18 to 21).
//!
//! ```text
//! limits      every named limit
//! frame       ids, the shape of each message, headers
//! reader      FrameReader: received bytes -> whole frames, in bounded memory
//! codes       ErrorCode, FaultCode: why the central refused
//! message/    one file a message: layout, codec, tests
//! session/    CentralSession and AgencySession: who may say what, when
//! ```
//!
//! Invariants:
//! - sans-IO: bytes come in through `space`/`filled` and go out through `outgoing`/`sent`. No
//!   sockets, no clock, no async and no logging are in here; the caller brings them;
//! - no input can panic or grow memory past the bounds of [`limits`]. Only a caller who breaks a
//!   documented contract (a reply that does not belong to its request) meets an assertion;
//! - a connection that never said HELLO is sent the field's messages or one ERROR, nothing else.
//!
//! Deliberately absent: what a bet means (its fields are text here), whether an agency exists,
//! what a draw is, and the digests of the resume protocol (32 opaque bytes here).

pub mod codes;
pub mod frame;
pub mod limits;
pub mod message;
mod outgoing;
pub mod reader;
pub mod session;

pub use codes::{ErrorCode, FaultCode};
pub use frame::{Frame, FrameError, Sender};
pub use limits::LimitsError;
pub use message::{
    AgencyMessage, BetsEncoder, BetsFrame, CentralMessage, DecodeError, Documents, DocumentsError,
    DrawName, DrawNameTooLong, DrawState, ErrorMessage, Fault, FieldCount, Hello, NotUtf8,
    PayloadError, PushError, RawBets, Welcome, winners_part,
};
pub use reader::FrameReader;
pub use session::{
    AgencyEvent, AgencySession, CentralSession, Mode, ProtocolViolation, RequestError, SendError,
    SessionLimits, Ticket,
};
