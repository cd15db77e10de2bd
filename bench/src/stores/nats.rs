//! NATS JetStream: one message a batch, in streams on disk.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Started, Store};
use crate::batches::Batches;
use crate::server::{Server, free_address, said};
use crate::setting::Setting;
use crate::speech::{Connection, Reply, Speech, connected, first_line};

/// Agencies are spread over so many streams: each is made durable for itself, so that five are
/// nearly twice as fast as one.
const STREAMS: u32 = 5;
/// Answers come there: one connection, one listener.
const ANSWERS: &str = "answers";
const GREETING: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

struct Nats {
    _server: Server,
    address: String,
    messages: Rc<Messages>,
}

/// Batches as published messages.
struct Messages(Rc<Batches>);

pub(super) fn start(setting: &Setting, _: u32) -> anyhow::Result<Option<Started>> {
    let Some(nats) = &setting.options.nats else { return Ok(None) };
    let version = said(Command::new(nats).arg("--version"))?;
    let (address, data) = (free_address()?, setting.path("nats"));
    let config = setting.path("nats.conf");
    let settings = format!("jetstream {{ store_dir: {data:?}, sync_interval: always }}");
    std::fs::write(&config, format!("listen: \"{address}\"\n{settings}\n"))?;
    let mut serve = Command::new(nats);
    serve.arg("--config").arg(&config);
    let mut server = Server::start("NATS", serve, Signal::TERM)?;
    server.ready(|log| log.contains("Server is ready").then_some(()))?;
    for number in 0..STREAMS {
        let stream = json!({
            "name": format!("BETS{number}"), "subjects": [format!("bets.{number}")],
            "storage": "file", "num_replicas": 1,
        });
        ask(&address, &format!("$JS.API.STREAM.CREATE.BETS{number}"), &stream)?;
    }
    let about = format!(
        "{version}; sync_interval: always; {STREAMS} streams on files, a replica each; a message \
         a batch"
    );
    let messages = Rc::new(Messages(Rc::clone(&setting.typical)));
    let store = Box::new(Nats { _server: server, address, messages });
    Ok(Some(Started { name: "NATS JetStream", about, store }))
}

/// One request, on a connection of its own; gives the answer.
fn ask(address: &str, subject: &str, request: &Value) -> anyhow::Result<Value> {
    let mut stream = connected(address)?;
    let request = request.to_string();
    let len = request.len();
    write!(stream, "{GREETING}SUB {ANSWERS} 1\r\n")?;
    write!(stream, "PUB {subject} {ANSWERS} {len}\r\n{request}\r\n")?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with("MSG ") {
        line.clear();
        ensure!(lines.read_line(&mut line)? > 0, "NATS closed the connection");
    }
    let len = line.trim_end().rsplit(' ').next().unwrap_or_default().parse()?;
    let mut answer = vec![0; len];
    lines.read_exact(&mut answer)?;
    let answer: Value = serde_json::from_slice(&answer)?;
    ensure!(answer.get("error").is_none(), "NATS refused {subject}: {answer}");
    Ok(answer)
}

impl Store for Nats {
    fn connect(&mut self, agency: u32) -> anyhow::Result<Connection> {
        let mut stream = connected(&self.address)?;
        write!(stream, "{GREETING}SUB {ANSWERS}.{agency} 1\r\nPING\r\n")?;
        // What follows its greeting is read under load.
        Ok(Connection { stream: Box::new(stream), speech: self.messages.clone() })
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        let mut messages = 0;
        for number in 0..STREAMS {
            let info =
                ask(&self.address, &format!("$JS.API.STREAM.INFO.BETS{number}"), &json!({}))?;
            let of_stream = info["state"]["messages"].as_u64();
            messages += of_stream.with_context(|| format!("no count is told: {info}"))?;
        }
        Ok(messages)
    }
}

impl Speech for Messages {
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) -> anyhow::Result<()> {
        let bets = &self.0.of(agency, chunk).text;
        let (payload, stream) = (format!("{agency}&{chunk}&{bets}"), agency % STREAMS);
        write!(out, "PUB bets.{stream} {ANSWERS}.{agency} {}\r\n", payload.len())?;
        write!(out, "{payload}\r\n")?;
        Ok(())
    }

    fn reply(&self, received: &[u8], _: Option<u32>) -> anyhow::Result<Option<Reply>> {
        reply(received)
    }
}

/// Acknowledgements are messages like `{"stream":"BETS1","seq":7}`.
fn reply(received: &[u8]) -> anyhow::Result<Option<Reply>> {
    let Some((line, begin)) = first_line(received)? else { return Ok(None) };
    match line.split(' ').next() {
        Some("INFO" | "PING" | "PONG") => Ok(Some(Reply { len: begin, acknowledges: false })),
        Some("MSG") => {
            let len: usize = line.rsplit(' ').next().unwrap_or_default().parse()?;
            let Some(answer) = received.get(begin..begin + len + 2) else { return Ok(None) };
            let answer = String::from_utf8_lossy(answer);
            let acknowledges = answer.contains("\"seq\":") && !answer.contains("\"error\"");
            ensure!(acknowledges, "NATS did not acknowledge: {answer}");
            Ok(Some(Reply { len: begin + len + 2, acknowledges }))
        }
        _ => bail!("NATS did not acknowledge: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_acknowledgements_count() {
        let ack = b"MSG answers.1 1 25\r\n{\"stream\":\"BETS\",\"seq\":7}\r\n";
        for end in 0..ack.len() {
            assert_eq!(reply(&ack[..end]).unwrap(), None);
        }
        assert_eq!(reply(ack).unwrap(), Some(Reply { len: 47, acknowledges: true }));
        assert!(reply(b"MSG answers.1 1 12\r\n{\"error\":{}}\r\n").is_err());
        assert!(reply(b"-ERR 'no'\r\n").is_err());
        assert_eq!(reply(b"PING\r\nMSG").unwrap().unwrap().len, 6);
    }
}
