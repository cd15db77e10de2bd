//! Use cases of operators and programs, shared by the API and the console: one file per subject.
//! Functions take the caller and typed arguments, and return domain types or a refusal.
//!
//! ```text
//! app           shared state; records acts and checks permissions again when they are decided
//! session       log in, log out
//! operators     operators and their tokens
//! command_line  records what was changed on the command line
//! draws         the life cycle of draws
//! programme     the draws by day, and their repetition on other days
//! dated_name    the day of a draw, and the date in its name
//! agencies      changes to registered agencies
//! nodes         the centrals that share a store
//! bets          search
//! export        streams all bets of a draw
//! copy          streams the ledger to standbys, and what is known of them
//! winners       winners, and the settlement of each agency
//! audit         the audit log
//! board         data of the live board, refreshed once a second
//! following     follows the board, for open boards and event streams
//! intake        bets of each draw and agency over time, for the board's charts
//! ```

pub(crate) mod agencies;
pub(crate) mod app;
pub(crate) mod audit;
pub(crate) mod bets;
pub(crate) mod board;
pub(crate) mod command_line;
pub(crate) mod copy;
pub(crate) mod dated_name;
pub(crate) mod draws;
pub(crate) mod export;
pub(crate) mod following;
pub(crate) mod intake;
pub(crate) mod nodes;
pub(crate) mod operators;
pub(crate) mod programme;
pub(crate) mod session;
pub(crate) mod winners;
