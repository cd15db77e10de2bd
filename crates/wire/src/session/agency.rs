//! The agency's side of one connection.
//!
//! Invariants:
//! - what the central says must answer what was asked, in the order it was asked; anything else is
//!   a [`ProtocolViolation`] and ends the session;
//! - at most a window of chunks is in flight, none before WELCOME, none once FINISH was sent;
//! - FINISH and GET_WINNERS go out alone, when every chunk is answered: an agency must know that
//!   all its bets are stored before it says that it has finished;
//! - memory: the received bytes are at most one message and one read, the outgoing ones at most
//!   the chunks in flight. What events carry is the caller's.
//!
//! Deliberately absent: sending again after a lost connection. [`AgencySession::in_flight`] says
//! what is unanswered; whoever keeps the batches sends them on a new connection.

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

/// Which protocol the connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// HELLO first: a window of chunks, resuming, refusals by chunk, winners in parts.
    Greeting,
    /// The field's protocol: one request at a time.
    Legacy,
}

/// The agency's side of one connection.
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

/// What the central said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgencyEvent {
    /// HELLO was accepted.
    Welcomed(Welcome<'static>),
    /// Every bet of the chunk is stored.
    Acknowledged {
        /// The chunk's id.
        chunk: u32,
    },
    /// A chunk was refused, or everything.
    Refused {
        /// What was refused, and why.
        error: ErrorMessage,
        /// Whether the connection goes on: then only the chunk that `error` names was refused.
        goes_on: bool,
    },
    /// It was noted that this agency has finished.
    Finished,
    /// The draw has not been made yet: ask again.
    NoWinners,
    /// Some of the winners of this agency.
    Winners {
        /// Their documents.
        documents: Documents<'static>,
        /// No more follow.
        last: bool,
    },
}

/// The central said something that makes no sense. The session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolViolation {
    /// Refused from its header.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Refused from its payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Not the answer to the oldest request that is unanswered.
    #[error("{0}, which answers nothing that was asked")]
    Unasked(&'static str),
    /// An answer for a chunk that is not the oldest in flight.
    #[error("{message} of chunk {chunk}, which is not the oldest in flight")]
    OtherChunk {
        /// BETS_ACK or ERROR.
        message: &'static str,
        /// The chunk that it names.
        chunk: u32,
    },
    /// An answer for another agency.
    #[error("{message} for agency {agency}")]
    OtherAgency {
        /// WELCOME or FINISH_ACK.
        message: &'static str,
        /// The agency that it names.
        agency: u32,
    },
    /// WELCOME says something impossible, or not what HELLO asked.
    #[error("WELCOME with an impossible {0}")]
    BadWelcome(&'static str),
}

/// Why something cannot be sent now. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The window is full, WELCOME or a reply is awaited, or the session is over.
    #[error("not now: a reply is awaited, or the session is over")]
    NotNow,
    /// The chunk is already in flight.
    #[error("chunk {0} is already in flight")]
    InFlight(u32),
    /// Longer than the central allows.
    #[error("a message of {len} bytes, longer than the limit of {max}")]
    TooLong {
        /// The message's length.
        len: usize,
        /// The limit.
        max: u32,
    },
    /// Not a BETS message of this agency and chunk.
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
    /// A new connection of `agency`. In [`Mode::Greeting`] HELLO is already outgoing, naming the
    /// draw; otherwise the name is not used. No message sent is longer than `frame_len_max`.
    ///
    /// # Panics
    ///
    /// If `limits::check_frame_len_max` refuses `frame_len_max`.
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
            // The field's WINNERS may be as long as a message can be.
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

    /// Room to read into. Never empty while [`Self::wants_input`].
    pub fn space(&mut self) -> &mut [u8] {
        self.reader.space()
    }

    /// The first `n` bytes of [`Self::space`] were read into.
    pub fn filled(&mut self, n: usize) {
        self.reader.filled(n);
    }

    /// Whether to read: not while a received message waits to be taken, nor once it is over.
    pub fn wants_input(&self) -> bool {
        !self.is_over() && !self.reader.has_next()
    }

    /// What the central said next; `None` when nothing more was received.
    ///
    /// # Errors
    ///
    /// What makes no sense. The session is over then.
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

    /// How many chunks may be sent now.
    pub fn can_send(&self) -> usize {
        let only_acks = self.awaited.iter().all(|awaited| matches!(awaited, Awaited::Ack { .. }));
        if self.phase == Phase::Open && !self.finish_sent && only_acks {
            self.window - self.awaited.len()
        } else {
            0
        }
    }

    /// Sends `frame`, the BETS message of `chunk`: see [`crate::BetsEncoder`].
    ///
    /// # Errors
    ///
    /// Why it cannot be sent.
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

    /// Says that no more bets will come.
    ///
    /// # Errors
    ///
    /// [`SendError::NotNow`] while any reply is awaited.
    pub fn send_finish(&mut self) -> Result<(), SendError> {
        self.check_idle()?;
        self.finish_sent = true;
        self.ask(&AgencyMessage::Finish { agency: self.agency }, Awaited::FinishAck);
        Ok(())
    }

    /// Asks for this agency's winners.
    ///
    /// # Errors
    ///
    /// [`SendError::NotNow`] while any reply is awaited.
    pub fn send_get_winners(&mut self) -> Result<(), SendError> {
        self.check_idle()?;
        self.ask(&AgencyMessage::GetWinners { agency: self.agency }, Awaited::Winners);
        Ok(())
    }

    /// Bytes to send.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.pending()
    }

    /// The first `n` bytes of [`Self::outgoing`] were sent.
    ///
    /// # Panics
    ///
    /// If there were not as many.
    pub fn sent(&mut self, n: usize) {
        self.outgoing.sent(n);
    }

    /// The chunks that were given to send and not answered, the oldest first.
    pub fn in_flight(&self) -> impl Iterator<Item = u32> {
        self.awaited.iter().filter_map(|awaited| match awaited {
            Awaited::Ack { chunk } => Some(*chunk),
            _ => None,
        })
    }

    /// Whether any reply is awaited, so that the end of input would be too early.
    pub fn awaits_reply(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Whether a message has begun to arrive and is not whole.
    pub fn is_mid_message(&self) -> bool {
        self.reader.is_mid_frame()
    }

    /// The longest message that may be sent, header included: the central's limit once it is known,
    /// if that is less.
    pub fn frame_len_max(&self) -> u32 {
        self.frame_len_max
    }

    /// Whether nothing will come or may be sent any more: close.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Memory held, in bytes.
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
