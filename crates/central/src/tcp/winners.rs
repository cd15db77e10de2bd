//! The requests for winners: those that wait for the draw, and the one being answered.
//!
//! A request waits as an entry in a queue and nothing else. Its answer is made when its turn to be
//! sent has come, in parts as the agency takes them, so that memory does not depend on how many
//! winners there are.

use std::collections::VecDeque;
use std::sync::Arc;

use lottery::AgencyId;
use tokio::sync::watch;
use tokio::time::Instant;
use wire::{CentralMessage, CentralSession, Ticket};

use crate::limits::WINNERS_OUTGOING_LOW;
use crate::service::{DrawWinners, Stage};
use crate::tcp::translate::{self, Refusal};

/// The requests for winners of one connection.
#[derive(Debug, Default)]
pub(super) struct WinnersRequests {
    /// In the order in which they were asked.
    waiting: VecDeque<Waiting>,
    /// Where the draw's stage is followed, once somebody asked.
    stage: Option<watch::Receiver<Stage>>,
    delivery: Option<Delivery>,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    agency: AgencyId,
    /// Until when it waits for the draw; `None`: for as long as it takes.
    until: Option<Instant>,
}

/// Winners on their way out, in parts.
#[derive(Debug)]
struct Delivery {
    ticket: Ticket,
    joined: Arc<str>,
    /// Where the next part begins.
    at: usize,
}

/// What can be said to a request now.
enum Answer {
    NotYet,
    Wait,
    Unreadable,
    Winners(Arc<DrawWinners>),
}

impl WinnersRequests {
    /// Adds a request that waits for `stage`, for the draw not longer than `until`.
    pub(super) fn add(
        &mut self,
        ticket: Ticket,
        agency: AgencyId,
        until: Option<Instant>,
        stage: watch::Receiver<Stage>,
    ) {
        // The newest receiver: asking may have begun a new reading, which an older one missed.
        self.stage = Some(stage);
        self.waiting.push_back(Waiting { ticket, agency, until });
    }

    /// Answers what can be answered now. Says whether anything was.
    ///
    /// `ends`: those that still wait are to wait no longer.
    pub(super) fn answer(
        &mut self,
        session: &mut CentralSession,
        frame_len_max: u32,
        now: Instant,
        ends: bool,
    ) -> bool {
        let mut answered = false;
        loop {
            if let Some(delivery) = self.delivery.take() {
                if !has_room(session, &delivery.ticket) {
                    self.delivery = Some(delivery);
                    return answered;
                }
                self.delivery = delivery.send_part(session, frame_len_max);
                answered = true;
                continue;
            }
            let Some(first) = self.waiting.front() else { return answered };
            match self.answer_to(first, now, ends) {
                Answer::Wait => return answered,
                Answer::Winners(_) if !has_room(session, &first.ticket) => return answered,
                answer => self.give(session, answer),
            }
            answered = true;
        }
    }

    /// Until when the first request waits for a draw that was not made.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let until = self.waiting.front()?.until;
        let stage = self.stage.as_ref()?.borrow();
        matches!(*stage, Stage::NotMade | Stage::BeingMade).then_some(until).flatten()
    }

    /// Ends when the stage changed, if somebody waits for that.
    pub(super) async fn changed(&mut self) {
        match &mut self.stage {
            Some(stage) if !self.waiting.is_empty() && self.delivery.is_none() => {
                let changed = stage.changed().await;
                changed.expect("the connection holds the draw, and the draw the sender");
            }
            _ => std::future::pending().await,
        }
    }

    fn answer_to(&self, request: &Waiting, now: Instant, ends: bool) -> Answer {
        let stage = self.stage.as_ref().expect("a request that waits brought it").borrow();
        match &*stage {
            Stage::Ready(winners) => Answer::Winners(Arc::clone(winners)),
            Stage::Unreadable => Answer::Unreadable,
            _ if ends => Answer::NotYet,
            Stage::NotMade | Stage::BeingMade => match request.until {
                Some(until) if until <= now => Answer::NotYet,
                _ => Answer::Wait,
            },
            Stage::Made | Stage::BeingRead => Answer::Wait,
        }
    }

    fn give(&mut self, session: &mut CentralSession, answer: Answer) {
        let Waiting { ticket, agency, .. } =
            self.waiting.pop_front().expect("there is a first request to answer");
        match answer {
            Answer::NotYet | Answer::Wait => session.reply(ticket, &CentralMessage::NoWinners),
            Answer::Unreadable => refuse(session, ticket, agency, &Refusal::WinnersUnreadable),
            Answer::Winners(winners) => {
                let joined = winners.of(agency);
                if session.identity().is_some() {
                    self.delivery = Some(Delivery { ticket, joined, at: 0 });
                } else {
                    match translate::winners(&joined) {
                        Ok(message) => session.reply(ticket, &message),
                        Err(refusal) => refuse(session, ticket, agency, &refusal),
                    }
                }
            }
        }
    }
}

impl Delivery {
    /// Sends the next part; gives back what remains to be sent.
    fn send_part(mut self, session: &mut CentralSession, frame_len_max: u32) -> Option<Self> {
        let (message, next) = translate::winners_part(&self.joined, self.at, frame_len_max);
        match next {
            None => {
                session.reply(self.ticket, &message);
                None
            }
            Some(next) => {
                session.reply_part(&self.ticket, &message);
                self.at = next;
                Some(self)
            }
        }
    }
}

/// Refuses a request for winners.
pub(super) fn refuse(
    session: &mut CentralSession,
    ticket: Ticket,
    agency: AgencyId,
    refusal: &Refusal,
) {
    tracing::warn!(
        action = "consulta_ganadores",
        result = "fail",
        agencia = agency.0,
        error = %refusal,
    );
    session.refuse(ticket, refusal.message(None));
}

/// Whether winners may be added to what the ticket's agency has to take.
fn has_room(session: &CentralSession, ticket: &Ticket) -> bool {
    session.is_head(ticket) && session.outgoing().len() < WINNERS_OUTGOING_LOW
}
