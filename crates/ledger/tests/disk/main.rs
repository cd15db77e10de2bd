//! The ledger on disks: simulated ones, which fail, lose and change what they hold, and a real one.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod beside;
mod conformance;
mod crash;
mod damage;
mod decisions;
mod format;
mod lives;
mod scrub;
mod shortages;
mod support;
mod workload;
