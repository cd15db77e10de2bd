//! An answer that is written while it is made, on another thread.
//!
//! It has an end only when its writer said so: one that broke off, for whatever reason, breaks the
//! connection off, so that nobody takes a part for the whole.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use axum::http::HeaderName;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::limits::EXPORT_PARTS_MAX;

/// Says to a proxy to send on what it is sent, without gathering it: it would come late, or when
/// there is much of it be kept in files until there is no more room, and break off.
pub(super) const UNBUFFERED: [(HeaderName, &str); 1] =
    [(HeaderName::from_static("x-accel-buffering"), "no")];

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

/// An answer to be written.
pub(super) fn channel() -> (Writer, Lines) {
    let (sender, receiver) = mpsc::channel(EXPORT_PARTS_MAX);
    (Writer { parts: sender }, Lines { parts: receiver, ended: false })
}

impl Writer {
    /// That was all. Blocks.
    pub(super) fn end(self) {
        // Nobody is left to be told when this fails.
        let _ = self.parts.blocking_send(Part::End);
    }
}

/// Blocks while too many parts wait to be sent. Fails once nobody wants them.
impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = Part::Bytes(Bytes::copy_from_slice(bytes));
        let sent = self.parts.blocking_send(part);
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

    /// What the writer does on its thread.
    fn written(mut writer: Writer, work: impl FnOnce(&mut Writer) -> bool + Send + 'static) {
        tokio::task::spawn_blocking(move || {
            if work(&mut writer) {
                writer.end();
            }
        });
    }

    #[tokio::test]
    async fn what_was_written_is_read_to_its_end() {
        let (writer, lines) = channel();
        written(writer, |writer| (0..1000).all(|_| writer.write_all(b"b\n").is_ok()));
        assert_eq!(read(lines).await.unwrap().len(), 2000);
    }

    #[tokio::test]
    async fn a_part_is_not_taken_for_the_whole() {
        let (writer, lines) = channel();
        written(writer, |writer| {
            writer.write_all(b"a\n").unwrap();
            false
        });
        assert!(read(lines).await.is_err());
    }

    #[tokio::test]
    async fn a_writer_whom_nobody_reads_is_told() {
        let (mut writer, lines) = channel();
        drop(lines);
        let told = tokio::task::spawn_blocking(move || writer.write(b"a").unwrap_err().kind());
        assert_eq!(told.await.unwrap(), io::ErrorKind::BrokenPipe);
    }
}
