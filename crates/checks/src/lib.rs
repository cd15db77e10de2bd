//! What must hold whatever bytes come in: one function an entrance, given anything.
//!
//! A check panics when something that must hold does not. The fuzzer calls them with inputs that it
//! makes up ([fuzz/](../../../fuzz)), and a plain test with all inputs that are committed there, so
//! that what was found once stays found. An input holds both the bytes that come in and, in front
//! of them, the choices of the check: where to cut, what to answer, which limits.
//!
//! Invariants: a check depends on its input alone, keeps nothing between calls, and compares with
//! something made another way (the same bytes in other pieces, a naive model, a second encoder),
//! not with what it checks.
//!
//! Deliberately absent: sockets, files and clocks; making up inputs; anything that is shipped.

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
mod stored;

pub use ledger_bytes::{SEGMENT_HEADER_LEN, sparse};
pub use stored::sound_ledger;

/// A check: its name, which is also its fuzz target's, and what it does with an input.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its name, and that of its fuzz target and folders.
    pub name: &'static str,
    /// Panics when the input breaks something that must hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub const CHECKS: &[Check] = &[
    Check { name: "agency_session", run: agency_session::check },
    Check { name: "bets_rows", run: bets_rows::check },
    Check { name: "bets_text", run: bets_text::check },
    Check { name: "central_session", run: central_session::check },
    Check { name: "config", run: config::check },
    Check { name: "damaged_ledger", run: damage::check },
    Check { name: "frame_decoder", run: frame_decoder::check },
    Check { name: "open_ledger", run: open_ledger::check },
];

/// Runs the check of this name.
///
/// # Panics
/// When there is none, or when something that must hold does not.
pub fn run(name: &str, input: &[u8]) {
    let check = CHECKS.iter().find(|check| check.name == name);
    let check = check.unwrap_or_else(|| panic!("there is no check '{name}'"));
    (check.run)(input);
}
