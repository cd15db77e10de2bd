//! The conformance suite over the log in memory.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use engine::conformance::Reopening;
use engine::{Engine, LedgerId, MemoryLog};

fn in_memory() -> Reopening {
    let log = MemoryLog::new(LedgerId([7; 16]));
    Reopening::new(move |clock| Engine::start(Box::new(log.clone()), clock).unwrap())
}

engine::conformance_suite!(in_memory());
