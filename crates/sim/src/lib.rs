//! A seeded simulation of the whole system: agencies, a network, the central with its disk, and an
//! auditor that trusts no component.
//!
//! The seed determines everything in a run: the bets, how the network splits, delays and cuts
//! connections, when the central or an agency crashes, and which sectors of an interrupted write
//! survive. The protocol ([`wire`]), the rules ([`lottery`]) and the ledger ([`ledger`], its engine
//! and recovery without threads) are the production code. Faults stop after a while; then every
//! agency must get its winners in bounded time, unless one gave up.
//!
//! ```text
//! run          runs a simulation tick by tick; its outcome or failure
//! setting      the parameters fixed by the seed: files, sizes, rates
//! world        shared state of a run
//! network      connections that split, delay and are cut
//! agency       an agency over a wire session
//! rogue        a malicious or broken client
//! central      starts and ends of the central; process, its program over a wire session
//! damage       copies of the ledger that lost their end or have a forged winner
//! auditor      compares what was sent, replied and finally stored
//! faults       counts each kind of fault; trace, a digest of everything that happened
//! shared       another simulation: two engines that share a log, without protocol and disk
//! ```
//!
//! Does not cover threads, sockets and real time, and therefore not the tokio code of the central
//! and the agency: their own tests and the end-to-end tests cover it.

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
mod wrong;

pub use faults::Faults;
pub use run::{Failure, Outcome, run};
pub use shared::{Events, run_shared};
