//! A connection to the central, for what is said before and after the bets.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use wire::{AgencyMessage, CentralMessage, DrawName, FrameReader, Sender};

use super::line::Line;

/// Longer than any reply takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that said HELLO and was welcomed.
pub(super) struct Client {
    agency: u32,
    line: Line,
    received: FrameReader,
}

impl Client {
    /// Connects and greets.
    pub(super) fn greet(address: &str, agency: u32) -> anyhow::Result<Self> {
        Self::greet_on(Line::plain(address)?, agency)
    }

    /// Greets on a connection of which nothing was said yet.
    pub(super) fn greet_on(line: Line, agency: u32) -> anyhow::Result<Self> {
        line.socket().set_read_timeout(Some(PATIENCE))?;
        let received = FrameReader::new(Sender::Central, wire::limits::MESSAGE_LEN_MAX);
        let mut client = Self { agency, line, received };
        let draw_name = DrawName::default();
        let hello = wire::message::Hello { version: wire::limits::VERSION, agency, draw_name };
        client.say(&AgencyMessage::Hello(hello))?;
        client.hear(|message| match message {
            CentralMessage::Welcome(_) => Ok(()),
            other => bail!("{} instead of WELCOME", other.name()),
        })?;
        Ok(client)
    }

    /// Says that the agency has no more bets, and waits until that is noted.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.say(&AgencyMessage::Finish { agency: self.agency })?;
        self.hear(|message| match message {
            CentralMessage::FinishAck { .. } => Ok(()),
            other => bail!("{} instead of FINISH_ACK", other.name()),
        })
    }

    /// Asks for the winners; they are read with [`Self::some_winners`].
    pub(super) fn ask_winners(&mut self) -> anyhow::Result<()> {
        self.say(&AgencyMessage::GetWinners { agency: self.agency })
    }

    /// Reads winners, once; gives how many came, and whether they were the last.
    pub(super) fn some_winners(&mut self) -> anyhow::Result<(u64, bool)> {
        let (mut count, mut all) = (0, false);
        self.read()?;
        while let Some(frame) = self.received.next_frame()? {
            match CentralMessage::from_frame(frame)? {
                CentralMessage::WinnersPart { last, documents } => {
                    count += documents.iter().count() as u64;
                    all = last;
                }
                other => bail!("{} instead of WINNERS_PART", other.name()),
            }
        }
        Ok((count, all))
    }

    /// The connection, on which everything said so far was answered.
    pub(super) fn into_line(self) -> Line {
        self.line
    }

    pub(super) fn stream(&self) -> &TcpStream {
        self.line.socket()
    }

    fn say(&mut self, message: &AgencyMessage<'_>) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.line.write_all(&bytes).context("can't send")
    }

    /// Waits for a message, which `judge` accepts or not.
    fn hear(
        &mut self,
        judge: impl FnOnce(CentralMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        loop {
            if let Some(frame) = self.received.next_frame()? {
                return judge(CentralMessage::from_frame(frame)?);
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> anyhow::Result<()> {
        let len = self.line.read(self.received.space()).context("can't receive")?;
        ensure!(len > 0, "the central closed the connection");
        self.received.filled(len);
        Ok(())
    }
}
