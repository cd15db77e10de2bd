//! Checks of what must hold for arbitrary input: one function for each entry point of the system.
//!
//! A check panics when an invariant is violated. The fuzzer ([fuzz/](../../../fuzz)) calls the
//! checks with generated inputs, and a regression test with all inputs committed there. An input
//! holds the choices of the check (where to split, what to answer, which limits), followed by the
//! bytes under test.
//!
//! Invariants:
//! - a check depends only on its input and keeps no state between calls;
//! - it compares with a result obtained another way (the same bytes in other pieces, a naive model,
//!   a second encoder), not with the code under test.
//!
//! Does not use sockets, files or clocks, does not generate inputs, and is not shipped.

mod agency_session;
mod bets_rows;
mod bets_text;
mod central_session;
mod config;
pub mod corrupt;
mod damage;
mod decisions;
mod frame_decoder;
mod frames;
mod ledger_bytes;
mod open_ledger;
mod record_stream;
mod stored;
mod written;

pub use ledger_bytes::{SEGMENT_HEADER_LEN, sparse};
pub use record_stream::sound_stream;
pub use stored::sound_ledger;

/// A check: its name and its function.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The name of the check, its fuzz target and its folders.
    pub name: &'static str,
    /// Runs the check; panics when an invariant is violated.
    pub run: fn(&[u8]),
}

/// All checks.
pub const CHECKS: &[Check] = &[
    Check { name: "agency_session", run: agency_session::check },
    Check { name: "bets_rows", run: bets_rows::check },
    Check { name: "bets_text", run: bets_text::check },
    Check { name: "central_session", run: central_session::check },
    Check { name: "config", run: config::check },
    Check { name: "damaged_ledger", run: damage::check },
    Check { name: "frame_decoder", run: frame_decoder::check },
    Check { name: "open_ledger", run: open_ledger::check },
    Check { name: "record_stream", run: record_stream::check },
];

/// Runs the check of this name.
///
/// # Panics
/// When there is no such check, or when an invariant is violated.
pub fn run(name: &str, input: &[u8]) {
    let check = CHECKS.iter().find(|check| check.name == name);
    let check = check.unwrap_or_else(|| panic!("there is no check '{name}'"));
    (check.run)(input);
}
