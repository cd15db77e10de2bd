//! The central's side of a connection.
//!
//! Invariants:
//! - Replies leave in the order of the requests, in whatever order they are given.
//! - Without HELLO, a connection is sent original messages, or one ERROR as the last. This is
//!   asserted, in release builds too.
//! - After a refusal that closes, no request is returned and nothing else is sent.
//! - Memory: at most `window` slots, `frame_len_max + READ_LEN_MAX` bytes received, and
//!   `OUTGOING_LEN_MAX` outgoing bytes before requests are held back. Replies add to that: give
//!   winners in parts only while [`CentralSession::is_head`] is true and
//!   [`CentralSession::outgoing`] is short.
//!
//! Deliberately absent: authentication (HELLO is returned as a request), validation of bets, and
//! timing.

use super::replies::{Expected, Replies, Ticket};
use crate::codes::ErrorCode;
use crate::frame::{FrameError, Sender};
use crate::limits::{
    FRAME_LEN_MAX, LimitsError, OUTGOING_LEN_MAX, VERSION, WINDOW, check_frame_len_max,
    check_window,
};
use crate::message::{AgencyMessage, CentralMessage, ErrorMessage, PayloadError, Welcome};
use crate::reader::FrameReader;
use thiserror::Error;

/// The limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    frame_len_max: u32,
    window: u16,
}

impl SessionLimits {
    /// Creates limits: messages of at most `frame_len_max` bytes, header included, and at most
    /// `window` unanswered requests.
    ///
    /// # Errors
    /// When one of them is out of range.
    pub fn new(frame_len_max: u32, window: u16) -> Result<Self, LimitsError> {
        check_frame_len_max(frame_len_max)?;
        check_window(window)?;
        Ok(Self { frame_len_max, window })
    }

    /// Returns the longest message, in bytes, header included.
    pub fn frame_len_max(self) -> u32 {
        self.frame_len_max
    }

    /// Returns the most unanswered requests.
    pub fn window(self) -> u16 {
        self.window
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { frame_len_max: FRAME_LEN_MAX, window: WINDOW }
    }
}

/// The central's side of a connection.
#[derive(Debug)]
pub struct CentralSession {
    limits: SessionLimits,
    reader: FrameReader,
    greeting: Greeting,
    replies: Replies,
    input_ended: bool,
}

/// A request that the session refused itself. The ERROR is already outgoing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The header is invalid.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The payload is invalid.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// HELLO has an unsupported version.
    #[error("protocol version {0} is not supported")]
    UnsupportedVersion(u16),
    /// HELLO is not the first message.
    #[error("HELLO is only allowed as the first message")]
    HelloOutOfPlace,
    /// The message names another agency than HELLO did.
    #[error("a message for agency {named} on the connection of agency {greeted}")]
    OtherAgency {
        /// The agency of HELLO.
        greeted: u32,
        /// The agency of the message.
        named: u32,
        /// The chunk, for BETS: then only this chunk is refused.
        chunk: Option<u32>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    /// Nothing was received yet.
    Undecided,
    /// HELLO was received and is unanswered; later requests wait.
    Expected,
    /// HELLO was accepted.
    Accepted { agency: u32 },
    /// The first message was not HELLO.
    Field,
}

impl CentralSession {
    /// Creates a session for a new connection.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            reader: FrameReader::new(Sender::Agency, limits.frame_len_max),
            greeting: Greeting::Undecided,
            replies: Replies::default(),
            input_ended: false,
        }
    }

    /// Returns space to read into. Never empty while [`Self::wants_input`]. Call it when the socket
    /// is readable, so that an idle connection uses no memory.
    pub fn space(&mut self) -> &mut [u8] {
        self.reader.space()
    }

    /// Marks the first `n` bytes of [`Self::space`] as received.
    pub fn filled(&mut self, n: usize) {
        self.reader.filled(n);
    }

    /// Marks the end of input. What was received is still answered, then it [`Self::is_closed`].
    pub fn end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// Whether to read: not while the window or the outgoing buffer is full, a received request
    /// waits to be taken, or the connection closes.
    pub fn wants_input(&self) -> bool {
        !self.input_ended && self.takes_requests() && !self.reader.has_next()
    }

    /// Returns the next request; `None` when there is none or none may be taken now. Call it again
    /// after every read, reply and write.
    ///
    /// # Errors
    /// A request that the session refused itself: it needs no reply. More requests may follow it.
    pub fn next_request(&mut self) -> Result<Option<(Ticket, AgencyMessage<'_>)>, RequestError> {
        if !self.takes_requests() {
            if self.replies.is_closing() {
                self.reader.clear();
            }
            self.reader.release_if_empty();
            return Ok(None);
        }
        let Self { reader, greeting, replies, .. } = self;
        let judged = match reader.next_frame() {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => AgencyMessage::from_frame(frame).map_err(RequestError::from),
            Err(error) => Err(error.into()),
        };
        let judged = judged.and_then(|message| Ok((greeting.admit(&message)?, message)));
        match judged {
            Ok((asked, message)) => Ok(Some((replies.ask(asked), message))),
            Err(error) => {
                let ticket = replies.ask(Expected::Nothing);
                replies.add(&ticket, &CentralMessage::Error(error.message()));
                replies.complete(ticket, error.closes());
                Err(error)
            }
        }
    }

    /// Accepts HELLO: from now on the connection is its agency's.
    ///
    /// # Panics
    /// When the ticket is not HELLO's, or `welcome` has another agency, an unsupported version, or
    /// higher limits than the session's.
    pub fn greet(&mut self, ticket: Ticket, welcome: Welcome<'_>) {
        let Some(Expected::Hello { version, agency }) = self.replies.asked(&ticket) else {
            panic!("WELCOME answers HELLO only");
        };
        assert_eq!(welcome.agency, agency, "WELCOME for another agency than HELLO's");
        assert!((1..=version.min(VERSION)).contains(&welcome.version), "a version not spoken");
        assert!(
            welcome.window <= self.limits.window
                && welcome.frame_len_max <= self.limits.frame_len_max,
            "WELCOME promises more than the session's limits",
        );
        self.greeting = Greeting::Accepted { agency };
        self.replies.add(&ticket, &CentralMessage::Welcome(welcome));
        self.replies.complete(ticket, false);
    }

    /// Answers a request, or completes an answer started with [`Self::reply_part`].
    ///
    /// # Panics
    /// When `message` does not answer the request: another kind, chunk or agency, WINNERS after
    /// HELLO, or a WINNERS_PART without it.
    pub fn reply(&mut self, ticket: Ticket, message: &CentralMessage<'_>) {
        let more = matches!(message, CentralMessage::WinnersPart { last: false, .. });
        assert!(!more, "the end of a reply says that more follows");
        self.add(&ticket, message);
        self.replies.complete(ticket, false);
    }

    /// Sends a WINNERS_PART that is not the last. It is buffered, so send the next one when
    /// [`Self::is_head`] is true and [`Self::outgoing`] is short.
    ///
    /// # Panics
    /// As [`Self::reply`], and when `message` is not such a part.
    pub fn reply_part(&mut self, ticket: &Ticket, message: &CentralMessage<'_>) {
        let more = matches!(message, CentralMessage::WinnersPart { last: false, .. });
        assert!(more, "a part of a reply is a WINNERS_PART that is not the last");
        self.add(ticket, message);
        self.replies.more_winners_follow(ticket);
    }

    /// Refuses a request. After an accepted HELLO, if `error` names the chunk, the connection
    /// continues; otherwise this is the last message and later requests are not answered.
    ///
    /// # Panics
    /// When `error` names a chunk that is not the request's.
    pub fn refuse(&mut self, ticket: Ticket, error: ErrorMessage) {
        let Some(asked) = self.replies.asked(&ticket) else {
            return;
        };
        if let Some(chunk) = error.chunk() {
            assert_eq!(asked, Expected::Bets { chunk }, "the refusal of a chunk answers its BETS");
        }
        let closes = self.identity().is_none() || error.chunk().is_none();
        self.replies.add(&ticket, &CentralMessage::Error(error));
        self.replies.complete(ticket, closes);
        if closes {
            self.reader.clear();
        }
    }

    /// Refuses the connection after all pending replies, because of a limit, a timeout or a
    /// shutdown. No more requests are taken. Does nothing if it is closing already.
    ///
    /// # Panics
    /// When `error` names a chunk.
    pub fn refuse_unasked(&mut self, error: ErrorMessage) {
        assert_eq!(error.chunk(), None, "the refusal of a chunk answers its BETS");
        if self.replies.is_closing() {
            return;
        }
        let ticket = self.replies.ask(Expected::Nothing);
        self.replies.add(&ticket, &CentralMessage::Error(error));
        self.replies.complete(ticket, true);
        self.reader.clear();
    }

    /// Returns the bytes to send.
    pub fn outgoing(&self) -> &[u8] {
        self.replies.outgoing()
    }

    /// Marks the first `n` bytes of [`Self::outgoing`] as sent.
    ///
    /// # Panics
    /// When there were fewer.
    pub fn sent(&mut self, n: usize) {
        self.replies.sent(n);
    }

    /// Whether the ticket's reply is the next to be sent; `false` once it will not be sent.
    pub fn is_head(&self, ticket: &Ticket) -> bool {
        self.replies.is_head(ticket)
    }

    /// Returns the number of requests without a complete reply in [`Self::outgoing`].
    pub fn unanswered(&self) -> usize {
        self.replies.unanswered()
    }

    /// Returns the agency of an accepted HELLO.
    pub fn identity(&self) -> Option<u32> {
        match self.greeting {
            Greeting::Accepted { agency } => Some(agency),
            Greeting::Undecided | Greeting::Expected | Greeting::Field => None,
        }
    }

    /// Whether a message is incomplete.
    pub fn is_mid_message(&self) -> bool {
        self.reader.is_mid_frame()
    }

    /// Whether the last reply was given, sent or not.
    pub fn is_closing(&self) -> bool {
        self.replies.is_closing()
    }

    /// Whether all is sent and the connection should be closed. Read and drop what the agency still
    /// sends for a moment, or the network may drop the last reply.
    pub fn is_closed(&self) -> bool {
        let ends = self.is_closing() || (self.input_ended && !self.reader.has_next());
        ends && self.replies.is_empty()
    }

    /// Returns the memory in use, in bytes.
    pub fn memory_len(&self) -> usize {
        self.reader.memory_len() + self.replies.memory_len()
    }

    fn takes_requests(&self) -> bool {
        !self.replies.is_closing()
            && self.greeting != Greeting::Expected
            && self.replies.unanswered() < usize::from(self.limits.window)
            && self.replies.outgoing().len() < OUTGOING_LEN_MAX
    }

    fn add(&mut self, ticket: &Ticket, message: &CentralMessage<'_>) {
        let Some(asked) = self.replies.asked(ticket) else {
            return;
        };
        let greeted = self.identity().is_some();
        assert!(
            greeted || message.is_of_the_field(),
            "{} to an agency that never said HELLO",
            message.name(),
        );
        assert!(
            asked.is_answered_by(message, greeted),
            "{} does not answer {asked:?}",
            message.name()
        );
        self.replies.add(ticket, message);
    }
}

impl Greeting {
    /// Checks that `message` may come now; returns the reply it expects.
    fn admit(&mut self, message: &AgencyMessage<'_>) -> Result<Expected, RequestError> {
        let (named, asked) = match message {
            AgencyMessage::Hello(hello) => {
                if *self != Self::Undecided {
                    return Err(RequestError::HelloOutOfPlace);
                }
                if hello.version == 0 {
                    return Err(RequestError::UnsupportedVersion(0));
                }
                *self = Self::Expected;
                return Ok(Expected::Hello { version: hello.version, agency: hello.agency });
            }
            AgencyMessage::Bets(bets) => (bets.agency, Expected::Bets { chunk: bets.chunk }),
            AgencyMessage::Finish { agency } => (*agency, Expected::Finish { agency: *agency }),
            AgencyMessage::GetWinners { agency } => (*agency, Expected::Winners),
        };
        match *self {
            Self::Accepted { agency } if agency != named => {
                let chunk = if let Expected::Bets { chunk } = asked { Some(chunk) } else { None };
                Err(RequestError::OtherAgency { greeted: agency, named, chunk })
            }
            Self::Accepted { .. } => Ok(asked),
            Self::Undecided | Self::Field => {
                *self = Self::Field;
                Ok(asked)
            }
            Self::Expected => unreachable!("no request is taken while HELLO is unanswered"),
        }
    }
}

impl Expected {
    fn is_answered_by(self, message: &CentralMessage<'_>, greeted: bool) -> bool {
        use CentralMessage as M;
        match (self, message) {
            (Self::Bets { chunk: asked }, M::BetsAck { chunk }) => asked == *chunk,
            (Self::Finish { agency: asked }, M::FinishAck { agency }) => asked == *agency,
            (Self::Winners, M::NoWinners) => true,
            (Self::Winners, M::Winners(_)) => !greeted,
            (Self::Winners | Self::MoreWinners, M::WinnersPart { .. }) => greeted,
            _ => false,
        }
    }
}

impl RequestError {
    /// Returns the code in the ERROR.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Frame(FrameError::UnknownId(_)) => ErrorCode::UnknownMessage,
            Self::Frame(FrameError::TooLong { .. }) => ErrorCode::FrameTooLong,
            Self::Payload(PayloadError::Malformed(_)) => ErrorCode::Malformed,
            Self::Payload(PayloadError::NotUtf8(_)) => ErrorCode::NotUtf8,
            Self::UnsupportedVersion(_) => ErrorCode::UnsupportedVersion,
            Self::HelloOutOfPlace => ErrorCode::HelloOutOfPlace,
            Self::OtherAgency { .. } => ErrorCode::OtherAgency,
        }
    }

    /// Whether it closes the connection.
    pub fn closes(&self) -> bool {
        !matches!(self, Self::OtherAgency { chunk: Some(_), .. })
    }

    fn message(&self) -> ErrorMessage {
        match self {
            Self::OtherAgency { chunk: Some(chunk), .. } => {
                ErrorMessage::of_chunk(self.code(), *chunk, &self.to_string())
            }
            _ => ErrorMessage::closing(self.code(), &self.to_string()),
        }
    }
}
