//! The stores that are measured, one file each.

mod bare;
mod bolillero;
mod nats;
pub(crate) mod postgres;
mod redis;
mod sqlite;

use anyhow::Context as _;

use crate::setting::Setting;
use crate::speech::Connection;

pub(crate) const BOLILLERO: &str = "Bolillero";
pub(crate) const BARE_SERVER: &str = "bare server";

/// A server of its own, or a library.
pub(crate) trait Store {
    /// Opens a connection that speaks for an agency.
    fn connect(&mut self, agency: u32) -> anyhow::Result<Connection>;

    /// After it was measured: finishes what was put off, so that it disturbs no other.
    fn settle(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Ends it; gives how many batches it holds.
    fn stored(self: Box<Self>) -> anyhow::Result<u64>;
}

/// A store that runs.
pub(crate) struct Started {
    pub(crate) name: &'static str,
    /// Which program, in which version, set how.
    about: String,
    pub(crate) store: Box<dyn Store>,
}

/// How a store is started for so many agencies; none when it is not installed.
type Start = fn(&Setting, u32) -> anyhow::Result<Option<Started>>;

/// All, Bolillero first: the others are compared with it. The bare server is no store, but their limit.
const STARTS: [(&str, Start); 6] = [
    (BOLILLERO, bolillero::start),
    (BARE_SERVER, bare::start),
    ("SQLite", sqlite::start),
    ("NATS", nats::start),
    ("Redis", redis::start),
    ("PostgreSQL", postgres::start),
];

/// Starts all that are installed; notes what a reader of the figures has to know of each.
pub(crate) fn start_all(
    setting: &Setting,
    agencies: u32,
) -> anyhow::Result<(Vec<Started>, Vec<String>)> {
    let (mut stores, mut notes) = (Vec::new(), Vec::new());
    for (name, start) in STARTS {
        match start(setting, agencies).with_context(|| format!("can't start {name}"))? {
            Some(started) => {
                notes.push(format!("{}: {}", started.name, started.about));
                stores.push(started);
            }
            None => notes.push(format!("{name} is left out: it is not installed")),
        }
    }
    Ok((stores, notes))
}

/// Whole batches in as many bets.
fn batches_of(bets: &str) -> anyhow::Result<u64> {
    let bets: u64 = bets.parse().with_context(|| format!("'{bets}' is no number of bets"))?;
    Ok(bets / u64::from(wire::limits::BATCH_BETS))
}
