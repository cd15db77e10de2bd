//! The agency's side of a connection.
//!
//! Invariants:
//! - The central's messages must answer the requests in order; anything else is a
//!   [`ProtocolViolation`] and ends the session.
//! - At most a window of chunks is in flight, none before WELCOME and none after FINISH.
//! - FINISH and GET_WINNERS are only sent when every chunk is answered: an agency must know that
//!   all its bets are stored before it finishes.
//! - Memory: at most one message and one read received, and the chunks in flight outgoing. Events
//!   are the caller's.
//!
//! Deliberately absent: resending after a lost connection. [`AgencySession::in_flight`] lists what
//! is unanswered; the caller resends it on a new connection.

use crate::frame::{FrameError, Sender};
use crate::limits::{
    MESSAGE_LEN_MAX, VERSION, WINDOW_MAX, assert_frame_len_max, check_frame_len_max,
};
use crate::message::{
    AgencyMessage, BetsFrame, CentralMessage, Documents, DrawName, ErrorMessage, Hello,
    PayloadError, Welcome,
};
use crate::outgoing::Outgoing;
use crate::reader::FrameReader;
use std::collections::VecDeque;
use thiserror::Error;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With HELLO: a window of chunks, resuming, refusals per chunk, winners in parts.
    Greeting,
    /// The field's protocol: one request at a time.
    Legacy,
}

/// The agency's side of a connection.
#[derive(Debug)]
pub struct AgencySession {
    mode: Mode,
    agency: u32,
    draw_name: DrawName<'static>,
    frame_len_max: u32,
    window: usize,
    phase: Phase,
    finish_sent: bool,
    awaited: VecDeque<Awaited>,
    reader: FrameReader,
    outgoing: Outgoing,
}

/// A message from the central.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgencyEvent {
    /// HELLO was accepted.
    Welcomed(Welcome<'static>),
    /// Every bet of the chunk is stored.
    Acknowledged {
        /// Its number.
        chunk: u32,
    },
    /// A chunk or the connection was refused.
    Refused {
        /// The ERROR.
        error: ErrorMessage,
        /// Whether the connection continues; then only the chunk in `error` was refused.
        goes_on: bool,
    },
    /// The agency's FINISH is recorded.
    Finished,
    /// The draw has not been made yet.
    NoWinners,
    /// Some of the agency's winners.
    Winners {
        /// Their documents.
        documents: Documents<'static>,
        /// Whether these are the last.
        last: bool,
    },
}

/// The central broke the protocol. The session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum ProtocolViolation {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error("{0}, which answers no request")]
    Unasked(&'static str),
    #[error("{message} of chunk {chunk}, which is not the oldest in flight")]
    OtherChunk { message: &'static str, chunk: u32 },
    #[error("{message} for agency {agency}")]
    OtherAgency { message: &'static str, agency: u32 },
    #[error("WELCOME with an invalid {0}")]
    BadWelcome(&'static str),
}

/// Why a message can't be sent. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum SendError {
    #[error("not now: a reply is pending, or the session is over")]
    NotNow,
    #[error("chunk {0} is already in flight")]
    InFlight(u32),
    #[error("a message of {len} bytes, longer than the limit of {max}")]
    TooLong { len: usize, max: u32 },
    #[error("not a batch of this agency with chunk id {0}")]
    NotTheBatch(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AwaitsWelcome,
    Open,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Welcome,
    Ack {
        chunk: u32,
    },
    FinishAck,
    Winners,
    /// Some parts were received.
    MoreWinners,
}

impl AgencySession {
    /// Creates a session. With [`Mode::Greeting`], HELLO with the draw's name is already outgoing;
    /// otherwise the name is ignored. No message sent is longer than `frame_len_max`.
    ///
    /// # Panics
    /// When `limits::check_frame_len_max` rejects `frame_len_max`.
    pub fn new(mode: Mode, agency: u32, draw_name: DrawName<'_>, frame_len_max: u32) -> Self {
        assert_frame_len_max(frame_len_max);
        let mut session = Self {
            mode,
            agency,
            draw_name: draw_name.into_owned(),
            frame_len_max,
            window: 1,
            phase: Phase::Open,
            finish_sent: false,
            awaited: VecDeque::new(),
            // The field's WINNERS may have the maximum length of a message.
            reader: FrameReader::new(Sender::Central, MESSAGE_LEN_MAX),
            outgoing: Outgoing::default(),
        };
        if mode == Mode::Greeting {
            session.phase = Phase::AwaitsWelcome;
            let draw_name = session.draw_name.clone();
            let hello = Hello { version: VERSION, agency, draw_name };
            session.ask(&AgencyMessage::Hello(hello), Awaited::Welcome);
        }
        session
    }

    /// Returns space to read into. Never empty while [`Self::wants_input`].
    pub fn space(&mut self) -> &mut [u8] {
        self.reader.space()
    }

    /// Marks the first `n` bytes of [`Self::space`] as received.
    pub fn filled(&mut self, n: usize) {
        self.reader.filled(n);
    }

    /// Whether to read: not while a received message waits to be taken, nor once the session is
    /// over.
    pub fn wants_input(&self) -> bool {
        !self.is_over() && !self.reader.has_next()
    }

    /// Returns the next message of the central; `None` if there is none.
    ///
    /// # Errors
    /// When the central broke the protocol. The session is over.
    pub fn next_event(&mut self) -> Result<Option<AgencyEvent>, ProtocolViolation> {
        if self.is_over() {
            self.reader.clear();
            return Ok(None);
        }
        let event = self.read_event();
        if event.is_err() {
            self.phase = Phase::Over;
        }
        event
    }

    /// Returns how many chunks can be sent now.
    pub fn can_send(&self) -> usize {
        let only_acks = self.awaited.iter().all(|awaited| matches!(awaited, Awaited::Ack { .. }));
        if self.phase == Phase::Open && !self.finish_sent && only_acks {
            self.window - self.awaited.len()
        } else {
            0
        }
    }

    /// Sends `frame`, the BETS message of `chunk`; see [`crate::BetsEncoder`].
    ///
    /// # Errors
    /// Why it can't be sent.
    pub fn send_bets(&mut self, chunk: u32, frame: &[u8]) -> Result<(), SendError> {
        if self.can_send() == 0 {
            return Err(SendError::NotNow);
        }
        if self.in_flight().any(|in_flight| in_flight == chunk) {
            return Err(SendError::InFlight(chunk));
        }
        if frame.len() > self.frame_len_max as usize {
            return Err(SendError::TooLong { len: frame.len(), max: self.frame_len_max });
        }
        match AgencyMessage::decode(frame) {
            Ok(AgencyMessage::Bets(BetsFrame { agency, chunk: named, .. }))
                if agency == self.agency && named == chunk => {}
            _ => return Err(SendError::NotTheBatch(chunk)),
        }
        self.outgoing.end().extend_from_slice(frame);
        self.awaited.push_back(Awaited::Ack { chunk });
        Ok(())
    }

    /// Sends FINISH: no more bets will come.
    ///
    /// # Errors
    /// [`SendError::NotNow`] while a reply is pending.
    pub fn send_finish(&mut self) -> Result<(), SendError> {
        self.check_idle()?;
        self.finish_sent = true;
        self.ask(&AgencyMessage::Finish { agency: self.agency }, Awaited::FinishAck);
        Ok(())
    }

    /// Requests this agency's winners.
    ///
    /// # Errors
    /// [`SendError::NotNow`] while a reply is pending.
    pub fn send_get_winners(&mut self) -> Result<(), SendError> {
        self.check_idle()?;
        self.ask(&AgencyMessage::GetWinners { agency: self.agency }, Awaited::Winners);
        Ok(())
    }

    /// Returns the bytes to send.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.pending()
    }

    /// Marks the first `n` bytes of [`Self::outgoing`] as sent.
    ///
    /// # Panics
    /// When there were fewer.
    pub fn sent(&mut self, n: usize) {
        self.outgoing.sent(n);
    }

    /// Iterates over the unanswered chunks, oldest first.
    pub fn in_flight(&self) -> impl Iterator<Item = u32> {
        self.awaited.iter().filter_map(|awaited| match awaited {
            Awaited::Ack { chunk } => Some(*chunk),
            _ => None,
        })
    }

    /// Whether a reply is pending.
    pub fn awaits_reply(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Whether a message is incomplete.
    pub fn is_mid_message(&self) -> bool {
        self.reader.is_mid_frame()
    }

    /// Returns the longest message to send, header included: the lower of both sides' limits.
    pub fn frame_len_max(&self) -> u32 {
        self.frame_len_max
    }

    /// Whether the session is over and the connection should be closed.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Returns the memory in use, in bytes.
    pub fn memory_len(&self) -> usize {
        let awaited = self.awaited.capacity() * size_of::<Awaited>();
        self.reader.memory_len() + self.outgoing.memory_len() + awaited
    }

    fn ask(&mut self, message: &AgencyMessage<'_>, awaited: Awaited) {
        message.encode(self.outgoing.end());
        self.awaited.push_back(awaited);
    }

    fn check_idle(&self) -> Result<(), SendError> {
        if self.phase == Phase::Open && self.awaited.is_empty() {
            Ok(())
        } else {
            Err(SendError::NotNow)
        }
    }

    fn read_event(&mut self) -> Result<Option<AgencyEvent>, ProtocolViolation> {
        let Some(taken) = self.reader.take()? else {
            return Ok(None);
        };
        let message = CentralMessage::from_frame(self.reader.frame(taken))?;
        let name = message.name();
        let awaited = self.awaited.front().copied();
        let greeting = self.mode == Mode::Greeting;
        let event = match (message, awaited) {
            (CentralMessage::Error(error), _) => return self.refused(error).map(Some),
            (CentralMessage::BetsAck { chunk }, Some(Awaited::Ack { chunk: oldest })) => {
                if chunk != oldest {
                    return Err(ProtocolViolation::OtherChunk { message: name, chunk });
                }
                AgencyEvent::Acknowledged { chunk }
            }
            (CentralMessage::FinishAck { agency }, Some(Awaited::FinishAck)) => {
                if agency != self.agency {
                    return Err(ProtocolViolation::OtherAgency { message: name, agency });
                }
                AgencyEvent::Finished
            }
            (CentralMessage::NoWinners, Some(Awaited::Winners)) => AgencyEvent::NoWinners,
            (CentralMessage::Winners(documents), Some(Awaited::Winners)) if !greeting => {
                AgencyEvent::Winners { documents: documents.into_owned(), last: true }
            }
            (
                CentralMessage::WinnersPart { last, documents },
                Some(Awaited::Winners | Awaited::MoreWinners),
            ) if greeting => {
                let documents = documents.into_owned();
                if !last {
                    self.awaited[0] = Awaited::MoreWinners;
                    return Ok(Some(AgencyEvent::Winners { documents, last }));
                }
                AgencyEvent::Winners { documents, last }
            }
            (CentralMessage::Welcome(welcome), Some(Awaited::Welcome)) => {
                let welcome = welcome.into_owned();
                self.welcomed(&welcome)?;
                AgencyEvent::Welcomed(welcome)
            }
            _ => return Err(ProtocolViolation::Unasked(name)),
        };
        self.awaited.pop_front();
        Ok(Some(event))
    }

    fn refused(&mut self, error: ErrorMessage) -> Result<AgencyEvent, ProtocolViolation> {
        let goes_on = match error.chunk() {
            Some(chunk) if self.mode == Mode::Greeting => {
                if self.awaited.front() != Some(&Awaited::Ack { chunk }) {
                    return Err(ProtocolViolation::OtherChunk { message: "ERROR", chunk });
                }
                self.awaited.pop_front();
                true
            }
            _ => {
                self.phase = Phase::Over;
                false
            }
        };
        Ok(AgencyEvent::Refused { error, goes_on })
    }

    fn welcomed(&mut self, welcome: &Welcome<'_>) -> Result<(), ProtocolViolation> {
        if welcome.agency != self.agency {
            let agency = welcome.agency;
            return Err(ProtocolViolation::OtherAgency { message: "WELCOME", agency });
        }
        if !(1..=VERSION).contains(&welcome.version) {
            return Err(ProtocolViolation::BadWelcome("version"));
        }
        if welcome.window == 0 {
            return Err(ProtocolViolation::BadWelcome("window"));
        }
        if check_frame_len_max(welcome.frame_len_max).is_err() {
            return Err(ProtocolViolation::BadWelcome("length limit"));
        }
        if !self.draw_name.is_empty() && welcome.draw_name != self.draw_name {
            return Err(ProtocolViolation::BadWelcome("draw"));
        }
        self.phase = Phase::Open;
        self.window = usize::from(welcome.window.min(WINDOW_MAX));
        self.frame_len_max = self.frame_len_max.min(welcome.frame_len_max);
        Ok(())
    }
}
