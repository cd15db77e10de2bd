//! HTTP without the lottery: connections, requests and answers.
//!
//! ```text
//! thread        what everything here runs on, apart from agencies
//! connections   how many there are, and which one gives way when there are too many
//! http1         one connection: requests and answers in turn
//! body          bodies that tell when they end
//! peer          what a request knows of its connection
//! proxies       proxies before the central, and the clients that they speak for
//! origin        how browsers reach the central
//! input         bodies and parameters of requests
//! paging        lists in parts
//! stream_body   answers that are written while they are made
//! problem       a refusal as programs read it
//! time          moments as programs write and read them
//! ```

pub(crate) mod body;
pub(crate) mod connections;
pub(crate) mod http1;
pub(crate) mod input;
pub(crate) mod origin;
pub(crate) mod paging;
pub(crate) mod peer;
pub(crate) mod problem;
pub(crate) mod proxies;
pub(crate) mod stream_body;
pub(crate) mod thread;
pub(crate) mod time;
