//! The protocol's conversations, written once: what agencies send and what the central answers, to
//! the byte. They are played over sockets, by the server and by the program.
//!
//! This reads and writes no message by the program's code: whoever plays checks that too.
//!
//! ```text
//! let NAME = BYTES                a name for bytes, from here on
//! == NAME                         a conversation, with a new central
//! central OPTION VALUE ...        its options, as the program takes them
//! WHO > BYTES                     an agency sends this; it connects when it is first named
//! WHO < BYTES                     the next that it is sent is this message
//! WHO closes its side             it sends no more
//! WHO is closed                   it is sent no more, and the connection has ended
//! central restarts                every connection ends; the central starts again with what it has stored
//! stored COUNT                    so many bets are stored in the end
//!
//! BYTES: 000c                     in hex
//!        "text"                   as UTF-8
//!        NAME                     as it was defined
//!        [BYTES]                  with their length in front, as 2 bytes
//!        (BYTES)*3                so many times; behind any of these
//!        ... "words"              last, in what is received: any text that has these words in it
//! ```
#![allow(unreachable_pub, clippy::unwrap_used, reason = "it is a module of each level's tests")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const FILES: [(&str, &str); 2] =
    [("legacy.txt", include_str!("legacy.txt")), ("greeted.txt", include_str!("greeted.txt"))];

/// Longer than anything takes: what never comes fails the test instead of holding it.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Conversation {
    pub name: String,
    /// Of the central, each with its value.
    pub options: Vec<(String, String)>,
    /// Each with its place in the text and who does it.
    steps: Vec<(String, String, Step)>,
    stored: Option<u64>,
}

enum Step {
    Sends(Vec<u8>),
    Receives(Message),
    ClosesItsSide,
    IsClosed,
    Restarts,
}

/// A message that is expected.
struct Message {
    /// All of it, or what comes before the words that it ends in.
    start: Vec<u8>,
    /// What those words have in them.
    words: Option<String>,
}

/// A central that conversations are played with.
pub trait Central {
    fn connect(&mut self) -> TcpStream;
    fn restart(&mut self);
    /// Ends it, and gives how many bets are stored.
    fn end(self) -> u64;
}

/// Every conversation, with none of its text left over.
pub fn all() -> Vec<Conversation> {
    let all: Vec<_> = FILES.iter().flat_map(|(file, text)| read(file, text)).collect();
    assert!(all.len() > 15, "{} conversations", all.len());
    all
}

impl Conversation {
    /// Plays it, what is sent coming in pieces of so many bytes.
    pub fn play(&self, mut central: impl Central, piece_len: usize) {
        let mut connections: BTreeMap<&str, TcpStream> = BTreeMap::new();
        for (place, who, step) in &self.steps {
            if let Step::Restarts = step {
                connections.clear();
                central.restart();
                continue;
            }
            let connection = connections.entry(who).or_insert_with(|| {
                let connection = central.connect();
                connection.set_nodelay(true).unwrap();
                connection.set_read_timeout(Some(PATIENCE)).unwrap();
                connection
            });
            match step {
                Step::Sends(bytes) => {
                    bytes.chunks(piece_len).for_each(|piece| connection.write_all(piece).unwrap());
                }
                Step::Receives(message) => {
                    let found = message.received_by(connection);
                    let (shown, expected) = (found.escape_ascii(), message.start.escape_ascii());
                    assert!(message.is(&found), "{place}: '{shown}' and not '{expected}'");
                }
                Step::ClosesItsSide => connection.shutdown(Shutdown::Write).unwrap(),
                Step::IsClosed => {
                    let rest = rest_of(connection);
                    assert!(rest.is_empty(), "{place}: then came '{}'", rest.escape_ascii());
                }
                Step::Restarts => unreachable!("that is no connection's"),
            }
        }
        drop(connections);
        let stored = central.end();
        assert_eq!(Some(stored), self.stored, "{}", self.name);
    }
}

impl Message {
    fn is(&self, found: &[u8]) -> bool {
        let Some(words) = &self.words else { return found == self.start };
        let is_start = found.len() > self.start.len()
            && found[..2] == self.start[..2]
            && found[4..].starts_with(&self.start[4..]);
        is_start && str::from_utf8(&found[self.start.len()..]).is_ok_and(|it| it.contains(words))
    }

    /// Receives as many bytes as there must be, if the next message is the expected one.
    fn received_by(&self, connection: &mut TcpStream) -> Vec<u8> {
        let len = if self.words.is_some() { 4 } else { self.start.len() };
        let mut found = vec![0; len];
        connection.read_exact(&mut found).unwrap();
        if self.words.is_some() {
            let mut rest = vec![0; usize::from(u16::from_be_bytes([found[2], found[3]]))];
            connection.read_exact(&mut rest).unwrap();
            found.extend(rest);
        }
        found
    }
}

/// Receives what comes before the end.
fn rest_of(connection: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    if let Err(error) = connection.read_to_end(&mut rest) {
        // What was sent last came too late to be read.
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    rest
}

fn read(file: &str, text: &str) -> Vec<Conversation> {
    let mut names = BTreeMap::new();
    let mut conversations: Vec<Conversation> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = || format!("{file}:{number}: {line}");
        if let Some(name) = line.strip_prefix("== ") {
            let name = format!("{name} ({file}:{number})");
            let (options, steps) = (Vec::new(), Vec::new());
            conversations.push(Conversation { name, options, steps, stored: None });
            continue;
        }
        if let Some(defined) = line.strip_prefix("let ") {
            let (name, bytes) = defined.split_once(" = ").unwrap_or_else(|| panic!("{}", place()));
            names.insert(name.to_owned(), bytes_of(bytes, &names).start);
            continue;
        }
        let conversation = conversations.last_mut().unwrap_or_else(|| panic!("{}", place()));
        let (who, what) = line.split_once(' ').unwrap_or_else(|| panic!("{}", place()));
        let step = match (who, what) {
            ("stored", count) => {
                conversation.stored = Some(count.parse().unwrap());
                continue;
            }
            ("central", "restarts") => Step::Restarts,
            ("central", options) => {
                let words: Vec<_> = options.split(' ').map(str::to_owned).collect();
                let pairs = words.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
                conversation.options.extend(pairs);
                continue;
            }
            (_, "closes its side") => Step::ClosesItsSide,
            (_, "is closed") => Step::IsClosed,
            (_, what) => match what.split_at(2) {
                ("> ", bytes) => Step::Sends(bytes_of(bytes, &names).start),
                ("< ", bytes) => Step::Receives(bytes_of(bytes, &names)),
                _ => panic!("{}", place()),
            },
        };
        conversation.steps.push((place(), who.to_owned(), step));
    }
    conversations
}

fn bytes_of(text: &str, names: &BTreeMap<String, Vec<u8>>) -> Message {
    let mut reading = Reading { rest: text, names, words: None };
    let start = reading.bytes();
    assert!(reading.rest.is_empty(), "'{}' in '{text}'", reading.rest);
    Message { start, words: reading.words }
}

struct Reading<'a> {
    rest: &'a str,
    names: &'a BTreeMap<String, Vec<u8>>,
    words: Option<String>,
}

impl<'a> Reading<'a> {
    /// Up to the end or the bracket that closes.
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.takes("...") {
                self.rest = self.rest.trim_start();
                assert!(self.takes("\""), "words are between quotes");
                self.words = Some(self.up_to('"').to_owned());
                continue;
            }
            let part = if self.takes("\"") {
                self.up_to('"').as_bytes().to_vec()
            } else if self.takes("[") {
                with_len(&self.bracketed("]"))
            } else if self.takes("(") {
                self.bracketed(")")
            } else {
                let word = self.word();
                match self.names.get(word) {
                    _ if word.is_empty() => return bytes,
                    Some(bytes) => bytes.clone(),
                    None => hex(word),
                }
            };
            let times = if self.takes("*") { self.word().parse().unwrap() } else { 1 };
            bytes.extend(part.repeat(times));
        }
    }

    fn bracketed(&mut self, end: &str) -> Vec<u8> {
        let bytes = self.bytes();
        assert!(self.takes(end), "no {end} before '{}'", self.rest);
        bytes
    }

    fn takes(&mut self, start: &str) -> bool {
        let rest = self.rest.strip_prefix(start);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn up_to(&mut self, end: char) -> &'a str {
        let (before, rest) = self.rest.split_once(end).unwrap();
        self.rest = rest;
        before
    }

    fn word(&mut self) -> &'a str {
        let is_end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
        let (word, rest) = self.rest.split_at(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }
}

fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    let byte =
        |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap_or_else(|_| panic!("{digits}"));
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn with_len(payload: &[u8]) -> Vec<u8> {
    [&u16::try_from(payload.len()).unwrap().to_be_bytes(), payload].concat()
}
