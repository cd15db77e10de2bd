//! What connections cost that say nothing: memory, and time of those that say something.

use std::rc::Rc;

use super::Scenario;
use crate::central::{Central, Start};
use crate::figures::Group;
use crate::load::Plan;
use crate::rounds::{self, Case};
use crate::setting::{Setting, allow_connections};
use crate::tls::Certificates;
use crate::usage::Usage;

const BUSY: u32 = 10;
/// In all. The last is as many as a central takes.
const CONNECTIONS: [u32; 3] = [BUSY, 1_000, 16_000];
/// Of which the memory is measured.
const IDLE: u32 = 10_000;
/// All come from one address here.
const OPTIONS: [&str; 2] = ["--connections-per-address-max", "16000"];

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Group> {
    allow_connections(CONNECTIONS[2])?;
    let batches = &setting.typical;
    let plain = Start::of(BUSY).with(&OPTIONS);
    let certificates = Rc::new(Certificates::make(setting.path("pki-idle"), 1)?);
    let by_tls = Start { certificates: Some(certificates), ..plain.clone() };
    let case = |connections: u32| {
        let plain = &plain;
        Case::new(&format!("{connections} connections"), move |time| {
            let central = Central::start(setting, batches, plain)?;
            let idle = (BUSY..connections).map(|_| central.greet(1));
            let idle = idle.collect::<anyhow::Result<Vec<_>>>()?;
            let mut fleet = central.fleet(BUSY)?;
            let slice = central.slice(&mut fleet, &Plan::lasting(time, batches, 1))?;
            drop((fleet, idle));
            central.end()?;
            Ok(slice)
        })
    };
    let cases = CONNECTIONS.map(case).into();
    let cases = rounds::measure(setting, cases)?;
    let greeted = bytes_each(setting, &plain, |central| central.greet(1))?;
    let silent = bytes_each(setting, &plain, Central::connect_silently)?;
    let greeted_by_tls = bytes_each(setting, &by_tls, |central| central.greet(1))?;
    Ok(Group::new(Scenario::Idle, (BUSY, 1), batches, cases).with_facts([
        ("idle_connection_bytes_after_hello", greeted),
        ("idle_connection_bytes_before_hello", silent),
        ("idle_connection_bytes_by_tls", greeted_by_tls),
    ]))
}

/// Memory of a central for each idle connection of a kind.
fn bytes_each<T>(
    setting: &Setting,
    start: &Start,
    one: impl Fn(&Central) -> anyhow::Result<T>,
) -> anyhow::Result<f64> {
    let central = Central::start(setting, &setting.typical, start)?;
    // What the first connections bring along is not theirs.
    let first = (0..BUSY).map(|_| central.greet(1)).collect::<anyhow::Result<Vec<_>>>()?;
    drop(first);
    let (connections, bytes_each) = open(&central, || one(&central))?;
    drop(connections);
    central.end()?;
    Ok(bytes_each)
}

/// Opens the idle connections; gives the central's memory for each.
fn open<T>(
    central: &Central,
    one: impl Fn() -> anyhow::Result<T>,
) -> anyhow::Result<(Vec<T>, f64)> {
    let before = Usage::at_rest(central.process())?.memory_bytes;
    let connections = (0..IDLE).map(|_| one()).collect::<anyhow::Result<Vec<_>>>()?;
    // The central greets in the order of accepting: after this one it has accepted all.
    drop(central.greet(1)?);
    let taken = Usage::of(central.process())?.memory_bytes.saturating_sub(before);
    Ok((connections, taken as f64 / f64::from(IDLE)))
}
