//! The protocol's conversations, played with the central's session alone: it takes each request,
//! lets each answer through in its turn, refuses what it refuses by itself, and closes.
//!
//! What a central would decide is taken from the conversation; the bytes are the session's.

mod transcripts;

use std::collections::VecDeque;

use transcripts::{Central, Connection, Conversation, Message};
use wire::{CentralMessage, CentralSession, SessionLimits, Ticket};

/// A central's part that needs no store: its limits.
struct Sessions(SessionLimits);

struct Line {
    session: CentralSession,
    /// Sent, and not yet taken by the session.
    sent: VecDeque<u8>,
    is_half_closed: bool,
    asked: VecDeque<Ticket>,
}

impl Sessions {
    fn of(conversation: &Conversation) -> Self {
        let (mut frame_len_max, mut window) = (8192, 16);
        for (name, value) in &conversation.options {
            match name.as_str() {
                "--frame-len-max" => frame_len_max = value.parse().expect("a length"),
                "--window" => window = value.parse().expect("a window"),
                _ => {}
            }
        }
        Self(SessionLimits::new(frame_len_max, window).expect("in range"))
    }
}

impl Central for Sessions {
    type Connection = Line;

    fn connect(&mut self) -> Line {
        let session = CentralSession::new(self.0);
        Line { session, sent: VecDeque::new(), is_half_closed: false, asked: VecDeque::new() }
    }

    fn restart(&mut self) {}

    fn end(self) -> Option<u64> {
        None
    }
}

impl Line {
    /// Moves what was sent into the session, as far as it wants it, and takes its requests.
    fn take_requests(&mut self) {
        loop {
            while let Ok(Some((ticket, _))) = self.session.next_request() {
                self.asked.push_back(ticket);
            }
            if self.sent.is_empty() && self.is_half_closed {
                self.session.end_of_input();
            }
            if self.sent.is_empty() || !self.session.wants_input() {
                return;
            }
            let space = self.session.space();
            let len = space.len().min(self.sent.len());
            self.sent.drain(..len).zip(space).for_each(|(byte, place)| *place = byte);
            self.session.filled(len);
        }
    }

    fn answer(&mut self, ticket: Ticket, message: &[u8]) {
        match CentralMessage::decode(message).expect("the central speaks its protocol") {
            CentralMessage::Welcome(welcome) => self.session.greet(ticket, welcome),
            CentralMessage::Error(error) => self.session.refuse(ticket, error),
            message => self.session.reply(ticket, &message),
        }
    }
}

impl Connection for Line {
    fn send(&mut self, bytes: &[u8]) {
        self.sent.extend(bytes);
        self.take_requests();
    }

    fn receive(&mut self, expected: &Message) -> Vec<u8> {
        self.take_requests();
        if self.session.outgoing().is_empty()
            && let Some(ticket) = self.asked.pop_front()
        {
            self.answer(ticket, &expected.example());
        }
        let outgoing = self.session.outgoing();
        let len = match outgoing {
            // An ERROR says how long it is.
            [0, 20, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => expected.start.len().min(outgoing.len()),
        };
        let received = outgoing[..len].to_vec();
        self.session.sent(len);
        received
    }

    fn close_its_side(&mut self) {
        self.is_half_closed = true;
        self.take_requests();
    }

    fn rest(&mut self) -> Vec<u8> {
        self.take_requests();
        let rest = self.session.outgoing().to_vec();
        assert!(!rest.is_empty() || self.session.is_closed(), "it is not closed");
        rest
    }
}

#[test]
fn every_conversation_is_held_by_a_session_whatever_the_pieces() {
    for conversation in transcripts::all() {
        for piece_len in [1, 3, usize::MAX] {
            conversation.play(Sessions::of(&conversation), piece_len);
        }
    }
}
