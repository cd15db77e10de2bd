//! One run of the central's program: sessions of the wire protocol over a ledger without threads.
//!
//! What the central crate does with tokio is done here a step at a time, in the same order, with
//! its own translation between wire and domain: a request is submitted once, its outcome awaited
//! and replied with; when the last agency has finished the draw is closed, and then made. A store
//! that failed for good ends the program.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use central::translate::{self, BatchRequest, Refusal, Request};
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Fault, Report, SteppedLedger};
use lottery::planted::{Bug, planted};
use lottery::{
    Agencies, AgencyId, AgencyProgress, AppendError, Appended, Batch, ChunkId, CloseError, Closed,
    Done, DrawError, DrawId, DrawState, DrawTerms, Drawn, FinishError, Finished, NumberRange,
    ProgressError, Store, StoreFault, Winners,
};
use thiserror::Error;
use wire::{CentralMessage, CentralSession, SessionLimits, Ticket, winners_part};

use crate::limits::SEGMENT_LEN;
use crate::network::{End, Link, Read};
use crate::setting::{DRAW_NAME, Setting};
use crate::world::{World, Wrong, wrong};

/// See the module's documentation.
pub(crate) struct Process<'a> {
    setting: &'a Setting,
    limits: SessionLimits,
    store: SteppedLedger,
    draw: DrawId,
    terms: DrawTerms,
    connections: BTreeMap<Link, Connection>,
    outcomes: Receiver<Outcome>,
    outcome: Sender<Outcome>,
    winners: Option<Winners>,
    /// The draw was to be made, and there was no room: when to try again.
    draw_at: Option<u64>,
    failed: bool,
}

struct Connection {
    session: CentralSession,
    /// Requests for winners, and until when they wait.
    waiting: VecDeque<(Ticket, AgencyId, u64)>,
}

/// Why the program did not start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Ledger(#[from] Fault),
    #[error("{0}")]
    Store(String),
}

/// What came of a request.
enum Outcome {
    Greeted(Link, Ticket, u16, AgencyId, Result<AgencyProgress, ProgressError>),
    Appended(Link, Ticket, ChunkId, Result<Appended, AppendError>),
    Finished(Link, Ticket, AgencyId, Result<Finished, FinishError>),
    Closed(Result<Closed, CloseError>),
    Drawn(Result<Drawn, DrawError>),
}

impl<'a> Process<'a> {
    /// Opens what the disk holds, and makes the draw if a crash came between it and the last
    /// FINISH.
    pub(crate) fn start(
        disk: &SimulatedDisk,
        setting: &'a Setting,
        world: &World,
    ) -> Result<Self, StartError> {
        let store = SteppedLedger::open_on(Arc::new(disk.clone()), SEGMENT_LEN)?;
        let at = world.clock();
        let terms = terms(setting);
        let draw = ask(&store, |done| store.open_draw(terms.clone(), at, done))?;
        let statuses = ask(&store, |done| store.draws(done))?;
        let status = statuses.iter().find(|status| status.id == draw);
        let status = status.ok_or_else(|| StartError::Store("the draw is unknown".to_owned()))?;
        let mut winners = None;
        if status.all_finished() {
            if !matches!(status.state, DrawState::Drawn { .. }) {
                ask(&store, |done| store.close(draw, at, done))?;
                ask(&store, |done| store.draw(draw, setting.winning_number, at, done))?;
            }
            let read = store.winners(draw);
            winners = Some(read.map_err(|error| StartError::Store(error.to_string()))?);
        }
        let (outcome, outcomes) = mpsc::channel();
        let window = setting.window + u16::from(planted(Bug::WindowOffByOne));
        let limits = SessionLimits::new(setting.frame_len_max, window);
        Ok(Self {
            setting,
            limits: limits.expect("a setting keeps the limits' ranges"),
            store,
            draw,
            terms,
            connections: BTreeMap::new(),
            outcomes,
            outcome,
            winners,
            draw_at: None,
            failed: false,
        })
    }

    /// What recovery found.
    pub(crate) fn report(&self) -> Report {
        self.store.report()
    }

    /// Whether the store failed, so that the program has to end.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether a turn would have something to do.
    pub(crate) fn has_pending(&self) -> bool {
        self.store.pending_count() > 0
    }

    /// One group commit.
    pub(crate) fn turn(&self) {
        self.store.turn();
    }

    /// Takes what agencies sent, and submits it.
    pub(crate) fn receive(&mut self, world: &mut World) -> Result<(), Wrong> {
        for link in world.network.accept(world.now, &mut world.faults) {
            let session = CentralSession::new(self.limits);
            self.connections.insert(link, Connection { session, waiting: VecDeque::new() });
        }
        for link in self.links() {
            let session = &mut self.connection(link).session;
            if session.wants_input() {
                let by = (link, End::Central);
                match world.network.read(&mut world.rng, world.now, by, session.space()) {
                    Read::Bytes(count) => session.filled(count),
                    Read::Nothing => {}
                    Read::Ended => session.end_of_input(),
                    Read::Broken => {
                        world.network.close(link, End::Central);
                        self.connections.remove(&link);
                        continue;
                    }
                }
            }
            self.take_requests(link, world)?;
        }
        if self.draw_at.is_some_and(|at| at <= world.now) {
            self.close_draw(world);
        }
        Ok(())
    }

    /// Replies with what the store has answered since, and sends it.
    pub(crate) fn reply(&mut self, world: &mut World) -> Result<(), Wrong> {
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.take_outcome(outcome, world)?;
        }
        for link in self.links() {
            self.take_requests(link, world)?;
            self.tell_winners(link, world.now)?;
            self.send(link, world);
        }
        Ok(())
    }

    /// Ends in order: what was asked is stored and acknowledged, nothing more is taken.
    pub(crate) fn shut_down(&mut self, world: &mut World) -> Result<(), Wrong> {
        while self.has_pending() {
            self.turn();
        }
        self.reply(world)?;
        for link in self.links() {
            let connection = self.connection(link);
            for (ticket, ..) in std::mem::take(&mut connection.waiting) {
                connection.session.reply(ticket, &CentralMessage::NoWinners);
            }
            if connection.session.identity().is_some() {
                connection.session.refuse_unasked(Refusal::ShuttingDown.message(None));
            }
            self.send(link, world);
            world.network.close(link, End::Central);
        }
        Ok(())
    }

    fn links(&self) -> Vec<Link> {
        self.connections.keys().copied().collect()
    }

    fn connection(&mut self, link: Link) -> &mut Connection {
        self.connections.get_mut(&link).expect("the caller has just seen it")
    }

    fn send(&mut self, link: Link, world: &mut World) {
        let session = &mut self.connection(link).session;
        let bytes = session.outgoing();
        let from = (link, End::Central);
        world.network.send(&mut world.rng, world.now, from, bytes, &mut world.faults);
        session.sent(bytes.len());
        if session.is_closed() {
            world.network.close(link, End::Central);
            self.connections.remove(&link);
        }
    }

    fn take_requests(&mut self, link: Link, world: &mut World) -> Result<(), Wrong> {
        loop {
            let numbers = self.terms.numbers;
            let window = usize::from(self.setting.window);
            let session = &mut self.connection(link).session;
            match session.next_request() {
                Ok(None) => return Ok(()),
                Ok(Some((ticket, message))) => {
                    let request = Request::of(&message, numbers);
                    if session.unanswered() > window {
                        return wrong("more requests than the window are unanswered");
                    }
                    self.submit(link, ticket, request, world);
                }
                // Refused by the session itself: a rogue's doing.
                Err(_) => {}
            }
        }
    }

    fn submit(&mut self, link: Link, ticket: Ticket, request: Request, world: &mut World) {
        let at = world.clock();
        let outcome = self.outcome.clone();
        // The receiver is gone when the process dies: then nobody waits for outcomes.
        let put = move |what| drop(outcome.send(what));
        match request {
            Request::Hello { version, agency, .. } => {
                let done = move |p| put(Outcome::Greeted(link, ticket, version, agency, p));
                self.store.progress(self.draw, agency, Box::new(done));
            }
            Request::Bets(BatchRequest { agency, chunk, bets, .. }) => match bets {
                Ok(bets) => {
                    let batch = Batch { draw: self.draw, agency, chunk, bets };
                    let done = move |a| put(Outcome::Appended(link, ticket, chunk, a));
                    self.store.append(batch, at, Box::new(done));
                }
                Err(refusal) => self.refuse(link, ticket, &refusal, Some(chunk)),
            },
            Request::Finish { agency } => {
                let done = move |f| put(Outcome::Finished(link, ticket, agency, f));
                self.store.finish(self.draw, agency, at, Box::new(done));
            }
            Request::GetWinners { agency } => {
                if self.terms.agencies.contains(agency) {
                    let until = world.now + self.setting.winners_wait;
                    self.connection(link).waiting.push_back((ticket, agency, until));
                } else {
                    let registered = self.terms.agencies.clone();
                    let error = central::WinnersError::UnknownAgency { agency, registered };
                    self.refuse(link, ticket, &error.into(), None);
                }
            }
        }
    }

    fn refuse(&mut self, link: Link, ticket: Ticket, refusal: &Refusal, chunk: Option<ChunkId>) {
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.session.refuse(ticket, refusal.message(chunk));
        }
    }

    fn take_outcome(&mut self, outcome: Outcome, world: &mut World) -> Result<(), Wrong> {
        match outcome {
            Outcome::Greeted(link, ticket, version, agency, progress) => match progress {
                Ok(progress) => {
                    let (window, len_max) = (self.setting.window, self.setting.frame_len_max);
                    let told = SessionLimits::new(len_max, window).expect("as at the start");
                    let terms = self.terms.clone();
                    let welcome = translate::welcome(version, agency, told, &terms, &progress);
                    if let Some(connection) = self.connections.get_mut(&link) {
                        connection.session.greet(ticket, welcome);
                    }
                }
                Err(error) => self.refused(link, ticket, error.into(), None, world),
            },
            Outcome::Appended(link, ticket, chunk, appended) => match appended {
                Ok(appended) => {
                    world.faults.repeated_chunks += u64::from(appended == Appended::Repeated);
                    let ack = CentralMessage::BetsAck { chunk: chunk.0 };
                    self.answer(link, ticket, &ack);
                }
                Err(error) => self.refused(link, ticket, error.into(), Some(chunk), world),
            },
            Outcome::Finished(link, ticket, agency, finished) => match finished {
                Ok(finished) => {
                    world.faults.repeated_finishes += u64::from(finished.repeated);
                    if finished.all && self.winners.is_none() {
                        self.close_draw(world);
                    }
                    self.answer(link, ticket, &CentralMessage::FinishAck { agency: agency.0 });
                }
                Err(error) => self.refused(link, ticket, error.into(), None, world),
            },
            Outcome::Closed(Ok(_)) => {
                let outcome = self.outcome.clone();
                let done = move |drawn| drop(outcome.send(Outcome::Drawn(drawn)));
                let number = self.setting.winning_number;
                self.store.draw(self.draw, number, world.clock(), Box::new(done));
            }
            Outcome::Closed(Err(CloseError::Store(fault)))
            | Outcome::Drawn(Err(DrawError::Store(fault))) => self.postpone_draw(&fault, world),
            Outcome::Closed(Err(error)) => return wrong(format!("the close: {error}")),
            Outcome::Drawn(Err(error)) => return wrong(format!("the draw: {error}")),
            Outcome::Drawn(Ok(drawn)) => {
                world.note("the draw is made", [drawn.number.into(), drawn.repeated.into()]);
                match self.store.winners(self.draw) {
                    Ok(winners) => self.winners = Some(winners),
                    Err(error) => return wrong(format!("the winners: {error}")),
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, link: Link, ticket: Ticket, message: &CentralMessage<'_>) {
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.session.reply(ticket, message);
        }
    }

    /// Refuses what the store refused, and notices when that is the end.
    fn refused(
        &mut self,
        link: Link,
        ticket: Ticket,
        refusal: Refusal,
        chunk: Option<ChunkId>,
        world: &mut World,
    ) {
        if let Some(fault) = store_fault(&refusal) {
            self.failed |= !fault.may_pass();
            world.faults.full_disks += u64::from(fault.may_pass());
        }
        self.refuse(link, ticket, &refusal, chunk);
    }

    fn close_draw(&mut self, world: &World) {
        self.draw_at = None;
        let outcome = self.outcome.clone();
        let done = move |closed| drop(outcome.send(Outcome::Closed(closed)));
        self.store.close(self.draw, world.clock(), Box::new(done));
    }

    fn postpone_draw(&mut self, fault: &StoreFault, world: &mut World) {
        self.failed |= !fault.may_pass();
        world.faults.full_disks += u64::from(fault.may_pass());
        self.draw_at = Some(world.now + 1);
    }

    /// Answers the requests for winners that can be answered now.
    fn tell_winners(&mut self, link: Link, now: u64) -> Result<(), Wrong> {
        let frame_len_max = self.setting.frame_len_max;
        let connection = self.connections.get_mut(&link).expect("the caller has it");
        let Connection { session, waiting } = connection;
        let ready =
            |(_, _, until): &(Ticket, AgencyId, u64)| self.winners.is_some() || *until <= now;
        while waiting.front().is_some_and(ready) {
            let Some((ticket, agency, _)) = waiting.pop_front() else { break };
            let Some(winners) = &self.winners else {
                session.reply(ticket, &CentralMessage::NoWinners);
                continue;
            };
            let joined = winners.of(agency).map_or("", lottery::Documents::joined);
            if session.identity().is_none() {
                match translate::winners(joined) {
                    Ok(message) => session.reply(ticket, &message),
                    Err(refusal) => return wrong(format!("the winners: {refusal}")),
                }
                continue;
            }
            let mut at = 0;
            loop {
                let (part, next) = winners_part(joined, at, frame_len_max);
                let Some(next) = next else {
                    session.reply(ticket, &part);
                    break;
                };
                session.reply_part(&ticket, &part);
                at = next;
            }
        }
        Ok(())
    }
}

fn terms(setting: &Setting) -> DrawTerms {
    let count = u32::try_from(setting.files.len()).expect("a few agencies");
    DrawTerms {
        name: lottery::DrawName::new(DRAW_NAME).expect("a presentable name"),
        agencies: Agencies::first(count).expect("a few agencies"),
        numbers: NumberRange::new(0, setting.number_max).expect("0 is the least number"),
    }
}

/// The store's fault behind a refusal, if that is why.
fn store_fault(refusal: &Refusal) -> Option<&StoreFault> {
    match refusal {
        Refusal::Append(AppendError::Store(fault))
        | Refusal::Finish(FinishError::Store(fault))
        | Refusal::Progress(ProgressError::Store(fault)) => Some(fault),
        _ => None,
    }
}

/// Makes a call and takes the turn that answers it.
fn ask<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
    store: &SteppedLedger,
    call: impl FnOnce(Done<Result<T, E>>),
) -> Result<T, StartError> {
    let (sender, receiver) = mpsc::channel();
    call(Box::new(move |outcome| drop(sender.send(outcome))));
    store.turn();
    let outcome = receiver.try_recv();
    let outcome = outcome.map_err(|_| StartError::Store("a call was not answered".to_owned()))?;
    outcome.map_err(|error| StartError::Store(error.to_string()))
}
