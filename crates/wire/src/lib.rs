//! The agencies' protocol: encoding, decoding and the state of a connection.
//!
//! It has the original messages (ids 12 to 17, long fixed) and, for connections that start with
//! HELLO, additional ones (ids 18 to 21).
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
//! - Sans-IO: bytes come in through `space`/`filled` and go out through `outgoing`/`sent`. The
//!   caller brings sockets, clock, async and logging.
//! - No input can panic or grow memory past the bounds of [`limits`]. Only a caller that breaks a
//!   documented contract, such as a reply to the wrong request, hits an assertion.
//! - A connection without HELLO is sent original messages or one ERROR, nothing else.
//!
//! Deliberately absent: the meaning of bets (text here), the existence of agencies and draws, and
//! the digests of resuming (32 opaque bytes here).

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
