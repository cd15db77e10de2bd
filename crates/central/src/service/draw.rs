//! A draw as the central follows it: its terms, and how far its winners are.
//!
//! Whoever waits for winners waits for [`Stage`] to change: one channel a draw, however many wait,
//! without a lock or a thread held by any of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Candidate;
use lottery::{AgencyId, DrawId, DrawState, DrawStatus, DrawTerms, Schedule, Winners};
use tokio::sync::watch;

/// A draw that the store knows.
#[derive(Debug)]
pub(crate) struct Draw {
    /// Its number in the store.
    pub(crate) id: DrawId,
    /// What it was opened with.
    pub(crate) terms: DrawTerms,
    /// When the clock acts in it; none: it goes by itself.
    pub(crate) schedule: Option<Schedule>,
    state: Mutex<DrawState>,
    stage: watch::Sender<Stage>,
}

/// How far a draw's winners are.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// The draw was not made.
    NotMade,
    /// It is being closed and made.
    BeingMade,
    /// It was made; nobody asked for the winners yet.
    Made,
    /// The winners are being read.
    BeingRead,
    /// The winners could not be read. Who asks next makes them be read again.
    Unreadable,
    /// The winners.
    Ready(Arc<DrawWinners>),
}

/// The winners of a draw, ready to be sent many times.
#[derive(Debug)]
pub(crate) struct DrawWinners {
    by_agency: BTreeMap<AgencyId, Arc<str>>,
}

impl Draw {
    /// As the store shows it.
    pub(super) fn new(status: DrawStatus) -> Self {
        let stage = if status.is_published() { Stage::Made } else { Stage::NotMade };
        let (stage, _) = watch::channel(stage);
        let schedule = status.operated.map(|operated| operated.schedule);
        let state = Mutex::new(status.state);
        Self { id: status.id, terms: status.terms, schedule, state, stage }
    }

    /// As the choice among draws looks at it.
    pub(super) fn candidate(&self) -> Candidate<'_> {
        let opens_at = self.schedule.and_then(|schedule| schedule.opens_at);
        Candidate { id: self.id, terms: &self.terms, state: self.state(), opens_at }
    }

    /// Where it was when the store last told.
    pub(crate) fn state(&self) -> DrawState {
        *self.locked_state()
    }

    /// The store told where it is. What it told earlier may be heard of later.
    pub(super) fn is_now(&self, state: DrawState) {
        let mut known = self.locked_state();
        *known = state.max(*known);
    }

    fn locked_state(&self) -> MutexGuard<'_, DrawState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether agencies may have their winners.
    pub(crate) fn is_published(&self) -> bool {
        !matches!(&*self.stage.borrow(), Stage::NotMade | Stage::BeingMade)
    }

    /// Whether its winners were to be read and could not.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(&*self.stage.borrow(), Stage::Unreadable)
    }

    /// Follows the stage from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Whether the caller is the one to make the draw now.
    pub(super) fn begin_making(&self) -> bool {
        self.begin(|stage| matches!(stage, Stage::NotMade), Stage::BeingMade)
    }

    /// Whether the caller is the one to read the winners now.
    pub(super) fn begin_reading(&self) -> bool {
        self.begin(|stage| matches!(stage, Stage::Made | Stage::Unreadable), Stage::BeingRead)
    }

    /// It was made.
    pub(super) fn made(&self) {
        self.begin(|_| true, Stage::Made);
    }

    /// It was not made after all, for now.
    pub(super) fn give_up_making(&self) {
        self.begin(|_| true, Stage::NotMade);
    }

    /// The winners were read: all who wait are woken.
    pub(super) fn publish(&self, winners: DrawWinners) {
        self.stage.send_replace(Stage::Ready(Arc::new(winners)));
    }

    /// The winners can't be read: all who wait are woken.
    pub(super) fn unreadable(&self) {
        self.stage.send_replace(Stage::Unreadable);
    }

    /// Goes from one stage to the next without waking those who wait: it is no news to them.
    fn begin(&self, may: impl FnOnce(&Stage) -> bool, next: Stage) -> bool {
        let mut begun = false;
        self.stage.send_if_modified(|stage| {
            begun = may(stage);
            if begun {
                *stage = next;
            }
            false
        });
        begun
    }
}

impl DrawWinners {
    pub(crate) fn new(winners: &Winners) -> Self {
        let joined = winners.iter().map(|(agency, of)| (agency, Arc::from(of.joined())));
        Self { by_agency: joined.collect() }
    }

    /// The documents of an agency's winning bets, joined by commas; empty when it has none.
    pub(crate) fn of(&self, agency: AgencyId) -> Arc<str> {
        self.by_agency.get(&agency).map_or_else(|| Arc::from(""), Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use lottery::{Agencies, DrawName, NumberRange};

    use super::*;

    impl Draw {
        /// One that is open, of so many agencies from 1 on.
        pub(in crate::service) fn open_for(agencies: u32) -> Self {
            let terms = DrawTerms {
                name: DrawName::new("sorteo").unwrap(),
                agencies: Agencies::first(agencies).unwrap(),
                numbers: NumberRange::default(),
            };
            Self::new(DrawStatus {
                id: DrawId(1),
                terms,
                state: DrawState::Open,
                agencies_finished: 0,
                batches: 0,
                bets: 0,
                operated: None,
            })
        }
    }

    #[test]
    fn one_caller_makes_the_draw_and_one_reads_the_winners() {
        let draw = Draw::open_for(1);
        assert!(!draw.begin_reading());
        assert!(draw.begin_making());
        assert!(!draw.begin_making());
        draw.made();
        assert!(draw.begin_reading());
        assert!(!draw.begin_reading());
        draw.unreadable();
        assert!(draw.begin_reading());
    }

    #[test]
    fn a_draw_never_goes_back_whenever_it_is_heard_of() {
        let draw = Draw::open_for(1);
        draw.is_now(DrawState::Closed);
        draw.is_now(DrawState::Open);
        assert_eq!(draw.state(), DrawState::Closed);
        draw.is_now(DrawState::Drawn { number: 7 });
        draw.is_now(DrawState::Closed);
        assert_eq!(draw.state(), DrawState::Drawn { number: 7 });
    }

    // On real threads: a model checker can't schedule the lock inside of tokio's channel.
    #[test]
    fn of_callers_at_the_same_moment_one_makes_the_draw_and_one_reads_the_winners() {
        const CALLERS: usize = 4;
        const ROUNDS: usize = 500;
        let begun_at_once = |begin: &(dyn Fn() -> bool + Sync)| {
            let together = Barrier::new(CALLERS);
            std::thread::scope(|scope| {
                let caller = || {
                    scope.spawn(|| {
                        together.wait();
                        begin()
                    })
                };
                let callers: Vec<_> = (0..CALLERS).map(|_| caller()).collect();
                callers.into_iter().map(|it| usize::from(it.join().unwrap())).sum::<usize>()
            })
        };
        for _ in 0..ROUNDS {
            let draw = Draw::open_for(1);
            assert_eq!(begun_at_once(&|| draw.begin_making()), 1);
            draw.made();
            assert_eq!(begun_at_once(&|| draw.begin_reading()), 1);
        }
    }

    #[test]
    fn only_what_ends_the_waiting_wakes_those_who_wait() {
        let draw = Draw::open_for(1);
        let mut waiting = draw.subscribe();
        waiting.mark_unchanged();
        draw.begin_making();
        assert!(!waiting.has_changed().unwrap());
        draw.unreadable();
        assert!(waiting.has_changed().unwrap());
    }

    #[test]
    fn winners_are_joined_by_agency() {
        let mut winners = Winners::default();
        for (agency, document) in [(2, "9"), (1, "7"), (2, "8")] {
            winners.add(AgencyId(agency), document);
        }
        let winners = DrawWinners::new(&winners);
        assert_eq!(&*winners.of(AgencyId(2)), "9,8");
        assert_eq!(&*winners.of(AgencyId(3)), "");
    }
}
