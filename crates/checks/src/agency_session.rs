//! Feeds arbitrary bytes from a central to wire's `AgencySession`, while the agency sends whatever
//! it is allowed to.
//!
//! Input: mode, maximum message length, a schedule of steps, the bytes. Some steps insert the
//! correct answer to the awaited request before the bytes, so that a run gets far. A naive model
//! predicts the events: it holds the unanswered requests, in order.

use std::collections::VecDeque;

use wire::limits::{FRAME_LEN_LEAST, FRAME_LEN_MAX, MESSAGE_LEN_MAX, READ_LEN_MAX, WINDOW_MAX};
use wire::{
    AgencyEvent, AgencyMessage, AgencySession, BetsFrame, CentralMessage, Documents, DrawName,
    DrawState, ErrorCode, ErrorMessage, Hello, Mode, SendError, Sender, Welcome,
};

use crate::decisions::Decisions;
use crate::frames;

const STEPS_MAX: usize = 2_000;
const AGENCY: u32 = 7;
/// Number of chunks that are sent: few, so that some are in flight early.
const CHUNKS: usize = 6;
/// Maximum length of a batch that is sent.
const BATCH_LEN_MAX: usize = 600;
/// Upper bound of the memory for an awaited reply, in bytes.
const AWAITED_LEN_MAX: usize = 16;

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let mode = if decisions.flag() { Mode::Legacy } else { Mode::Greeting };
    let frame_len_max = decisions.one_of(&[FRAME_LEN_LEAST, FRAME_LEN_MAX, MESSAGE_LEN_MAX]);
    let name = decisions.one_of(&["", "sorteo"]);
    let mut schedule = decisions.schedule();
    let mut agency = Agency::new(mode, frame_len_max, name, decisions.rest());
    let steps = schedule.len() + 4 * agency.unread.len();
    for _ in 0..steps.min(STEPS_MAX) {
        let step = schedule.step();
        agency.step(step % 8, step / 8);
        agency.take_events();
        agency.check_bounds();
    }
    agency.check_said();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Welcome,
    Ack(u32),
    FinishAck,
    Winners,
    MoreWinners,
}

struct Agency {
    session: AgencySession,
    mode: Mode,
    frame_len_max: u32,
    unread: VecDeque<u8>,
    awaited: VecDeque<Awaited>,
    window: usize,
    finish_sent: bool,
    over: bool,
    /// The bytes that must be sent; `said` holds those that were.
    expected: Vec<u8>,
    said: Vec<u8>,
}

impl Agency {
    fn new(mode: Mode, frame_len_max: u32, name: &'static str, stream: &[u8]) -> Self {
        let draw_name = DrawName::new(name).expect("short");
        let session = AgencySession::new(mode, AGENCY, draw_name.clone(), frame_len_max);
        let (mut expected, mut awaited) = (Vec::new(), VecDeque::new());
        if mode == Mode::Greeting {
            let version = wire::limits::VERSION;
            let hello = Hello { version, agency: AGENCY, draw_name };
            AgencyMessage::Hello(hello).encode(&mut expected);
            awaited.push_back(Awaited::Welcome);
        }
        Self {
            session,
            mode,
            frame_len_max,
            unread: stream.iter().copied().collect(),
            awaited,
            window: 1,
            finish_sent: false,
            over: false,
            expected,
            said: Vec::new(),
        }
    }

    fn step(&mut self, kind: usize, choice: usize) {
        match kind {
            0 => self.read(1 + choice * choice),
            1 => self.read(usize::MAX),
            2 | 3 => self.send_bets(choice),
            4 => self.put_answer(choice),
            5 => self.send(1 + choice * choice),
            6 if choice < 8 => self.send_finish(),
            6 => self.send_get_winners(),
            _ => self.send(usize::MAX),
        }
    }

    fn read(&mut self, wanted: usize) {
        if !self.session.wants_input() {
            return;
        }
        assert!(!self.over, "input is wanted of a session that is over");
        let unread = self.unread.make_contiguous();
        let space = self.session.space();
        let len = wanted.min(space.len()).min(unread.len());
        assert!(len > 0 || unread.is_empty(), "input is wanted, and there is no room");
        space[..len].copy_from_slice(&unread[..len]);
        self.session.filled(len);
        self.unread.drain(..len);
    }

    fn send(&mut self, wanted: usize) {
        let len = wanted.min(self.session.outgoing().len());
        self.said.extend_from_slice(&self.session.outgoing()[..len]);
        self.session.sent(len);
    }

    fn send_bets(&mut self, choice: usize) {
        let chunk = u32::try_from(choice % CHUNKS).expect("few");
        let text = "x".repeat(choice % 4 * (BATCH_LEN_MAX - 20) / 3);
        let bets = BetsFrame { agency: AGENCY, chunk, bets: Some(text.as_bytes()) };
        let mut frame = Vec::new();
        AgencyMessage::Bets(bets).encode(&mut frame);
        let welcomed = !self.awaited.contains(&Awaited::Welcome);
        let only_acks = self.awaited.iter().all(|it| matches!(it, Awaited::Ack(_)));
        let may = !self.over && welcomed && only_acks && !self.finish_sent;
        let room = if may { self.window - self.awaited.len() } else { 0 };
        assert_eq!(self.session.can_send(), room);
        let expected = if room == 0 {
            Err(SendError::NotNow)
        } else if self.awaited.contains(&Awaited::Ack(chunk)) {
            Err(SendError::InFlight(chunk))
        } else if frame.len() > self.frame_len_max as usize {
            Err(SendError::TooLong { len: frame.len(), max: self.frame_len_max })
        } else {
            Ok(())
        };
        assert_eq!(self.session.send_bets(chunk, &frame), expected);
        if expected.is_ok() {
            self.awaited.push_back(Awaited::Ack(chunk));
            self.expected.extend_from_slice(&frame);
        }
    }

    fn send_finish(&mut self) {
        let sent = self.session.send_finish();
        self.asked_alone(sent, &AgencyMessage::Finish { agency: AGENCY }, Awaited::FinishAck);
        self.finish_sent |= sent.is_ok();
    }

    fn send_get_winners(&mut self) {
        let sent = self.session.send_get_winners();
        self.asked_alone(sent, &AgencyMessage::GetWinners { agency: AGENCY }, Awaited::Winners);
    }

    fn asked_alone(
        &mut self,
        sent: Result<(), SendError>,
        message: &AgencyMessage<'_>,
        awaited: Awaited,
    ) {
        let idle = !self.over && self.awaited.is_empty();
        assert_eq!(sent, if idle { Ok(()) } else { Err(SendError::NotNow) });
        if idle {
            self.awaited.push_back(awaited);
            message.encode(&mut self.expected);
        }
    }

    /// Inserts the correct answer to the oldest awaited request before the unread bytes.
    fn put_answer(&mut self, choice: usize) {
        let Some(awaited) = self.awaited.front().filter(|_| !self.session.is_mid_message()) else {
            return;
        };
        let documents = Documents::from_text("30876370,24807259").expect("short");
        let greeting = self.mode == Mode::Greeting;
        let answer = match awaited {
            Awaited::Welcome => CentralMessage::Welcome(welcome(choice)),
            Awaited::Ack(chunk) if choice % 8 == 7 => {
                let refused = ErrorMessage::of_chunk(ErrorCode::BadBets, *chunk, "because");
                CentralMessage::Error(refused)
            }
            Awaited::Ack(chunk) => CentralMessage::BetsAck { chunk: *chunk },
            Awaited::FinishAck => CentralMessage::FinishAck { agency: AGENCY },
            Awaited::Winners if choice.is_multiple_of(3) => CentralMessage::NoWinners,
            Awaited::Winners | Awaited::MoreWinners if greeting => {
                CentralMessage::WinnersPart { last: choice % 3 == 1, documents }
            }
            Awaited::Winners | Awaited::MoreWinners => CentralMessage::Winners(documents),
        };
        let mut bytes = Vec::new();
        answer.encode(&mut bytes);
        for byte in bytes.into_iter().rev() {
            self.unread.push_front(byte);
        }
    }

    fn take_events(&mut self) {
        loop {
            match self.session.next_event() {
                Ok(None) => break,
                Ok(Some(event)) => {
                    assert!(!self.over, "an event after the end: {event:?}");
                    self.learn(&event);
                }
                Err(violation) => {
                    assert!(!self.over, "a violation after the end: {violation}");
                    self.over = true;
                }
            }
        }
        assert_eq!(self.session.is_over(), self.over);
    }

    /// Checks that the event answers the oldest awaited request, and updates the model.
    fn learn(&mut self, event: &AgencyEvent) {
        let oldest = self.awaited.front().copied();
        let greeting = self.mode == Mode::Greeting;
        let answers = match event {
            AgencyEvent::Refused { error, goes_on: false } => {
                assert!(!greeting || error.chunk().is_none());
                self.over = true;
                return;
            }
            AgencyEvent::Welcomed(welcome) => {
                assert!(welcome.agency == AGENCY && welcome.version == 1 && welcome.window > 0);
                self.window = welcome.window.min(WINDOW_MAX).into();
                self.frame_len_max = self.frame_len_max.min(welcome.frame_len_max);
                assert!(self.frame_len_max >= FRAME_LEN_LEAST);
                oldest == Some(Awaited::Welcome)
            }
            AgencyEvent::Acknowledged { chunk } => oldest == Some(Awaited::Ack(*chunk)),
            AgencyEvent::Refused { error, goes_on: true } => {
                greeting && error.chunk().is_some_and(|it| oldest == Some(Awaited::Ack(it)))
            }
            AgencyEvent::Finished => oldest == Some(Awaited::FinishAck),
            AgencyEvent::NoWinners => oldest == Some(Awaited::Winners),
            AgencyEvent::Winners { last, .. } => {
                assert!(greeting || *last, "the field's winners come at once");
                if !last {
                    let more = [Some(Awaited::Winners), Some(Awaited::MoreWinners)];
                    assert!(more.contains(&oldest), "{event:?} answers nothing");
                    self.awaited[0] = Awaited::MoreWinners;
                    return;
                }
                matches!(oldest, Some(Awaited::Winners | Awaited::MoreWinners))
            }
        };
        assert!(answers, "{event:?} answers nothing: {oldest:?}");
        self.awaited.pop_front();
    }

    fn check_bounds(&self) {
        let in_flight: Vec<_> = self.session.in_flight().collect();
        assert!(in_flight.len() <= self.window, "more in flight than the window");
        if !self.over {
            let acks = self.awaited.iter().filter_map(|awaited| match awaited {
                Awaited::Ack(chunk) => Some(*chunk),
                _ => None,
            });
            assert!(acks.eq(in_flight), "other chunks in flight");
            assert_eq!(self.session.awaits_reply(), !self.awaited.is_empty());
        }
        assert_eq!(self.session.frame_len_max(), self.frame_len_max);
        let received = MESSAGE_LEN_MAX as usize + READ_LEN_MAX;
        let pending = self.session.outgoing().len();
        // Sent bytes may still be buffered, up to as many as are unsent, and the capacity of a Vec
        // may be twice its length.
        let outgoing = 4 * pending + 64 * 1024;
        let awaited = 2 * (CHUNKS + 2).max(4) * AWAITED_LEN_MAX;
        assert!(self.session.memory_len() <= received + outgoing + awaited, "memory out of bounds");
    }

    /// Checks that the bytes sent are those requested, and that every message is valid.
    fn check_said(&mut self) {
        self.send(usize::MAX);
        assert!(self.said == self.expected, "other bytes than what was asked");
        let (frames, rest, _) = frames::split(Sender::Agency, &self.said, MESSAGE_LEN_MAX as usize);
        assert!(rest.is_empty(), "the last message is not whole");
        for frame in frames {
            AgencyMessage::decode(frame).expect("the agency speaks its protocol");
        }
    }
}

fn welcome(choice: usize) -> Welcome<'static> {
    Welcome {
        version: 1,
        agency: AGENCY,
        window: u16::try_from(1 + choice).expect("a step is a byte"),
        frame_len_max: FRAME_LEN_MAX,
        number_min: 0,
        number_max: 9_999,
        chunks_stored: 0,
        bets_stored: 0,
        prefix_digest: [0; 32],
        state: DrawState::Open,
        draw_name: DrawName::new("sorteo").expect("short"),
    }
}
