//! HTTP basics, independent of the lottery: connections, requests and answers.
//!
//! ```text
//! thread        the thread on which HTTP runs, separate from the agencies'
//! connections   limits connections, and selects the one that gives way when there are too many
//! http1         one connection: requests and answers in turn
//! body          bodies that report when they end
//! peer          what a request knows of its connection
//! proxies       trusted proxies, and the addresses of their clients
//! origin        the origin under which browsers reach the central
//! input         bodies and parameters of requests
//! plain         what parsers found wrong, in words for people
//! paging        lists in pages
//! stream_body   answers that are streamed while they are produced
//! problem       problem documents, for programs
//! time          timestamps in the API
//! ```

pub(crate) mod body;
pub(crate) mod connections;
pub(crate) mod http1;
pub(crate) mod input;
pub(crate) mod origin;
pub(crate) mod paging;
pub(crate) mod peer;
pub(crate) mod plain;
pub(crate) mod problem;
pub(crate) mod proxies;
pub(crate) mod stream_body;
pub(crate) mod thread;
pub(crate) mod time;
