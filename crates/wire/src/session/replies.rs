//! The replies that a central owes on one connection: given in any order, sent in the order of the
//! requests.
//!
//! Invariants:
//! - every request has a slot until its reply, and all the replies before it, are outgoing;
//! - the slot at the head holds no bytes: they go straight to the outgoing ones;
//! - at most one reply closes. Slots behind it are gone, none is added, and what is later said to
//!   their tickets is dropped: nothing is ever sent after it.

use crate::limits::WINDOW;
use crate::message::CentralMessage;
use crate::outgoing::Outgoing;
use std::collections::VecDeque;

/// The right to answer one request, once. It belongs to the session that gave it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// What a request asked, as far as its reply must fit it.
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
    /// Some parts were already given.
    MoreWinners,
    /// Nothing: the central speaks unasked.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Replies {
    slots: VecDeque<Slot>,
    /// The ticket of the first slot.
    head: u64,
    /// The ticket of the reply that closes.
    closing: Option<Ticket>,
    outgoing: Outgoing,
}

#[derive(Debug)]
struct Slot {
    asked: Expected,
    answered: bool,
    /// What was given and is not outgoing yet.
    bytes: Vec<u8>,
}

impl Replies {
    /// Takes a place for the reply to what was `asked`.
    pub(super) fn ask(&mut self, asked: Expected) -> Ticket {
        assert!(self.closing.is_none(), "no request is taken after the last reply");
        let ticket = Ticket(self.head + self.slots.len() as u64);
        self.slots.push_back(Slot { asked, answered: false, bytes: Vec::new() });
        ticket
    }

    /// What the ticket is for; `None` when its reply will not be sent any more.
    pub(super) fn asked(&self, ticket: &Ticket) -> Option<Expected> {
        self.index(ticket).map(|index| self.slots[index].asked)
    }

    /// Adds a message to the ticket's reply.
    pub(super) fn add(&mut self, ticket: &Ticket, message: &CentralMessage<'_>) {
        match self.index(ticket) {
            None => {}
            Some(0) => message.encode(self.outgoing.end()),
            Some(index) => message.encode(&mut self.slots[index].bytes),
        }
    }

    /// Some of the winners were added, more must follow.
    pub(super) fn more_winners_follow(&mut self, ticket: &Ticket) {
        if let Some(index) = self.index(ticket) {
            self.slots[index].asked = Expected::MoreWinners;
        }
    }

    /// The ticket's reply is complete, and the last one if it `closes`.
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

    /// Whether the ticket's reply is the next to be sent.
    pub(super) fn is_head(&self, ticket: &Ticket) -> bool {
        self.index(ticket) == Some(0)
    }

    /// Requests whose reply is not wholly outgoing.
    pub(super) fn unanswered(&self) -> usize {
        self.slots.len()
    }

    /// Whether the last reply was given, sent or not.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether nothing is owed and nothing waits to be sent.
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
