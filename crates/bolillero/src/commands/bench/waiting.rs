//! Agencies that wait for their winners when the draw is made: how long after the last FINISH each
//! has all of them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::super::processes::Central;
use super::batches::Batches;
use super::client::Client;
use super::intake::{connect, end};
use super::interruption;
use super::load::{Plan, Until, latencies, microseconds};
use super::sockets::Sockets;

/// Longer than any draw takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one draw gave.
pub(super) struct Draw {
    /// Microseconds from the last FINISH until an agency had all its winners.
    pub(super) winners_us: Histogram<u64>,
    /// How many winners all had together.
    pub(super) winners: u64,
}

/// A draw, and how many bets took part in it.
pub(super) struct Drawn {
    pub(super) bets: u64,
    pub(super) draw: Draw,
}

/// Has `agencies` send so many batches each, finish and wait, all but the last; then that one.
pub(super) async fn measure(
    folder: &Path,
    agencies: u32,
    batches: &Batches,
    batches_each: u32,
) -> anyhow::Result<Drawn> {
    let data = folder.join("waiting");
    let central = Central::start(&data, agencies, &[]).await?;
    let mut fleet = connect(&central, agencies)?;
    let bets_each = u64::from(batches_each) * u64::from(wire::limits::BATCH_BETS);
    let until = Until::Bets(u64::from(agencies) * bets_each);
    let plan = Plan { batches: batches.clone(), window: 1, rate: None, until };
    let bets = tokio::task::block_in_place(|| fleet.send(&plan))?.bets;
    drop(fleet);
    let draw = tokio::task::block_in_place(|| draw(&central, agencies))?;
    end(central, &data).await?;
    Ok(Drawn { bets, draw })
}

/// Has all agencies of a central finish and wait for their winners.
pub(super) fn draw(central: &Central, agencies: u32) -> anyhow::Result<Draw> {
    let mut clients = Vec::new();
    for agency in 1..=agencies {
        clients.push(Client::greet(central.address(), agency)?);
        interruption::check()?;
    }
    let (last, others) = clients.split_last_mut().context("a draw has agencies")?;
    for client in others {
        client.finish()?;
        client.ask_winners()?;
    }
    let started = Instant::now();
    last.finish()?;
    last.ask_winners()?;
    receive(clients, started)
}

/// Has all agencies of a central ask for their winners, of a draw that was made; gives how many
/// there are.
pub(super) fn winners(central: &Central, agencies: u32) -> anyhow::Result<u64> {
    let started = Instant::now();
    let mut clients = Vec::new();
    for agency in 1..=agencies {
        let mut client = Client::greet(central.address(), agency)?;
        client.ask_winners()?;
        clients.push(client);
    }
    Ok(receive(clients, started)?.winners)
}

/// Waits until all have their winners.
fn receive(mut clients: Vec<Client>, started: Instant) -> anyhow::Result<Draw> {
    let mut sockets = Sockets::new()?;
    for (at, client) in clients.iter().enumerate() {
        sockets.add(client.stream(), at)?;
    }
    let (mut winners_us, mut winners) = (latencies()?, 0);
    while winners_us.len() < clients.len() as u64 {
        let ready = sockets.wait(Some(PATIENCE))?;
        ensure!(!ready.is_empty(), "an agency got no winners within a minute");
        for at in ready {
            let client = &mut clients[at];
            let (some, all) = client.some_winners()?;
            winners += some;
            if all {
                winners_us.record(microseconds(started.elapsed()))?;
                sockets.remove(client.stream())?;
            }
        }
    }
    Ok(Draw { winners_us, winners })
}
