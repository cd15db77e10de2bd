//! The bare server: what a machine can do with the indispensable alone. It reads BETS, hashes each,
//! makes groups durable by one direct write each, and acknowledges.
//!
//! Two threads share one epoll. Each reads what is ready and adds it to the pending group; then one
//! that finds no write in progress writes the group, while the other goes on reading.
//!
//! ```text
//! file  = *group                      each at the beginning of a block; begun anew at its end
//! group = u64 batches before it, u32 batches in it, *batch
//! batch = u32 length, u64 hash, the payload of BETS
//! ```
//!
//! Deliberately absent: all that makes it a central. It knows neither bets, draws nor repeats, has
//! no log lines, no limits and no end, and overwrites what is older than the length of its file.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::Signal;
use wire::{AgencyMessage, CentralMessage, FrameReader};

use crate::batches::Batches;
use crate::central::Messages;
use crate::disk::{BLOCK_LEN, Blocks, Disk};
use crate::server::Server;
use crate::setting::Setting;
use crate::speech::{Connection, connected};

const THREADS: usize = 2;
/// Connections that a thread reads before it looks whether it may write.
const READY_MAX: usize = 32;
const FILE_LEN: u64 = 1 << 30;
/// More than is in flight in any scenario.
const GROUP_LEN_MAX: usize = 16 << 20;
const GROUP_HEADER_LEN: usize = 12;
const BATCH_HEADER_LEN: usize = 12;
/// Highest number of a connection's descriptor.
const SOCKETS_MAX: usize = 1 << 14;
const LISTENS: &str = "listens on ";

/// A bare server in a process of its own. Ended when dropped.
pub(crate) struct BareServer {
    server: Server,
    address: String,
    file: PathBuf,
}

/// What its threads share.
struct Shared {
    epoll: OwnedFd,
    /// By the number of the descriptor.
    sockets: Vec<Mutex<Option<Socket>>>,
    pending: Mutex<Group>,
    writer: Mutex<Writer>,
    /// Held while a group is acknowledged: in the order of the writes.
    acknowledging: Mutex<()>,
}

struct Socket {
    stream: Arc<TcpStream>,
    received: FrameReader,
}

/// Batches that become durable together.
struct Group {
    blocks: Blocks,
    len: usize,
    acks: Vec<(Arc<TcpStream>, u32)>,
}

struct Writer {
    disk: Disk,
    offset: u64,
    batches: u64,
    group: Group,
}

impl BareServer {
    pub(crate) fn start(setting: &Setting) -> anyhow::Result<Self> {
        let file = setting.path("bare");
        let mut serve = Command::new(std::env::current_exe()?);
        serve.arg("--bare-server").arg(&file);
        let mut server = Server::start("the bare server", serve, Signal::TERM)?;
        let listens = |log: &str| Some(log.strip_prefix(LISTENS)?.strip_suffix('\n')?.to_owned());
        let address = server.ready(listens)?;
        Ok(Self { server, address, file })
    }

    /// What a reader of the figures has to know.
    pub(crate) fn about(&self, batches: &Batches) -> String {
        let started = Instant::now();
        let hashes = batches.iter().map(|batch| hash(batch.text.as_bytes()));
        let count = hashes.map(std::hint::black_box).count();
        let us = started.elapsed().as_secs_f64() * 1e6 / count as f64;
        format!(
            "no store, but a limit: FNV-1a of a batch, {us:.1} us, in the place of checking bets; a \
             direct write a group, over and over the same {} MiB",
            FILE_LEN >> 20
        )
    }

    pub(crate) fn connection(&self, batches: &Rc<Batches>) -> anyhow::Result<Connection> {
        let speech = Rc::new(Messages(Rc::clone(batches)));
        Ok(Connection { stream: Box::new(connected(&self.address)?), speech })
    }

    /// Ends it; gives how many batches it made durable.
    pub(crate) fn stored(self) -> anyhow::Result<u64> {
        drop(self.server);
        let file = File::open(&self.file).context("can't open the bare server's file")?;
        stored(&mut BufReader::with_capacity(1 << 20, file))
    }
}

/// Serves until the process is ended.
pub(crate) fn serve(file: &Path) -> anyhow::Result<String> {
    let group = || Group { blocks: Blocks::of(GROUP_LEN_MAX), len: GROUP_HEADER_LEN, acks: vec![] };
    let disk = Disk::prepared_at(file, FILE_LEN)?;
    let shared = Arc::new(Shared {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        sockets: std::iter::repeat_with(Mutex::default).take(SOCKETS_MAX).collect(),
        pending: Mutex::new(group()),
        writer: Mutex::new(Writer { disk, offset: 0, batches: 0, group: group() }),
        acknowledging: Mutex::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").context("can't listen")?;
    println!("{LISTENS}{}", listener.local_addr()?);
    let (ended, ends) = mpsc::channel();
    for _ in 0..THREADS {
        let (shared, ended) = (Arc::clone(&shared), ended.clone());
        std::thread::spawn(move || ended.send(shared.work()));
    }
    std::thread::spawn(move || ended.send(shared.accept(&listener)));
    ends.recv()?.map(|()| String::new())
}

impl Shared {
    fn accept(&self, listener: &TcpListener) -> anyhow::Result<()> {
        loop {
            let stream = Arc::new(listener.accept()?.0);
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let at = usize::try_from(stream.as_raw_fd())?;
            let received = FrameReader::new(wire::Sender::Agency, wire::limits::FRAME_LEN_MAX);
            let socket = self.sockets.get(at).context("too many connections")?;
            *socket.lock() = Some(Socket { stream: Arc::clone(&stream), received });
            // Told once of what arrives, by one of the threads.
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(at as u64), flags)?;
        }
    }

    fn work(&self) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(READY_MAX);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("can't wait for sockets"),
            }
            for event in &events {
                self.read(&mut self.sockets[usize::try_from(event.data.u64())?].lock())?;
            }
            // Who finds a write in progress leaves its batches to the writer, which looks again.
            while self.pending.lock().len > GROUP_HEADER_LEN {
                let Some(mut writer) = self.writer.try_lock() else { break };
                std::mem::swap(&mut writer.group, &mut self.pending.lock());
                writer.write()?;
                let acks = std::mem::take(&mut writer.group.acks);
                let _in_order = self.acknowledging.lock();
                drop(writer);
                acknowledge(acks);
            }
        }
    }

    /// Reads all that arrived, and adds the batches to the pending group.
    fn read(&self, socket: &mut Option<Socket>) -> anyhow::Result<()> {
        while let Some(Socket { stream, received }) = socket {
            let space = received.space();
            let room = space.len();
            let len = match (&**stream).read(space) {
                Ok(len @ 1..) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Ok(_) | Err(_) => {
                    *socket = None;
                    return Ok(());
                }
            };
            received.filled(len);
            while let Some(frame) = received.next_frame()? {
                let AgencyMessage::Bets(bets) = AgencyMessage::from_frame(frame)? else {
                    anyhow::bail!("not a batch")
                };
                let hash = hash(frame.payload);
                self.pending.lock().add(frame.payload, hash, (Arc::clone(stream), bets.chunk))?;
            }
            if len < room {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Group {
    fn add(&mut self, payload: &[u8], hash: u64, ack: (Arc<TcpStream>, u32)) -> anyhow::Result<()> {
        let parts: [&[u8]; 3] =
            [&u32::try_from(payload.len())?.to_be_bytes(), &hash.to_be_bytes(), payload];
        let end = self.len + BATCH_HEADER_LEN + payload.len();
        ensure!(end <= GROUP_LEN_MAX, "more is in flight than {GROUP_LEN_MAX} bytes");
        for part in parts {
            self.blocks.bytes()[self.len..][..part.len()].copy_from_slice(part);
            self.len += part.len();
        }
        self.acks.push(ack);
        Ok(())
    }
}

impl Writer {
    fn write(&mut self) -> anyhow::Result<()> {
        let Self { disk, offset, batches, group } = self;
        let len = group.len.next_multiple_of(BLOCK_LEN);
        let blocks = &mut group.blocks.bytes()[..len];
        blocks[..8].copy_from_slice(&batches.to_be_bytes());
        blocks[8..12].copy_from_slice(&u32::try_from(group.acks.len())?.to_be_bytes());
        if *offset + len as u64 > disk.len_max {
            *offset = 0;
        }
        disk.put(blocks, *offset).context("can't write")?;
        *offset += len as u64;
        *batches += group.acks.len() as u64;
        group.len = GROUP_HEADER_LEN;
        Ok(())
    }
}

/// Acknowledges the batches of a group, with one write a connection.
fn acknowledge(mut acks: Vec<(Arc<TcpStream>, u32)>) {
    acks.sort_by_key(|(stream, _)| stream.as_raw_fd());
    let mut replies = Vec::new();
    for of_one in acks.chunk_by(|one, other| Arc::ptr_eq(&one.0, &other.0)) {
        replies.clear();
        for &(_, chunk) in of_one {
            CentralMessage::BetsAck { chunk }.encode(&mut replies);
        }
        // Acknowledgements are small: the socket takes them, unless nobody waits for them any more.
        let _ = (&*of_one[0].0).write_all(&replies);
    }
}

/// FNV-1a: as long to compute as bets are to check, and worth storing.
fn hash(bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325;
    bytes
        .iter()
        .fold(start, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// How many batches were made durable: those up to the last group that follows on from the first one
/// in the file.
fn stored(file: &mut impl Read) -> anyhow::Result<u64> {
    let mut batches = None;
    loop {
        let mut header = [0; GROUP_HEADER_LEN];
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            read => read?,
        }
        let before = u64::from_be_bytes(header[..8].try_into()?);
        let count = u32::from_be_bytes(header[8..].try_into()?);
        if count == 0 || batches.is_some_and(|batches| batches != before) {
            break;
        }
        let mut len = GROUP_HEADER_LEN;
        for _ in 0..count {
            let mut header = [0; BATCH_HEADER_LEN];
            file.read_exact(&mut header)?;
            let payload_len = u32::from_be_bytes(header[..4].try_into()?) as usize;
            let mut payload = vec![0; payload_len];
            file.read_exact(&mut payload)?;
            ensure!(hash(&payload).to_be_bytes() == header[4..], "a batch is not what was written");
            len += BATCH_HEADER_LEN + payload_len;
        }
        let padding = len.next_multiple_of(BLOCK_LEN) - len;
        file.read_exact(&mut [0; BLOCK_LEN][..padding])?;
        batches = Some(before + u64::from(count));
    }
    Ok(batches.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes groups of so many batches to a file of a MiB.
    fn written(groups: &[usize], path: &Path) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let group =
            Group { blocks: Blocks::of(GROUP_LEN_MAX), len: GROUP_HEADER_LEN, acks: vec![] };
        let disk = Disk::prepared_at(path, 1 << 20).unwrap();
        let mut writer = Writer { disk, offset: 0, batches: 0, group };
        for &count in groups {
            for chunk in 0..count {
                let payload = [b'x'; 4_000];
                let ack = (Arc::clone(&stream), u32::try_from(chunk).unwrap());
                writer.group.add(&payload, hash(&payload), ack).unwrap();
            }
            writer.write().unwrap();
            writer.group.acks.clear();
        }
        std::fs::read(path).unwrap()
    }

    #[test]
    fn what_is_written_is_counted_also_when_the_file_was_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bare");
        for groups in [&[][..], &[1], &[3, 1, 80], &[100, 100, 100, 7], &[255, 1, 200, 3]] {
            let bytes = written(groups, &path);
            let expected = groups.iter().sum::<usize>() as u64;
            assert_eq!(stored(&mut &bytes[..]).unwrap(), expected, "{groups:?}");
        }
    }

    #[test]
    fn a_batch_that_was_damaged_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = written(&[2], &folder.path().join("bare"));
        bytes[5_000] ^= 1;
        assert!(stored(&mut &bytes[..]).is_err());
    }
}
