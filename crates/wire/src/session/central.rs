//! The central's side of one connection.
//!
//! Invariants:
//! - replies leave in the order of the requests, whatever the order they are given in;
//! - a connection is greeted, or it is the field's. The field's is sent the field's messages, or
//!   one ERROR as its last; this is asserted, in release too;
//! - after the refusal that closes, no request is given out and nothing else is sent;
//! - memory: at most `window` slots, `frame_len_max + READ_LEN_MAX` bytes received, and
//!   `OUTGOING_LEN_MAX` outgoing bytes before requests are held back. What a reply adds to it is
//!   the caller's: winners in parts are to be given while [`CentralSession::is_head`] says so and
//!   [`CentralSession::outgoing`] is short.
//!
//! Deliberately absent: who the agency is (HELLO's claim is given out as a request), what the bets
//! are worth, and all timing.

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

/// The limits of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    frame_len_max: u32,
    window: u16,
}

impl SessionLimits {
    /// Messages of at most `frame_len_max` bytes, header included; at most `window` requests
    /// unanswered at once.
    ///
    /// # Errors
    ///
    /// If one of them is out of its range.
    pub fn new(frame_len_max: u32, window: u16) -> Result<Self, LimitsError> {
        check_frame_len_max(frame_len_max)?;
        check_window(window)?;
        Ok(Self { frame_len_max, window })
    }

    /// The longest message, in bytes, its header included.
    pub fn frame_len_max(self) -> u32 {
        self.frame_len_max
    }

    /// How many requests may be unanswered.
    pub fn window(self) -> u16 {
        self.window
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { frame_len_max: FRAME_LEN_MAX, window: WINDOW }
    }
}

/// The central's side of one connection.
#[derive(Debug)]
pub struct CentralSession {
    limits: SessionLimits,
    reader: FrameReader,
    greeting: Greeting,
    replies: Replies,
    input_ended: bool,
}

/// A request that the session refused by itself. The ERROR is already on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Refused from its header.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Refused from its payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// HELLO with a version that was never spoken.
    #[error("protocol version {0} is not spoken here")]
    UnsupportedVersion(u16),
    /// HELLO, not as the first message.
    #[error("HELLO is only allowed as the first message")]
    HelloOutOfPlace,
    /// A message for another agency than HELLO's.
    #[error("a message for agency {named} on the connection of agency {greeted}")]
    OtherAgency {
        /// HELLO's.
        greeted: u32,
        /// The message's.
        named: u32,
        /// The message's chunk, if it was BETS: then only the chunk is refused.
        chunk: Option<u32>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    /// Nothing was received yet.
    Undecided,
    /// HELLO was, and waits for its reply; requests behind it wait as well.
    Expected,
    /// HELLO was accepted.
    Accepted { agency: u32 },
    /// The first message was not HELLO.
    Field,
}

impl CentralSession {
    /// A connection on which nothing was received yet.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            reader: FrameReader::new(Sender::Agency, limits.frame_len_max),
            greeting: Greeting::Undecided,
            replies: Replies::default(),
            input_ended: false,
        }
    }

    /// Room to read into. Never empty while [`Self::wants_input`]. Ask for it when there is
    /// something to read: an idle connection then holds no memory.
    pub fn space(&mut self) -> &mut [u8] {
        self.reader.space()
    }

    /// The first `n` bytes of [`Self::space`] were read into.
    pub fn filled(&mut self, n: usize) {
        self.reader.filled(n);
    }

    /// Nothing more will be read. What was received is still answered, then it [`Self::is_closed`].
    pub fn end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// Whether to read: not while the window or the outgoing bytes are full, while a received
    /// request waits to be taken, nor once it closes.
    pub fn wants_input(&self) -> bool {
        !self.input_ended && self.takes_requests() && !self.reader.has_next()
    }

    /// The next request; `None` when there is none, or none may be taken now. Call it again after
    /// every read, every reply and every write.
    ///
    /// # Errors
    ///
    /// A request that the session refused by itself: there is nothing to reply, only to log. There
    /// may be more requests behind it.
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

    /// Accepts HELLO: from now on the connection speaks for its agency.
    ///
    /// # Panics
    ///
    /// If the ticket is not HELLO's, or `welcome` is for another agency, a version not spoken by
    /// both, or promises more than the session's limits.
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

    /// Answers a request, or ends an answer begun with [`Self::reply_part`].
    ///
    /// # Panics
    ///
    /// If `message` is not the answer to what was asked: another kind, another chunk or agency,
    /// WINNERS to an agency that said HELLO, or a WINNERS_PART to one that did not.
    pub fn reply(&mut self, ticket: Ticket, message: &CentralMessage<'_>) {
        let more = matches!(message, CentralMessage::WinnersPart { last: false, .. });
        assert!(!more, "the end of a reply says that more follows");
        self.add(&ticket, message);
        self.replies.complete(ticket, false);
    }

    /// Answers a part of a request: one WINNERS_PART that is not the last. Its bytes are kept until
    /// sent, so give the next one when [`Self::is_head`] and [`Self::outgoing`] is short.
    ///
    /// # Panics
    ///
    /// As [`Self::reply`], and if `message` is not such a part.
    pub fn reply_part(&mut self, ticket: &Ticket, message: &CentralMessage<'_>) {
        let more = matches!(message, CentralMessage::WinnersPart { last: false, .. });
        assert!(more, "a part of a reply is a WINNERS_PART that is not the last");
        self.add(ticket, message);
        self.replies.more_winners_follow(ticket);
    }

    /// Refuses a request. The connection goes on if it was greeted and `error` names the chunk;
    /// otherwise this is the last that is sent, and later requests will not be answered.
    ///
    /// # Panics
    ///
    /// If `error` names a chunk that is not the request's.
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

    /// Says why the connection ends, after the replies that are owed; no more requests are taken.
    /// For limits, timeouts and shutdown. Does nothing if it already closes.
    ///
    /// # Panics
    ///
    /// If `error` names a chunk.
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

    /// Bytes to send.
    pub fn outgoing(&self) -> &[u8] {
        self.replies.outgoing()
    }

    /// The first `n` bytes of [`Self::outgoing`] were sent.
    ///
    /// # Panics
    ///
    /// If there were not as many.
    pub fn sent(&mut self, n: usize) {
        self.replies.sent(n);
    }

    /// Whether the ticket's reply is the next to be sent. Never, once it will not be sent any more.
    pub fn is_head(&self, ticket: &Ticket) -> bool {
        self.replies.is_head(ticket)
    }

    /// Requests whose reply is not wholly in [`Self::outgoing`], or beyond.
    pub fn unanswered(&self) -> usize {
        self.replies.unanswered()
    }

    /// The agency that this connection speaks for; `None` without an accepted HELLO.
    pub fn identity(&self) -> Option<u32> {
        match self.greeting {
            Greeting::Accepted { agency } => Some(agency),
            Greeting::Undecided | Greeting::Expected | Greeting::Field => None,
        }
    }

    /// Whether a message has begun to arrive and is not whole.
    pub fn is_mid_message(&self) -> bool {
        self.reader.is_mid_frame()
    }

    /// Whether the last reply was given, though it may not be sent yet.
    pub fn is_closing(&self) -> bool {
        self.replies.is_closing()
    }

    /// Whether all is sent and nothing will follow: close now. What the agency still sends should
    /// be read and dropped for a moment, or the network may drop the last reply instead.
    pub fn is_closed(&self) -> bool {
        let ends = self.is_closing() || (self.input_ended && !self.reader.has_next());
        ends && self.replies.is_empty()
    }

    /// Memory held, in bytes.
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
    /// Whether `message` may come now, and if so, what it asks.
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
    /// The code that the agency is told.
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

    /// Whether the connection ends with it.
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
