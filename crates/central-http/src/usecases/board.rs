//! Data of the live board: the progress of each draw by agency, and alerts.
//!
//! Invariants:
//! - one task refreshes the data, once a second, for all boards; while nobody watches it does not;
//! - memory grows with the agencies that have begun or are connected, not with all registered ones.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use central::{Nodes, OfAgency, Presence, RefusedBatches, Service};
use lottery::{AgencyId, AgencyTotals, DrawId, DrawName, DrawState, DrawStatus, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::access::state::blocking;
use crate::host::Host;
use crate::limits::{
    BOARD_LOOK_TIME, BOARD_OVER_DRAWS_MAX, DISK_FREE_LEN_LOW, INTAKE_SAMPLE_TIME, SILENCE_MS,
};
use crate::usecases::draws::urgency;
use crate::usecases::intake::{Intake, Sample, Strips};

/// The state of the central at one moment.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The wall-clock time in milliseconds since 1970; 0 before the first refresh.
    pub(crate) at_ms: u64,
    /// The same moment by the monotonic clock.
    looked_at: Option<Instant>,
    /// The most urgent first: all draws except cancelled and the oldest published ones.
    pub(crate) draws: Vec<Arc<DrawBoard>>,
    /// Free space on the ledger's disk, in bytes, if it is low.
    pub(crate) disk_low: Option<u64>,
    /// Batches that were stored slowly since the central was started.
    pub(crate) slow: u64,
    /// Whether a batch was stored slowly since the previous refresh.
    pub(crate) is_slow: bool,
    /// The centrals that share the store.
    pub(crate) nodes: Option<Arc<Nodes>>,
}

/// The state of a draw at one moment.
#[derive(Clone, Debug)]
pub(crate) struct DrawBoard {
    pub(crate) status: DrawStatus,
    pub(crate) bets_per_second: u64,
    /// Agencies that have begun or are connected.
    pub(crate) agencies: BTreeMap<AgencyId, AgencyBoard>,
    /// Its batches that were refused since the central was started.
    pub(crate) refused: RefusedBatches,
    /// How many bets it had at which time.
    pub(crate) samples: Vec<Sample>,
    /// The same draw of an earlier day, if its samples are known.
    pub(crate) earlier: Option<Earlier>,
    /// The bets of its agencies over time.
    pub(crate) strips: Arc<Strips>,
}

/// The intake of a draw's predecessor, whose name differs in the date only.
#[derive(Clone, Debug)]
pub(crate) struct Earlier {
    pub(crate) name: DrawName,
    pub(crate) samples: Vec<Sample>,
}

/// The state of an agency in a draw at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgencyBoard {
    pub(crate) agency: AgencyId,
    pub(crate) connections: usize,
    /// The number of the other central that the newest of them is at, if it is not at this one.
    pub(crate) elsewhere: Option<u32>,
    /// Whether all its connections are authenticated by a certificate.
    pub(crate) certified: bool,
    pub(crate) last_seen: Option<Timestamp>,
    pub(crate) bets: u64,
    pub(crate) bets_per_second: u64,
    pub(crate) finished: bool,
    /// Whether it should be sending and is not.
    pub(crate) silent: bool,
    /// Whether it began to send and is gone before it finished.
    pub(crate) interrupted: bool,
}

/// Refreshes the board's data for all watchers.
pub(crate) struct BoardPoller {
    service: Arc<Service>,
    host: Arc<dyn Host>,
    seen: watch::Sender<Arc<Board>>,
    /// The bets of open draws over time, whether or not somebody watches.
    intake: Intake,
    /// Notified when somebody starts to watch.
    watched: Notify,
    /// Cancelled on shutdown: there are no more refreshes.
    stopping: CancellationToken,
}

impl BoardPoller {
    pub(crate) fn new(
        service: Arc<Service>,
        host: Arc<dyn Host>,
        stopping: CancellationToken,
    ) -> Self {
        let (seen, _) = watch::channel(Arc::default());
        let intake = Intake::default();
        Self { service, host, seen, intake, watched: Notify::new(), stopping }
    }

    /// Subscribes to the board. It is refreshed while there are subscribers.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Board>> {
        let seen = self.seen.subscribe();
        self.watched.notify_one();
        seen
    }

    /// Returns a recent board, after waiting for a refresh if needed. After shutdown, returns the
    /// last one.
    pub(crate) async fn now(&self) -> Arc<Board> {
        let (mut seen, now) = (self.watch(), Instant::now());
        let recent = seen.wait_for(|board| board.is_recent(now));
        match self.stopping.run_until_cancelled(recent).await {
            Some(Ok(board)) => Arc::clone(&board),
            _ => Arc::clone(&self.seen.borrow()),
        }
    }

    /// Refreshes the board once a second while somebody watches. Runs until it is dropped.
    pub(crate) async fn poll(&self) -> Infallible {
        let mut before: Option<Arc<Board>> = None;
        loop {
            if self.seen.receiver_count() == 0 {
                while self.seen.receiver_count() == 0 {
                    self.watched.notified().await;
                }
                // Keeps the previous board if it is recent, as when a user moves from one page to
                // the next.
                before = before.filter(|before| before.is_recent(Instant::now()));
            }
            let board = Arc::new(self.look(before.as_deref()).await);
            self.seen.send_replace(Arc::clone(&board));
            before = Some(board);
            tokio::time::sleep(BOARD_LOOK_TIME).await;
        }
    }

    /// Samples the bets of open draws every few seconds. Runs until it is dropped.
    pub(crate) async fn sample(&self) -> Infallible {
        loop {
            tokio::time::sleep(INTAKE_SAMPLE_TIME).await;
            let service = &self.service;
            self.intake.sample(service.view(), service.zone(), service.now());
        }
    }

    fn earlier(&self, status: &DrawStatus, now: Timestamp) -> Option<Earlier> {
        let earlier = self.intake.before(status, self.service.zone())?;
        let status = self.service.view().draw(earlier)?;
        let samples = self.intake.of(&status, now);
        Some(Earlier { name: status.terms.name, samples })
    }

    /// Reads the current state; `before` is the previous board, if it is recent.
    async fn look(&self, before: Option<&Board>) -> Board {
        let (service, looked_at) = (&self.service, Instant::now());
        let (now, view) = (service.now(), service.view());
        let statuses: Vec<_> = view.all_draws().collect();
        let present = Present::of(service.presence(), &statuses);
        let elapsed = before.and_then(|before| Some(looked_at - before.looked_at?));
        let elapsed_ms = elapsed.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
        let look = Look { present: &present, now, elapsed_ms: elapsed_ms.max(1) };
        let over = statuses.iter().filter(|it| it.is_published()).count();
        let mut left_out = over.saturating_sub(BOARD_OVER_DRAWS_MAX);
        let mut draws = Vec::new();
        for status in statuses {
            if status.state == DrawState::Cancelled {
                continue;
            }
            if status.is_published() && left_out > 0 {
                left_out -= 1;
                continue;
            }
            let draws_before = before.map_or(&[][..], |before| &before.draws);
            let draw_before = draws_before.iter().find(|it| it.status.id == status.id);
            // A published draw can't change any more and is not read again.
            if let Some(same) = draw_before.filter(|it| it.is_over() && it.status == status) {
                draws.push(Arc::clone(same));
                continue;
            }
            let begun = view.all_begun(status.id);
            let refused = service.metrics().refused_batches(status.id);
            let samples = self.intake.of(&status, now);
            let earlier = self.earlier(&status, now);
            let strips = self.intake.strips(status.id);
            let board = look.at(status, begun, draw_before.map(|it| &**it));
            draws.push(Arc::new(DrawBoard { refused, samples, earlier, strips, ..board }));
        }
        draws.sort_by_key(|it| urgency(&it.status));
        let host = Arc::clone(&self.host);
        let free =
            blocking("reading the disk's free space failed", move || host.disk_free_len()).await;
        let disk_low = free.ok().and_then(Result::ok).filter(|free| *free < DISK_FREE_LEN_LOW);
        let slow = service.metrics().slow_batches();
        let is_slow = before.is_some_and(|before| slow > before.slow);
        let looked_at = Some(looked_at);
        let nodes = service.presence().nodes();
        Board { at_ms: now.0, looked_at, draws, disk_low, slow, is_slow, nodes }
    }
}

impl Board {
    /// Returns the draw that is shown by default: the most urgent one.
    pub(crate) fn main_draw(&self) -> Option<&DrawBoard> {
        self.draws.first().map(|it| &**it)
    }

    pub(crate) fn draw(&self, id: DrawId) -> Option<&DrawBoard> {
        self.draws.iter().find(|it| it.status.id == id).map(|it| &**it)
    }

    /// Returns whether the last refresh was about a second ago, as it is while somebody watches.
    fn is_recent(&self, now: Instant) -> bool {
        self.looked_at.is_some_and(|at| now.duration_since(at) < 2 * BOARD_LOOK_TIME)
    }
}

/// Data of one refresh that all draws share.
struct Look<'a> {
    present: &'a Present,
    now: Timestamp,
    /// Time since the previous refresh.
    elapsed_ms: u64,
}

impl Look<'_> {
    fn at(
        &self,
        status: DrawStatus,
        begun: impl Iterator<Item = AgencyTotals>,
        before: Option<&DrawBoard>,
    ) -> DrawBoard {
        let more = before.map_or(0, |before| status.bets - before.status.bets);
        let is_open = status.state == DrawState::Open;
        let open_since = status.life.opened_at.filter(|_| is_open);
        let of_draw = |it: &&AgencyId| status.terms.agencies.contains(**it);
        let there = self.present.connected.keys().chain(self.present.last_seen.keys());
        let there = there.filter(of_draw).map(|it| (*it, AgencyTotals::nothing_of(*it)));
        // Totals of agencies that have begun come last, and override the empty ones.
        let standings: BTreeMap<_, _> =
            there.chain(begun.map(|totals| (totals.agency, totals))).collect();
        let row = |totals: AgencyTotals| {
            let before = before.map(|before| before.agencies.get(&totals.agency));
            let bets_before = match before {
                None => totals.bets,
                Some(before) => before.map_or(0, |before| before.bets),
            };
            let more = totals.bets.saturating_sub(bets_before);
            self.row(totals, self.per_second(more), open_since)
        };
        let agencies = standings.into_iter().map(|(agency, totals)| (agency, row(totals)));
        let agencies = agencies.collect();
        let bets_per_second = self.per_second(more);
        let (refused, samples) = (RefusedBatches::default(), Vec::new());
        let (earlier, strips) = (None, Arc::default());
        DrawBoard { status, bets_per_second, agencies, refused, samples, earlier, strips }
    }

    fn row(
        &self,
        totals: AgencyTotals,
        bets_per_second: u64,
        open_since: Option<Timestamp>,
    ) -> AgencyBoard {
        let AgencyTotals { agency, batches, bets, finished } = totals;
        let connected = self.present.connected.get(&agency);
        let last_seen = self.present.last_seen.get(&agency).copied();
        // Nobody has to send before the draw is open.
        let expected_since = open_since.map(|at| last_seen.map_or(at, |seen| seen.max(at)));
        let is_quiet =
            expected_since.is_some_and(|at| self.now.0.saturating_sub(at.0) > SILENCE_MS);
        let has_begun = batches > 0 || last_seen.is_some();
        AgencyBoard {
            agency,
            connections: connected.map_or(0, |it| it.connections),
            elsewhere: connected.and_then(|it| it.elsewhere),
            certified: connected.is_some_and(|it| it.certified),
            last_seen,
            bets,
            bets_per_second,
            finished,
            silent: !finished && has_begun && is_quiet,
            interrupted: !finished && batches > 0 && connected.is_none(),
        }
    }

    fn per_second(&self, bets: u64) -> u64 {
        bets.saturating_mul(1000) / self.elapsed_ms
    }
}

impl AgencyBoard {
    /// Returns the row of an agency that has not begun and is not connected.
    fn absent(agency: AgencyId) -> Self {
        Self {
            agency,
            connections: 0,
            elsewhere: None,
            certified: false,
            last_seen: None,
            bets: 0,
            bets_per_second: 0,
            finished: false,
            silent: false,
            interrupted: false,
        }
    }

    /// Returns whether there is an alert for this agency.
    pub(crate) fn needs_a_look(&self) -> bool {
        self.silent || self.connections > 1
    }
}

impl DrawBoard {
    /// Returns the number of agencies with a connection.
    pub(crate) fn connected(&self) -> u64 {
        self.agencies.values().filter(|it| it.connections > 0).count() as u64
    }

    /// Returns whether the draw is final: only its agencies' presence can still change.
    fn is_over(&self) -> bool {
        self.status.is_published()
    }

    /// Returns how many agencies may bet in the draw.
    pub(crate) fn agencies_count(&self) -> usize {
        usize::try_from(self.status.terms.agencies.count()).unwrap_or(usize::MAX)
    }

    /// Returns the agencies in this range of rows: ordered by number, or with those that have an
    /// alert first.
    pub(crate) fn rows(&self, places: Range<usize>, alerts_first: bool) -> Vec<AgencyBoard> {
        let needy = self.agencies.values().filter(|it| alerts_first && it.needs_a_look());
        let needy: Vec<_> = needy.map(|it| it.agency).collect();
        let mut passed = needy.iter().copied().peekable();
        let others = self.status.terms.agencies.iter();
        // Both are in ascending order.
        let others = others.filter(|it| passed.next_if_eq(it).is_none());
        let numbers = needy.iter().copied().chain(others);
        let of = |it| self.agencies.get(&it).copied().unwrap_or_else(|| AgencyBoard::absent(it));
        numbers.skip(places.start).take(places.len()).map(of).collect()
    }
}

/// The connected agencies, and when each agency was last heard.
struct Present {
    connected: BTreeMap<AgencyId, OfAgency>,
    last_seen: BTreeMap<AgencyId, Timestamp>,
}

impl Present {
    /// Ignores agencies that are in no draw, because any client can claim any agency number.
    fn of(presence: &Presence, draws: &[DrawStatus]) -> Self {
        // Order matters: an agency that disconnects between the two reads is in at least one of
        // them.
        let mut connected = presence.by_agency();
        let mut last_seen = presence.last_seen();
        let is_known = |it: &AgencyId| draws.iter().any(|draw| draw.terms.agencies.contains(*it));
        connected.retain(|it, _| is_known(it));
        last_seen.retain(|it, _| is_known(it));
        for (agency, of_agency) in &connected {
            let seen = last_seen.entry(*agency).or_insert(of_agency.last_message);
            *seen = of_agency.last_message.max(*seen);
        }
        Self { connected, last_seen }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use central::{Central, Mode, Options, Zone};
    use engine::conformance::{TestClock, in_memory};
    use lottery::limits::AGENCIES_MAX;
    use lottery::{Agencies, DrawTerms, Lifecycle, NumberRange, Schedule};
    use tokio::time::timeout;

    use super::*;
    use crate::host::{GroupCounts, Scrubbed};

    const OPENED_AT: Timestamp = Timestamp(1_000_000);

    fn status(agencies: u64) -> DrawStatus {
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Agencies::first(u32::try_from(agencies).unwrap()).unwrap(),
            numbers: NumberRange::default(),
        };
        DrawStatus {
            id: DrawId(1),
            terms,
            state: DrawState::Open,
            agencies_finished: 0,
            batches: 2,
            bets: 9,
            life: Lifecycle {
                opened_at: Some(OPENED_AT),
                ..Lifecycle::announced(Schedule::default(), Timestamp(0))
            },
        }
    }

    /// A minute and a bit after the opening. Agencies 5 and 6 were heard before it and just now.
    fn board(agencies: u64, begun: &[u32]) -> DrawBoard {
        board_at(Timestamp(OPENED_AT.0 + SILENCE_MS + 1), agencies, begun)
    }

    fn board_at(now: Timestamp, agencies: u64, begun: &[u32]) -> DrawBoard {
        let last_seen = BTreeMap::from([(AgencyId(5), Timestamp(1)), (AgencyId(6), now)]);
        let present = Present { connected: BTreeMap::new(), last_seen };
        let look = Look { present: &present, now, elapsed_ms: 1 };
        let begun = begun.iter().map(|agency| AgencyTotals {
            batches: 1,
            bets: 3,
            ..AgencyTotals::nothing_of(AgencyId(*agency))
        });
        look.at(status(agencies), begun, None)
    }

    fn numbers(rows: &[AgencyBoard]) -> Vec<u32> {
        rows.iter().map(|row| row.agency.0).collect()
    }

    struct Machine;

    impl Host for Machine {
        fn random(&self, _: &mut [u8]) -> std::io::Result<()> {
            Ok(())
        }

        fn disk_free_len(&self) -> std::io::Result<u64> {
            Ok(u64::MAX)
        }

        fn groups(&self) -> GroupCounts {
            GroupCounts::default()
        }

        fn store_away(&self) -> Option<String> {
            None
        }

        fn scrubbed(&self) -> Scrubbed {
            Scrubbed::default()
        }

        fn log_lines_dropped(&self) -> u64 {
            0
        }
    }

    async fn poller(stopping: &CancellationToken) -> BoardPoller {
        let (mode, zone) = (Mode::Operated, Zone::default());
        let options =
            Options { mode, winners_wait: Duration::ZERO, zone, shutdown_time_max: Duration::ZERO };
        let clock = Arc::new(TestClock::at(Timestamp(7)));
        let engine = Arc::new(in_memory(clock.clone()));
        let central = Central::open(engine, clock, options).await.unwrap();
        BoardPoller::new(Arc::clone(central.service()), Arc::new(Machine), stopping.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn once_stopping_the_last_board_is_shown_without_another_look() {
        let stopping = CancellationToken::new();
        let poller = poller(&stopping).await;
        let looking = timeout(BOARD_LOOK_TIME, poller.poll());
        let (seen, _) = tokio::join!(poller.now(), looking);
        assert_eq!(seen.at_ms, 7);
        tokio::time::advance(10 * BOARD_LOOK_TIME).await;
        stopping.cancel();
        let last = timeout(BOARD_LOOK_TIME, poller.now()).await.expect("nobody looks for it");
        assert!(Arc::ptr_eq(&last, &seen));
    }

    #[test]
    fn a_board_keeps_only_agencies_that_have_begun_or_were_there() {
        let board = board(AGENCIES_MAX, &[7, 90_000]);
        let kept: Vec<_> = board.agencies.keys().map(|agency| agency.0).collect();
        assert_eq!((kept, board.agencies_count()), (vec![5, 6, 7, 90_000], 100_000));
        let last = board.rows(89_998..90_001, false);
        assert_eq!(numbers(&last), [89_999, 90_000, 90_001]);
        assert_eq!(last.iter().map(|row| row.bets).collect::<Vec<_>>(), [0, 3, 0]);
    }

    #[test]
    fn agencies_with_an_alert_come_first_and_once() {
        // Those that were heard a moment ago are not silent.
        let board = board(10, &[2, 6, 9]);
        assert_eq!(numbers(&board.rows(0..10, true)), [2, 5, 9, 1, 3, 4, 6, 7, 8, 10]);
        assert_eq!(numbers(&board.rows(1..4, true)), [5, 9, 1]);
        assert_eq!(numbers(&board.rows(8..99, false)), [9, 10]);
    }

    #[test]
    fn silence_counts_from_the_opening_and_an_interruption_is_told_at_once() {
        let board = board_at(Timestamp(OPENED_AT.0 + SILENCE_MS), 10, &[2]);
        assert!(board.agencies.values().all(|row| !row.silent), "{board:?}");
        let interrupted = board.agencies.values().filter(|row| row.interrupted);
        assert_eq!(interrupted.map(|row| row.agency.0).collect::<Vec<_>>(), [2]);
    }
}
