//! What ledgers cost that hold more and more. They take turns, so that no drift of the machine looks
//! like a trend: opening, an acknowledgement, memory; at last the draw, its winners, and opening
//! without the system's cache.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::fs::{Advice, fadvise};

use super::{AGENCIES, Scenario, waiting};
use crate::central::{Central, Start};
use crate::figures::{Group, ms};
use crate::load::{Fleet, Plan, Until};
use crate::rounds::{self, Case, Slice};
use crate::setting::{Setting, show};

/// Bets sent in a round: few beside those that are stored.
const BETS_A_ROUND: u64 = 100_000;

/// A ledger that is opened and closed.
pub(super) struct Ledger<'a> {
    setting: &'a Setting,
    name: String,
    pub(super) data: PathBuf,
    /// The chunk that each agency sends next.
    next_chunks: Vec<u32>,
    pub(super) bets: u64,
}

/// Measures the ledgers, and removes them.
pub(super) fn measure(
    setting: &Setting,
    scenario: Scenario,
    mut ledgers: Vec<Ledger<'_>>,
) -> anyhow::Result<Group> {
    let cases = ledgers.iter_mut().map(Ledger::case).collect();
    let columns = rounds::measure(setting, cases)?;
    let drawn = columns.into_iter().zip(ledgers).map(|(column, ledger)| {
        show(&format!("the draw, {}", ledger.name));
        Ok(column.with(ledger.drawn()?))
    });
    let drawn = drawn.collect::<anyhow::Result<_>>()?;
    Ok(Group::new(scenario, (AGENCIES, 1), &setting.typical, drawn))
}

impl<'a> Ledger<'a> {
    /// An empty one, in a folder of this number.
    pub(super) fn empty(setting: &'a Setting, number: u64, name: String) -> Self {
        show(&format!("a ledger, {name}"));
        let data = setting.path(&format!("ledger-{number}"));
        Self { setting, name, data, next_chunks: vec![0; AGENCIES as usize], bets: 0 }
    }

    /// See [`Central::open`].
    pub(super) fn open(&self) -> anyhow::Result<(Central, Duration)> {
        let start = Start { data: Some(self.data.clone()), ..Start::of(AGENCIES) };
        Central::open(self.setting, &start)
    }

    /// Has agencies send so many bets for the current draw.
    pub(super) fn send(
        &mut self,
        central: &Central,
        bets: u64,
        window: usize,
    ) -> anyhow::Result<Slice> {
        let next = (1..).zip(&self.next_chunks);
        let connections = next.map(|(agency, &chunk)| Ok((central.connection(agency)?, chunk)));
        let mut fleet = Fleet::new(connections)?;
        let batches = Rc::clone(&self.setting.typical);
        let plan = Plan { batches, window, rate: None, until: Until::Bets(bets) };
        let slice = central.slice(&mut fleet, &plan)?;
        self.next_chunks = fleet.next_chunks().collect();
        self.bets += slice.sent.bets;
        Ok(slice)
    }

    fn case(&mut self) -> Case<'_> {
        Case::new(&self.name.clone(), |_| self.slice())
    }

    fn slice(&mut self) -> anyhow::Result<Slice> {
        let (central, opening) = self.open()?;
        let mut slice = self.send(&central, BETS_A_ROUND, 1)?;
        slice.more.push(("open_warm_ms", ms(opening)));
        central.stop()?;
        Ok(slice)
    }

    /// Makes its draw once the indexes are compared, and opens it once more with nothing of it in
    /// memory; then removes it.
    fn drawn(self) -> anyhow::Result<[(&'static str, f64); 7]> {
        let mut central = self.open()?.0;
        let opened = Instant::now();
        central.compared()?;
        let comparing = opened.elapsed();
        let (winners, all_told) = waiting::draw(&central, AGENCIES)?;
        central.stop()?;
        let disk_bytes: u64 = files_in(&self.data)?.into_iter().map(|(_, len)| len).sum();
        forget(&self.data)?;
        let (central, opening) = self.open()?;
        let (again, winners_cold) = waiting::winners_of_all(&central, AGENCIES)?;
        ensure!(again == winners, "{again} winners of {winners} were read again");
        central.end()?;
        Ok([
            ("bets_at_the_draw", self.bets as f64),
            ("winners", winners as f64),
            ("indexes_compared_ms", ms(comparing)),
            ("last_finish_to_all_winners_ms", ms(all_told)),
            ("open_cold_ms", ms(opening)),
            ("all_winners_after_open_cold_ms", ms(winners_cold)),
            ("disk_bytes_per_bet", disk_bytes as f64 / self.bets as f64),
        ])
    }
}

/// Has the system forget what it keeps of the files in memory.
fn forget(data: &Path) -> anyhow::Result<()> {
    for (path, _) in files_in(data)? {
        let file = std::fs::File::open(&path).context("can't open a file of the ledger")?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed).context("can't empty the system's cache")?;
    }
    Ok(())
}

fn files_in(data: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let list = std::fs::read_dir(data).context("can't list the ledger")?;
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.path(), entry.metadata()?.len()))
    };
    list.map(file).collect()
}
