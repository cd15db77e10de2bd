//! Who asks, and what they may.
//!
//! ```text
//! access        what it is judged by: operators, sessions, attempts
//! guard         what holds for every request before it is asked who sends it
//! identify      who sends a request: by a session's cookie or a token
//! allowed       handlers that say in their signature what their caller must be allowed
//! caller        who asks, once that is known
//! refusal       why a request is refused
//! ```

pub(crate) mod allowed;
pub(crate) mod caller;
pub(crate) mod guard;
pub(crate) mod identify;
pub(crate) mod refusal;
pub(crate) mod state;
