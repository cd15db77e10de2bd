//! Hostile clients: each kind opens connections repeatedly until it is stopped, from loopback
//! addresses of its own, and counts how often it succeeds.
//!
//! Their threads have the lowest priority: attackers and central share this machine's processors,
//! and the processor time of the attackers should not count against the central.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::day::{OLD_AGENCY, OLD_CHUNKS, OLD_DRAW, old_batch};
use crate::support::PATIENCE;
use crate::support::raw::{framed, get_winners, hello};

/// Requests for winners from one client that reads nothing: far more than the central accepts.
const REQUESTS: usize = 1_000;
/// The receive buffer of a client that reads nothing.
const LITTLE_ROOM: u32 = 4_096;
/// Time between two bytes of a slow message.
const DRIP_TIME: Duration = Duration::from_secs(1);
/// Pause between two connections of a client.
const PAUSE: Duration = Duration::from_millis(5);
/// More than the difference between the highest and the lowest priority.
const PRIORITY_DROP: i32 = 40;

/// Error codes of ERROR messages.
const FRAME_TOO_LONG: u16 = 2;
const BUSY: u16 = 16;
const TIMED_OUT: u16 = 17;

/// A kind of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sends a message one byte at a time, until it is cut off.
    Drip,
    /// Begins a message and stops, until it is cut off.
    HalfOpen,
    /// The same after many batches, so that the central allocates much at once.
    HalfOpenBehindMuch,
    /// Sends a header that announces 64 KiB, and then as much data.
    GiantLength,
    /// Sends random bytes.
    Garbage,
    /// Sends invalid batches in a row and reads none of the refusals, of 4 kB each.
    DeafToErrors,
    /// Asks for winners many times and reads none.
    DeafToWinners,
    /// Resets a connection in the middle of a batch.
    Reset,
    /// Opens connections and resets them at once.
    Churn,
    /// Holds more connections than the central has places for, and keeps opening one more.
    Flood,
    /// Opens connections and sends nothing.
    Idle,
}

impl Kind {
    /// Returns whether its clients never pause, and so compete with the central for processors.
    pub(crate) fn never_pauses(self) -> bool {
        use Kind::{Churn, Flood, Garbage, GiantLength, Reset};
        matches!(self, Churn | Flood | Garbage | GiantLength | Reset)
    }
}

/// A running attack; stopped when dropped.
pub(crate) struct Attack {
    pub(crate) kind: Kind,
    pub(crate) clients: u64,
    tally: Arc<Tally>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Tally {
    /// Connections held now.
    held: AtomicU64,
    /// How often a client succeeded.
    blows: AtomicU64,
}

struct Client {
    kind: Kind,
    central: SocketAddr,
    from: Ipv4Addr,
    tally: Arc<Tally>,
}

/// Counts a held connection until dropped.
struct Held(Arc<Tally>);

impl Kind {
    /// Returns whether its clients hold their connections until they are cut off; the others come
    /// and go.
    pub(crate) fn holds(self) -> bool {
        use Kind as K;
        match self {
            K::Drip | K::HalfOpen | K::HalfOpenBehindMuch | K::DeafToErrors => true,
            K::DeafToWinners | K::Idle => true,
            K::GiantLength | K::Garbage | K::Reset | K::Churn | K::Flood => false,
        }
    }
}

impl Attack {
    /// Starts an attack with this many clients, from this many addresses.
    pub(crate) fn start(kind: Kind, central: &str, clients: u64, addresses: u8) -> Self {
        let central = central.parse().unwrap();
        let (tally, stop) = (Arc::new(Tally::default()), CancellationToken::new());
        let (counted, stopped) = (Arc::clone(&tally), stop.clone());
        let thread = thread::spawn(move || {
            take_lowest_priority();
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            for client in 0..clients {
                let host = u8::try_from(client % u64::from(addresses)).unwrap() + 1;
                let from = Ipv4Addr::new(127, 0, kind as u8 + 1, host);
                let client = Client { kind, central, from, tally: Arc::clone(&counted) };
                runtime.spawn(client.strike_again_and_again());
            }
            runtime.block_on(stopped.cancelled());
        });
        Self { kind, clients, tally, stop, thread: Some(thread) }
    }

    pub(crate) fn blows(&self) -> u64 {
        self.tally.blows.load(Ordering::Relaxed)
    }

    pub(crate) fn held(&self) -> u64 {
        self.tally.held.load(Ordering::Relaxed)
    }

    /// Waits until the attack holds this many connections.
    pub(crate) async fn holds(&self, wanted: u64) {
        self.wait("connections held", || self.held() >= wanted).await;
    }

    /// Waits until the attack succeeded this many times.
    pub(crate) async fn struck(&self, wanted: u64) {
        self.wait("blows", || self.blows() >= wanted).await;
    }

    async fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            let (kind, held, blows) = (self.kind, self.held(), self.blows());
            assert!(begun.elapsed() < PATIENCE, "{kind:?}: not enough {what}: {held}, {blows}");
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "{:?} failed", self.kind);
    }
}

impl Client {
    async fn strike_again_and_again(self) {
        loop {
            // Attackers expect broken connections.
            let _ = self.strike().await;
            sleep(PAUSE).await;
        }
    }

    async fn strike(&self) -> io::Result<()> {
        match self.kind {
            Kind::Drip => self.drip().await,
            Kind::HalfOpen => {
                let mut stream = self.connect().await?;
                stream.write_all(b"\x00\x0c\x1f\xfc1&0&A").await?;
                self.hold_until_error(&mut stream, TIMED_OUT).await
            }
            Kind::HalfOpenBehindMuch => {
                let mut stream = self.greeted().await?;
                stream.write_all(&with_half_a_batch(OLD_CHUNKS)).await?;
                let mut acks = vec![0; 6 * OLD_CHUNKS as usize];
                stream.read_exact(&mut acks).await?;
                self.hold_until_error(&mut stream, TIMED_OUT).await
            }
            Kind::GiantLength => {
                let mut stream = self.connect().await?;
                let giant = [&[0, 12, 0xff, 0xff][..], &[b'1'; 0xffff]].concat();
                // The central may close before it has read all of this.
                let _ = stream.write_all(&giant).await;
                self.count_if(error_code(&mut stream).await? == Some(FRAME_TOO_LONG));
                Ok(())
            }
            Kind::Garbage => {
                let mut stream = self.connect().await?;
                let seed = self.tally.blows.load(Ordering::Relaxed);
                let mut random = fastrand::Rng::with_seed(seed);
                let garbage: Vec<u8> = (0..4_096).map(|_| random.u8(..)).collect();
                let _ = stream.write_all(&garbage).await;
                self.count_if(error_code(&mut stream).await?.is_some());
                Ok(())
            }
            Kind::DeafToErrors => {
                let mut stream = self.greeted().await?;
                let _held = self.hold();
                // 8,192 bytes of empty bets, with as many faults as an ERROR lists.
                let bad = [format!("{OLD_AGENCY}&0").as_bytes(), &[b'&'; 8_000]].concat();
                let bad = framed(12, &bad);
                while stream.write_all(&bad).await.is_ok() {}
                self.count_if(true);
                Ok(())
            }
            Kind::DeafToWinners => {
                let mut stream = self.greeted().await?;
                let _held = self.hold();
                stream.write_all(&get_winners(OLD_AGENCY).repeat(REQUESTS)).await?;
                stream.ready(Interest::ERROR).await?;
                self.count_if(true);
                Ok(())
            }
            Kind::Reset => {
                let mut stream = self.greeted().await?;
                stream.write_all(&with_half_a_batch(4)).await?;
                // Waits until the central has processed some of it.
                stream.readable().await?;
                self.count_if(true);
                Ok(())
            }
            Kind::Churn => {
                self.connect().await?;
                self.count_if(true);
                Ok(())
            }
            Kind::Flood => {
                let mut stream = self.connect().await?;
                self.hold_until_error(&mut stream, BUSY).await
            }
            Kind::Idle => {
                let mut stream = self.connect().await?;
                let _held = self.hold();
                stream.read_u8().await?;
                Ok(())
            }
        }
    }

    async fn drip(&self) -> io::Result<()> {
        let mut stream = self.connect().await?;
        stream.write_all(&[0, 12, 0x1f, 0xfc]).await?;
        let _held = self.hold();
        while timeout(DRIP_TIME, stream.readable()).await.is_err() {
            stream.write_all(b"1").await?;
        }
        self.count_if(error_code(&mut stream).await? == Some(TIMED_OUT));
        Ok(())
    }

    async fn hold_until_error(&self, stream: &mut TcpStream, code: u16) -> io::Result<()> {
        let _held = self.hold();
        self.count_if(error_code(stream).await? == Some(code));
        Ok(())
    }

    fn hold(&self) -> Held {
        self.tally.held.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(&self.tally))
    }

    fn count_if(&self, got_its_way: bool) {
        self.tally.blows.fetch_add(u64::from(got_its_way), Ordering::Relaxed);
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.from, 0).into())?;
        if matches!(self.kind, Kind::DeafToErrors | Kind::DeafToWinners) {
            socket.set_recv_buffer_size(LITTLE_ROOM)?;
        }
        let stream = socket.connect(self.central).await?;
        if self.kind != Kind::Idle {
            // Reset the connection instead of closing it.
            stream.set_zero_linger()?;
        }
        Ok(stream)
    }

    /// Opens a connection for the agency of the old draw and waits for WELCOME.
    async fn greeted(&self) -> io::Result<TcpStream> {
        let mut stream = self.connect().await?;
        stream.write_all(&hello(OLD_AGENCY, OLD_DRAW)).await?;
        let mut header = [0; 4];
        stream.read_exact(&mut header).await?;
        let mut welcome = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]]))];
        stream.read_exact(&mut welcome).await?;
        Ok(stream)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

fn take_lowest_priority() {
    // On Linux this applies to the thread.
    rustix::process::nice(PRIORITY_DROP).unwrap();
}

/// Returns batches that are stored already, and half of one more.
fn with_half_a_batch(chunks: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..chunks).flat_map(old_batch).collect();
    let one_more = old_batch(0);
    bytes.extend_from_slice(&one_more[..one_more.len() / 2]);
    bytes
}

/// Returns the code of the next message if it is an ERROR.
async fn error_code(stream: &mut TcpStream) -> io::Result<Option<u16>> {
    let mut start = [0; 6];
    stream.read_exact(&mut start).await?;
    Ok((start[..2] == [0, 20]).then(|| u16::from_be_bytes([start[4], start[5]])))
}
