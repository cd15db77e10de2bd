//! The central as agencies meet it: over real sockets, on a store that can be made to misbehave.

mod client;
mod draws;
mod failures;
mod greeting;
mod legacy;
mod limits;
mod log;
mod setting;
mod shutdown;
mod store;
