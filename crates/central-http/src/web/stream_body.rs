//! An answer's body that another thread writes while it is being sent.
//!
//! Invariants:
//! - the body ends properly only if its writer called [`Writer::end`]; otherwise the connection is
//!   broken off, so that the client can't mistake a part for the whole;
//! - writing fails if the client is too slow, or the answer is cancelled.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::HeaderName;
use hyper::body::Frame;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::limits::{EXPORT_PACE_MIN, EXPORT_PARTS_MAX};

/// Tells a proxy not to buffer the answer: it would arrive late, or a large one could fill the
/// proxy's disk and break off.
pub(crate) const UNBUFFERED: [(HeaderName, &str); 1] =
    [(HeaderName::from_static("x-accel-buffering"), "no")];

/// The body that the answer sends.
pub(crate) struct StreamBody {
    parts: mpsc::Receiver<Part>,
    ended: bool,
    /// Cancels the writer when the answer is dropped, so that it does not read on for nobody.
    _over: DropGuard,
}

/// The side that writes the body.
pub(crate) struct Writer {
    parts: mpsc::Sender<Part>,
    /// Cancelled when nothing more may be written.
    over: CancellationToken,
    /// How long writing may still wait for the client, and the maximum of it.
    patience: Duration,
    patience_max: Duration,
}

enum Part {
    Bytes(Bytes),
    End,
}

/// Creates a body and its writer, which fails once `over` is cancelled. Writing may wait for the
/// client for `patience_max` in all; data that is sent earns more time, up to the same maximum.
pub(crate) fn channel(over: CancellationToken, patience_max: Duration) -> (Writer, StreamBody) {
    let (sender, receiver) = mpsc::channel(EXPORT_PARTS_MAX);
    let body = StreamBody { parts: receiver, ended: false, _over: over.clone().drop_guard() };
    (Writer { parts: sender, over, patience: patience_max, patience_max }, body)
}

impl Writer {
    /// Ends the body properly. Blocks.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.send(Part::End)
    }

    fn send(&mut self, part: Part) -> io::Result<()> {
        let sending = async {
            let begun = Instant::now();
            let sent = tokio::time::timeout(self.patience, self.parts.send(part)).await;
            self.patience = self.patience.saturating_sub(begun.elapsed());
            sent
        };
        let sent = Handle::current().block_on(self.over.run_until_cancelled(sending));
        match sent {
            Some(Ok(Ok(()))) => Ok(()),
            Some(Err(_)) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly"))
            }
            Some(Ok(Err(_))) | None if self.parts.is_closed() => {
                Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone"))
            }
            Some(Ok(Err(_))) | None => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the caller lost the permission, or the central is shutting down",
            )),
        }
    }
}

/// Blocks while too many parts wait to be sent. Fails if the client is gone or too slow, or `over`
/// is cancelled.
impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Part::Bytes(Bytes::copy_from_slice(bytes)))?;
        let earned = Duration::from_micros(1_000_000 * bytes.len() as u64 / EXPORT_PACE_MIN);
        self.patience = (self.patience + earned).min(self.patience_max);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl HttpBody for StreamBody {
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
            None => Some(Err(io::Error::other("the response was cut off"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    async fn read(lines: StreamBody) -> Result<Bytes, axum::Error> {
        to_bytes(axum::body::Body::new(lines), usize::MAX).await
    }

    /// Runs the writer's work on a blocking thread.
    fn written(mut writer: Writer, work: impl FnOnce(&mut Writer) -> bool + Send + 'static) {
        tokio::task::spawn_blocking(move || {
            if work(&mut writer) {
                writer.end().unwrap();
            }
        });
    }

    /// Returns the error that stops a writer whose data nobody reads.
    async fn stopped(mut writer: Writer) -> io::ErrorKind {
        let writing = move || loop {
            if let Err(error) = writer.write_all(b"a") {
                return error.kind();
            }
        };
        tokio::task::spawn_blocking(writing).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_written_is_read_to_its_end() {
        let (writer, lines) = channel(CancellationToken::new(), PATIENCE);
        written(writer, |writer| (0..1000).all(|_| writer.write_all(b"b\n").is_ok()));
        assert_eq!(read(lines).await.unwrap().len(), 2000);
    }

    #[tokio::test]
    async fn a_part_is_not_taken_for_the_whole() {
        let (writer, lines) = channel(CancellationToken::new(), PATIENCE);
        written(writer, |writer| {
            writer.write_all(b"a\n").unwrap();
            false
        });
        assert!(read(lines).await.is_err());
    }

    #[tokio::test]
    async fn writing_fails_when_the_reader_has_left() {
        let (writer, lines) = channel(CancellationToken::new(), PATIENCE);
        drop(lines);
        assert_eq!(stopped(writer).await, io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn writing_fails_when_the_reader_is_too_slow() {
        let (writer, lines) = channel(CancellationToken::new(), Duration::from_millis(20));
        assert_eq!(stopped(writer).await, io::ErrorKind::TimedOut);
        assert!(read(lines).await.is_err());
    }

    #[tokio::test]
    async fn bytes_that_are_taken_extend_the_writers_patience_up_to_its_limit() {
        let (mut writer, lines) = channel(CancellationToken::new(), PATIENCE);
        let seconds = Duration::from_secs;
        let writing = tokio::task::spawn_blocking(move || {
            writer.patience = seconds(10);
            let len = usize::try_from(EXPORT_PACE_MIN * 5).unwrap();
            writer.write_all(&vec![0; len]).unwrap();
            assert!(writer.patience > seconds(14) && writer.patience <= seconds(15));
            (0..11).for_each(|_| writer.write_all(&vec![0; len]).unwrap());
            assert_eq!(writer.patience, PATIENCE);
        });
        writing.await.unwrap();
        drop(lines);
    }

    #[tokio::test]
    async fn a_waiting_writer_stops_when_it_is_cancelled() {
        let over = CancellationToken::new();
        let (writer, lines) = channel(over.clone(), PATIENCE);
        let stopping = tokio::spawn(stopped(writer));
        while lines.parts.len() < EXPORT_PARTS_MAX {
            tokio::task::yield_now().await;
        }
        over.cancel();
        assert_eq!(stopping.await.unwrap(), io::ErrorKind::PermissionDenied);
    }
}
