//! A connection to any store, and how batches are sent on it and acknowledged.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::rc::Rc;

use anyhow::Context as _;

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

/// A connection that sends at once what is written.
pub(crate) fn connected(address: &str) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address);
    let stream = stream.with_context(|| format!("can't connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The first line of what was received, and where the bytes behind it begin; none before its end is
/// there.
pub(crate) fn first_line(received: &[u8]) -> anyhow::Result<Option<(&str, usize)>> {
    let Some(end) = received.windows(2).position(|it| it == b"\r\n") else { return Ok(None) };
    Ok(Some((std::str::from_utf8(&received[..end])?, end + 2)))
}
