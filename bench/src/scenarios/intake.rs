//! Agencies send, a central stores and acknowledges; and the limits that this is held against.

use std::rc::Rc;

use super::{Scenario, network};
use crate::bare::BareServer;
use crate::batches::Batches;
use crate::central::{Central, Start};
use crate::disk::Disk;
use crate::figures::Group;
use crate::load::{Fleet, Plan, Sent};
use crate::rounds::{self, Case, Slice};
use crate::setting::{Setting, allow_connections};

/// A limit is measured for this part of the time that a case takes.
const LIMIT_PART: u32 = 4;

/// A central that is started for it on a new ledger is sent batches by the plan.
pub(super) fn slice(setting: &Setting, start: &Start, plan: &Plan) -> anyhow::Result<Slice> {
    let central = Central::start(setting, &plan.batches, start)?;
    let mut fleet = central.fleet(start.agencies)?;
    let slice = central.slice(&mut fleet, plan)?;
    drop(fleet);
    central.end()?;
    Ok(slice)
}

/// A central; what the disk and the network do alone with the same bytes, in groups of as many
/// batches as can be in flight; and the bare server. No central is alive while a limit is measured.
pub(super) fn beside_limits(
    setting: &Setting,
    scenario: Scenario,
    (agencies, window): (u32, usize),
    batches: &Rc<Batches>,
) -> anyhow::Result<Group> {
    // Both ends of the network alone are here.
    allow_connections(2 * agencies)?;
    let prepared = Disk::prepared(setting)?;
    let bare = BareServer::start(setting)?;
    let group = agencies as usize * window;
    let alone = |sent: Sent| Ok(sent.into());
    let plan = |time| Plan::lasting(time, batches, window);
    let cases = vec![
        Case::new("central", |time| slice(setting, &Start::of(agencies), &plan(time))),
        Case::new("append alone", |time| {
            alone(Disk::empty(setting)?.write(batches, group, time / LIMIT_PART)?)
        }),
        Case::new("prepared alone", |time| {
            alone(prepared.write(batches, group, time / LIMIT_PART)?)
        }),
        Case::new("network alone", |time| {
            alone(network::measure(agencies, &plan(time / LIMIT_PART))?)
        }),
        Case::new("bare server", |time| {
            let connected = (1..=agencies).map(|_| Ok((bare.connection(batches)?, 0)));
            alone(Fleet::new(connected)?.send(&plan(time / LIMIT_PART))?)
        }),
    ];
    let cases = rounds::measure(setting, cases)?;
    let mut measured = Group::new(scenario, (agencies, window), batches, cases);
    measured.notes.push(format!("the disk alone: groups of {group} batches, {}", prepared.way()));
    Ok(measured)
}

/// Batches at half of the rate that a window reaches just before.
pub(super) fn half_load(
    setting: &Setting,
    (agencies, window): (u32, usize),
) -> anyhow::Result<Group> {
    let batches = &setting.typical;
    let half = Case::new("half of the rate of a window", |time| {
        let mut plan = Plan::lasting(time, batches, window);
        let all = slice(setting, &Start::of(agencies), &plan)?;
        plan.rate = Some(all.sent.batches_per_second() / 2.0);
        slice(setting, &Start::of(agencies), &plan)
    });
    let rows = rounds::measure(setting, vec![half])?;
    Ok(Group::new(Scenario::HalfLoad, (agencies, window), batches, rows))
}
