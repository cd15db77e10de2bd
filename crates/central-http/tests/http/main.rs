//! Tests of the central over HTTP: real sockets, hostile clients, and authorization.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod access;
mod accounts;
mod agencies;
mod audit;
mod board;
mod client;
mod corrections;
mod draw_pages;
mod draws;
mod events;
mod hostile;
mod languages;
mod lost_permissions;
mod many;
mod metrics;
mod nodes;
mod pages;
mod programme;
mod sessions;
mod setting;
mod standby;
mod start;
#[path = "../../../central-tcp/tests/tcp/store.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod store;
mod texts;
mod times;
