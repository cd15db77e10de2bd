//! What was changed in the tables, by a superuser, is found by a reading. Left out without Debian's
//! PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::sync::Arc;

use engine::conformance::{TestClock, wait};
use engine::{Engine, LedgerId};
use ledger_postgres::{Archive, Options, PostgresLog, Status, StoreError, Target, schema};
use lottery::{
    Agencies, AgencyId, Appended, Batch, Bets, ChunkId, DrawName, DrawTerms, NumberRange,
    SealedNumber,
};

#[test]
fn a_reading_finds_what_was_changed() {
    let Some(cluster) = test_postgres::shared() else { return };
    let server = cluster.server(0);
    let original = cluster.create_database(None);
    let target = |database: &str| cluster.url(database).parse::<Target>().unwrap();
    schema::init(&target(&original), LedgerId([7; 16])).unwrap();
    a_draw(&target(&original));
    let count = Archive::open(&target(&original)).unwrap().read(|_| Ok::<_, StoreError>(()));
    assert_eq!(count.unwrap().events, 6);
    for (change, found) in [
        ("UPDATE event SET body = 'Eva|Paz|2|2000-01-01|7' WHERE sequence = 1", "the bets are not"),
        ("UPDATE event SET keys = '{8}' WHERE sequence = 1", "its columns are not those"),
        ("UPDATE event SET bets = 2 WHERE sequence = 1", "does not continue the chain"),
        ("UPDATE event SET agency = 3 WHERE sequence = 1", "does not continue the chain"),
        ("UPDATE event SET agency = 3 WHERE sequence = 2", "the audit log does not say"),
        ("UPDATE event SET at_ms = 9 WHERE sequence = 2", "does not continue the chain"),
        ("UPDATE event SET author = 'eva' WHERE sequence = 2", "the audit log does not say"),
        ("UPDATE event SET draw = 9 WHERE sequence = 2", "the audit log does not say"),
        ("UPDATE event SET arguments = '{}' WHERE sequence = 3", "the audit log does not say"),
        ("DELETE FROM event WHERE sequence = 1", "event 1 is missing"),
        ("DELETE FROM event WHERE sequence = 5", "event 5 is missing of 6"),
        ("UPDATE ledger SET events = 5", "has another chain than its last event"),
        ("UPDATE ledger SET chain = decode(repeat('00', 32), 'hex')", "has another chain"),
        ("UPDATE event SET kind = 99 WHERE sequence = 2", "this version does not know"),
    ] {
        let copy = cluster.create_database(Some(&original));
        for table in ["event", "ledger"] {
            server.sql(&copy, &format!("ALTER TABLE {table} DISABLE TRIGGER ALL"));
        }
        server.sql(&copy, change);
        let read = Archive::open(&target(&copy)).unwrap().read(|_| Ok::<_, StoreError>(()));
        match read {
            Err(StoreError::Damaged(why)) => assert!(why.contains(found), "{change}: {why}"),
            other => panic!("{change}: {other:?}"),
        }
    }
}

/// Stores a draw: opened, a batch, finished, closed, made, published.
fn a_draw(target: &Target) {
    let status = Status::new(|_, _| {});
    let options = Options { name: "a".to_owned(), require_standby: false, clock: None, status };
    let log = PostgresLog::open(target, options).unwrap();
    let engine = Engine::start(Box::new(log), Arc::<TestClock>::default()).unwrap();
    let terms = DrawTerms {
        name: DrawName::new("sorteo").unwrap(),
        agencies: Agencies::first(1).unwrap(),
        numbers: NumberRange::default(),
    };
    let draw = wait(|done| engine.open_draw(terms, SealedNumber(7), done)).unwrap();
    let bets = Bets::parse("Ana|Paz|1|2000-01-01|7", NumberRange::default()).unwrap();
    let batch = Batch { draw, agency: AgencyId(1), chunk: ChunkId(0), bets };
    assert_eq!(wait(|done| engine.append(batch, done)), Ok(Appended::New));
    wait(|done| engine.finish(draw, AgencyId(1), done)).unwrap();
}
