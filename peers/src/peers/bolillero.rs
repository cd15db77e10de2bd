//! Bolillero: the central in its release build, asked over its own protocol, on its own ledger.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;

use crate::batches::{Batch, Texts};
use crate::line::Line;
use crate::peer::{About, Peer, Reply, Speech, connected};
use crate::server::{Server, bare, pause, said};

const BETS: u16 = 12;
const BETS_ACK: u16 = 13;
/// An acknowledgement: its id and the chunk.
const BETS_ACK_LEN: usize = 6;
/// HELLO of version 1, behind the id: the length, the version; the agency follows.
const HELLO: [u8; 6] = [0, 18, 0, 6, 0, 1];
const WELCOME: u16 = 19;
/// Without doing anything for so long, the central is at rest.
const REST: Duration = Duration::from_millis(300);
/// Most waits for that.
const RESTS_MAX: u32 = 1_000;

pub(super) struct Bolillero {
    about: About,
    server: Server,
    program: PathBuf,
    data: PathBuf,
    port: u16,
    messages: Arc<Messages>,
}

/// Batches as BETS.
struct Messages(Texts);

pub(super) fn start(
    program: &Path,
    batches: &[Batch],
    folder: &Path,
    agencies: u32,
) -> anyhow::Result<Bolillero> {
    let data = folder.join("bolillero");
    let mut serve = bare(program);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--data"]).arg(&data);
    serve.args(["--agencies", &agencies.to_string()]);
    let log = folder.join("bolillero.log");
    let mut server = Server::start("bolillero", serve, log, Signal::TERM)?;
    let port = server.ready(port_in)?;
    let about = About {
        name: "Bolillero",
        version: said(bare(program).arg("--version"))?,
        settings: "defaults; every bet is checked".to_owned(),
    };
    let messages = Arc::new(Messages(Texts::new(batches)));
    Ok(Bolillero { about, server, program: program.to_owned(), data, port, messages })
}

/// The port that the log tells, once it does.
fn port_in(log: &str) -> Option<u16> {
    let events = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    let port =
        |event: serde_json::Value| event["direccion"].as_str()?.rsplit_once(':')?.1.parse().ok();
    events.filter_map(port).next()
}

impl Peer for Bolillero {
    fn about(&self) -> &About {
        &self.about
    }

    fn connect(&mut self, agency: u32) -> anyhow::Result<Line> {
        let mut stream = connected(self.port)?;
        stream.write_all(&[&HELLO[..], &agency.to_be_bytes()].concat())?;
        let mut header = [0; 4];
        stream.read_exact(&mut header)?;
        let [id, len] = [[header[0], header[1]], [header[2], header[3]]].map(u16::from_be_bytes);
        ensure!(id == WELCOME, "agency {agency} was not welcomed, but answered with {id}");
        stream.read_exact(&mut vec![0; usize::from(len)])?;
        Line::tcp(agency, stream, self.messages.clone())
    }

    /// Waits while it indexes full segments and makes new ones ready ahead.
    fn settle(&mut self) -> anyhow::Result<()> {
        let mut before = activity(self.server.process())?;
        for _ in 0..RESTS_MAX {
            pause(REST);
            let now = activity(self.server.process())?;
            if now == before {
                return Ok(());
            }
            before = now;
        }
        bail!("bolillero still works, long after its slice")
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        drop(self.server);
        let told = said(bare(&self.program).arg("check").arg("--data").arg(&self.data))?;
        batches_in(&told).with_context(|| format!("no batches are told: {told}"))
    }
}

/// Of what `check` tells: `... 7 bets in 3 batches; ...`.
fn batches_in(told: &str) -> Option<u64> {
    let (before, _) = told.split_once(" batches;")?;
    before.rsplit(' ').next()?.parse().ok()
}

/// All that the system counts of what a process does (proc(5)): it stays the same at rest.
fn activity(process: u32) -> anyhow::Result<String> {
    let counted = |what| std::fs::read_to_string(format!("/proc/{process}/{what}"));
    Ok(counted("io")? + &counted("stat")?)
}

impl Speech for Messages {
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) {
        let (start, bets, len) = self.0.parts(agency, chunk);
        let len = u16::try_from(len).expect("a batch fits a message");
        out.extend_from_slice(&BETS.to_be_bytes());
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(start.as_bytes());
        out.extend_from_slice(bets.as_bytes());
    }

    fn reply(&self, received: &[u8]) -> anyhow::Result<Option<Reply>> {
        let Some(reply) = received.get(..BETS_ACK_LEN) else { return Ok(None) };
        let acknowledges = reply[..2] == BETS_ACK.to_be_bytes();
        ensure!(acknowledges, "bolillero did not acknowledge: {reply:?}");
        Ok(Some(Reply { len: BETS_ACK_LEN, acknowledges }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::small;

    #[test]
    fn a_batch_is_a_message_of_the_protocol() {
        let messages = Messages(Texts::new(&[small()]));
        let mut out = Vec::new();
        messages.add(&mut out, 1, 70);
        assert_eq!(out, b"\0\x0c\0\x1b1&70&Ana|Paz|1|2000-01-02|7");
    }

    #[test]
    fn only_whole_acknowledgements_count() {
        let messages = Messages(Texts::new(&[]));
        assert_eq!(messages.reply(b"\0\x0d\0\0\0").unwrap(), None);
        let ack = Some(Reply { len: 6, acknowledges: true });
        assert_eq!(messages.reply(b"\0\x0d\0\0\0\x07\0").unwrap(), ack);
        assert!(messages.reply(b"\0\x14\0\0\0\x07").is_err());
    }

    #[test]
    fn what_the_program_tells_is_read() {
        let log = "{\"action\":\"abrir_libro\"}\n{\"direccion\":\"127.0.0.1:4321\"}\n{\"dire";
        assert_eq!(port_in(log), Some(4321));
        assert_eq!(port_in(""), None);
        let told = "sound\ndraw      sorteo: open; 651 bets in 7 batches; 0 of 5 agencies finished";
        assert_eq!(batches_in(told), Some(7));
        assert_eq!(batches_in("sound"), None);
    }
}
