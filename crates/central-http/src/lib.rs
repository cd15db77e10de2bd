//! HTTP interface of the central: the JSON API, the web console, metrics and health checks.
//!
//! ```text
//! server        accepts connections; combines the API and the console
//! answers       writes every refusal, for programs or for people
//!    |
//!    |------------------.
//!    v                  v
//! api                console      JSON for programs; pages for people
//!    |                  |
//!    '------------------|
//!                       v
//! usecases      what operators and programs can do
//!    |
//!    v
//! access        authentication and permissions
//!    |
//!    v
//! web           connections, requests and answers; independent of the lottery
//! host          services that the host machine provides
//! limits        every named limit
//! ```
//!
//! Dependencies point downwards: no file uses one of a layer above its own, and the API and the
//! console do not use each other.
//!
//! Invariants:
//! - below /api/v1, unauthenticated requests can only log in and read the API's description;
//! - each handler's signature, or the use case that it calls, states the permission it needs;
//! - before a draw is made, no answer reveals what would win: no winners, no bets by number, no
//!   number that one of two operators entered;
//! - every refusal includes a remedy: `application/problem+json` for programs, a page for people;
//! - nothing blocks the serving thread: asking the store of operators, disk access and password
//!   hashing run on other threads;
//! - HTTP load does not disturb agencies: connections, heads, bodies, durations and concurrent
//!   password hashings are bounded, on a separate listener and thread;
//! - no client can shut others out: limits apply per client address, also behind a proxy, and
//!   health and metrics are always answered.
//!
//! Deliberately absent: encryption (use a proxy in front, or the loopback interface only) and
//! HTTP/2.

mod access;
mod answers;
mod api;
mod console;
mod host;
pub mod limits;
mod server;
mod usecases;
mod web;

pub use access::state::moment;
pub use api::openapi;
pub use host::{GroupCounts, Host, Scrubbed};
pub use limits::HttpLimits;
pub use server::{HttpOptions, HttpServer};
pub use usecases::app::Letterhead;
pub use web::origin::{Origin, OriginError};
pub use web::proxies::{ClientHeader, ClientHeaderError, Network, NetworkError, Proxies};
