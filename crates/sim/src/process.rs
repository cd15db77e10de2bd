//! One run of the central's program: sessions of the wire protocol over a ledger without threads.
//!
//! What the central crate does with tokio is done here a step at a time, in the same order: a
//! request is submitted once, its outcome awaited and replied with; when the last agency has
//! finished the draw is closed, and then made. A refusal by the store is wrong here, for agencies
//! send nothing that would deserve one.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use ledger::disk::simulated::SimulatedDisk;
use ledger::{Fault, Report, SteppedLedger};
use lottery::{
    Agencies, AgencyId, AgencyProgress, AppendError, Appended, Batch, Bets, ChunkId, CloseError,
    Closed, Done, DrawError, DrawId, DrawState, DrawTerms, Drawn, FinishError, Finished,
    NumberRange, ProgressError, Store, Timestamp, Winners,
};
use thiserror::Error;
use wire::{
    AgencyMessage, CentralMessage, CentralSession, Documents, SessionLimits, Ticket, Welcome,
    WinnersParts,
};

use crate::limits::SEGMENT_LEN;
use crate::network::{End, Link, Read};
use crate::setting::{DRAW_NAME, Setting};
use crate::world::{Bugs, World, Wrong, wrong};

/// See the module's documentation.
pub(crate) struct Process<'a> {
    setting: &'a Setting,
    bugs: Bugs,
    store: SteppedLedger,
    draw: DrawId,
    terms: DrawTerms,
    connections: BTreeMap<Link, Connection>,
    outcomes: Receiver<Outcome>,
    outcome: Sender<Outcome>,
    winners: Option<Winners>,
    /// For [`Bugs::count_finishes`] only.
    finishes: usize,
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
    Appended(Link, Option<Ticket>, ChunkId, Result<Appended, AppendError>),
    Finished(Link, Ticket, AgencyId, Result<Finished, FinishError>),
    Closed(Result<Closed, CloseError>),
    Drawn(Result<Drawn, DrawError>),
}

/// What an agency asked, without the session's bytes.
enum Asked {
    Hello(u16, AgencyId),
    Bets(AgencyId, ChunkId, Bets),
    Finish(AgencyId),
    Winners(AgencyId),
}

impl<'a> Process<'a> {
    /// Opens what the disk holds, and makes the draw if a crash came between it and the last
    /// FINISH.
    pub(crate) fn start(
        disk: &SimulatedDisk,
        setting: &'a Setting,
        bugs: Bugs,
        world: &World,
    ) -> Result<Self, StartError> {
        let store = SteppedLedger::open_on(Arc::new(disk.clone()), SEGMENT_LEN)?;
        let at = Timestamp(world.now);
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
        let connections = BTreeMap::new();
        let finishes = 0;
        Ok(Self {
            setting,
            bugs,
            store,
            draw,
            terms,
            connections,
            outcomes,
            outcome,
            winners,
            finishes,
        })
    }

    /// What recovery found.
    pub(crate) fn report(&self) -> Report {
        self.store.report()
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
        for link in world.network.accept(world.now) {
            let limits = SessionLimits::new(self.setting.frame_len_max, self.setting.window);
            let session = CentralSession::new(limits.expect("a setting keeps the limits' ranges"));
            self.connections.insert(link, Connection { session, waiting: VecDeque::new() });
        }
        let links: Vec<Link> = self.connections.keys().copied().collect();
        for link in links {
            let session = &mut self.connections.get_mut(&link).expect("just listed").session;
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
        Ok(())
    }

    /// Replies with what the store has answered since, and sends it.
    pub(crate) fn reply(&mut self, world: &mut World) -> Result<(), Wrong> {
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.take_outcome(outcome, world)?;
        }
        let links: Vec<Link> = self.connections.keys().copied().collect();
        for link in links {
            self.take_requests(link, world)?;
            self.tell_winners(link, world.now)?;
            let session = &mut self.connections.get_mut(&link).expect("just listed").session;
            let bytes = session.outgoing();
            let from = (link, End::Central);
            world.network.send(&mut world.rng, world.now, from, bytes, &mut world.faults);
            session.sent(bytes.len());
            if session.is_closed() {
                world.network.close(link, End::Central);
                self.connections.remove(&link);
            }
        }
        Ok(())
    }

    fn take_requests(&mut self, link: Link, world: &mut World) -> Result<(), Wrong> {
        loop {
            let connection = self.connections.get_mut(&link).expect("the caller has it");
            match connection.session.next_request() {
                Ok(None) => return Ok(()),
                Ok(Some((ticket, message))) => {
                    let asked = Asked::of(&message, self.terms.numbers)?;
                    self.submit(link, ticket, asked, world);
                }
                Err(error) => return wrong(format!("the central refused a message: {error}")),
            }
        }
    }

    fn submit(&mut self, link: Link, ticket: Ticket, asked: Asked, world: &mut World) {
        let at = Timestamp(world.now);
        let (store, outcome) = (&self.store, self.outcome.clone());
        // The receiver is gone when the process dies: then nobody waits for outcomes.
        let put = move |what| drop(outcome.send(what));
        let connection = self.connections.get_mut(&link).expect("the caller has it");
        match asked {
            Asked::Hello(version, agency) => {
                let done = move |p| put(Outcome::Greeted(link, ticket, version, agency, p));
                store.progress(self.draw, agency, Box::new(done));
            }
            Asked::Bets(agency, chunk, bets) => {
                let mut owed = Some(ticket);
                if self.bugs.acknowledge_before_turn
                    && let Some(ticket) = owed.take()
                {
                    connection.session.reply(ticket, &CentralMessage::BetsAck { chunk: chunk.0 });
                }
                let batch = Batch { draw: self.draw, agency, chunk, bets };
                let done = move |a| put(Outcome::Appended(link, owed, chunk, a));
                store.append(batch, at, Box::new(done));
            }
            Asked::Finish(agency) => {
                let done = move |f| put(Outcome::Finished(link, ticket, agency, f));
                store.finish(self.draw, agency, at, Box::new(done));
            }
            Asked::Winners(agency) => {
                let until = world.now + self.setting.winners_wait;
                connection.waiting.push_back((ticket, agency, until));
            }
        }
    }

    fn take_outcome(&mut self, outcome: Outcome, world: &mut World) -> Result<(), Wrong> {
        let at = Timestamp(world.now);
        match outcome {
            Outcome::Greeted(link, ticket, version, agency, progress) => {
                let progress = sound(progress, "HELLO")?;
                if let Some(connection) = self.connections.get_mut(&link) {
                    let welcome = welcome(self.setting, version, agency, &progress);
                    connection.session.greet(ticket, welcome);
                }
            }
            Outcome::Appended(link, ticket, chunk, appended) => {
                let repeated = sound(appended, "a batch")? == Appended::Repeated;
                world.faults.repeated_chunks += u64::from(repeated);
                if let (Some(connection), Some(ticket)) = (self.connections.get_mut(&link), ticket)
                {
                    connection.session.reply(ticket, &CentralMessage::BetsAck { chunk: chunk.0 });
                }
            }
            Outcome::Finished(link, ticket, agency, finished) => {
                let finished = sound(finished, "FINISH")?;
                world.faults.repeated_finishes += u64::from(finished.repeated);
                if finished.all && self.winners.is_none() {
                    let outcome = self.outcome.clone();
                    let done = move |closed| drop(outcome.send(Outcome::Closed(closed)));
                    self.store.close(self.draw, at, Box::new(done));
                }
                self.count_finish()?;
                if let Some(connection) = self.connections.get_mut(&link) {
                    let ack = CentralMessage::FinishAck { agency: agency.0 };
                    connection.session.reply(ticket, &ack);
                }
            }
            Outcome::Closed(closed) => {
                sound(closed, "the close")?;
                let outcome = self.outcome.clone();
                let done = move |drawn| drop(outcome.send(Outcome::Drawn(drawn)));
                self.store.draw(self.draw, self.setting.winning_number, at, Box::new(done));
            }
            Outcome::Drawn(drawn) => {
                let drawn = sound(drawn, "the draw")?;
                world.note("the draw is made", [drawn.number.into(), drawn.repeated.into()]);
                self.winners = Some(sound(self.store.winners(self.draw), "winners")?);
            }
        }
        Ok(())
    }

    /// The first central's mistake, when a test asks for it.
    fn count_finish(&mut self) -> Result<(), Wrong> {
        self.finishes += 1;
        if !self.bugs.count_finishes || self.finishes != self.setting.files.len() {
            return Ok(());
        }
        let mut winners = Winners::default();
        let scanned = self.store.scan(self.draw, &mut |batch| {
            let won = |number| number == self.setting.winning_number;
            for bet in batch.bets().flatten().filter(|bet| won(bet.number())) {
                winners.add(batch.agency, bet.document());
            }
            ControlFlow::Continue(())
        });
        sound(scanned, "a scan")?;
        self.winners = Some(winners);
        Ok(())
    }

    /// Answers the requests for winners that can be answered now.
    fn tell_winners(&mut self, link: Link, now: u64) -> Result<(), Wrong> {
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
            let documents = winners.of(agency).into_iter().flat_map(lottery::Documents::iter);
            if session.identity().is_none() {
                let documents = sound(Documents::join(documents), "winners in one message")?;
                session.reply(ticket, &CentralMessage::Winners(documents));
            } else {
                let mut parts = WinnersParts::new(documents, self.setting.frame_len_max);
                while let Some(part) = sound(parts.next_part(), "a part of the winners")? {
                    if matches!(part, CentralMessage::WinnersPart { last: true, .. }) {
                        session.reply(ticket, &part);
                        break;
                    }
                    session.reply_part(&ticket, &part);
                }
            }
        }
        Ok(())
    }
}

impl Asked {
    fn of(message: &AgencyMessage<'_>, numbers: NumberRange) -> Result<Self, Wrong> {
        Ok(match message {
            AgencyMessage::Hello(hello) => Self::Hello(hello.version, AgencyId(hello.agency)),
            AgencyMessage::Bets(frame) => {
                let text = sound(frame.text(), "a batch's text")?;
                let bets = text.map_or(Ok(Bets::none()), |text| Bets::parse(text, numbers));
                Self::Bets(AgencyId(frame.agency), ChunkId(frame.chunk), sound(bets, "bets")?)
            }
            AgencyMessage::Finish { agency } => Self::Finish(AgencyId(*agency)),
            AgencyMessage::GetWinners { agency } => Self::Winners(AgencyId(*agency)),
        })
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

fn welcome(
    setting: &Setting,
    version: u16,
    agency: AgencyId,
    progress: &AgencyProgress,
) -> Welcome<'static> {
    Welcome {
        version: version.min(wire::limits::VERSION),
        agency: agency.0,
        window: setting.window,
        frame_len_max: setting.frame_len_max,
        number_min: 0,
        number_max: setting.number_max,
        chunks_stored: progress.chunks_stored,
        bets_stored: progress.bets_stored,
        prefix_digest: progress.prefix_digest.0,
        state: match progress.state {
            DrawState::Drawn { .. } => wire::DrawState::Drawn,
            DrawState::Closed => wire::DrawState::Closed,
            DrawState::Open if progress.finished => wire::DrawState::AgencyFinished,
            DrawState::Open => wire::DrawState::Open,
        },
        draw_name: wire::DrawName::new(DRAW_NAME).expect("a short name"),
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

fn sound<T, E: std::fmt::Display>(outcome: Result<T, E>, of: &str) -> Result<T, Wrong> {
    outcome.map_err(|error| Wrong(format!("{of} was refused: {error}")))
}
