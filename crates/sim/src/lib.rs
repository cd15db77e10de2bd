//! A seeded simulation of the whole system: agencies, a network, the central, its disk, and an
//! auditor who believes nobody.
//!
//! One seed decides everything that happens in a run: what is betted, how the network splits,
//! delays and cuts, when the central or an agency crashes, which sectors of a half-done write
//! survive. The protocol ([`wire`]), the rules ([`lottery`]) and the ledger ([`ledger`], its engine
//! and recovery without threads) are the real ones. Faults stop after a while; then every agency
//! must come to its winners in bounded time, if none gave up.
//!
//! ```text
//! run          a run, tick by tick; its outcome or failure
//! setting      what is fixed before, from the seed: files, sizes, rates
//! world        what all share; planted bugs, for tests
//! network      connections that split, delay and are cut
//! agency       an agency over wire's session
//! rogue        a client that means no good
//! central      the central's starts and ends; process, its program over wire's session
//! damage       copies of the ledger that lost their end, or have a winner forged
//! auditor      what was sent, told and finally stored, compared
//! faults       how often each fault happened; trace, what happened, as a digest
//! shared       another run: two engines, without protocol and disk, that share a log
//! ```
//!
//! Deliberately absent: threads, sockets and real time, and so the central's tokio code and the
//! agency's: their own tests and those of whole processes cover them.

mod agency;
mod auditor;
mod central;
mod counted;
mod damage;
mod faults;
pub mod limits;
mod network;
mod process;
mod rogue;
mod run;
mod setting;
mod shared;
mod trace;
mod world;

pub use faults::Faults;
pub use run::{Failure, Outcome, run, run_with};
pub use shared::{Events, run_shared, run_shared_with};
