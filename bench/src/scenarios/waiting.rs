//! Agencies that wait for their winners when the draw is made: how long after the last FINISH all
//! have them.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{MANY_AGENCIES, Scenario};
use crate::central::{Central, Start};
use crate::figures::{Group, ms};
use crate::load::{Plan, Until};
use crate::setting::{Setting, allow_connections, show};

/// Batches that each agency sends before it waits for winners.
const BATCHES_EACH: u64 = 10;

/// Has all agencies send, finish and wait.
pub(super) fn measure(setting: &Setting) -> anyhow::Result<Group> {
    show("agencies that wait");
    allow_connections(MANY_AGENCIES)?;
    let batches = &setting.typical;
    let central = Central::start(setting, batches, &Start::of(MANY_AGENCIES))?;
    let bets_each = BATCHES_EACH * u64::from(wire::limits::BATCH_BETS);
    let until = Until::Bets(u64::from(MANY_AGENCIES) * bets_each);
    let plan = Plan { batches: Rc::clone(batches), window: 1, rate: None, until };
    let bets = central.fleet(MANY_AGENCIES)?.send(&plan)?.bets;
    let (winners, took) = draw(&central, MANY_AGENCIES)?;
    central.end()?;
    Ok(Group::new(Scenario::Waiting, (MANY_AGENCIES, 1), batches, Vec::new()).with_facts([
        ("bets", bets as f64),
        ("winners", winners as f64),
        ("last_finish_to_all_winners_ms", ms(took)),
    ]))
}

/// Has all agencies of a central finish and wait for their winners, all but the last; then that
/// one. Gives how many winners there are, and how long after the last FINISH all were told.
pub(super) fn draw(central: &Central, agencies: u32) -> anyhow::Result<(u64, Duration)> {
    let clients = (1..=agencies).map(|agency| central.greet(agency));
    let mut clients = clients.collect::<anyhow::Result<Vec<_>>>()?;
    let (last, others) = clients.split_last_mut().context("a draw has agencies")?;
    for client in others {
        client.finish()?;
        client.ask_winners()?;
    }
    let started = Instant::now();
    last.finish()?;
    last.ask_winners()?;
    let mut winners = 0;
    for client in &mut clients {
        winners += client.winners()?;
    }
    Ok((winners, started.elapsed()))
}

/// How many winners all agencies of a draw that was made are told, one after the other, and how
/// long that takes.
pub(super) fn winners_of_all(central: &Central, agencies: u32) -> anyhow::Result<(u64, Duration)> {
    let started = Instant::now();
    let mut winners = 0;
    for agency in 1..=agencies {
        let mut client = central.greet(agency)?;
        client.ask_winners()?;
        winners += client.winners()?;
    }
    Ok((winners, started.elapsed()))
}
