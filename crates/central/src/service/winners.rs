//! The winners of draws: read once each, and awaited by any number of requests.
//!
//! A waiting request follows the [`Stage`] of its draw, one watch channel a draw: it holds no lock
//! and no thread.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lottery::{AgencyId, DrawId, Winners};
use parking_lot::Mutex;
use tokio::sync::watch;

/// The stage of each draw's winners.
#[derive(Debug, Default)]
pub struct WinnersStages {
    stages: Mutex<HashMap<DrawId, watch::Sender<Stage>>>,
}

/// How far the reading of a draw's winners is.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Not published, or not asked for.
    NotRead,
    /// Being read.
    BeingRead,
    /// They could not be read. The next request has them read again.
    Unreadable,
    /// Read.
    Ready(Arc<DrawWinners>),
}

/// The winners of a draw, ready to be sent.
#[derive(Debug)]
pub struct DrawWinners {
    by_agency: BTreeMap<AgencyId, Arc<str>>,
}

impl WinnersStages {
    /// Returns where to follow a draw's stage.
    pub fn follow(&self, draw: DrawId) -> watch::Receiver<Stage> {
        of(&mut self.stages.lock(), draw).subscribe()
    }

    /// Returns whether the caller is to read a draw's winners now. Wakes no waiting request.
    pub fn begin_reading(&self, draw: DrawId) -> bool {
        let mut begun = false;
        of(&mut self.stages.lock(), draw).send_if_modified(|stage| {
            begun = matches!(stage, Stage::NotRead | Stage::Unreadable);
            if begun {
                *stage = Stage::BeingRead;
            }
            false
        });
        begun
    }

    /// Sets a draw's stage, and wakes all requests that wait for it.
    pub fn tell(&self, draw: DrawId, stage: Stage) {
        of(&mut self.stages.lock(), draw).send_replace(stage);
    }

    /// Whether some draw's winners could not be read.
    pub fn has_unreadable(&self) -> bool {
        self.stages.lock().values().any(|stage| matches!(*stage.borrow(), Stage::Unreadable))
    }
}

fn of(
    stages: &mut HashMap<DrawId, watch::Sender<Stage>>,
    draw: DrawId,
) -> &mut watch::Sender<Stage> {
    stages.entry(draw).or_insert_with(|| watch::channel(Stage::NotRead).0)
}

impl DrawWinners {
    /// Joins each agency's documents.
    #[must_use]
    pub fn new(winners: &Winners) -> Self {
        let joined = winners.iter().map(|(agency, of)| (agency, Arc::from(of.joined())));
        Self { by_agency: joined.collect() }
    }

    /// Returns the documents of an agency's winning bets, joined by commas; empty without any.
    pub fn of(&self, agency: AgencyId) -> Arc<str> {
        self.by_agency.get(&agency).map_or_else(|| Arc::from(""), Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    const DRAW: DrawId = DrawId(1);

    #[test]
    fn one_caller_reads_the_winners_and_another_only_when_they_could_not_be_read() {
        let waiting = WinnersStages::default();
        assert!(waiting.begin_reading(DRAW) && !waiting.begin_reading(DRAW));
        waiting.tell(DRAW, Stage::Unreadable);
        assert!(waiting.has_unreadable());
        assert!(waiting.begin_reading(DRAW) && !waiting.begin_reading(DRAW));
        waiting.tell(DRAW, Stage::Ready(Arc::new(DrawWinners::new(&Winners::default()))));
        assert!(!waiting.begin_reading(DRAW) && !waiting.has_unreadable());
        assert!(waiting.begin_reading(DrawId(2)));
    }

    // On real threads: a model checker can't schedule the lock inside of tokio's channel.
    #[test]
    fn of_callers_at_the_same_moment_one_reads_the_winners() {
        const CALLERS: usize = 4;
        for _ in 0..500 {
            let (waiting, together) = (WinnersStages::default(), Barrier::new(CALLERS));
            let begun = std::thread::scope(|scope| {
                let caller = || {
                    scope.spawn(|| {
                        together.wait();
                        waiting.begin_reading(DRAW)
                    })
                };
                let callers: Vec<_> = (0..CALLERS).map(|_| caller()).collect();
                callers.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(begun.into_iter().filter(|begun| *begun).count(), 1);
        }
    }

    #[test]
    fn only_what_ends_the_waiting_wakes_those_who_wait() {
        let waiting = WinnersStages::default();
        let mut stage = waiting.follow(DRAW);
        stage.mark_unchanged();
        waiting.begin_reading(DRAW);
        assert!(!stage.has_changed().unwrap());
        waiting.tell(DRAW, Stage::Unreadable);
        assert!(stage.has_changed().unwrap());
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
