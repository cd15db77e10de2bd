//! NATS JetStream: one message a batch, in streams on disk.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::batches::{Batch, Texts};
use crate::line::Line;
use crate::peer::{About, Peer, Reply, Speech, connected};
use crate::server::{Server, free_port, said};

/// Agencies are spread over so many streams: each is made durable for itself, so that five are
/// nearly twice as fast as one.
const STREAMS: u32 = 5;
/// Answers come there: one connection, one listener.
const ANSWERS: &str = "answers";
const GREETING: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

pub(super) struct Nats {
    about: About,
    _server: Server,
    port: u16,
    messages: Arc<Messages>,
}

/// Batches as published messages.
struct Messages(Texts);

pub(super) fn start(nats: &Path, batches: &[Batch], folder: &Path) -> anyhow::Result<Nats> {
    let version = said(Command::new(nats).arg("--version"))?;
    let (port, data) = (free_port()?, folder.join("nats"));
    let config = folder.join("nats.conf");
    let settings = format!("jetstream {{ store_dir: {data:?}, sync_interval: always }}");
    std::fs::write(&config, format!("listen: \"127.0.0.1:{port}\"\n{settings}\n"))?;
    let mut serve = Command::new(nats);
    serve.arg("--config").arg(&config);
    let mut server = Server::start("NATS", serve, folder.join("nats.log"), Signal::TERM)?;
    server.ready(|log| log.contains("Server is ready").then_some(()))?;
    for number in 0..STREAMS {
        let stream = json!({
            "name": format!("BETS{number}"), "subjects": [format!("bets.{number}")],
            "storage": "file", "num_replicas": 1,
        });
        ask(port, &format!("$JS.API.STREAM.CREATE.BETS{number}"), &stream)?;
    }
    let about = About {
        name: "NATS JetStream",
        version,
        settings: format!("sync_interval: always; {STREAMS} streams on files, a replica each"),
    };
    let messages = Arc::new(Messages(Texts::new(batches)));
    Ok(Nats { about, _server: server, port, messages })
}

/// One request, on a connection of its own; gives the answer.
fn ask(port: u16, subject: &str, request: &Value) -> anyhow::Result<Value> {
    let mut stream = connected(port)?;
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

impl Peer for Nats {
    fn about(&self) -> &About {
        &self.about
    }

    fn connect(&mut self, agency: u32) -> anyhow::Result<Line> {
        let mut stream = connected(self.port)?;
        write!(stream, "{GREETING}SUB {ANSWERS}.{agency} 1\r\nPING\r\n")?;
        // What follows its greeting is read under load.
        Line::tcp(agency, stream, self.messages.clone())
    }

    /// It puts nothing off.
    fn settle(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        let mut messages = 0;
        for number in 0..STREAMS {
            let info = ask(self.port, &format!("$JS.API.STREAM.INFO.BETS{number}"), &json!({}))?;
            let of_stream = info["state"]["messages"].as_u64();
            messages += of_stream.with_context(|| format!("no count is told: {info}"))?;
        }
        Ok(messages)
    }
}

impl Speech for Messages {
    fn add(&self, out: &mut Vec<u8>, agency: u32, chunk: u32) {
        let (start, bets, len) = self.0.parts(agency, chunk);
        let stream = agency % STREAMS;
        let command = format!("PUB bets.{stream} {ANSWERS}.{agency} {len}\r\n");
        out.extend_from_slice(command.as_bytes());
        out.extend_from_slice(start.as_bytes());
        out.extend_from_slice(bets.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Acknowledgements are messages like `{"stream":"BETS1","seq":7}`.
    fn reply(&self, received: &[u8]) -> anyhow::Result<Option<Reply>> {
        let Some(end) = received.windows(2).position(|it| it == b"\r\n") else { return Ok(None) };
        let line = std::str::from_utf8(&received[..end])?;
        let begin = end + 2;
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::small;

    #[test]
    fn a_batch_is_one_message() {
        let messages = Messages(Texts::new(&[small()]));
        let mut out = Vec::new();
        messages.add(&mut out, 1, 70);
        let expected = "PUB bets.1 answers.1 27\r\n1&70&Ana|Paz|1|2000-01-02|7\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn only_whole_acknowledgements_count() {
        let messages = Messages(Texts::new(&[]));
        let ack = b"MSG answers.1 1 25\r\n{\"stream\":\"BETS\",\"seq\":7}\r\n";
        for end in 0..ack.len() {
            assert_eq!(messages.reply(&ack[..end]).unwrap(), None);
        }
        assert_eq!(messages.reply(ack).unwrap(), Some(Reply { len: 47, acknowledges: true }));
        assert!(messages.reply(b"MSG answers.1 1 12\r\n{\"error\":{}}\r\n").is_err());
        assert!(messages.reply(b"-ERR 'no'\r\n").is_err());
        assert_eq!(messages.reply(b"PING\r\nMSG").unwrap().unwrap().len, 6);
    }
}
