//! A central in a process of its own on a new ledger, and connections to it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use wire::{AgencyMessage, CentralMessage, DrawName, FrameReader, Sender};

use crate::batches::Batches;
use crate::load::{Fleet, Plan};
use crate::rounds::Slice;
use crate::server::Server;
use crate::setting::Setting;
use crate::speech::{Connection, Reply, Speech, Stream, connected};
use crate::tls::Certificates;
use crate::usage::Usage;

/// An acknowledgement: its id and the chunk.
const ACK_LEN: usize = 6;
/// Longer than any reply takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a central is started.
#[derive(Clone, Default)]
pub(crate) struct Start {
    pub(crate) agencies: u32,
    /// More arguments.
    pub(crate) more: Vec<String>,
    /// Agencies come by TLS with these.
    pub(crate) certificates: Option<Rc<Certificates>>,
    /// Where its ledger is, if not at [`Central::data`].
    pub(crate) data: Option<PathBuf>,
    /// The URL of a store that it shares, in the place of a folder.
    pub(crate) store: Option<String>,
}

/// A central. Ended when dropped.
pub(crate) struct Central {
    server: Server,
    address: String,
    data: PathBuf,
    certificates: Option<Rc<Certificates>>,
    messages: Rc<Messages>,
}

/// Batches as BETS, each acknowledged by BETS_ACK.
pub(crate) struct Messages(pub(crate) Rc<Batches>);

/// A connection that said HELLO and was welcomed.
pub(crate) struct Client {
    agency: u32,
    stream: Box<dyn Stream>,
    received: FrameReader,
}

impl Start {
    /// For so many agencies, in plain text.
    pub(crate) fn of(agencies: u32) -> Self {
        Self { agencies, ..Self::default() }
    }

    /// With more arguments.
    pub(crate) fn with(mut self, more: &[&str]) -> Self {
        self.more.extend(more.iter().map(|&argument| argument.to_owned()));
        self
    }
}

impl Central {
    /// Where its ledger is, unless it is started with another place.
    pub(crate) fn data(setting: &Setting) -> PathBuf {
        setting.path("ledger")
    }

    /// Starts one on a free port, to be sent such batches, and waits until it listens.
    pub(crate) fn start(
        setting: &Setting,
        batches: &Rc<Batches>,
        start: &Start,
    ) -> anyhow::Result<Self> {
        let data = start.data.clone().unwrap_or_else(|| Self::data(setting));
        let mut serve = setting.bolillero();
        serve.args(["serve", "--log-format", "json"]);
        match &start.store {
            None => serve.arg("--data").arg(&data),
            Some(store) => serve.args(["--store", store]),
        };
        serve.args(["--agencies", &start.agencies.to_string()]).args(&start.more);
        match &start.certificates {
            None => serve.args(["--listen", "127.0.0.1:0"]),
            Some(certificates) => {
                serve.args(["--tls-listen", "127.0.0.1:0"]).args(certificates.for_central())
            }
        };
        let mut server = Server::start("bolillero", serve, Signal::TERM)?;
        let address = server.ready(address_in)?;
        let (certificates, messages) = (start.certificates.clone(), Messages(Rc::clone(batches)));
        Ok(Self { server, address, data, certificates, messages: Rc::new(messages) })
    }

    /// Starts one to be sent typical batches; gives how long that took, from the program's start
    /// until it listens.
    pub(crate) fn open(setting: &Setting, start: &Start) -> anyhow::Result<(Self, Duration)> {
        let started = Instant::now();
        let central = Self::start(setting, &setting.typical, start)?;
        Ok((central, started.elapsed()))
    }

    /// Waits until it has compared all indexes with their records.
    pub(crate) fn compared(&mut self) -> anyhow::Result<()> {
        self.server.ready(|log| log.contains(COMPARED).then_some(()))
    }

    /// Its number in the system.
    pub(crate) fn process(&self) -> u32 {
        self.server.process()
    }

    /// Connects and says nothing.
    pub(crate) fn connect_silently(&self) -> anyhow::Result<TcpStream> {
        connected(&self.address)
    }

    /// Connects and greets.
    pub(crate) fn greet(&self, agency: u32) -> anyhow::Result<Client> {
        let stream = connected(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream: Box<dyn Stream> = match &self.certificates {
            None => Box::new(stream),
            Some(certificates) => Box::new(certificates.connect(stream, agency)?),
        };
        Client::greet(stream, agency)
    }

    /// Connects agencies numbered from 1 that have sent nothing yet.
    pub(crate) fn fleet(&self, agencies: u32) -> anyhow::Result<Fleet> {
        Fleet::new((1..=agencies).map(|agency| Ok((self.connection(agency)?, 0))))
    }

    /// Has agencies that are connected send by the plan.
    pub(crate) fn slice(&self, fleet: &mut Fleet, plan: &Plan) -> anyhow::Result<Slice> {
        let before = Usage::at_rest(self.process())?;
        let sent = fleet.send(plan)?;
        let used = Usage::at_rest(self.process())?.since(before);
        Ok(Slice { central: Some(used), ..sent.into() })
    }

    /// Ends it in order; its ledger stays.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.server.stop()
    }

    /// Ends it, and removes its ledger.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let data = self.data.clone();
        self.stop()?;
        std::fs::remove_dir_all(data).context("can't remove the ledger")
    }

    /// Connects an agency that is ready to send.
    pub(crate) fn connection(&self, agency: u32) -> anyhow::Result<Connection> {
        let (stream, speech) = (self.greet(agency)?.stream, Rc::clone(&self.messages));
        Ok(Connection { stream, speech })
    }
}

impl Speech for Messages {
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) -> anyhow::Result<()> {
        let bets = Some(self.0.of(agency, chunk).text.as_bytes());
        AgencyMessage::Bets(wire::BetsFrame { agency, chunk, bets }).encode(out);
        Ok(())
    }

    fn reply(&self, received: &[u8], chunk: Option<u32>) -> anyhow::Result<Option<Reply>> {
        let Some(ack) = received.get(..ACK_LEN) else { return Ok(None) };
        let chunk = chunk.context("an acknowledgement of nothing")?;
        let mut expected = Vec::with_capacity(ACK_LEN);
        CentralMessage::BetsAck { chunk }.encode(&mut expected);
        ensure!(ack == expected, "chunk {chunk} was answered {ack:?}");
        Ok(Some(Reply { len: ACK_LEN, acknowledges: true }))
    }
}

impl Client {
    fn greet(stream: Box<dyn Stream>, agency: u32) -> anyhow::Result<Self> {
        let received = FrameReader::new(Sender::Central, wire::limits::MESSAGE_LEN_MAX);
        let mut client = Self { agency, stream, received };
        let draw_name = DrawName::default();
        let hello = wire::Hello { version: wire::limits::VERSION, agency, draw_name };
        client.say(&AgencyMessage::Hello(hello))?;
        client.hear(|message| match message {
            CentralMessage::Welcome(_) => Ok(()),
            other => bail!("{} instead of WELCOME", other.name()),
        })?;
        Ok(client)
    }

    /// Says that the agency has no more bets, and waits until that is noted.
    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
        self.say(&AgencyMessage::Finish { agency: self.agency })?;
        self.hear(|message| match message {
            CentralMessage::FinishAck { .. } => Ok(()),
            other => bail!("{} instead of FINISH_ACK", other.name()),
        })
    }

    /// Asks for the winners, which [`Self::winners`] waits for.
    pub(crate) fn ask_winners(&mut self) -> anyhow::Result<()> {
        self.say(&AgencyMessage::GetWinners { agency: self.agency })
    }

    /// Waits until the draw is made and all winners are told; gives how many.
    pub(crate) fn winners(&mut self) -> anyhow::Result<u64> {
        let (mut count, mut all) = (0, false);
        while !all {
            self.hear(|message| match message {
                CentralMessage::WinnersPart { last, documents } => {
                    count += documents.iter().count() as u64;
                    all = last;
                    Ok(())
                }
                other => bail!("{} instead of WINNERS_PART", other.name()),
            })?;
        }
        Ok(count)
    }

    fn say(&mut self, message: &AgencyMessage<'_>) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.stream.write_all(&bytes).context("can't send")
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
        let len = self.stream.read(self.received.space()).context("can't receive")?;
        ensure!(len > 0, "the central closed the connection");
        self.received.filled(len);
        Ok(())
    }
}

/// What a line of the log has when all indexes were compared.
const COMPARED: &str = r#""action":"check_ledger","result":"success""#;

/// The address that the log tells, once it does.
fn address_in(log: &str) -> Option<String> {
    let events = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut listening = events.filter(|event: &serde_json::Value| event["action"] == "listen");
    listening.find_map(|event| Some(event["address"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_acknowledgements_of_the_next_chunk_count() {
        let lines = "Ana,Paz,1,2000-01-02,7\n".repeat(256);
        let messages = Messages(Rc::new(Batches::of_lines(&lines, 1).unwrap()));
        assert_eq!(messages.reply(b"\0\x0d\0\0\0", Some(7)).unwrap(), None);
        let ack = b"\0\x0d\0\0\0\x07\0";
        let reply = Some(Reply { len: ACK_LEN, acknowledges: true });
        assert_eq!(messages.reply(ack, Some(7)).unwrap(), reply);
        assert!(messages.reply(ack, Some(8)).is_err() && messages.reply(ack, None).is_err());
    }

    #[test]
    fn the_address_is_read_from_the_log() {
        let line = r#"{"action":"listen","address":"127.0.0.1:4321"}"#;
        let log = format!("{{\"action\":\"open_ledger\"}}\n{line}\n{{\"dire");
        assert_eq!(address_in(&log).as_deref(), Some("127.0.0.1:4321"));
        assert_eq!(address_in(""), None);
    }
}
