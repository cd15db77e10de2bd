//! Bolillero beside what could be used instead of it: the same batches, made durable and
//! acknowledged one by one. All are started before, and idle while another is measured. At the end
//! each must hold every batch that it acknowledged.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::{AGENCIES, MANY_AGENCIES, Scenario, WINDOW};
use crate::figures::Group;
use crate::load::{Fleet, Plan};
use crate::rounds::{self, Case, Slice};
use crate::setting::{Setting, allow_connections, show};
use crate::stores::{self, Started, Store};

/// Before the first round each store is sent batches for so long, which does not count.
const WARM_UP: Duration = Duration::from_secs(1);

/// A store, and what it was sent so far.
struct Measured {
    name: &'static str,
    store: Box<dyn Store>,
    /// By agency, from the first on: the next chunk.
    next_chunks: Vec<u32>,
    acknowledged: u64,
}

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Group>> {
    allow_connections(MANY_AGENCIES)?;
    show("starting all stores");
    let (stores, notes) = stores::start_all(setting, MANY_AGENCIES)?;
    let measured = |Started { name, store, .. }| {
        let next_chunks = vec![0; MANY_AGENCIES as usize];
        RefCell::new(Measured { name, store, next_chunks, acknowledged: 0 })
    };
    let all: Vec<_> = stores.into_iter().map(measured).collect();
    let mut groups = Vec::new();
    for (agencies, window) in [(AGENCIES, 1), (AGENCIES, WINDOW), (MANY_AGENCIES, 1)] {
        let case = |measured| stores_case(setting, measured, agencies, window);
        let cases = all.iter().map(case).collect::<anyhow::Result<_>>()?;
        let rows = rounds::measure(setting, cases)?;
        let (load, batches) = ((agencies, window), &setting.typical);
        groups.push(Group::new(Scenario::Stores, load, batches, rows));
    }
    for measured in all {
        measured.into_inner().check()?;
    }
    if let Some(last) = groups.last_mut() {
        last.notes = notes;
    }
    Ok(groups)
}

/// A store's case, after its warm-up.
fn stores_case<'a>(
    setting: &'a Setting,
    measured: &'a RefCell<Measured>,
    agencies: u32,
    window: usize,
) -> anyhow::Result<Case<'a>> {
    let name = measured.borrow().name;
    let slice = move |time| {
        let plan = Plan::lasting(time, &setting.typical, window);
        measured.borrow_mut().slice(agencies, &plan).context(name)
    };
    slice(WARM_UP.min(setting.time()))?;
    Ok(Case::new(name, slice))
}

impl Measured {
    fn slice(&mut self, agencies: u32, plan: &Plan) -> anyhow::Result<Slice> {
        let Self { store, next_chunks, acknowledged, .. } = self;
        let with_chunk = |(agency, &chunk)| Ok((store.connect(agency)?, chunk));
        let connections = (1..=agencies).zip(next_chunks.iter()).map(with_chunk);
        let mut fleet = Fleet::new(connections)?;
        let sent = fleet.send(plan)?;
        *acknowledged += sent.batches;
        for (next, now) in next_chunks.iter_mut().zip(fleet.next_chunks()) {
            *next = now;
        }
        drop(fleet);
        store.settle()?;
        Ok(sent.into())
    }

    /// Whether it truly holds what it acknowledged.
    fn check(self) -> anyhow::Result<()> {
        let Self { name, store, acknowledged, .. } = self;
        show(&format!("counting what {name} holds"));
        let stored = store.stored().with_context(|| format!("counting what {name} holds"))?;
        ensure!(
            stored == acknowledged,
            "{name} acknowledged {acknowledged} batches and holds {stored}; none of these figures \
             can be trusted"
        );
        Ok(())
    }
}
