//! Feeds arbitrary bytes from an agency to wire's `CentralSession`, while requests are answered in
//! any order, refused or answered in parts, and replies are sent in any pieces.
//!
//! Input: maximum message length, window, a schedule of steps, the bytes. A naive model predicts
//! the bytes sent: the replies of each request, in the order of the requests, up to the closing
//! reply.

use wire::limits::{FRAME_LEN_LEAST, FRAME_LEN_MAX, OUTGOING_LEN_MAX, READ_LEN_MAX};
use wire::{
    AgencyMessage, CentralMessage, CentralSession, Documents, DrawName, DrawState, ErrorCode,
    ErrorMessage, Fault, FaultCode, RequestError, Sender, SessionLimits, Ticket, Welcome,
};

use crate::decisions::Decisions;
use crate::frames;

/// Bounds the number of steps, so that every input terminates.
const STEPS_MAX: usize = 2_000;
/// Upper bound of the length of the replies to one request.
const REPLY_LEN_MAX: usize = 1_024;
/// Upper bound of the memory for a pending request, in bytes.
const SLOT_LEN_MAX: usize = 64;
/// Maximum number of parts of winners before the last one.
const PARTS_MAX: usize = 3;

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let frame_len_max = decisions.one_of(&[FRAME_LEN_LEAST, 512, FRAME_LEN_MAX]);
    let window = decisions.one_of(&[1, 2, 3, 8, 40]);
    let limits = SessionLimits::new(frame_len_max, window).expect("within their ranges");
    let mut schedule = decisions.schedule();
    let mut central = Central::new(limits, decisions.rest());
    let steps = schedule.len() + 4 * central.unread.len();
    for _ in 0..steps.min(STEPS_MAX) {
        let step = schedule.step();
        central.step(step % 8, step / 8);
        central.take_requests();
        central.check_bounds();
    }
    central.answer_the_rest();
    central.check_heard();
}

struct Central<'a> {
    session: CentralSession,
    limits: SessionLimits,
    unread: &'a [u8],
    kept: Vec<(Ticket, Request)>,
    /// The bytes to be sent for each request, in order, and whether they are complete.
    expected: Vec<(Vec<u8>, bool)>,
    /// The index in `expected` of the closing reply.
    closing: Option<usize>,
    greeted: bool,
    ended: bool,
    heard: Vec<u8>,
}

/// What replies depend on in a request, and its index in `expected`.
struct Request {
    asked: PendingRequest,
    place: usize,
    parts: usize,
}

#[derive(Clone, Copy)]
enum PendingRequest {
    Hello { version: u16, agency: u32 },
    Bets { chunk: u32 },
    Finish { agency: u32 },
    Winners,
}

impl<'a> Central<'a> {
    fn new(limits: SessionLimits, unread: &'a [u8]) -> Self {
        Self {
            session: CentralSession::new(limits),
            limits,
            unread,
            kept: Vec::new(),
            expected: Vec::new(),
            closing: None,
            greeted: false,
            ended: false,
            heard: Vec::new(),
        }
    }

    fn step(&mut self, kind: usize, choice: usize) {
        match kind {
            0 | 1 => self.read(1 + choice * choice),
            2 => self.read(usize::MAX),
            3 | 4 => self.answer(choice, false),
            5 => self.answer(choice, choice % 2 == 1),
            6 => self.send(1 + choice * choice * choice),
            _ if choice == 0 => self.refuse_unasked(),
            _ if choice == 1 => {
                self.session.end_of_input();
                self.ended = true;
            }
            _ => self.send(usize::MAX),
        }
    }

    fn read(&mut self, wanted: usize) {
        if !self.session.wants_input() {
            return;
        }
        assert!(!self.ended && self.closing.is_none(), "input is wanted of a session that ends");
        let space = self.session.space();
        let len = wanted.min(space.len()).min(self.unread.len());
        assert!(len > 0 || self.unread.is_empty(), "input is wanted, and there is no room");
        space[..len].copy_from_slice(&self.unread[..len]);
        self.session.filled(len);
        self.unread = &self.unread[len..];
    }

    fn take_requests(&mut self) {
        loop {
            let taken = self.session.next_request();
            assert!(self.closing.is_none() || matches!(taken, Ok(None)), "a request after the end");
            let place = self.expected.len();
            match taken {
                Ok(None) => break,
                Ok(Some((ticket, message))) => {
                    let asked = match message {
                        AgencyMessage::Hello(hello) => {
                            assert_eq!(place, 0, "HELLO is only given as the first");
                            PendingRequest::Hello { version: hello.version, agency: hello.agency }
                        }
                        AgencyMessage::Bets(bets) => PendingRequest::Bets { chunk: bets.chunk },
                        AgencyMessage::Finish { agency } => PendingRequest::Finish { agency },
                        AgencyMessage::GetWinners { .. } => PendingRequest::Winners,
                    };
                    self.kept.push((ticket, Request { asked, place, parts: 0 }));
                    self.expected.push((Vec::new(), false));
                }
                Err(error) => {
                    self.expected.push((bytes_of(&refusal(&error)), true));
                    if error.closes() {
                        self.closing = Some(place);
                    }
                }
            }
        }
    }

    /// Answers or refuses one of the pending requests.
    fn answer(&mut self, choice: usize, refuse: bool) {
        if self.kept.is_empty() {
            return;
        }
        let (ticket, mut request) = self.kept.swap_remove(choice % self.kept.len());
        if refuse {
            return self.refuse(ticket, &request, choice);
        }
        let documents = |text: &'static str| Documents::from_text(text).expect("short");
        let reply = match request.asked {
            PendingRequest::Hello { version, agency } => {
                let welcome = self.welcome(version, agency);
                self.expect(request.place, &CentralMessage::Welcome(welcome.clone()), true);
                self.session.greet(ticket, welcome);
                self.greeted = true;
                return;
            }
            PendingRequest::Bets { chunk } => CentralMessage::BetsAck { chunk },
            PendingRequest::Finish { agency } => CentralMessage::FinishAck { agency },
            PendingRequest::Winners if request.parts == 0 && choice.is_multiple_of(3) => {
                CentralMessage::NoWinners
            }
            PendingRequest::Winners if !self.greeted => {
                CentralMessage::Winners(documents("30876370,1"))
            }
            PendingRequest::Winners => {
                let last = request.parts == PARTS_MAX || choice % 3 == 1;
                CentralMessage::WinnersPart { last, documents: documents("24807259") }
            }
        };
        let more = matches!(reply, CentralMessage::WinnersPart { last: false, .. });
        self.expect(request.place, &reply, !more);
        if more {
            self.session.reply_part(&ticket, &reply);
            request.parts += 1;
            self.kept.push((ticket, request));
        } else {
            self.session.reply(ticket, &reply);
        }
    }

    fn welcome(&self, version: u16, agency: u32) -> Welcome<'static> {
        Welcome {
            version: version.min(wire::limits::VERSION),
            agency,
            window: self.limits.window(),
            frame_len_max: self.limits.frame_len_max(),
            number_min: 0,
            number_max: 9_999,
            chunks_stored: 0,
            bets_stored: 0,
            prefix_digest: [0; 32],
            state: DrawState::Open,
            draw_name: DrawName::new("sorteo").expect("short"),
        }
    }

    fn refuse(&mut self, ticket: Ticket, request: &Request, choice: usize) {
        let error = match request.asked {
            PendingRequest::Bets { chunk } if choice % 4 == 1 => {
                let fault = Fault { position: 3, code: FaultCode::Document };
                ErrorMessage::of_chunk(ErrorCode::BadBets, chunk, "ñ").with_faults([fault])
            }
            _ => ErrorMessage::closing(ErrorCode::StorageFailed, "because"),
        };
        let closes = !self.greeted || error.chunk().is_none();
        if self.is_sent(request.place) {
            self.expect(request.place, &CentralMessage::Error(error.clone()), true);
            if closes {
                self.closing = Some(request.place);
            }
        }
        self.session.refuse(ticket, error);
    }

    fn refuse_unasked(&mut self) {
        let error = ErrorMessage::closing(ErrorCode::ShuttingDown, "adiós");
        if self.closing.is_none() {
            self.closing = Some(self.expected.len());
            self.expected.push((bytes_of(&error), true));
        }
        self.session.refuse_unasked(error);
    }

    fn send(&mut self, wanted: usize) {
        let len = wanted.min(self.session.outgoing().len());
        self.heard.extend_from_slice(&self.session.outgoing()[..len]);
        self.session.sent(len);
    }

    /// Returns whether the reply at this place is sent: it must not follow the closing one.
    fn is_sent(&self, place: usize) -> bool {
        self.closing.is_none_or(|closing| place <= closing)
    }

    fn expect(&mut self, place: usize, message: &CentralMessage<'_>, complete: bool) {
        let (bytes, is_complete) = &mut self.expected[place];
        assert!(!*is_complete, "a ticket is answered once");
        message.encode(bytes);
        *is_complete = complete;
    }

    fn check_bounds(&self) {
        let window = usize::from(self.limits.window());
        let closing = usize::from(self.closing.is_some());
        let unanswered = self.expected.iter().take(self.closing.map_or(usize::MAX, |at| at + 1));
        let unanswered = unanswered.skip_while(|(_, complete)| *complete).count();
        assert_eq!(self.session.unanswered(), unanswered);
        // A refusal by the session itself has its own slot.
        assert!(unanswered <= window + closing, "more than the window is unanswered");
        assert_eq!(self.session.is_closing(), self.closing.is_some());
        assert_eq!(self.session.identity().is_some(), self.greeted);
        assert!(self.closing.is_none() || !self.session.is_mid_message());
        let head = self.expected.iter().position(|(_, complete)| !complete);
        for (ticket, request) in &self.kept {
            let is_head = self.is_sent(request.place) && head == Some(request.place);
            assert_eq!(self.session.is_head(ticket), is_head, "another reply is the next");
        }

        let received = self.limits.frame_len_max() as usize + READ_LEN_MAX;
        // Some sent bytes may still be buffered, and a Vec may have twice its length as capacity.
        let outgoing = 4 * (OUTGOING_LEN_MAX + (window + 1) * REPLY_LEN_MAX);
        let held_back = 2 * window * REPLY_LEN_MAX;
        let slots = 2 * (window + 1).max(wire::limits::WINDOW.into()) * SLOT_LEN_MAX;
        assert!(
            self.session.memory_len() <= received + outgoing + held_back + slots,
            "memory out of bounds"
        );
    }

    fn answer_the_rest(&mut self) {
        loop {
            self.send(usize::MAX);
            self.take_requests();
            if self.kept.is_empty() {
                break;
            }
            self.answer(1, false);
        }
        self.send(usize::MAX);
        let ends = self.ended || self.closing.is_some();
        assert_eq!(self.session.is_closed(), ends, "all is answered and sent");
        assert_ne!(self.session.wants_input(), ends, "all is answered and sent");
    }

    /// Checks that the bytes sent are the expected replies, valid and allowed for this agency.
    fn check_heard(&self) {
        let replies = self.expected.iter().take(self.closing.map_or(usize::MAX, |at| at + 1));
        let expected: Vec<u8> = replies.flat_map(|(bytes, _)| bytes.iter().copied()).collect();
        assert!(self.heard == expected, "other bytes than the replies in their order");
        let (frames, rest, _) = frames::split(Sender::Central, &self.heard, usize::MAX);
        assert!(rest.is_empty(), "the last message is not whole");
        for (at, frame) in frames.iter().enumerate() {
            let last = at + 1 == frames.len();
            match CentralMessage::decode(frame).expect("the central speaks its protocol") {
                CentralMessage::Error(error) if error.chunk().is_none() => assert!(last),
                CentralMessage::Error(_) => assert!(self.greeted || last),
                message => assert!(self.greeted || message.is_of_the_field()),
            }
        }
    }
}

/// Returns the session's own refusal of an invalid request.
fn refusal(error: &RequestError) -> ErrorMessage {
    match error {
        RequestError::OtherAgency { chunk: Some(chunk), .. } => {
            ErrorMessage::of_chunk(error.code(), *chunk, &error.to_string())
        }
        _ => ErrorMessage::closing(error.code(), &error.to_string()),
    }
}

fn bytes_of(error: &ErrorMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    CentralMessage::Error(error.clone()).encode(&mut bytes);
    bytes
}
