//! What reading and checking bets takes by itself, on one processor.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use central_tcp::translate::Request;
use lottery::NumberRange;
use tokio::time::Instant;
use wire::AgencyMessage;

use super::batches::Batches;

/// Nanoseconds a bet, from a message's bytes to bets that are checked and digested.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
pub(super) fn measure(batches: &Batches, time: Duration) -> anyhow::Result<f64> {
    let mut frames = Vec::new();
    for (chunk, batch) in (0..).zip(batches.iter()) {
        let mut frame = Vec::new();
        batch.encode(1, chunk, &mut frame);
        frames.push(frame);
    }
    let mut bets = 0_u64;
    let started = Instant::now();
    while started.elapsed() < time || bets == 0 {
        for frame in &frames {
            let message = AgencyMessage::decode(black_box(frame))?;
            let request = Request::of(&message, NumberRange::default());
            let Request::Bets(batch) = request else { anyhow::bail!("not a batch") };
            let checked = batch.bets.context("a generated bet was refused")?;
            bets += u64::from(black_box(checked).count());
        }
    }
    ensure!(bets > 0, "no bets were checked");
    Ok(started.elapsed().as_nanos() as f64 / bets as f64)
}
