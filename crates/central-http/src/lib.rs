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
