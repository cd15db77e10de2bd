//! Authentication and permissions.
//!
//! ```text
//! state         operators, sessions and login attempts
//! guard         checks of every request before its caller is authenticated
//! identify      authenticates callers by a session cookie or a token
//! allowed       extractors that state in a handler's signature the permission it needs
//! caller        an authenticated caller
//! refusal       why a request is rejected
//! ```

pub(crate) mod allowed;
pub(crate) mod caller;
pub(crate) mod guard;
pub(crate) mod identify;
pub(crate) mod refusal;
pub(crate) mod state;
