//! The body of an answer, passed to a thread that reads and blocks.

use std::io::{self, Read};

use hyper::body::Bytes;
use tokio::sync::mpsc;

use crate::limits::PARTS_MAX;

/// A part of the body, or why there are no more.
pub(crate) type Part = Result<Bytes, String>;

/// The reading side. Ends when the other side is dropped.
pub(crate) struct Incoming {
    parts: mpsc::Receiver<Part>,
    part: Bytes,
}

impl Incoming {
    /// Creates both sides.
    pub(crate) fn new() -> (mpsc::Sender<Part>, Self) {
        let (sender, parts) = mpsc::channel(PARTS_MAX);
        (sender, Self { parts, part: Bytes::new() })
    }

    /// Whether reading would wait for the central.
    pub(crate) fn waits(&self) -> bool {
        self.part.is_empty() && self.parts.is_empty()
    }
}

impl Read for Incoming {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(Ok(part)) => self.part = part,
                Some(Err(why)) => return Err(io::Error::other(why)),
                None => return Ok(0),
            }
        }
        let len = bytes.len().min(self.part.len());
        bytes[..len].copy_from_slice(&self.part.split_to(len));
        Ok(len)
    }
}
