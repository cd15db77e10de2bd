//! What operators and programs do, by the API or the console: one file a subject. Functions take
//! the caller and typed arguments, and return what the domain knows, or a refusal.
//!
//! ```text
//! app           what all of them work on; what is put on record, and judged again by then
//! session       log in, log out
//! operators     operators and their tokens
//! draws         their life, as operators lead it
//! agencies      what is known of them
//! bets          searched
//! export        all bets of a draw, written while they are taken
//! winners       who won, and what each agency has to its account
//! audit         who did what
//! board         what a live board shows, looked at once a second
//! ```

pub(crate) mod agencies;
pub(crate) mod app;
pub(crate) mod audit;
pub(crate) mod bets;
pub(crate) mod board;
pub(crate) mod draws;
pub(crate) mod export;
pub(crate) mod operators;
pub(crate) mod session;
pub(crate) mod winners;
