//! A store in PostgreSQL that grows large: what an acknowledgement takes, its draw and all winners,
//! starting a central on it, and what auditors ask of it.

use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::{AGENCIES, Scenario, WINDOW, waiting};
use crate::central::{Central, Start};
use crate::figures::{Column, Group, ms};
use crate::load::{Fleet, Plan, Until};
use crate::server::said;
use crate::setting::{Setting, show};
use crate::stores::postgres::Servers;
use crate::stores::postgres::protocol::{asked, started};
use crate::usage::Usage;

/// What auditors ask, each with the name of the figure.
const QUESTIONS: [(&str, &str); 4] = [
    ("auditor_counts_bets_ms", "SELECT count(*) FROM bets"),
    ("auditor_reads_winners_ms", "SELECT * FROM bets WHERE draw = 1 AND number = 7574"),
    ("auditor_reads_draws_ms", "SELECT * FROM draws"),
    ("auditor_reads_agencies_ms", "SELECT * FROM agencies"),
];

/// Fills a store, measuring when it is empty and when it holds as many bets as are asked for.
pub(super) fn measure(setting: &Setting) -> anyhow::Result<Group> {
    if !test_postgres::can_start() {
        return Ok(Group::left_out(Scenario::LargeStore, "PostgreSQL"));
    }
    show("starting PostgreSQL");
    let servers = Servers::start(setting, &[], false);
    let primary = servers.cluster.server(0);
    let database = servers.cluster.create_database(None);
    let store = servers.cluster.url(&database);
    said(setting.bolillero().args(["store", "init", "--store", &store]))?;
    let start = Start { store: Some(store.clone()), ..Start::of(AGENCIES) };
    let (central, _) = Central::open(setting, &start)?;
    let mut fleet = central.fleet(AGENCIES)?;
    let (mut marks, mut held) = (Vec::new(), 0);
    for mark in [0, setting.options.store_bets] {
        show(&format!("a store of {mark} bets"));
        held += fill(setting, &mut fleet, mark.saturating_sub(held))?;
        servers.settle();
        let slice = fleet.send(&Plan::lasting(setting.time(), &setting.typical, 1))?.into();
        let slice = [slice];
        marks.push(Column::of(&format!("{held} bets"), &slice, &slice)?);
        held += slice[0].sent.bets;
    }
    drop(fleet);
    let (winners, all_told) = waiting::draw(&central, AGENCIES)?;
    central.stop()?;
    let (central, opened) = Central::open(setting, &start)?;
    let memory = Usage::at_rest(central.process())?.memory_bytes;
    let (again, read_again) = waiting::winners_of_all(&central, AGENCIES)?;
    ensure!(again == winners, "{again} winners of {winners} were read again");
    central.stop()?;
    let size = primary.sql(&database, "SELECT pg_database_size(current_database())");
    let size: f64 = size.parse().context("no size of a database")?;
    let group = Group::new(Scenario::LargeStore, (AGENCIES, 1), &setting.typical, marks);
    let mut group = group.with_facts([
        ("bets", held as f64),
        ("winners", winners as f64),
        ("last_finish_to_all_winners_ms", ms(all_told)),
        ("open_ms", ms(opened)),
        ("central_memory_mb_after_opening", memory as f64 / 1e6),
        ("all_winners_after_opening_ms", ms(read_again)),
        ("disk_bytes_per_bet", size / held as f64),
    ]);
    // As the server does by itself, a minute later.
    primary.sql(&database, "VACUUM ANALYZE event");
    let mut auditor = started(primary.port(), &database)?;
    for (name, question) in QUESTIONS {
        show(question);
        group = group.with_facts([(name, ms(asked(&mut auditor, question)?))]);
    }
    show("checking the store");
    let started = Instant::now();
    said(setting.bolillero().args(["check", "--store", &store]))?;
    Ok(group.with_facts([("check_ms", ms(started.elapsed()))]))
}

fn fill(setting: &Setting, fleet: &mut Fleet, bets: u64) -> anyhow::Result<u64> {
    let (batches, until) = (Rc::clone(&setting.typical), Until::Bets(bets));
    Ok(fleet.send(&Plan { batches, window: WINDOW, rate: None, until })?.bets)
}
