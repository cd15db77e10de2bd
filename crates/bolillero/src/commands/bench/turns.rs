//! Scenarios of intake and the limits they are held against, in turns: each is measured once in
//! every turn, so that a drift of the machine hits all alike, and ratios are taken turn by turn.

use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::batches::Batches;
use super::figures::{Checking, Cost, Disk, Intake, Latency, Loopback, Size, median};
use super::intake::Slice;
use super::load::{Plan, Sent, Until, latencies};
use super::{Scenario, checking, disk, interruption, loopback};

/// A limit is measured for this part of the time that a scenario gets.
const LIMIT_PART: u32 = 4;

/// A scenario of intake with batches of one size.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) scenario: Scenario,
    pub(super) agencies: u32,
    pub(super) window: usize,
    pub(super) batches: Batches,
    /// At this part of the rate that the case before it reached in the same turn.
    pub(super) part_of_rate_before: Option<f64>,
}

/// A case, its limits, and what they gave in each turn.
pub(super) struct Measured {
    case: Case,
    turns: Vec<Turn>,
}

struct Turn {
    slice: Slice,
    append: disk::Written,
    prepared: disk::Written,
    loopback: Sent,
    ns_per_bet: f64,
}

impl Case {
    /// Batches that can be in flight at once: the largest group there can be.
    fn group(&self) -> usize {
        self.agencies as usize * self.window
    }

    fn plan(&self, time: Duration, rate: Option<f64>) -> Plan {
        let until = Until::Elapsed(time);
        Plan { batches: self.batches.clone(), window: self.window, rate, until }
    }

    fn size(&self) -> Size {
        Size {
            bets_per_batch: self.batches.bets_each(),
            bytes_per_batch: self.batches.bytes_each(),
        }
    }
}

impl Measured {
    pub(super) fn new(case: Case) -> Self {
        Self { case, turns: Vec::new() }
    }

    /// Measures one turn more; gives the batches a second that were acknowledged.
    pub(super) async fn take_turn(
        &mut self,
        folder: &Path,
        prepared: &disk::Prepared,
        time: Duration,
        rate_before: Option<f64>,
    ) -> anyhow::Result<f64> {
        let Self { case, turns } = self;
        let limit_time = time / LIMIT_PART;
        let (batches, group) = (&case.batches, case.group());
        let (append, prepared, loopback, ns_per_bet) = tokio::task::block_in_place(|| {
            interruption::check()?;
            let plan = case.plan(limit_time, None);
            anyhow::Ok((
                disk::append(folder, batches, group, limit_time)?,
                prepared.write(batches, group, limit_time)?,
                loopback::measure(case.agencies, &plan)?,
                checking::measure(batches, limit_time)?,
            ))
        })?;
        let rate = case.part_of_rate_before.zip(rate_before).map(|(part, rate)| part * rate);
        let slice = Slice::measure(folder, case.agencies, &case.plan(time, rate)).await?;
        let reached = slice.sent.batches_per_second();
        turns.push(Turn { slice, append, prepared, loopback, ns_per_bet });
        Ok(reached)
    }

    pub(super) fn checking(&self) -> Checking {
        let ns_per_bet = median(self.turns.iter().map(|turn| turn.ns_per_bet));
        Checking { size: self.case.size(), ns_per_bet }
    }

    pub(super) fn disk(&self) -> anyhow::Result<Disk> {
        let turns = || self.turns.iter();
        Ok(Disk {
            size: self.case.size(),
            batches_per_group: self.case.group(),
            append_batches_per_second: median(turns().map(|turn| turn.append.batches_per_second)),
            prepared_batches_per_second: median(
                turns().map(|turn| turn.prepared.batches_per_second),
            ),
            prepared_us: together(turns().map(|turn| &turn.prepared.group_us))?,
        })
    }

    pub(super) fn loopback(&self) -> anyhow::Result<Loopback> {
        let turns = || self.turns.iter();
        Ok(Loopback {
            size: self.case.size(),
            agencies: self.case.agencies,
            window: self.case.window,
            batches_per_second: median(turns().map(|turn| turn.loopback.batches_per_second())),
            ack_us: together(turns().map(|turn| &turn.loopback.ack_us))?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "rates for people to read")]
    pub(super) fn intake(&self) -> anyhow::Result<Intake> {
        let turns = || self.turns.iter();
        let rate = |turn: &Turn| turn.slice.sent.batches_per_second();
        let batches_per_second = median(turns().map(rate));
        let size = self.case.size();
        let cost = |of: &dyn Fn(&Slice) -> f64| median(turns().map(|turn| of(&turn.slice)));
        let per_million = |seconds: f64, slice: &Slice| seconds / slice.sent.bets as f64 * 1e6;
        let per_byte = |bytes: u64, slice: &Slice| bytes as f64 / slice.sent.bets_bytes as f64;
        Ok(Intake {
            scenario: self.case.scenario,
            agencies: self.case.agencies,
            window: self.case.window,
            size,
            batches_per_second,
            bets_per_second: batches_per_second * size.bets_per_batch,
            bets_bytes_per_second: batches_per_second * size.bytes_per_batch as f64,
            ratio_to_prepared: median(
                turns().map(|turn| rate(turn) / turn.prepared.batches_per_second),
            ),
            ratio_to_append: median(
                turns().map(|turn| rate(turn) / turn.append.batches_per_second),
            ),
            ratio_to_loopback: median(
                turns().map(|turn| rate(turn) / turn.loopback.batches_per_second()),
            ),
            ack_us: together(turns().map(|turn| &turn.slice.sent.ack_us))?,
            cost: Cost {
                batches_per_write: cost(&Slice::batches_per_write),
                central_cpu_s_per_million_bets: cost(&|of| per_million(of.central.cpu_s, of)),
                load_cpu_s_per_million_bets: cost(&|of| per_million(of.load.cpu_s, of)),
                log_bytes_per_bets_byte: cost(&|of| per_byte(of.central.log_bytes, of)),
                written_bytes_per_bets_byte: cost(&|of| per_byte(of.central.written_bytes, of)),
            },
        })
    }
}

/// The quantiles of all turns' latencies together.
pub(super) fn together<'a>(
    turns: impl Iterator<Item = &'a Histogram<u64>>,
) -> anyhow::Result<Latency> {
    let mut all = latencies()?;
    for turn in turns {
        all.add(turn)?;
    }
    Ok(Latency::of(&all))
}
