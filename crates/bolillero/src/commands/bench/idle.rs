//! What connections cost that say nothing: memory, and time of those that say something.

use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::super::processes::Central;
use super::client::Client;
use super::intake::{Slice, connect, end};
use super::load::Plan;
use super::usage::{Usage, memory_bytes};
use crate::descriptors;

pub(super) const IDLE: u32 = 10_000;
pub(super) const BUSY: u32 = 100;
/// Descriptors besides the connections.
const DESCRIPTORS_SPARE: usize = 100;
/// All come from one address here.
pub(super) const OPTIONS: [&str; 2] = ["--connections-per-address-max", "15000"];

/// One turn: the busy ones alone, then beside the idle ones.
pub(super) struct Turn {
    pub(super) alone: Slice,
    pub(super) beside_idle: Slice,
    /// Memory of the central for each idle connection, after HELLO.
    pub(super) greeted_bytes_each: u64,
}

impl Turn {
    /// Measures a turn; the busy ones send by the plan.
    pub(super) async fn measure(folder: &Path, plan: &Plan) -> anyhow::Result<Self> {
        allow_descriptors()?;
        let data = folder.join("idle");
        let central = Central::start(&data, BUSY, &OPTIONS).await?;
        let alone = Slice::of(&central, &mut connect(&central, BUSY)?, plan).await?;
        end(central, &data).await?;

        let central = Central::start(&data, BUSY, &OPTIONS).await?;
        // What the first connections bring along is not theirs.
        drop(connect(&central, BUSY)?);
        let greet = || Client::greet(central.address(), 1);
        let (idle, greeted_bytes_each) = open(&central, greet, greet).await?;
        let beside_idle = Slice::of(&central, &mut connect(&central, BUSY)?, plan).await?;
        drop(idle);
        end(central, &data).await?;
        Ok(Self { alone, beside_idle, greeted_bytes_each })
    }
}

/// Memory of a central for each connection that never said anything.
pub(super) async fn silent_bytes_each(folder: &Path) -> anyhow::Result<u64> {
    allow_descriptors()?;
    let data = folder.join("silent");
    let central = Central::start(&data, BUSY, &OPTIONS).await?;
    drop(connect(&central, BUSY)?);
    let connect = || TcpStream::connect(central.address()).context("can't connect");
    let greet = || Client::greet(central.address(), 1);
    let (silent, bytes_each) = open(&central, connect, greet).await?;
    drop(silent);
    end(central, &data).await?;
    Ok(bytes_each)
}

/// Opens the idle connections; gives the central's memory for each.
pub(super) async fn open<T>(
    central: &Central,
    one: impl Fn() -> anyhow::Result<T>,
    greeted: impl Fn() -> anyhow::Result<Client>,
) -> anyhow::Result<(Vec<T>, u64)> {
    Usage::at_rest(central.process()).await?;
    let before = memory_bytes(central.process())?;
    let connections = tokio::task::block_in_place(|| {
        let connections = (0..IDLE).map(|_| one()).collect::<anyhow::Result<Vec<_>>>()?;
        // The central greets in the order of accepting: after this one it has accepted all.
        drop(greeted()?);
        anyhow::Ok(connections)
    })?;
    let taken = memory_bytes(central.process())?.saturating_sub(before);
    Ok((connections, taken / u64::from(IDLE)))
}

pub(super) fn allow_descriptors() -> anyhow::Result<()> {
    let needed = (IDLE + BUSY) as usize + DESCRIPTORS_SPARE;
    let allowed = descriptors::allow(needed);
    ensure!(
        allowed >= needed,
        "only {allowed} open files are allowed and {needed} are needed: raise the limit \
         (ulimit -Hn {needed}), or measure other scenarios"
    );
    Ok(())
}
