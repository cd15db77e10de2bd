//! A ledger that grows large: what an acknowledgement takes on the way, how long the draw and all
//! winners take, and how long opening it takes.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::fs::{Advice, fadvise};

use super::{AGENCIES, Scenario, WINDOW, waiting};
use crate::central::{Central, Start};
use crate::figures::{Column, Group};
use crate::load::{Fleet, Plan, Until};
use crate::setting::{Setting, show};

/// Fills a ledger, measuring when it is empty and when it holds as many bets as are asked for.
pub(super) fn measure(setting: &Setting) -> anyhow::Result<Group> {
    let data = Central::data(setting);
    let central = open(setting)?.0;
    let mut fleet = central.fleet(AGENCIES)?;
    let (mut marks, mut held) = (Vec::new(), 0);
    for &mark in std::iter::once(&0).chain(&setting.options.ledger_bets) {
        show(&format!("a ledger of {mark} bets"));
        held += fill(setting, &mut fleet, mark.saturating_sub(held))?;
        let plan = Plan::lasting(setting.time(), &setting.typical, 1);
        let slice = [central.slice(&mut fleet, &plan)?];
        marks.push(Column::of(&format!("{held} bets"), &slice, &slice)?);
        held += slice[0].sent.bets;
    }
    // The draw comes at the end of a day of intake: the last of it just before.
    held += fill(setting, &mut fleet, (held / 50).max(1))?;
    drop(fleet);
    let (winners, all_told) = waiting::draw(&central, AGENCIES)?;
    central.stop()?;
    let disk_bytes: u64 = files_in(&data)?.into_iter().map(|(_, len)| len).sum();
    let (central, open_warm) = open(setting)?;
    central.stop()?;
    forget(&data)?;
    let (central, open_cold) = open(setting)?;
    let started = Instant::now();
    let mut again = 0;
    for agency in 1..=AGENCIES {
        let mut client = central.greet(agency)?;
        client.ask_winners()?;
        again += client.winners()?;
    }
    let winners_cold = started.elapsed();
    ensure!(again == winners, "{again} winners of {winners} were read again");
    central.end()?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let measured = Group::new(Scenario::Large, (AGENCIES, 1), &setting.typical, marks);
    Ok(measured.with_facts([
        ("bets", held as f64),
        ("winners", winners as f64),
        ("last_finish_to_all_winners_ms", ms(all_told)),
        ("open_warm_ms", ms(open_warm)),
        ("open_cold_ms", ms(open_cold)),
        ("all_winners_after_open_cold_ms", ms(winners_cold)),
        ("disk_bytes_per_bet", disk_bytes as f64 / held as f64),
    ]))
}

fn fill(setting: &Setting, fleet: &mut Fleet, bets: u64) -> anyhow::Result<u64> {
    let (batches, until) = (Rc::clone(&setting.typical), Until::Bets(bets));
    Ok(fleet.send(&Plan { batches, window: WINDOW, rate: None, until })?.bets)
}

/// Starts a central; gives how long that took, from the program's start until it listens.
fn open(setting: &Setting) -> anyhow::Result<(Central, Duration)> {
    let started = Instant::now();
    let central = Central::start(setting, &setting.typical, &Start::of(AGENCIES))?;
    Ok((central, started.elapsed()))
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
