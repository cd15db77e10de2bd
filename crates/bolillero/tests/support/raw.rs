//! An agency client that writes raw bytes and shares no code with the program.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use super::PATIENCE;

/// A connection to the central.
pub struct Raw(pub TcpStream);

/// An agency that sends batches until it is stopped or dropped.
pub struct Load {
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Progress {
    acknowledged: AtomicU32,
    is_stopped: AtomicBool,
}

/// A decoded ERROR message.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    pub code: u16,
    pub chunk: Option<u32>,
    /// Position in the batch and code of each bet at fault.
    pub faults: Vec<(u16, u16)>,
    pub reason: String,
}

pub fn bets(agency: u32, chunk: u32, bets: &[&str]) -> Vec<u8> {
    let mut payload = format!("{agency}&{chunk}");
    for bet in bets {
        payload.push('&');
        payload.push_str(bet);
    }
    framed(12, payload.as_bytes())
}

pub fn framed(id: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap();
    [&id.to_be_bytes()[..], &len.to_be_bytes(), payload].concat()
}

pub fn finish(agency: u32) -> Vec<u8> {
    [&[0, 14][..], &agency.to_be_bytes()].concat()
}

pub fn get_winners(agency: u32) -> Vec<u8> {
    [&[0, 15][..], &agency.to_be_bytes()].concat()
}

pub fn ack(chunk: u32) -> Vec<u8> {
    [&[0, 13][..], &chunk.to_be_bytes()].concat()
}

pub fn winners(documents: &str) -> Vec<u8> {
    framed(17, documents.as_bytes())
}

pub const NO_WINNERS: [u8; 2] = [0, 16];

pub fn hello(agency: u32, draw: &str) -> Vec<u8> {
    let payload = [&[0, 1][..], &agency.to_be_bytes(), draw.as_bytes()].concat();
    framed(18, &payload)
}

impl Raw {
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write_all(bytes).unwrap();
        self
    }

    /// Checks that the next bytes are these.
    pub fn expect(&mut self, bytes: &[u8]) -> &mut Self {
        let found = self.read(bytes.len());
        assert_eq!(found, bytes, "{}", String::from_utf8_lossy(&found));
        self
    }

    /// Reads a message with this id and a length; returns its payload.
    pub fn payload(&mut self, id: u16) -> Vec<u8> {
        let found = self.read(2);
        assert_eq!(found, id.to_be_bytes());
        let len = self.read(2);
        self.read(usize::from(u16::from_be_bytes([len[0], len[1]])))
    }

    /// Returns the chunk acknowledged next, or the ERROR.
    pub fn reply(&mut self) -> Result<u32, Error> {
        let id = self.read(2);
        if id == [0, 13] {
            return Ok(u32::from_be_bytes(self.read(4).try_into().unwrap()));
        }
        assert_eq!(id, [0, 20]);
        let len = self.read(2);
        let payload = self.read(usize::from(u16::from_be_bytes([len[0], len[1]])));
        Err(Self::error_of(&payload))
    }

    pub fn error(&mut self) -> Error {
        let payload = self.payload(20);
        Self::error_of(&payload)
    }

    fn error_of(payload: &[u8]) -> Error {
        let u16_at = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
        let chunk = u32::from_be_bytes(payload[3..7].try_into().unwrap());
        let count = usize::from(u16_at(7));
        let fault = |fault| (u16_at(9 + 4 * fault), u16_at(11 + 4 * fault));
        assert!(payload[2] == 1 || (payload[2] == 0 && chunk == 0));
        Error {
            code: u16_at(0),
            chunk: (payload[2] == 1).then_some(chunk),
            faults: (0..count).map(fault).collect(),
            reason: String::from_utf8(payload[9 + 4 * count..].to_vec()).unwrap(),
        }
    }

    /// Checks that an ERROR with this code comes next, and then the end of the connection.
    pub fn refused(&mut self, code: u16) -> Error {
        let error = self.error();
        assert_eq!(error.code, code, "{error:?}");
        self.closed();
        error
    }

    /// Checks that the central sends nothing more and has closed the connection.
    pub fn closed(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty(), "more than expected: {rest:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }

    /// Closes the sending side.
    pub fn half_close(&mut self) -> &mut Self {
        self.0.shutdown(Shutdown::Write).unwrap();
        self
    }

    fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Load {
    const BETS_OF_BATCH: u32 = 20;

    pub fn start(address: &str) -> Self {
        let progress = Arc::new(Progress::default());
        let (mut agency, sent) = (Raw::connect(address), Arc::clone(&progress));
        let thread = thread::spawn(move || {
            for chunk in (0..).take_while(|_| !sent.is_stopped.load(Ordering::Relaxed)) {
                let bet = |bet| format!("Ana|Paz|{chunk}{bet:02}|2000-01-01|8");
                let texts: Vec<_> = (0..Self::BETS_OF_BATCH).map(bet).collect();
                let texts: Vec<_> = texts.iter().map(String::as_str).collect();
                agency.send(&bets(1, chunk, &texts)).expect(&ack(chunk));
                sent.acknowledged.store(chunk + 1, Ordering::Release);
            }
        });
        Self { progress, thread: Some(thread) }
    }

    /// Returns how many bets were acknowledged until now.
    pub fn bets(&self) -> usize {
        (self.batches() * Self::BETS_OF_BATCH) as usize
    }

    /// Returns how many batches were acknowledged until now.
    pub fn batches(&self) -> u32 {
        self.progress.acknowledged.load(Ordering::Acquire)
    }

    /// Ends the load once the last batch is acknowledged.
    pub fn stop(&mut self) {
        self.progress.is_stopped.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.progress.is_stopped.store(true, Ordering::Relaxed);
    }
}
