//! Operators and programs over HTTP: the API, the console, metrics, and whether the central is well.
//!
//! ```text
//! server        takes connections; joins the API and the console
//! answers       writes every refusal, for programs or for people
//!    |
//!    |------------------.
//!    v                  v
//! api                console      JSON for programs; pages for people
//!    |                  |
//!    '------------------|
//!                       v
//! usecases      what operators and programs do
//!    |
//!    v
//! access        who asks, and what they may
//!    |
//!    v
//! web           connections, requests and answers: knows nothing of the lottery
//! host          what is asked of the machine
//! limits        every named limit
//! ```
//!
//! Arrows lead down: no file uses one of a floor above its own, and the API and the console do not
//! use each other.
//!
//! Invariants:
//! - below /api/v1 unauthenticated requests get only the log-in and the API's description;
//! - each handler's signature, or the use case that it calls, states the permission it needs;
//! - before a draw is made no answer reveals what would win: no winners, no bets by number, no
//!   number that one of two operators entered;
//! - every refusal says what to do: `application/problem+json` for programs, a page for people;
//! - nothing blocks the thread that serves: the operators' file, the disk and passwords are looked
//!   at on other threads;
//! - agencies are served whatever happens here: connections, heads, bodies, times and passwords
//!   hashed at once are bounded, on a listener and a thread of their own;
//! - no client keeps others out: limits go by the client's address, also behind a proxy, and health
//!   and metrics are always answered.
//!
//! Deliberately absent: encryption (a proxy before it, or the loopback only) and HTTP/2.

mod access;
mod answers;
mod api;
mod console;
mod host;
pub mod limits;
mod server;
mod usecases;
mod web;

pub use api::openapi;
pub use host::{GroupCounts, Host, Scrubbed};
pub use limits::HttpLimits;
pub use server::{HttpOptions, HttpServer};
pub use web::origin::{Origin, OriginError};
pub use web::proxies::{ClientHeader, ClientHeaderError, Network, NetworkError, Proxies};
