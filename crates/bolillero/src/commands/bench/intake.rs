//! Scenarios of intake: agencies send, a central stores and acknowledges.

use std::path::Path;

use anyhow::Context as _;

use super::super::processes::Central;
use super::client::Client;
use super::load::{Fleet, Plan, Sent};
use super::usage::Usage;

/// What one turn of a scenario gave.
pub(super) struct Slice {
    pub(super) sent: Sent,
    /// Until the central is at rest again.
    pub(super) central: Usage,
    pub(super) load: Usage,
}

impl Slice {
    /// Has so many agencies send by the plan, to a central that is started for it on a new ledger.
    pub(super) async fn measure(folder: &Path, agencies: u32, plan: &Plan) -> anyhow::Result<Self> {
        let data = folder.join("intake");
        let central = Central::start(&data, agencies, &[]).await?;
        let mut fleet = connect(&central, agencies)?;
        let slice = Self::of(&central, &mut fleet, plan).await?;
        drop(fleet);
        end(central, &data).await?;
        Ok(slice)
    }

    /// Has agencies that are connected send by the plan.
    pub(super) async fn of(
        central: &Central,
        fleet: &mut Fleet,
        plan: &Plan,
    ) -> anyhow::Result<Self> {
        let before = (Usage::at_rest(central.process()).await?, Usage::of_this()?);
        let sent = tokio::task::block_in_place(|| fleet.send(plan))?;
        let load = Usage::of_this()?.since(before.1);
        let central = Usage::at_rest(central.process()).await?.since(before.0);
        Ok(Self { sent, central, load })
    }

    /// Seconds of processors that the central took.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub(super) fn central_cpu_s_per_million_bets(&self) -> f64 {
        self.central.cpu_s / self.sent.bets as f64 * 1e6
    }

    /// Batches that went into one durable write, on average.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub(super) fn batches_per_write(&self) -> f64 {
        self.sent.batches as f64 / self.central.log_writes.max(1) as f64
    }
}

/// Ends a central whose ledger is not needed any more.
pub(super) async fn end(central: Central, data: &Path) -> anyhow::Result<()> {
    central.stop().await?;
    std::fs::remove_dir_all(data).context("can't remove the ledger")
}

/// Connects agencies numbered from 1.
pub(super) fn connect(central: &Central, agencies: u32) -> anyhow::Result<Fleet> {
    tokio::task::block_in_place(|| {
        let clients = (1..=agencies).map(|agency| Client::greet(central.address(), agency));
        let lines = clients.map(|client| client.map(Client::into_line));
        Fleet::new(lines.collect::<anyhow::Result<_>>()?)
    })
}
