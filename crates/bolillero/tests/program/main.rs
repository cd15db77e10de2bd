//! Tests of the program as its users run it: whole days, interruptions, messages, files and access,
//! by real processes over real sockets.
//!
//! They are one test program, so that they wait for processes at the same time. Tests that measure,
//! or that need the machine for themselves, are programs of their own.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

#[path = "../support/mod.rs"]
mod support;

mod abandoned;
mod agencies;
mod backup;
mod beside_central;
mod bound_addresses;
mod clerk;
mod command_line;
mod configuration;
mod day_by_api;
mod documents;
mod exports;
mod full_disk;
mod held_folder;
mod interruptions;
mod ledger_document;
mod log_lines;
mod operated_day;
mod operators;
mod private_folders;
mod prometheus;
mod raw_conversations;
mod refused_folders;
mod service_manager;
mod shared_store;
mod shutdown;
mod standby;
mod stored_names;
mod times;
mod tls;
mod upgrade;
