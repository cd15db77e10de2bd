//! Redis Streams: one XADD a batch, in the append-only file before it is acknowledged.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use super::{Started, Store};
use crate::batches::Batches;
use crate::server::{Server, free_address, port_of, program, said};
use crate::setting::Setting;
use crate::speech::{Connection, Reply, Speech, connected, first_line};

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

struct Redis {
    _server: Server,
    address: String,
    client: PathBuf,
    entries: Rc<Entries>,
}

/// Batches as XADD.
struct Entries(Rc<Batches>);

pub(super) fn start(setting: &Setting, agencies: u32) -> anyhow::Result<Option<Started>> {
    let programs = (program("redis-server"), program("redis-cli"));
    let (Some(redis), Some(client)) = programs else { return Ok(None) };
    let version = said(Command::new(&redis).arg("--version"))?;
    let data = setting.path("redis");
    std::fs::create_dir(&data)?;
    let address = free_address()?;
    let mut serve = Command::new(redis);
    serve.args(["--bind", "127.0.0.1", "--port", port_of(&address), "--dir"]).arg(&data);
    serve.args(["--maxclients", &(agencies + CONNECTIONS_SPARE).to_string()]);
    for (name, value) in SETTINGS {
        serve.args([&format!("--{name}"), *value]);
    }
    let mut server = Server::start("Redis", serve, Signal::TERM)?;
    let ask = |_: &str| said(asking(&client, &address).arg("PING")).ok().filter(|it| it == "PONG");
    server.ready(ask)?;
    let settings = SETTINGS.iter().map(|(name, value)| format!("{name} '{value}'"));
    let settings: Vec<_> = settings.collect();
    let version = version.split(" sha=").next().unwrap_or_default();
    let about = format!("{version}; {}; an entry a batch", settings.join(", "));
    let entries = Rc::new(Entries(Rc::clone(&setting.typical)));
    let store = Box::new(Redis { _server: server, address, client, entries });
    Ok(Some(Started { name: "Redis Streams", about, store }))
}

fn asking(client: &Path, address: &str) -> Command {
    let mut command = Command::new(client);
    command.args(["-p", port_of(address)]);
    command
}

impl Store for Redis {
    fn connect(&mut self, _: u32) -> anyhow::Result<Connection> {
        let stream = Box::new(connected(&self.address)?);
        Ok(Connection { stream, speech: self.entries.clone() })
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        let output = said(asking(&self.client, &self.address).args(["XLEN", STREAM]))?;
        output.parse().with_context(|| format!("'{output}' is no number of entries"))
    }
}

impl Speech for Entries {
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) -> anyhow::Result<()> {
        let payload = format!("{agency}&{chunk}&{}", self.0.of(agency, chunk).text);
        write!(out, "*5\r\n$4\r\nXADD\r\n$4\r\n{STREAM}\r\n$1\r\n*\r\n$1\r\nb\r\n")?;
        write!(out, "${}\r\n{payload}\r\n", payload.len())?;
        Ok(())
    }

    fn reply(&self, received: &[u8], _: Option<u32>) -> anyhow::Result<Option<Reply>> {
        reply(received)
    }
}

/// The new entry's id: `$15\r\n1526919030474-0\r\n`.
fn reply(received: &[u8]) -> anyhow::Result<Option<Reply>> {
    let Some((line, begin)) = first_line(received)? else { return Ok(None) };
    let Some(len) = line.strip_prefix('$') else { bail!("Redis did not acknowledge: {line}") };
    let len = begin + len.parse::<usize>()? + 2;
    Ok((received.len() >= len).then_some(Reply { len, acknowledges: true }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_acknowledgements_count() {
        let ack = b"$3\r\n1-0\r\n";
        for end in 0..ack.len() {
            assert_eq!(reply(&ack[..end]).unwrap(), None);
        }
        assert_eq!(reply(ack).unwrap(), Some(Reply { len: 9, acknowledges: true }));
        assert!(reply(b"-ERR no memory\r\n").is_err());
    }
}
