//! Centrals that share a store in PostgreSQL, without and with a synchronous standby. Beside them,
//! what the same servers do with the same bets as rows: COPY by as many writers as there are
//! centrals, of as many batches in a transaction as centrals store in a turn. And a central with its
//! ledger in a folder.
//!
//! Everything shares this machine's processors: the load, the centrals, the primary and the standby.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::{Scenario, intake};
use crate::central::{Central, Start};
use crate::figures::{Column, Group, spread};
use crate::load::{Fleet, Plan};
use crate::rounds::{self, Case, Measured, Slice};
use crate::server::said;
use crate::setting::{Setting, show};
use crate::speech::Connection;
use crate::stores::postgres::protocol::{Copies, started};
use crate::stores::postgres::{Servers, TABLE};
use crate::usage::cpu_s;

/// What is sent so that a turn stores about so many batches: agencies of each central, and batches
/// in flight of each.
///
/// A central that waits for others finds all that is in flight when its turn comes. One that is
/// alone begins its next turn while the last answers are on their way.
#[derive(Clone, Copy)]
struct Load {
    group: usize,
    alone: (u32, usize),
    beside_others: (u32, usize),
}

const LOADS: [Load; 2] = [
    Load { group: 5, alone: (3, 2), beside_others: (5, 1) },
    Load { group: 64, alone: (10, 8), beside_others: (8, 8) },
];

/// A database that is measured once.
struct Database<'a> {
    servers: &'a Servers,
    name: String,
}

/// What was written and used so far.
struct Before {
    wal_bytes: f64,
    primary_cpu_s: f64,
    standby_cpu_s: f64,
    centrals_cpu_s: f64,
}

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Group>> {
    if !test_postgres::can_start() {
        return Ok(vec![Group::left_out(Scenario::Centrals, "PostgreSQL")]);
    }
    show("starting PostgreSQL");
    let sites = [false, true].map(|has_standby| Servers::start(setting, &[], has_standby));
    let grouped = LOADS.map(|load| Rc::new(setting.typical.joined(load.group)));
    let mut cases = Vec::new();
    for (load, grouped) in LOADS.iter().zip(&grouped) {
        for servers in &sites {
            for &centrals in &setting.options.centrals {
                cases.push(Case::new(&centrals_name(centrals), move |time| {
                    of_centrals(setting, servers, centrals, *load, time)
                }));
                let copies = Rc::new(Copies::new(grouped));
                cases.push(Case::new(&format!("COPY by {centrals}"), move |time| {
                    let plan = Plan::lasting(time, grouped, 1);
                    by_copy(servers, centrals, load.group, &copies, &plan)
                }));
            }
        }
        cases.push(Case::new("folder", |time| {
            let (agencies, window) = load.alone;
            let plan = Plan::lasting(time, &setting.typical, window);
            let mut slice = intake::slice(setting, &Start::of(agencies), &plan)?;
            slice.central = None;
            Ok(slice)
        }));
    }
    let mut measured = rounds::slices(setting, cases)?.into_iter();
    let mut groups = Vec::new();
    let of_site = 2 * setting.options.centrals.len();
    for load in LOADS {
        let of_sites = sites.each_ref().map(|_| measured.by_ref().take(of_site).collect());
        let folder = measured.next().context("the folder was measured")?;
        for (servers, of_site) in sites.iter().zip(of_sites) {
            groups.push(group(setting, load, servers, of_site, &folder)?);
        }
    }
    Ok(groups)
}

fn centrals_name(centrals: u32) -> String {
    if centrals == 1 { "1 central".to_owned() } else { format!("{centrals} centrals") }
}

/// The figures of centrals, each beside COPY, round by round.
fn group(
    setting: &Setting,
    load: Load,
    servers: &Servers,
    measured: Vec<Measured>,
    folder: &Measured,
) -> anyhow::Result<Group> {
    let mut columns = Vec::new();
    let first = &measured[0].1;
    for pair in measured.chunks_exact(2) {
        let [(name, centrals), (copy_name, copy)] = pair else { continue };
        let rounds = centrals.iter().zip(copy);
        let to_copy =
            rounds.map(|(it, copy)| it.sent.bets_per_second() / copy.sent.bets_per_second());
        let to_copy = spread(to_copy);
        columns.push(Column::of(name, centrals, first)?.with([
            ("to_copy", to_copy.median),
            ("to_copy_min", to_copy.min),
            ("to_copy_max", to_copy.max),
        ]));
        columns.push(Column::of(copy_name, copy, first)?);
    }
    columns.push(Column::of(&folder.0, &folder.1, first)?);
    let mut group = Group::new(Scenario::Centrals, load.alone, &setting.typical, columns);
    let standby = if servers.has_standby { "a synchronous" } else { "no" };
    let Load { group: copied, beside_others: (agencies, window), .. } = load;
    group.notes.push(format!(
        "{standby} standby; each of several centrals has {agencies} agencies, {window} in flight \
         each; COPY of {copied} batches in a transaction; to_copy: the rate to that of COPY by as \
         many writers, round by round"
    ));
    Ok(group)
}

/// Centrals on a new store.
fn of_centrals(
    setting: &Setting,
    servers: &Servers,
    count: u32,
    load: Load,
    time: Duration,
) -> anyhow::Result<Slice> {
    let database = Database::create(servers);
    let store = servers.cluster.url(&database.name);
    said(setting.bolillero().args(["store", "init", "--store", &store]))?;
    let (agencies, window) = if count == 1 { load.alone } else { load.beside_others };
    let agencies = count * agencies;
    let start = |node: u32| {
        let node = format!("central-{node}");
        let mut start = Start::of(agencies).with(&["--node", &node]);
        if servers.has_standby {
            start = start.with(&["--require-standby"]);
        }
        start.store = Some(store.clone());
        Central::start(setting, &setting.typical, &start)
    };
    let centrals = (1..=count).map(start).collect::<anyhow::Result<Vec<_>>>()?;
    let of = |agency: u32| &centrals[(agency % count) as usize];
    let mut fleet = Fleet::new((1..=agencies).map(|it| Ok((of(it).connection(it)?, 0))))?;
    let before = Before::now(servers, &centrals)?;
    let plan = Plan::lasting(time, &setting.typical, window);
    let mut slice = Slice::from(fleet.send(&plan)?);
    slice.more = before.used(&Before::now(servers, &centrals)?, &slice);
    drop(fleet);
    let turns = database.counted("SELECT count(DISTINCT xmin::text) FROM event WHERE kind = 2")?;
    slice.more.push(("batches_per_turn", slice.sent.batches as f64 / turns as f64));
    for central in centrals {
        central.stop()?;
    }
    let stored = database.counted("SELECT sum(bets) FROM event WHERE kind = 2")?;
    database.remove(stored, &slice)?;
    Ok(slice)
}

/// Bets as rows, by as many writers.
fn by_copy(
    servers: &Servers,
    writers: u32,
    group: usize,
    copies: &Rc<Copies>,
    plan: &Plan,
) -> anyhow::Result<Slice> {
    let database = Database::create(servers);
    let primary = servers.cluster.server(0);
    primary.sql(&database.name, TABLE);
    let connection = |_| {
        let stream = Box::new(started(primary.port(), &database.name)?);
        Ok((Connection { stream, speech: copies.clone() }, 0))
    };
    let mut fleet = Fleet::new((0..writers).map(connection))?;
    let before = Before::now(servers, &[])?;
    let mut slice = Slice::from(fleet.send(plan)?);
    slice.more = before.used(&Before::now(servers, &[])?, &slice);
    drop(fleet);
    slice.sent.batches *= group as u64;
    slice.more.push(("batches_per_turn", group as f64));
    let stored = database.counted("SELECT count(*) FROM bets")?;
    database.remove(stored, &slice)?;
    Ok(slice)
}

impl<'a> Database<'a> {
    fn create(servers: &'a Servers) -> Self {
        Self { servers, name: servers.cluster.create_database(None) }
    }

    fn counted(&self, query: &str) -> anyhow::Result<u64> {
        let output = self.servers.cluster.server(0).sql(&self.name, query);
        output.parse().with_context(|| format!("'{output}' is no number"))
    }

    /// Removes it; fails if it did not hold what was acknowledged.
    fn remove(self, stored: u64, slice: &Slice) -> anyhow::Result<()> {
        let acknowledged = slice.sent.bets;
        ensure!(
            stored == acknowledged,
            "{acknowledged} bets were acknowledged and {stored} are stored; none of these figures \
             can be trusted"
        );
        self.servers.remove(&self.name);
        self.servers.settle();
        Ok(())
    }
}

impl Before {
    fn now(servers: &Servers, centrals: &[Central]) -> anyhow::Result<Self> {
        let cluster = &servers.cluster;
        let of_server = |number: usize| -> anyhow::Result<f64> {
            let processes = cluster.server(number).processes();
            let used =
                processes.iter().map(|pid| cpu_s(pid.as_raw_nonzero().get().cast_unsigned()));
            // One that has just ended used little.
            Ok(used.flatten().sum())
        };
        let wal = cluster.server(0).sql("postgres", "SELECT pg_current_wal_insert_lsn() - '0/0'");
        Ok(Self {
            wal_bytes: wal.parse().context("no number of bytes of WAL")?,
            primary_cpu_s: of_server(0)?,
            standby_cpu_s: if servers.has_standby { of_server(1)? } else { 0.0 },
            centrals_cpu_s: centrals.iter().map(|it| cpu_s(it.process())).sum::<Result<_, _>>()?,
        })
    }

    /// What was written and used from then until `now`.
    fn used(&self, now: &Self, slice: &Slice) -> Vec<(&'static str, f64)> {
        let each = |of: fn(&Self) -> f64| slice.sent.per_million(of(now) - of(self));
        let used = [
            ("centrals_cpu_s_per_million_bets", each(|it| it.centrals_cpu_s)),
            ("primary_cpu_s_per_million_bets", each(|it| it.primary_cpu_s)),
            ("standby_cpu_s_per_million_bets", each(|it| it.standby_cpu_s)),
        ];
        let load = slice.sent.per_million(slice.sent.cpu.as_secs_f64());
        let all = load + used.iter().map(|(_, used)| used).sum::<f64>();
        let busy = all * slice.sent.bets_per_second() / 1e6;
        let wal = each(|it| it.wal_bytes) / 1e6;
        [("wal_bytes_per_bet", wal), ("processors_busy", busy)].into_iter().chain(used).collect()
    }
}
