//! An answer that is written while it is made, on another thread.
//!
//! It has an end only when its writer said so: one that broke off, for whatever reason, breaks the
//! connection off, so that nobody takes a part for the whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::limits::EXPORT_PARTS_MAX;

/// The answer's side.
pub(super) struct Lines {
    parts: mpsc::Receiver<Part>,
    ended: bool,
}

/// The writer's side.
pub(super) struct Writer {
    parts: mpsc::Sender<Part>,
}

enum Part {
    Bytes(Bytes),
    End,
}

/// An answer that begins with these bytes.
pub(super) fn begun_with(first: &'static [u8]) -> (Writer, Lines) {
    let (sender, receiver) = mpsc::channel(EXPORT_PARTS_MAX);
    let taken = sender.try_send(Part::Bytes(Bytes::from_static(first)));
    assert!(taken.is_ok(), "a new channel has room");
    (Writer { parts: sender }, Lines { parts: receiver, ended: false })
}

impl Writer {
    /// Adds bytes; waits while too many wait to be sent. Says whether somebody still wants them.
    /// Blocks.
    pub(super) fn put(&self, bytes: Vec<u8>) -> bool {
        self.parts.blocking_send(Part::Bytes(bytes.into())).is_ok()
    }

    /// That was all.
    pub(super) async fn end(self) {
        // Nobody is left to be told when this fails.
        let _ = self.parts.send(Part::End).await;
    }
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.parts.poll_recv(context).map(|part| match part {
            Some(Part::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Part::End) => {
                self.ended = true;
                None
            }
            None => Some(Err(io::Error::other("the answer broke off"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn read(lines: Lines) -> Result<Bytes, axum::Error> {
        to_bytes(axum::body::Body::new(lines), usize::MAX).await
    }

    #[tokio::test]
    async fn what_was_written_is_read_to_its_end() {
        let (writer, lines) = begun_with(b"a\n");
        let writing = tokio::task::spawn_blocking(move || {
            assert!((0..1000).all(|_| writer.put(b"b\n".to_vec())));
            writer
        });
        let reading = tokio::spawn(read(lines));
        writing.await.unwrap().end().await;
        assert_eq!(reading.await.unwrap().unwrap().len(), 2002);
    }

    #[tokio::test]
    async fn a_part_is_not_taken_for_the_whole() {
        let (writer, lines) = begun_with(b"a\n");
        drop(writer);
        assert!(read(lines).await.is_err());
    }

    #[tokio::test]
    async fn a_writer_whom_nobody_reads_is_told() {
        let (writer, lines) = begun_with(b"a\n");
        drop(lines);
        assert!(!tokio::task::spawn_blocking(move || writer.put(Vec::new())).await.unwrap());
    }
}
