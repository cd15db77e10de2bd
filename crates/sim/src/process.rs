//! One run of the central's program: sessions of the wire protocol over a ledger without threads.
//!
//! What the central crate does with tokio is done here a step at a time, in the same order, with
//! its own translation between wire and domain: a request is submitted once, its outcome awaited
//! and replied with; winners are read when the view says that they are published. A store that
//! failed for good ends the program. Which draw a message means that names none is
//! decided by the central crate's own rule.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use central::{Candidate, NoDraw, Zone, unnamed_draw};
use central_tcp::translate::{self, BatchRequest, Refusal, Request};
use engine::conformance::TestClock;
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Fault, Report, SimulatedEngine};
use lottery::planted::{Bug, planted};
use lottery::{
    Agencies, AgencyId, AgencyProgress, AppendError, Appended, Batch, ChunkId, DrawId, DrawStatus,
    DrawTerms, FinishError, Finished, News, NumberRange, OpenDrawError, ProgressError,
    SealedNumber, StoreFault, View, Winners,
};
use thiserror::Error;
use wire::{AgencyMessage, CentralMessage, CentralSession, SessionLimits, Ticket, winners_part};

use crate::limits::SEGMENT_LEN;
use crate::network::{End, Link, Read};
use crate::setting::{DRAW_NAMES, Setting};
use crate::world::{World, Wrong, wrong};

/// See the module's documentation.
pub(crate) struct Process<'a> {
    setting: &'a Setting,
    limits: SessionLimits,
    store: SimulatedEngine,
    clock: Arc<TestClock>,
    /// By their places.
    draws: Vec<Draw>,
    /// When to open the second draw.
    second_draw_at: Option<u64>,
    connections: BTreeMap<Link, Connection>,
    outcomes: Receiver<Outcome>,
    outcome: Sender<Outcome>,
    /// What came to be.
    news: Receiver<News>,
    failed: bool,
}

/// A draw that was opened.
struct Draw {
    id: DrawId,
    terms: DrawTerms,
    winners: Option<Winners>,
}

struct Connection {
    session: CentralSession,
    /// The place of the draw that its address is bound to.
    bound: Option<usize>,
    /// That of HELLO's draw.
    greeted: Option<usize>,
    /// Those that were found for agencies that named none.
    found: BTreeMap<AgencyId, usize>,
    waiting: VecDeque<Waiting>,
}

/// A request for winners.
struct Waiting {
    ticket: Ticket,
    agency: AgencyId,
    draw: usize,
    until: u64,
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
    Opened(Result<DrawId, OpenDrawError>),
    Greeted(Link, Ticket, usize, u16, AgencyId, Result<AgencyProgress, ProgressError>),
    Appended(Link, Ticket, ChunkId, Result<Appended, AppendError>),
    Finished(Link, Ticket, AgencyId, Result<Finished, FinishError>),
}

impl<'a> Process<'a> {
    /// Opens what the disk holds, and reads the winners that are published in it.
    pub(crate) fn start(
        disk: &SimulatedDisk,
        setting: &'a Setting,
        world: &World,
    ) -> Result<Self, StartError> {
        let clock = Arc::new(TestClock::default());
        clock.set(world.clock());
        let store =
            SimulatedEngine::open_on(Arc::new(disk.clone()), SEGMENT_LEN, Arc::clone(&clock) as _)?;
        ask(&store, |done| store.open_draw(terms(setting, 0), number(setting), done))?;
        let mut draws = Vec::new();
        let found: Vec<_> = store.view().all_draws().collect();
        for status in found {
            draws.push(Draw::found(status, &store)?);
        }
        let (outcome, outcomes) = mpsc::channel();
        let (tell, news) = mpsc::channel();
        store.view().follow(move |news| {
            // The receiver is gone when the process dies.
            let _ = tell.send(news);
        });
        let window = setting.window + u16::from(planted(Bug::WindowOffByOne));
        let limits = SessionLimits::new(setting.frame_len_max, window);
        Ok(Self {
            setting,
            limits: limits.expect("a setting keeps the limits' ranges"),
            store,
            clock,
            second_draw_at: setting.second_draw_at.filter(|_| draws.len() == 1),
            draws,
            connections: BTreeMap::new(),
            outcomes,
            outcome,
            news,
            failed: false,
        })
    }

    /// What its readers see.
    pub(crate) fn view(&self) -> &View {
        self.store.view()
    }

    /// What recovery found.
    pub(crate) fn report(&self) -> Report {
        self.store.report()
    }

    /// How many draws were opened.
    pub(crate) fn draws_open(&self) -> usize {
        self.draws.len()
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
    pub(crate) fn commit_group(&self) {
        self.store.commit_group();
    }

    /// Takes what agencies sent, and submits it.
    pub(crate) fn receive(&mut self, world: &mut World) -> Result<(), Wrong> {
        self.clock.set(world.clock());
        for link in world.network.accept(world.now, &mut world.faults) {
            let connection = Connection {
                session: CentralSession::new(self.limits),
                bound: world.bound.get(&link).copied(),
                greeted: None,
                found: BTreeMap::new(),
                waiting: VecDeque::new(),
            };
            self.connections.insert(link, connection);
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
        if self.second_draw_at.is_some_and(|at| at <= world.now) {
            self.second_draw_at = None;
            let outcome = self.outcome.clone();
            let done = move |opened| drop(outcome.send(Outcome::Opened(opened)));
            let (terms, number) = (terms(self.setting, 1), number(self.setting));
            self.store.open_draw(terms, number, done);
        }
        Ok(())
    }

    /// Replies with what the store has answered since, and sends it.
    pub(crate) fn reply(&mut self, world: &mut World) -> Result<(), Wrong> {
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.take_outcome(outcome, world)?;
        }
        while let Ok(news) = self.news.try_recv() {
            self.follow(news, world)?;
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
            self.commit_group();
        }
        self.reply(world)?;
        for link in self.links() {
            let connection = self.connection(link);
            for Waiting { ticket, .. } in std::mem::take(&mut connection.waiting) {
                connection.session.reply(ticket, &CentralMessage::NoWinners);
            }
            if connection.session.identity().is_some() {
                let refusal = Refusal::ShuttingDown.message(None, Zone::default());
                connection.session.refuse_unasked(refusal);
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
            let window = usize::from(self.setting.window);
            let connection = self.connections.get_mut(&link).expect("the caller has just seen it");
            let Connection { session, bound, greeted, found, .. } = connection;
            match session.next_request() {
                Ok(None) => return Ok(()),
                Ok(Some((ticket, message))) => {
                    let draw = match (*greeted, found.get(&AgencyId(message.agency()))) {
                        (Some(draw), _) | (None, Some(&draw)) => Ok(draw),
                        (None, None) => meant(&self.draws, self.store.view(), *bound, &message),
                    };
                    if let (Ok(draw), false) = (&draw, matches!(message, AgencyMessage::Hello(_))) {
                        found.insert(AgencyId(message.agency()), *draw);
                    }
                    let request = Request::of(&message, numbers(self.setting));
                    if session.unanswered() > window {
                        return wrong("more requests than the window are unanswered");
                    }
                    match draw {
                        Ok(draw) => self.submit(link, ticket, draw, request, world),
                        Err(no_draw) => self.refuse(link, ticket, &no_draw.into(), None),
                    }
                }
                // Refused by the session itself: a rogue's doing.
                Err(_) => {}
            }
        }
    }

    fn submit(
        &mut self,
        link: Link,
        ticket: Ticket,
        draw: usize,
        request: Request,
        world: &mut World,
    ) {
        let id = self.draws[draw].id;
        let outcome = self.outcome.clone();
        // The receiver is gone when the process dies: then nobody waits for outcomes.
        let put = move |what| drop(outcome.send(what));
        match request {
            Request::Hello { version, agency, .. } => {
                let done = move |p| put(Outcome::Greeted(link, ticket, draw, version, agency, p));
                self.store.progress(id, agency, done);
            }
            Request::Bets(BatchRequest { agency, chunk, bets, .. }) => match bets {
                Ok(bets) => {
                    let batch = Batch { draw: id, agency, chunk, bets };
                    let done = move |a| put(Outcome::Appended(link, ticket, chunk, a));
                    self.store.append(batch, done);
                }
                Err(refusal) => self.refuse(link, ticket, &refusal, Some(chunk)),
            },
            Request::Finish { agency } => {
                let done = move |f| put(Outcome::Finished(link, ticket, agency, f));
                self.store.finish(id, agency, done);
            }
            Request::GetWinners { agency } => {
                if self.draws[draw].terms.agencies.contains(agency) {
                    let until = world.now + self.setting.winners_wait;
                    let waiting = Waiting { ticket, agency, draw, until };
                    self.connection(link).waiting.push_back(waiting);
                } else {
                    let registered = self.draws[draw].terms.agencies.clone();
                    let error = central::WinnersError::UnknownAgency { agency, registered };
                    self.refuse(link, ticket, &error.into(), None);
                }
            }
        }
    }

    fn refuse(&mut self, link: Link, ticket: Ticket, refusal: &Refusal, chunk: Option<ChunkId>) {
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.session.refuse(ticket, refusal.message(chunk, Zone::default()));
        }
    }

    fn take_outcome(&mut self, outcome: Outcome, world: &mut World) -> Result<(), Wrong> {
        match outcome {
            Outcome::Opened(Ok(id)) => {
                let waited_for = self.draws[0].winners.is_none();
                world.faults.second_draws += u64::from(waited_for);
                world.note("a second draw is open", [id.0.into(), waited_for.into()]);
                self.draws.push(Draw::opened(id, terms(self.setting, 1)));
                world.draws_open = self.draws.len();
            }
            Outcome::Opened(Err(OpenDrawError::Store(fault))) => {
                self.failed |= !fault.may_pass();
                world.faults.full_disks += u64::from(fault.may_pass());
                self.second_draw_at = Some(world.now + 1);
            }
            Outcome::Opened(Err(error)) => return wrong(format!("the second draw: {error}")),
            Outcome::Greeted(link, ticket, draw, version, agency, progress) => match progress {
                Ok(progress) => {
                    let (window, len_max) = (self.setting.window, self.setting.frame_len_max);
                    let told = SessionLimits::new(len_max, window).expect("as at the start");
                    let terms = &self.draws[draw].terms;
                    let welcome = translate::welcome(version, agency, told, terms, &progress);
                    if let Some(connection) = self.connections.get_mut(&link) {
                        connection.session.greet(ticket, welcome);
                        connection.greeted = Some(draw);
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
                    self.answer(link, ticket, &CentralMessage::FinishAck { agency: agency.0 });
                }
                Err(error) => self.refused(link, ticket, error.into(), None, world),
            },
        }
        Ok(())
    }

    /// Reads the winners of a draw that was published.
    fn follow(&mut self, news: News, world: &mut World) -> Result<(), Wrong> {
        let News::Draw(id) = news else { return Ok(()) };
        let status = self.store.view().draw(id).expect("it was told of");
        let Some(draw) = self.draws.iter_mut().find(|draw| draw.id == id) else { return Ok(()) };
        if status.is_published() && draw.winners.is_none() {
            world.note("the draw is published", [id.0.into(), status.bets]);
            let read = self.store.winners(id);
            draw.winners = Some(read.map_err(|error| Wrong(format!("the winners: {error}")))?);
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

    /// Answers the requests for winners that can be answered now.
    fn tell_winners(&mut self, link: Link, now: u64) -> Result<(), Wrong> {
        let frame_len_max = self.setting.frame_len_max;
        let connection = self.connections.get_mut(&link).expect("the caller has it");
        let Connection { session, waiting, .. } = connection;
        let ready =
            |request: &Waiting| self.draws[request.draw].winners.is_some() || request.until <= now;
        while waiting.front().is_some_and(ready) {
            let Some(Waiting { ticket, agency, draw, .. }) = waiting.pop_front() else { break };
            let Some(winners) = &self.draws[draw].winners else {
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

impl Draw {
    /// One that was just opened.
    fn opened(id: DrawId, terms: DrawTerms) -> Self {
        Self { id, terms, winners: None }
    }

    /// One that was found.
    fn found(status: DrawStatus, store: &SimulatedEngine) -> Result<Self, StartError> {
        let read = |id| store.winners(id).map_err(|error| StartError::Store(error.to_string()));
        let winners = status.is_published().then(|| read(status.id)).transpose()?;
        Ok(Self { winners, ..Self::opened(status.id, status.terms) })
    }
}

/// The draw that a message means, by its place.
fn meant(
    draws: &[Draw],
    view: &View,
    bound: Option<usize>,
    message: &AgencyMessage<'_>,
) -> Result<usize, NoDraw> {
    let name = match message {
        AgencyMessage::Hello(hello) => hello.draw_name.as_str(),
        _ => "",
    };
    let named = draws.iter().position(|draw| draw.terms.name.as_str() == name);
    if let Some(draw) = named.or(bound) {
        return Ok(draw);
    }
    let open = view.all_draws().filter(|draw| draws.iter().any(|known| known.id == draw.id));
    let open: Vec<_> = open.collect();
    let id = unnamed_draw(AgencyId(message.agency()), open.iter().map(Candidate::of))?;
    Ok(draws.iter().position(|draw| draw.id == id).expect("it is one of these"))
}

fn terms(setting: &Setting, draw: usize) -> DrawTerms {
    DrawTerms {
        name: lottery::DrawName::new(DRAW_NAMES[draw]).expect("a presentable name"),
        agencies: Agencies::first(setting.agencies).expect("a few agencies"),
        numbers: numbers(setting),
    }
}

fn number(setting: &Setting) -> SealedNumber {
    SealedNumber(setting.winning_number)
}

fn numbers(setting: &Setting) -> NumberRange {
    NumberRange::new(0, setting.number_max).expect("0 is the least number")
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
    store: &SimulatedEngine,
    call: impl FnOnce(Box<dyn FnOnce(Result<T, E>) + Send>),
) -> Result<T, StartError> {
    let (sender, receiver) = mpsc::channel();
    call(Box::new(move |outcome| drop(sender.send(outcome))));
    store.commit_group();
    let outcome = receiver.try_recv();
    let outcome = outcome.map_err(|_| StartError::Store("a call was not answered".to_owned()))?;
    outcome.map_err(|error| StartError::Store(error.to_string()))
}
