//! Tests of the central for agencies: over real sockets, with a store that can be made to fail.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod client;
mod conversations;
mod draws;
mod failures;
mod greeting;
mod legacy;
mod limits;
mod log;
mod log_limit;
mod names;
mod operated;
mod places;
mod presence;
mod setting;
mod shutdown;
mod store;
mod unnamed;
