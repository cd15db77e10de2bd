//! The pending replies of a central's session: given in any order, sent in the order of the
//! requests.
//!
//! Invariants:
//! - A request has a slot until its reply and all earlier ones are outgoing.
//! - The head's slot holds no bytes: they are outgoing already.
//! - At most one reply closes. Later slots are removed, none is added, and replies to their tickets
//!   are dropped.
//!   their tickets is dropped: nothing is ever sent after it.

use crate::limits::WINDOW;
use crate::message::CentralMessage;
use crate::outgoing::Outgoing;
use std::collections::VecDeque;

/// The right to answer one request of this session, once.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// The reply that a request expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Hello {
        version: u16,
        agency: u32,
    },
    Bets {
        chunk: u32,
    },
    Finish {
        agency: u32,
    },
    Winners,
    /// Some parts were given.
    MoreWinners,
    /// The central sends an ERROR without a request.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Replies {
    slots: VecDeque<Slot>,
    head: u64,
    closing: Option<Ticket>,
    outgoing: Outgoing,
}

#[derive(Debug)]
struct Slot {
    asked: Expected,
    answered: bool,
    /// Bytes that are not outgoing yet.
    bytes: Vec<u8>,
}

impl Replies {
    /// Adds a slot for a request's reply.
    pub(super) fn ask(&mut self, asked: Expected) -> Ticket {
        assert!(self.closing.is_none(), "no request is taken after the last reply");
        let ticket = Ticket(self.head + self.slots.len() as u64);
        self.slots.push_back(Slot { asked, answered: false, bytes: Vec::new() });
        ticket
    }

    /// Returns what the ticket expects; `None` when its reply will not be sent.
    pub(super) fn asked(&self, ticket: &Ticket) -> Option<Expected> {
        self.index(ticket).map(|index| self.slots[index].asked)
    }

    pub(super) fn add(&mut self, ticket: &Ticket, message: &CentralMessage<'_>) {
        match self.index(ticket) {
            None => {}
            Some(0) => message.encode(self.outgoing.end()),
            Some(index) => message.encode(&mut self.slots[index].bytes),
        }
    }

    /// Marks the reply as unfinished winners.
    pub(super) fn more_winners_follow(&mut self, ticket: &Ticket) {
        if let Some(index) = self.index(ticket) {
            self.slots[index].asked = Expected::MoreWinners;
        }
    }

    /// Completes the ticket's reply; it is the last one if it `closes`.
    pub(super) fn complete(&mut self, ticket: Ticket, closes: bool) {
        let Some(index) = self.index(&ticket) else {
            return;
        };
        self.slots[index].answered = true;
        if closes {
            self.slots.truncate(index + 1);
            self.closing = Some(ticket);
        }
        while self.slots.front().is_some_and(|slot| slot.answered) {
            self.slots.pop_front();
            self.head += 1;
            if let Some(next) = self.slots.front_mut() {
                let bytes = std::mem::take(&mut next.bytes);
                self.outgoing.end().extend_from_slice(&bytes);
            }
        }
        if self.slots.is_empty() {
            self.slots.shrink_to(WINDOW.into());
        }
    }

    pub(super) fn is_head(&self, ticket: &Ticket) -> bool {
        self.index(ticket) == Some(0)
    }

    /// Returns the number of requests without a complete outgoing reply.
    pub(super) fn unanswered(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.outgoing.pending().is_empty()
    }

    pub(super) fn outgoing(&self) -> &[u8] {
        self.outgoing.pending()
    }

    pub(super) fn sent(&mut self, n: usize) {
        self.outgoing.sent(n);
    }

    pub(super) fn memory_len(&self) -> usize {
        let waiting = self.slots.iter().map(|slot| slot.bytes.capacity()).sum::<usize>();
        self.outgoing.memory_len() + waiting + self.slots.capacity() * size_of::<Slot>()
    }

    fn index(&self, ticket: &Ticket) -> Option<usize> {
        if self.closing.as_ref().is_some_and(|closing| ticket.0 > closing.0) {
            return None;
        }
        let index = ticket.0.checked_sub(self.head);
        let index = index.and_then(|index| usize::try_from(index).ok());
        let index = index.filter(|index| *index < self.slots.len());
        assert!(index.is_some(), "{ticket:?} is not one of this session's");
        index
    }
}
