//! What is measured, and what it says to whoever measures it.

use std::net::TcpStream;

use anyhow::Context as _;

use crate::batches::BATCH_BETS;
use crate::line::Line;

/// A way to keep batches: a server of its own, or a library.
pub(crate) trait Peer {
    /// Which program, in which version, set how.
    fn about(&self) -> &About;

    /// Opens a connection that speaks for an agency.
    fn connect(&mut self, agency: u32) -> anyhow::Result<Line>;

    /// After its slice, outside of the clock: finishes what was put off, so that it does not run
    /// into another's.
    fn settle(&mut self) -> anyhow::Result<()>;

    /// How many whole batches it holds, as it tells itself at the end.
    fn stored(self: Box<Self>) -> anyhow::Result<u64>;
}

/// What a reader of the figures has to know of a peer.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) settings: String,
}

/// How batches are sent to a server over TCP, and acknowledged by it in the same order.
pub(crate) trait Speech: Send {
    /// Adds a batch to what is to be sent.
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32);

    /// The first message of what was received; none when it is not there as a whole.
    ///
    /// # Errors
    /// The server refused something, or said what is not expected.
    fn reply(&self, received: &[u8]) -> anyhow::Result<Option<Reply>>;
}

/// A message of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// In bytes.
    pub(crate) len: usize,
    /// Whether a batch is acknowledged with it.
    pub(crate) acknowledges: bool,
}

/// A connection to a server on this machine that sends at once what is written.
pub(crate) fn connected(port: u16) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port));
    let stream = stream.with_context(|| format!("can't connect to port {port}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whole batches in as many bets.
pub(crate) fn batches_of(bets: &str) -> anyhow::Result<u64> {
    let bets: u64 = bets.parse().with_context(|| format!("'{bets}' is no number of bets"))?;
    Ok(bets / BATCH_BETS as u64)
}
