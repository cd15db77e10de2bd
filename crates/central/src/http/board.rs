//! What a board shows, looked at once a second for all who watch: how far each draw is, agency by
//! agency, and what somebody should look at.
//!
//! However many watch, agencies pay for one look: the store is asked by this task alone.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use lottery::{
    AgencyId, AgencyStanding, DrawId, DrawState, DrawStatus, Label, Registration, Timestamp,
};
use tokio::sync::watch;

use crate::http::Host;
use crate::limits::{
    BOARD_HISTORY_LEN, BOARD_LOOK_TIME, BOARD_OVER_DRAWS_MAX, DISK_FREE_LEN_LOW, SILENCE_MS,
};
use crate::service::{OfAgency, Service};

/// What was seen at one moment.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// When, in milliseconds since 1970; 0 before the first look.
    pub(super) at_ms: u64,
    /// By number: all but those that were published longest ago.
    pub(super) draws: Vec<Arc<DrawBoard>>,
    /// Batches refused since the central was started.
    pub(super) refused: u64,
    /// Room on the ledger's disk, in bytes, when there is little.
    pub(super) disk_low: Option<u64>,
    /// Batches that were stored slowly since the central was started.
    pub(super) slow: u64,
    /// Whether there was one since the look before.
    pub(super) is_slow: bool,
}

/// A draw at one moment.
#[derive(Clone, Debug)]
pub(super) struct DrawBoard {
    pub(super) status: DrawStatus,
    pub(super) bets_per_second: u64,
    /// Bets a second, the newest last.
    pub(super) history: VecDeque<u64>,
    pub(super) agencies: Vec<AgencyBoard>,
}

/// An agency of a draw at one moment.
#[derive(Clone, Debug)]
pub(super) struct AgencyBoard {
    pub(super) agency: AgencyId,
    /// Name and place, if it is registered.
    pub(super) known_as: Option<(Label, Label)>,
    pub(super) enabled: bool,
    pub(super) connections: usize,
    /// Whether a certificate vouches for all of them.
    pub(super) certified: bool,
    pub(super) last_seen: Option<Timestamp>,
    pub(super) bets: u64,
    pub(super) bets_per_second: u64,
    pub(super) finished: bool,
    /// It is expected to send, and does not.
    pub(super) silent: bool,
}

/// Looks at the central for all who watch.
pub(super) struct Lookout {
    service: Arc<Service>,
    host: Arc<dyn Host>,
    seen: watch::Sender<Arc<Board>>,
}

impl Lookout {
    pub(super) fn new(service: Arc<Service>, host: Arc<dyn Host>) -> Self {
        let (seen, _) = watch::channel(Arc::default());
        Self { service, host, seen }
    }

    /// Follows what is seen.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<Board>> {
        self.seen.subscribe()
    }

    /// What was seen last; waits for the first look.
    pub(super) async fn now(&self) -> Arc<Board> {
        let mut seen = self.watch();
        let seen = seen.wait_for(|board| board.at_ms > 0).await;
        seen.map_or_else(|_| Arc::default(), |board| Arc::clone(&board))
    }

    /// Looks once a second, for as long as it is polled.
    pub(super) async fn keep_looking(&self) -> Infallible {
        let mut last_seen = BTreeMap::new();
        let mut looks = tokio::time::interval(BOARD_LOOK_TIME);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let before = Arc::clone(&self.seen.borrow());
            if let Some(board) = self.look(&before, &mut last_seen).await {
                self.seen.send_replace(Arc::new(board));
            }
        }
    }

    /// One look; none when the store can't be asked: it has failed, and the central ends.
    async fn look(
        &self,
        before: &Board,
        last_seen: &mut BTreeMap<AgencyId, Timestamp>,
    ) -> Option<Board> {
        let service = &self.service;
        let (now, statuses) = (service.now(), service.statuses().await.ok()?);
        let roster = service.roster().await.ok()?;
        let roster: BTreeMap<_, _> = roster.into_iter().map(|it| (it.agency, it)).collect();
        let present = Present::of(service.presence().by_agency(), &statuses, last_seen);
        let elapsed_ms = now.0.saturating_sub(before.at_ms).max(1);
        let over = statuses.iter().filter(|it| it.is_published()).count();
        let mut left_out = over.saturating_sub(BOARD_OVER_DRAWS_MAX);
        let mut draws = Vec::new();
        for status in statuses {
            if status.is_published() && left_out > 0 {
                left_out -= 1;
                continue;
            }
            let draw_before = before.draws.iter().find(|it| it.status.id == status.id);
            // What can't change any more is not asked for again.
            if let Some(same) = draw_before.filter(|it| it.is_over() && it.status == status) {
                draws.push(Arc::clone(same));
                continue;
            }
            let standings = service.standings(status.id).await.ok()?;
            let look = Look { roster: &roster, present: &present, now, elapsed_ms };
            draws.push(Arc::new(look.at(status, standings, draw_before.map(|it| &**it))));
        }
        let free = self.host.disk_free_len().ok();
        let disk_low = free.filter(|free| *free < DISK_FREE_LEN_LOW);
        let metrics = service.metrics();
        let (refused, slow) = (metrics.refused_batches(), metrics.slow_batches());
        let is_slow = before.at_ms > 0 && slow > before.slow;
        Some(Board { at_ms: now.0, draws, refused, disk_low, slow, is_slow })
    }
}

impl Board {
    /// The draw that is shown when none is asked for: the first open one, or else the last.
    pub(super) fn main_draw(&self) -> Option<&DrawBoard> {
        let open = self.draws.iter().find(|it| it.status.state == DrawState::Open);
        open.or(self.draws.last()).map(|it| &**it)
    }

    pub(super) fn draw(&self, id: DrawId) -> Option<&DrawBoard> {
        self.draws.iter().find(|it| it.status.id == id).map(|it| &**it)
    }
}

/// What a look at any draw needs.
struct Look<'a> {
    roster: &'a BTreeMap<AgencyId, Registration>,
    present: &'a Present<'a>,
    now: Timestamp,
    /// Since the look before.
    elapsed_ms: u64,
}

impl Look<'_> {
    fn at(
        &self,
        status: DrawStatus,
        standings: Vec<AgencyStanding>,
        before: Option<&DrawBoard>,
    ) -> DrawBoard {
        let per_second = |bets: u64| bets.saturating_mul(1000) / self.elapsed_ms;
        let more = before.map_or(0, |before| status.bets - before.status.bets);
        let mut history = before.map_or_else(VecDeque::new, |before| before.history.clone());
        history.push_back(per_second(more));
        history.drain(..history.len().saturating_sub(BOARD_HISTORY_LEN));
        let is_open = status.state == DrawState::Open;
        // Both are in the order of the agencies.
        let rows_before = before.map_or(&[][..], |before| &before.agencies);
        let agencies = standings.into_iter().enumerate().map(|(at, standing)| {
            let bets_before = rows_before.get(at).map_or(standing.bets, |before| before.bets);
            let known = self.roster.get(&standing.agency);
            let connected = self.present.connected.get(&standing.agency);
            let last_seen = self.present.last_seen.get(&standing.agency).copied();
            let quiet = last_seen.is_none_or(|at| self.now.0 - at.0.min(self.now.0) > SILENCE_MS);
            let has_begun = standing.batches > 0 || last_seen.is_some();
            AgencyBoard {
                agency: standing.agency,
                known_as: known.map(|it| (it.name.clone(), it.place.clone())),
                enabled: known.is_none_or(|it| it.enabled),
                connections: connected.map_or(0, |it| it.connections),
                certified: connected.is_some_and(|it| it.certified),
                last_seen,
                bets: standing.bets,
                bets_per_second: per_second(standing.bets - bets_before),
                finished: standing.finished,
                silent: is_open && !standing.finished && has_begun && quiet,
            }
        });
        let agencies = agencies.collect();
        DrawBoard { status, bets_per_second: per_second(more), history, agencies }
    }
}

impl AgencyBoard {
    /// Whether there is an alert for it.
    pub(super) fn needs_a_look(&self) -> bool {
        self.silent || self.connections > 1
    }
}

impl DrawBoard {
    /// Agencies with a connection.
    pub(super) fn connected(&self) -> u64 {
        self.agencies.iter().filter(|it| it.connections > 0).count() as u64
    }

    /// Whether nothing of it changes any more, but who is connected.
    fn is_over(&self) -> bool {
        self.status.is_published()
    }
}

/// Who is connected, by agency, and when each was last heard.
struct Present<'a> {
    connected: BTreeMap<AgencyId, OfAgency>,
    last_seen: &'a BTreeMap<AgencyId, Timestamp>,
}

impl<'a> Present<'a> {
    /// Only agencies of some draw count: anybody can claim to be any other.
    fn of(
        mut connected: BTreeMap<AgencyId, OfAgency>,
        draws: &[DrawStatus],
        last_seen: &'a mut BTreeMap<AgencyId, Timestamp>,
    ) -> Self {
        connected.retain(|it, _| draws.iter().any(|draw| draw.terms.agencies.contains(*it)));
        for (agency, of_agency) in &connected {
            let seen = last_seen.entry(*agency).or_insert(of_agency.last_message);
            *seen = of_agency.last_message.max(*seen);
        }
        Self { connected, last_seen }
    }
}
