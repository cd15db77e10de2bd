//! Operators and programs over HTTP: the API, metrics, and whether the central is well.
//!
//! ```text
//! thread        what everything here runs on, apart from agencies
//! face          the listener; what all connections have in common, and their end
//! connections   how many there are, and which one gives way when there are too many
//! conversation  one connection: requests and answers in turn; body: how each tells its end
//! proxies       proxies before the central, and the clients that they speak for
//! state         what all requests have in common
//! guard         what holds for every request and answer: time, headers, who asks
//! who           who asks: a session's cookie or a token, and what they may
//! api           which path is answered by what; the description of it all (OpenAPI)
//! session       log in, who am I, log out
//! people        operators and their tokens
//! draws         their life, as operators lead it
//! agencies      who is registered, who may bet, who is connected
//! bets          searched
//! export, lines taken as a whole; answers written while they are made
//! winners       who won, and what each agency has to its account
//! audit         who did what
//! health        whether it lives, is ready, and what it counted
//! problem       every refusal, as RFC 9457 says
//! board         what a live board shows, looked at once a second
//! console       pages for operators
//! origin        how browsers reach the central
//! input, page   bodies and parameters of requests; lists in parts
//! time          moments as they are written
//! ```
//!
//! Invariants:
//! - below /api/v1 nothing but logging in and the description is answered to who is nobody;
//! - each handler says in its signature what its caller must be allowed;
//! - no answer tells before a draw what would win in it: no winners, no bets by number, no number
//!   that one of two operators entered;
//! - every refusal says what to do: `application/problem+json`, or a page for who reads pages;
//! - whatever happens here, agencies are served: connections, heads, bodies, times and hashed
//!   passwords at once are bounded, on a listener of its own;
//! - whatever one client does, others are answered, and health and metrics are told to all: what
//!   is limited is limited by the client's address, also behind a proxy.
//!
//! Deliberately absent: encryption (a proxy before it, or the loopback only) and HTTP/2.

mod agencies;
mod api;
mod audit;
mod bets;
mod board;
mod body;
mod caller;
mod connections;
mod console;
mod draws;
mod export;
mod guard;
mod health;
mod http1;
mod input;
pub mod limits;
mod operators;
mod origin;
mod page;
mod problem;
mod proxies;
mod server;
mod session;
mod state;
mod stream_body;
mod thread;
mod time;
mod winners;

use std::path::PathBuf;
use std::sync::Arc;

pub use api::openapi;
pub use limits::HttpLimits;
pub use origin::{Origin, OriginError};
pub use proxies::{ClientHeader, ClientHeaderError, Network, NetworkError, Proxies};
pub use server::HttpServer;

/// What operators are served with.
pub struct HttpOptions {
    /// How browsers reach it, if that was said: what pages of elsewhere send is told by it, and
    /// with encryption cookies are never sent without.
    pub origin: Option<Origin>,
    /// The proxies before it, if there are some that are trusted to say who their clients are.
    pub proxies: Option<Proxies>,
    /// The folder that the file of operators is in.
    pub data: PathBuf,
    /// What the central's machine is asked for.
    pub host: Arc<dyn Host>,
    /// See [`HttpLimits`].
    pub limits: HttpLimits,
}

/// What is asked of the machine that the central runs on.
pub trait Host: Send + Sync {
    /// Fills `bytes` with random ones that are fit for secrets.
    ///
    /// # Errors
    /// When the system gives none.
    fn random(&self, bytes: &mut [u8]) -> std::io::Result<()>;

    /// Bytes that the ledger's disk has room for.
    ///
    /// # Errors
    /// When the system does not say.
    fn disk_free_len(&self) -> std::io::Result<u64>;

    /// How many events each durable write of the ledger held.
    fn groups(&self) -> GroupCounts;

    /// What the slow reading of the ledger has found.
    fn scrubbed(&self) -> Scrubbed;

    /// Lines that the log had no room for.
    fn log_lines_dropped(&self) -> u64;
}

/// What the slow reading of the ledger has found.
#[derive(Clone, Debug, Default)]
pub struct Scrubbed {
    /// How many times all that is sealed was read.
    pub passes: u64,
    /// How many segments were not as they were written when they were last read.
    pub damaged_segments: u64,
    /// What is wrong with the first of them, for people: which file, where.
    pub damage: Option<String>,
}

/// Durable writes by how many events they held.
#[derive(Clone, Debug, Default)]
pub struct GroupCounts {
    /// The upper bound of each class, ascending (none: without bound), and how many are in it.
    pub counts: Vec<(Option<u64>, u64)>,
    /// How many events they held together.
    pub events: u64,
}
