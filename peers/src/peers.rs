//! The peers, one file each.

mod bolillero;
mod nats;
mod postgres;
mod redis;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use crate::batches::Batch;
use crate::options::Options;
use crate::peer::Peer;

/// Starts them all, Bolillero first: the others are compared with it.
pub(crate) fn start_all(
    options: &Options,
    batches: &Arc<Vec<Batch>>,
    folder: &Path,
    agencies: u32,
) -> anyhow::Result<Vec<Box<dyn Peer>>> {
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    peers.push(Box::new(bolillero::start(&options.bolillero, batches, folder, agencies)?));
    for postgres in postgres::start(batches, folder, agencies)? {
        peers.push(Box::new(postgres));
    }
    peers.push(Box::new(nats::start(&options.nats, batches, folder)?));
    peers.push(Box::new(redis::start(batches, folder, agencies)?));
    peers.push(Box::new(sqlite::start(batches, folder)?));
    Ok(peers)
}
