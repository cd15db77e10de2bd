//! What a connection costs that says nothing.

use std::net::TcpStream;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::super::processes::Central;
use super::load;
use super::usage::memory_bytes;
use crate::descriptors;

const CONNECTIONS: u32 = 1_000;
/// Descriptors besides the connections.
const DESCRIPTORS_SPARE: u64 = 100;

/// Bytes of the central's memory for each idle connection.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) connections: u32,
    /// After HELLO and WELCOME.
    pub(super) greeted_bytes_each: u64,
    /// That never sent anything.
    pub(super) silent_bytes_each: u64,
}

/// Measures both kinds, one after the other.
pub(super) async fn measure(central: &Central) -> anyhow::Result<Figures> {
    let needed = u64::from(CONNECTIONS) + DESCRIPTORS_SPARE;
    let allowed = descriptors::allow(needed);
    ensure!(allowed >= needed, "only {allowed} descriptors are allowed and {needed} are needed");
    // What the first connections bring along is not theirs.
    drop(load::greeted(central.address(), 1)?);
    let greet = || load::greeted(central.address(), 1);
    let greeted_bytes_each = of_each(central, greet)?;
    let connect = || TcpStream::connect(central.address()).context("can't connect");
    let silent_bytes_each = of_each(central, connect)?;
    Ok(Figures { connections: CONNECTIONS, greeted_bytes_each, silent_bytes_each })
}

fn of_each(central: &Central, open: impl Fn() -> anyhow::Result<TcpStream>) -> anyhow::Result<u64> {
    let before = memory_bytes(central.process())?;
    let connections: anyhow::Result<Vec<_>> = (0..CONNECTIONS).map(|_| open()).collect();
    let connections = connections?;
    // The central greets in the order of accepting: after this one it has accepted all.
    drop(load::greeted(central.address(), 1)?);
    let taken = memory_bytes(central.process())?.saturating_sub(before);
    drop(connections);
    Ok(taken / u64::from(CONNECTIONS))
}
