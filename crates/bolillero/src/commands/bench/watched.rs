//! What the console costs agencies: the same load with nobody watching and with boards open, in
//! turns. Whoever watches does so from this machine too.

use std::io::Read as _;
use std::path::Path;

use anyhow::ensure;

use super::super::processes::Central;
use super::http::{add_viewer, asked, free_address, log_in};
use super::intake::{Slice, connect, end};
use super::load::Plan;

/// Boards that are open.
pub(super) const WATCHERS: usize = 10;

/// One turn.
pub(super) struct Turn {
    pub(super) alone: Slice,
    pub(super) watched: Slice,
}

impl Turn {
    /// Measures a turn of agencies that send by the plan; who goes first is the caller's to change
    /// from turn to turn.
    pub(super) async fn measure(
        folder: &Path,
        agencies: u32,
        plan: &Plan,
        watched_first: bool,
    ) -> anyhow::Result<Self> {
        if watched_first {
            let watched = watched(folder, agencies, plan).await?;
            Ok(Self { alone: Slice::measure(folder, agencies, plan).await?, watched })
        } else {
            let alone = Slice::measure(folder, agencies, plan).await?;
            Ok(Self { alone, watched: watched(folder, agencies, plan).await? })
        }
    }
}

async fn watched(folder: &Path, agencies: u32, plan: &Plan) -> anyhow::Result<Slice> {
    let data = folder.join("watched");
    let http = tokio::task::block_in_place(|| add_viewer(&data).and_then(|()| free_address()))?;
    let central = Central::start(&data, agencies, &["--http", &http]).await?;
    let watching = tokio::task::block_in_place(|| watch(&http))?;
    let mut fleet = connect(&central, agencies)?;
    let slice = Slice::of(&central, &mut fleet, plan).await?;
    drop(fleet);
    end(central, &data).await?;
    for board in watching {
        let seen = board.join().map_err(|_| anyhow::anyhow!("a board broke off"))?;
        ensure!(seen > 0, "a board was never shown");
    }
    Ok(slice)
}

/// Opens the boards; each gives how much it was shown once the central ends it.
fn watch(http: &str) -> anyhow::Result<Vec<std::thread::JoinHandle<usize>>> {
    let cookie = log_in(http)?;
    let ask = format!("GET /board/events HTTP/1.1\r\nHost: x\r\n{cookie}\r\n\r\n");
    let boards = (0..WATCHERS).map(|_| {
        let (mut board, _) = asked(http, &ask)?;
        anyhow::Ok(std::thread::spawn(move || {
            let (mut seen, mut part) = (0, [0; 16 * 1024]);
            while let Ok(len @ 1..) = board.read(&mut part) {
                seen += len;
            }
            seen
        }))
    });
    boards.collect()
}
