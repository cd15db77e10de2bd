//! Ways to keep batches, one file each, and how they are spoken to under load.

mod bolillero;
mod nats;
mod postgres;
mod redis;
mod sqlite;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::rc::Rc;

use anyhow::Context as _;

use crate::setting::Setting;

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

/// A connection on which batches can be sent, and how.
pub(crate) struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) speech: Rc<dyn Speech>,
}

/// What bytes go through.
pub(crate) trait Stream: Read + Write {
    fn socket(&self) -> BorrowedFd<'_>;
}

impl Stream for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

/// How batches are sent to a store, and acknowledged by it in the same order.
pub(crate) trait Speech {
    /// Adds a batch to what is to be sent.
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) -> anyhow::Result<()>;

    /// The first message of what was received; none when it is not there as a whole. `chunk` is the
    /// one that is acknowledged next.
    ///
    /// # Errors
    /// The store refused something, or said what is not expected.
    fn reply(&self, received: &[u8], chunk: Option<u32>) -> anyhow::Result<Option<Reply>>;
}

/// A message of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// In bytes.
    pub(crate) len: usize,
    /// Whether a batch is acknowledged with it.
    pub(crate) acknowledges: bool,
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

/// All, Bolillero first: the others are compared with it.
const STARTS: [(&str, Start); 5] = [
    ("Bolillero", bolillero::start),
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

/// A connection that sends at once what is written.
pub(crate) fn connected(address: &str) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address);
    let stream = stream.with_context(|| format!("can't connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whole batches in as many bets.
fn batches_of(bets: &str) -> anyhow::Result<u64> {
    let bets: u64 = bets.parse().with_context(|| format!("'{bets}' is no number of bets"))?;
    Ok(bets / u64::from(wire::limits::BATCH_BETS))
}
