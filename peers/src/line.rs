//! A connection under load. All peers share this code, so that the load costs about the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::peer::Speech;

/// Room for what is received.
const RECEIVED_LEN_MAX: usize = 4_096;

/// One agency's way to a peer.
pub(crate) struct Line {
    agency: u32,
    way: Way,
}

enum Way {
    Tcp { stream: TcpStream, speech: Arc<dyn Speech + Sync>, out: Vec<u8>, received: Vec<u8> },
    Queue { queue: Sender<Waiting>, done: UnboundedSender<Done>, acks: UnboundedReceiver<Done> },
}

/// A batch in the queue of a library, and whom to tell once it is durable.
pub(crate) struct Waiting {
    pub(crate) agency: u32,
    pub(crate) chunk: u32,
    pub(crate) done: UnboundedSender<Done>,
}

/// Durable, or why not.
pub(crate) type Done = Result<(), String>;

impl Line {
    /// Over a connection that is ready for batches.
    pub(crate) fn tcp(
        agency: u32,
        stream: std::net::TcpStream,
        speech: Arc<dyn Speech + Sync>,
    ) -> anyhow::Result<Self> {
        stream.set_read_timeout(None)?;
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream)?;
        let (out, received) = (Vec::new(), Vec::with_capacity(RECEIVED_LEN_MAX));
        Ok(Self { agency, way: Way::Tcp { stream, speech, out, received } })
    }

    /// Within this process.
    pub(crate) fn queue(agency: u32, queue: Sender<Waiting>) -> Self {
        let (done, acks) = unbounded_channel();
        Self { agency, way: Way::Queue { queue, done, acks } }
    }

    /// Sends batches from `chunk` on, with `window` of them in flight, and no new ones after
    /// `until`. Gives how long each took to be acknowledged, in microseconds.
    pub(crate) async fn send_until(
        mut self,
        mut chunk: u32,
        until: Instant,
        window: usize,
    ) -> anyhow::Result<Vec<u32>> {
        let mut ack_us = Vec::new();
        let mut sent_at = VecDeque::with_capacity(window);
        loop {
            let now = Instant::now();
            while now < until && sent_at.len() < window {
                self.add(chunk)?;
                sent_at.push_back(now);
                chunk += 1;
            }
            if sent_at.is_empty() {
                return Ok(ack_us);
            }
            let acks = self.exchange().await?;
            let now = Instant::now();
            for _ in 0..acks {
                let sent = sent_at.pop_front().context("an acknowledgement of nothing")?;
                ack_us.push(u32::try_from((now - sent).as_micros())?);
            }
        }
    }

    fn add(&mut self, chunk: u32) -> anyhow::Result<()> {
        match &mut self.way {
            Way::Tcp { speech, out, .. } => speech.add(out, self.agency, chunk),
            Way::Queue { queue, done, .. } => {
                let waiting = Waiting { agency: self.agency, chunk, done: done.clone() };
                queue.send(waiting).ok().context("the writer has ended")?;
            }
        }
        Ok(())
    }

    /// Sends what was added and waits until something is received; gives how many batches that
    /// acknowledges.
    async fn exchange(&mut self) -> anyhow::Result<usize> {
        match &mut self.way {
            Way::Tcp { stream, speech, out, received } => {
                stream.write_all(out).await?;
                out.clear();
                ensure!(stream.read_buf(received).await? > 0, "the connection was closed");
                let (mut at, mut acks) = (0, 0);
                while let Some(reply) = speech.reply(&received[at..])? {
                    at += reply.len;
                    acks += usize::from(reply.acknowledges);
                }
                received.drain(..at);
                Ok(acks)
            }
            Way::Queue { acks, .. } => {
                let mut next = acks.recv().await;
                let mut count = 0;
                while let Some(done) = next {
                    done.map_err(anyhow::Error::msg)?;
                    count += 1;
                    next = acks.try_recv().ok();
                }
                Ok(count)
            }
        }
    }
}
