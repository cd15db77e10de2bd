//! Requests for winners: those that wait for the draw, and the one being answered.
//!
//! A waiting request is an entry in a queue. Its answer is made when it is the next to be sent, in
//! parts as the agency takes them: memory does not depend on the number of winners. Whether the
//! agency is still enabled is checked for each part.

use std::collections::VecDeque;
use std::sync::Arc;

use central::{DrawWinners, Stage, Zone};
use lottery::{AgencyId, NoPart};
use tokio::sync::watch;
use tokio::time::Instant;
use wire::{CentralMessage, CentralSession, Ticket};

use crate::limits::WINNERS_OUTGOING_LOW;
use crate::translate::{self, Refusal};

/// The requests for winners of one connection.
#[derive(Debug, Default)]
pub(super) struct WinnersRequests {
    /// In the order of their arrival.
    waiting: VecDeque<Waiting>,
    delivery: Option<Delivery>,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    agency: AgencyId,
    /// Until when it waits for the draw; `None`: without limit.
    until: Option<Instant>,
    /// The stage of its draw's winners.
    stage: watch::Receiver<Stage>,
}

/// Winners being sent, in parts.
#[derive(Debug)]
struct Delivery {
    ticket: Ticket,
    agency: AgencyId,
    joined: Arc<str>,
    /// Where the next part begins.
    at: usize,
}

/// The answer that is possible now.
enum Answer {
    Disabled,
    NotYet,
    Wait,
    Unreadable,
    Winners(Arc<DrawWinners>),
}

impl WinnersRequests {
    /// Adds a request that waits for `stage`, at most until `until` for the draw.
    pub(super) fn add(
        &mut self,
        ticket: Ticket,
        agency: AgencyId,
        until: Option<Instant>,
        stage: watch::Receiver<Stage>,
    ) {
        self.waiting.push_back(Waiting { ticket, agency, until, stage });
    }

    /// Answers the requests that can be answered now. Returns whether there was one.
    ///
    /// `may_have`: whether an agency may have its winners. `ends`: no request waits any longer.
    /// `zone`: of times in refusals.
    pub(super) fn answer(
        &mut self,
        session: &mut CentralSession,
        frame_len_max: u32,
        may_have: impl Fn(AgencyId) -> bool,
        now: Instant,
        ends: bool,
        zone: Zone,
    ) -> bool {
        let mut answered = false;
        loop {
            if let Some(delivery) = self.delivery.take() {
                if !has_room(session, &delivery.ticket) {
                    self.delivery = Some(delivery);
                    return answered;
                }
                answered = true;
                if may_have(delivery.agency) {
                    self.delivery = delivery.send_part(session, frame_len_max);
                } else {
                    let Delivery { ticket, agency, .. } = delivery;
                    refuse(session, ticket, agency, &NoPart::AgencyDisabled(agency).into(), zone);
                }
                continue;
            }
            let Some(first) = self.waiting.front() else { return answered };
            match first.answer(now, ends) {
                Answer::Wait => return answered,
                _ if !may_have(first.agency) => self.give(session, Answer::Disabled, zone),
                Answer::Winners(_) if !has_room(session, &first.ticket) => return answered,
                answer => self.give(session, answer, zone),
            }
            answered = true;
        }
    }

    /// Returns until when the first request waits for its draw.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let Waiting { until, stage, .. } = self.waiting.front()?;
        matches!(*stage.borrow(), Stage::NotRead).then_some(*until).flatten()
    }

    /// Returns when the stage that the first request waits for changed.
    pub(super) async fn changed(&mut self) {
        match self.waiting.front_mut() {
            Some(first) if self.delivery.is_none() => {
                let changed = first.stage.changed().await;
                changed.expect("the service holds the sender");
            }
            _ => std::future::pending().await,
        }
    }

    fn give(&mut self, session: &mut CentralSession, answer: Answer, zone: Zone) {
        let Waiting { ticket, agency, .. } =
            self.waiting.pop_front().expect("there is a first request to answer");
        match answer {
            Answer::NotYet | Answer::Wait => session.reply(ticket, &CentralMessage::NoWinners),
            Answer::Disabled => {
                refuse(session, ticket, agency, &NoPart::AgencyDisabled(agency).into(), zone);
            }
            Answer::Unreadable => {
                refuse(session, ticket, agency, &Refusal::WinnersUnreadable, zone);
            }
            Answer::Winners(winners) => {
                let joined = winners.of(agency);
                if session.identity().is_some() {
                    self.delivery = Some(Delivery { ticket, agency, joined, at: 0 });
                } else {
                    match translate::winners(&joined) {
                        Ok(message) => session.reply(ticket, &message),
                        Err(refusal) => refuse(session, ticket, agency, &refusal, zone),
                    }
                }
            }
        }
    }
}

impl Waiting {
    fn answer(&self, now: Instant, ends: bool) -> Answer {
        match &*self.stage.borrow() {
            Stage::Ready(winners) => Answer::Winners(Arc::clone(winners)),
            Stage::Unreadable => Answer::Unreadable,
            _ if ends => Answer::NotYet,
            Stage::NotRead => match self.until {
                Some(until) if until <= now => Answer::NotYet,
                _ => Answer::Wait,
            },
            Stage::BeingRead => Answer::Wait,
        }
    }
}

impl Delivery {
    /// Sends the next part; returns what remains.
    fn send_part(mut self, session: &mut CentralSession, frame_len_max: u32) -> Option<Self> {
        let (message, next) = wire::winners_part(&self.joined, self.at, frame_len_max);
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
    zone: Zone,
) {
    tracing::warn!(
        action = "consulta_ganadores",
        result = "fail",
        agencia = agency.0,
        error = %refusal,
    );
    session.refuse(ticket, refusal.message(None, zone));
}

/// Whether winners may be added to the outgoing bytes.
fn has_room(session: &CentralSession, ticket: &Ticket) -> bool {
    session.is_head(ticket) && session.outgoing().len() < WINNERS_OUTGOING_LOW
}

#[cfg(test)]
mod tests {
    use wire::message::Hello;
    use wire::{AgencyMessage, BetsFrame, DrawName, DrawState, SessionLimits, Welcome};

    use super::*;

    fn say(session: &mut CentralSession, message: &AgencyMessage<'_>) -> Ticket {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        session.space()[..bytes.len()].copy_from_slice(&bytes);
        session.filled(bytes.len());
        session.next_request().unwrap().unwrap().0
    }

    fn greeted() -> CentralSession {
        let mut session = CentralSession::new(SessionLimits::default());
        let hello = Hello { version: 1, agency: 1, draw_name: DrawName::default() };
        let ticket = say(&mut session, &AgencyMessage::Hello(hello));
        let welcome = Welcome {
            version: 1,
            agency: 1,
            window: 16,
            frame_len_max: 8192,
            number_min: 0,
            number_max: 9999,
            chunks_stored: 0,
            bets_stored: 0,
            prefix_digest: [0; 32],
            state: DrawState::Drawn,
            draw_name: DrawName::default(),
        };
        session.greet(ticket, welcome);
        session
    }

    #[test]
    fn an_agency_disabled_in_the_middle_of_its_winners_gets_no_more_of_them() {
        let mut winners = lottery::Winners::default();
        (0..100_000).for_each(|number| winners.add(AgencyId(1), &number.to_string()));
        let (_stage, receiver) = watch::channel(Stage::Ready(Arc::new(DrawWinners::new(&winners))));
        let mut session = greeted();
        let asked = say(&mut session, &AgencyMessage::GetWinners { agency: 1 });
        let mut requests = WinnersRequests::default();
        requests.add(asked, AgencyId(1), None, receiver);
        let now = Instant::now();
        assert!(requests.answer(&mut session, 8192, |_| true, now, false, Zone::default()));
        assert!(!session.is_closing());
        session.sent(session.outgoing().len());
        assert!(requests.answer(&mut session, 8192, |_| false, now, false, Zone::default()));
        assert!(session.is_closing());
        let error = CentralMessage::decode(session.outgoing()).unwrap();
        assert!(format!("{error:?}").contains("agency 1 is disabled"), "{error:?}");
    }

    #[test]
    fn winners_take_memory_only_once_it_is_their_turn_and_then_little() {
        let mut winners = lottery::Winners::default();
        for number in 0..100_000 {
            winners.add(AgencyId(1), &number.to_string());
        }
        let (_stage, receiver) = watch::channel(Stage::Ready(Arc::new(DrawWinners::new(&winners))));
        let mut session = greeted();
        let bets = BetsFrame { agency: 1, chunk: 0, bets: None };
        let first = say(&mut session, &AgencyMessage::Bets(bets));
        let second = say(&mut session, &AgencyMessage::GetWinners { agency: 1 });
        let mut requests = WinnersRequests::default();
        requests.add(second, AgencyId(1), None, receiver);
        let now = Instant::now();
        let empty = session.memory_len();
        assert!(!requests.answer(&mut session, 8192, |_| true, now, false, Zone::default()));
        assert!(session.memory_len() <= empty, "{} bytes", session.memory_len());

        session.reply(first, &CentralMessage::BetsAck { chunk: 0 });
        let mut sent = 0;
        while requests.answer(&mut session, 8192, |_| true, now, false, Zone::default()) {
            let len = session.outgoing().len();
            assert!(len <= WINNERS_OUTGOING_LOW + 8192, "{len} bytes outgoing");
            sent += len;
            session.sent(len);
        }
        assert!(sent > 500_000, "{sent} bytes sent");
        assert_eq!(session.unanswered(), 0);
    }
}
