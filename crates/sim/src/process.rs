//! One run of the central's program: its production connections over an engine without threads.
//!
//! Does step by step what the sockets of `central_tcp` and the service do with tokio: it passes
//! received bytes to a [`Connection`], the connection's calls to the engine and the engine's
//! answers back, and reads winners once they are published. A permanent store failure ends the
//! program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use central::{AgencyDraws, DrawWinners, Identity, Metrics, Presence, Stage, WinnersStages, Zone};
use central_tcp::connection::{Answer, BatchOf, Call, Connection, Settings};
use engine::conformance::TestClock;
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Fault, Report, SimulatedEngine};
use lottery::{
    Agencies, AppendError, Appended, DrawId, DrawName, DrawTerms, FinishError, News, NumberRange,
    OpenDrawError, ProgressError, SealedNumber, StoreFault, View,
};
use thiserror::Error;
use tokio::time::Instant;
use wire::SessionLimits;

use crate::limits::{MESSAGE_TIME_MAX, SEGMENT_LEN};
use crate::network::{End, Link, Read};
use crate::setting::{DRAW_NAMES, Setting};
use crate::world::World;
use crate::wrong::{Wrong, wrong};

/// The state of the program; see the module documentation.
pub(crate) struct Process<'a> {
    setting: &'a Setting,
    settings: Arc<Settings>,
    store: SimulatedEngine,
    clock: Arc<TestClock>,
    /// The tick at which to open the second draw.
    second_draw_at: Option<u64>,
    presence: Arc<Presence>,
    winners: WinnersStages,
    connections: BTreeMap<Link, Connection>,
    answers: Receiver<Answered>,
    answered: Sender<Answered>,
    /// The events published by the store.
    news: Receiver<News>,
    failed: bool,
    /// The start of simulated time.
    origin: Instant,
}

/// Why the program did not start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Ledger(#[from] Fault),
    #[error("{0}")]
    Store(String),
}

/// An answer of the engine.
enum Answered {
    Opened(Result<DrawId, OpenDrawError>),
    Call(Link, Answer),
}

impl<'a> Process<'a> {
    /// Starts the program from the contents of the disk.
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
        let (answered, answers) = mpsc::channel();
        let (tell, news) = mpsc::channel();
        store.view().follow(move |news| {
            // The receiver is gone when the process ends.
            let _ = tell.send(news);
        });
        let has_one_draw = store.view().draw_count() == 1;
        Ok(Self {
            setting,
            settings: Arc::new(settings(setting)),
            store,
            second_draw_at: setting.second_draw_at.filter(|_| has_one_draw),
            presence: Presence::new(Arc::clone(&clock) as _),
            clock,
            winners: WinnersStages::default(),
            connections: BTreeMap::new(),
            answers,
            answered,
            news,
            failed: false,
            origin: Instant::now(),
        })
    }

    /// Returns the view that readers have.
    pub(crate) fn view(&self) -> &View {
        self.store.view()
    }

    /// Returns the report of the recovery.
    pub(crate) fn report(&self) -> Report {
        self.store.report()
    }

    /// Returns the number of opened draws.
    pub(crate) fn draws_open(&self) -> usize {
        self.view().draw_count()
    }

    /// Returns whether the store failed permanently, so that the program has to end.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Returns whether there are requests for a group commit.
    pub(crate) fn has_pending(&self) -> bool {
        self.store.pending_count() > 0
    }

    /// Performs one group commit.
    pub(crate) fn commit_group(&self) {
        self.store.commit_group();
    }

    /// Receives from agencies and passes their requests to the engine.
    pub(crate) fn receive(&mut self, world: &mut World) -> Result<(), Wrong> {
        self.clock.set(world.clock());
        for link in world.network.accept(world.now, &mut world.faults) {
            let peer = SocketAddr::from(([127, 0, 0, 1], 1));
            let presence = self.presence.enter(peer, Identity::Claimed, || ());
            let bound = world.bound.get(&link).map(|draw| Arc::new(name(*draw)));
            let connection = Connection::new(presence, bound, Arc::clone(&self.settings));
            self.connections.insert(link, connection);
        }
        for link in self.links() {
            let connection = self.connection(link);
            if connection.takes_input() {
                let by = (link, End::Central);
                match world.network.read(&mut world.rng, world.now, by, connection.space()) {
                    Read::Bytes(count) => connection.filled(count),
                    Read::Nothing => {}
                    Read::Ended => connection.end_of_input(),
                    Read::Broken => {
                        world.network.close(link, End::Central);
                        self.connections.remove(&link);
                        continue;
                    }
                }
            }
            self.make_calls(link, world)?;
        }
        if self.second_draw_at.is_some_and(|at| at <= world.now) {
            self.second_draw_at = None;
            let answered = self.answered.clone();
            let done = move |opened| drop(answered.send(Answered::Opened(opened)));
            self.store.open_draw(terms(self.setting, 1), number(self.setting), done);
        }
        Ok(())
    }

    /// Passes the engine's answers to the connections and sends the replies.
    pub(crate) fn reply(&mut self, world: &mut World) -> Result<(), Wrong> {
        while let Ok(answered) = self.answers.try_recv() {
            match answered {
                Answered::Opened(opened) => self.opened(opened, world)?,
                Answered::Call(link, answer) => self.answer(link, answer, world),
            }
        }
        while let Ok(news) = self.news.try_recv() {
            if let News::Draw(draw) = news {
                self.read_if_published(draw, world)?;
            }
        }
        let now = self.now(world);
        for link in self.links() {
            self.make_calls(link, world)?;
            while self.connections.get_mut(&link).is_some_and(|connection| {
                connection.send_winners(AgencyDraws::new(self.store.view(), None), now)
            }) {
                self.send(link, world);
            }
            let Some(connection) = self.connections.get_mut(&link) else { continue };
            // The network accepts everything at once, so sending never times out.
            if connection.handle_timeout(now).is_err() {
                return wrong("an agency is said to take no replies");
            }
            self.send(link, world);
        }
        Ok(())
    }

    /// Shuts down gracefully: commits and acknowledges what was requested, and takes nothing more.
    pub(crate) fn shut_down(&mut self, world: &mut World) -> Result<(), Wrong> {
        while self.has_pending() {
            self.commit_group();
        }
        self.reply(world)?;
        let now = self.now(world);
        for link in self.links() {
            let draws = AgencyDraws::new(self.store.view(), None);
            let connection = self.connections.get_mut(&link).expect("it was just listed");
            connection.shut_down(draws, now);
            self.send(link, world);
            world.network.close(link, End::Central);
        }
        Ok(())
    }

    fn now(&self, world: &World) -> Instant {
        self.origin + Duration::from_millis(world.now)
    }

    fn links(&self) -> Vec<Link> {
        self.connections.keys().copied().collect()
    }

    fn connection(&mut self, link: Link) -> &mut Connection {
        self.connections.get_mut(&link).expect("the caller has just seen it")
    }

    fn send(&mut self, link: Link, world: &mut World) {
        let connection = self.connection(link);
        let bytes = connection.outgoing();
        let from = (link, End::Central);
        world.network.send(&mut world.rng, world.now, from, bytes, &mut world.faults);
        let len = bytes.len();
        connection.sent(len);
        if connection.is_over() {
            world.network.close(link, End::Central);
            self.connections.remove(&link);
        }
    }

    fn make_calls(&mut self, link: Link, world: &mut World) -> Result<(), Wrong> {
        let now = self.now(world);
        loop {
            let draws = AgencyDraws::new(self.store.view(), None);
            let connection = self.connections.get_mut(&link).expect("the caller has just seen it");
            let call = connection.next_call(draws, now);
            if connection.session().unanswered() > usize::from(self.setting.window) {
                return wrong("more requests than the window are unanswered");
            }
            match call {
                Some(call) => self.make(link, call, world)?,
                None if connection.yields() => connection.yielded(),
                None => return Ok(()),
            }
        }
    }

    fn make(&mut self, link: Link, call: Call, world: &mut World) -> Result<(), Wrong> {
        let answered = self.answered.clone();
        // The receiver is gone when the process ends; then nobody waits for answers.
        let put = move |answer| drop(answered.send(Answered::Call(link, answer)));
        match call {
            Call::Progress { draw, agency, hello } => {
                let done = move |progress| put(Answer::Progress(hello, progress));
                self.store.progress(draw.id, agency, done);
            }
            Call::Append { batch, ticket, .. } => {
                let of = BatchOf::of(&batch);
                let done = move |appended| put(Answer::Append { ticket, of, appended });
                self.store.append(batch, done);
            }
            Call::Finish { draw, agency, ticket } => {
                let done = move |finished| put(Answer::Finish(ticket, agency, finished));
                self.store.finish(draw.id, agency, done);
            }
            Call::Winners { draw, agency, ticket } => {
                let stage = self.winners.follow(draw);
                self.read_if_published(draw, world)?;
                let now = self.now(world);
                self.connection(link).wait_for_winners(ticket, agency, stage, now);
            }
        }
        Ok(())
    }

    fn opened(
        &mut self,
        opened: Result<DrawId, OpenDrawError>,
        world: &mut World,
    ) -> Result<(), Wrong> {
        match opened {
            Ok(id) => {
                let first = self.view().draw(DrawId(1)).expect("it was opened at the start");
                world.faults.second_draws += u64::from(!first.is_published());
                world.note("a second draw is open", [id.0.into(), first.is_published().into()]);
                world.draws_open = self.draws_open();
            }
            Err(OpenDrawError::Store(fault)) => {
                self.refused_by(&fault, world);
                self.second_draw_at = Some(world.now + 1);
            }
            Err(error) => return wrong(format!("the second draw: {error}")),
        }
        Ok(())
    }

    fn answer(&mut self, link: Link, answer: Answer, world: &mut World) {
        match &answer {
            Answer::Append { appended: Err(AppendError::Store(fault)), .. }
            | Answer::Finish(_, _, Err(FinishError::Store(fault)))
            | Answer::Progress(_, Err(ProgressError::Store(fault))) => {
                self.refused_by(fault, world);
            }
            Answer::Append { appended, .. } => {
                world.faults.repeated_chunks += u64::from(*appended == Ok(Appended::Repeated));
            }
            Answer::Finish(_, _, Ok(finished)) => {
                world.faults.repeated_finishes += u64::from(finished.repeated);
            }
            Answer::Finish(..) | Answer::Progress(..) => {}
        }
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.answer(answer);
        }
    }

    /// Records a refusal by the store: a permanent fault ends the program.
    fn refused_by(&mut self, fault: &StoreFault, world: &mut World) {
        self.failed |= !fault.may_pass();
        world.faults.full_disks += u64::from(fault.may_pass());
    }

    /// Reads the winners of a draw if they are published and not read yet.
    fn read_if_published(&self, id: DrawId, world: &mut World) -> Result<(), Wrong> {
        let status = self.view().draw(id).expect("it was told of");
        if status.is_published() && self.winners.begin_reading(id) {
            world.note("the draw is published", [id.0.into(), status.bets]);
            let read = self.store.winners(id);
            let winners = read.map_err(|error| Wrong(format!("the winners: {error}")))?;
            self.winners.tell(id, Stage::Ready(Arc::new(DrawWinners::new(&winners))));
        }
        Ok(())
    }
}

fn settings(setting: &Setting) -> Settings {
    let session = SessionLimits::new(setting.frame_len_max, setting.window);
    Settings {
        session: session.expect("a setting keeps the limits' ranges"),
        frame_time_max: MESSAGE_TIME_MAX,
        write_time_max: Duration::MAX,
        winners_wait: Duration::from_millis(setting.winners_wait),
        zone: Zone::default(),
        metrics: Arc::<Metrics>::default(),
    }
}

fn name(draw: usize) -> DrawName {
    DrawName::new(DRAW_NAMES[draw]).expect("a presentable name")
}

fn terms(setting: &Setting, draw: usize) -> DrawTerms {
    let numbers = NumberRange::new(0, setting.number_max).expect("0 is the least number");
    let agencies = Agencies::first(setting.agencies).expect("a few agencies");
    DrawTerms { name: name(draw), agencies, numbers }
}

fn number(setting: &Setting) -> SealedNumber {
    SealedNumber(setting.winning_number)
}

/// Makes a call to the store and commits the group that answers it.
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
