//! Redis Streams: one XADD a batch, in the append-only file before it is acknowledged.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use crate::batches::{Batch, Texts};
use crate::line::Line;
use crate::peer::{About, Peer, Reply, Speech, connected};
use crate::server::{Server, free_port, program, said};

const STREAM: &str = "bets";

/// Every write durable before its reply; nothing else is written, and the file never rewritten.
const SETTINGS: &[(&str, &str)] = &[
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    ("save", ""),
    ("auto-aof-rewrite-percentage", "0"),
];
/// Connections besides the agencies'.
const CONNECTIONS_SPARE: u32 = 100;

pub(super) struct Redis {
    about: About,
    _server: Server,
    port: u16,
    client: PathBuf,
    entries: Arc<Entries>,
}

/// Batches as XADD.
struct Entries(Texts);

pub(super) fn start(batches: &[Batch], folder: &Path, agencies: u32) -> anyhow::Result<Redis> {
    let (redis, client) = (program("redis-server", &[])?, program("redis-cli", &[])?);
    let version = said(Command::new(&redis).arg("--version"))?;
    let data = folder.join("redis");
    std::fs::create_dir(&data)?;
    let port = free_port()?;
    let mut serve = Command::new(redis);
    serve.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(&data);
    serve.args(["--maxclients", &(agencies + CONNECTIONS_SPARE).to_string()]);
    for (name, value) in SETTINGS {
        serve.args([&format!("--{name}"), *value]);
    }
    let mut server = Server::start("Redis", serve, folder.join("redis.log"), Signal::TERM)?;
    let ask = |_: &str| said(asking(&client, port).arg("PING")).ok().filter(|it| it == "PONG");
    server.ready(ask)?;
    let settings = SETTINGS.iter().map(|(name, value)| format!("{name} '{value}'"));
    let about = About {
        name: "Redis Streams",
        version: version.split(" sha=").next().unwrap_or_default().to_owned(),
        settings: settings.collect::<Vec<_>>().join(", "),
    };
    let entries = Arc::new(Entries(Texts::new(batches)));
    Ok(Redis { about, _server: server, port, client, entries })
}

fn asking(client: &Path, port: u16) -> Command {
    let mut command = Command::new(client);
    command.args(["-p", &port.to_string()]);
    command
}

impl Peer for Redis {
    fn about(&self) -> &About {
        &self.about
    }

    fn connect(&mut self, agency: u32) -> anyhow::Result<Line> {
        Line::tcp(agency, connected(self.port)?, self.entries.clone())
    }

    /// It puts nothing off.
    fn settle(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        let told = said(asking(&self.client, self.port).args(["XLEN", STREAM]))?;
        told.parse().with_context(|| format!("'{told}' is no number of entries"))
    }
}

impl Speech for Entries {
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) {
        let (start, bets, len) = self.0.parts(agency, chunk);
        let command = format!("*5\r\n$4\r\nXADD\r\n$4\r\n{STREAM}\r\n$1\r\n*\r\n$1\r\nb\r\n");
        out.extend_from_slice(command.as_bytes());
        out.extend_from_slice(format!("${len}\r\n{start}{bets}\r\n").as_bytes());
    }

    /// The new entry's id: `$15\r\n1526919030474-0\r\n`.
    fn reply(&self, received: &[u8]) -> anyhow::Result<Option<Reply>> {
        let Some(end) = received.windows(2).position(|it| it == b"\r\n") else { return Ok(None) };
        let line = std::str::from_utf8(&received[..end])?;
        let Some(len) = line.strip_prefix('$') else { bail!("Redis did not acknowledge: {line}") };
        let len = end + 2 + len.parse::<usize>()? + 2;
        Ok((received.len() >= len).then_some(Reply { len, acknowledges: true }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::small;

    #[test]
    fn a_batch_is_one_entry() {
        let entries = Entries(Texts::new(&[small()]));
        let mut out = Vec::new();
        entries.add(&mut out, 1, 70);
        let expected = "*5\r\n$4\r\nXADD\r\n$4\r\nbets\r\n$1\r\n*\r\n$1\r\nb\r\n\
                        $27\r\n1&70&Ana|Paz|1|2000-01-02|7\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn only_whole_acknowledgements_count() {
        let entries = Entries(Texts::new(&[]));
        let ack = b"$3\r\n1-0\r\n";
        for end in 0..ack.len() {
            assert_eq!(entries.reply(&ack[..end]).unwrap(), None);
        }
        assert_eq!(entries.reply(ack).unwrap(), Some(Reply { len: 9, acknowledges: true }));
        assert!(entries.reply(b"-ERR no memory\r\n").is_err());
    }
}
