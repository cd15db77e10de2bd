//! What the roles may do, and what nobody may. Left out without Debian's PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::thread;

use engine::LedgerId;
use ledger_postgres::Target;
use ledger_postgres::schema::{self, Made};
use test_postgres::Cluster;

#[test]
fn events_are_appended_and_never_changed() {
    let Some(cluster) = test_postgres::shared() else { return };
    let database = cluster.create_database(None);
    let target: Target = cluster.url(&database).parse().unwrap();
    schema::init(&target, LedgerId([7; 16])).unwrap();
    let server = cluster.server(0);
    server.sql(&database, "CREATE ROLE member LOGIN IN ROLE bolillero_central");
    let event = "INSERT INTO event (sequence, at_ms, node, kind, events_left, action, author, \
                 arguments, reason, head, body, chain) \
                 VALUES (0, 0, 1, 3, 0, '', '', '{}', '', '', '', decode(repeat('00', 32), 'hex'))";
    server.try_sql_as("member", &database, event).unwrap();
    let allowed = [
        "SELECT count(*) FROM event",
        "UPDATE ledger SET events = events + 1",
        "INSERT INTO node (name) VALUES ('a')",
        "UPDATE node SET beat_at = clock_timestamp(), presence = '[]'",
        "DELETE FROM node",
    ];
    for statement in allowed {
        server.try_sql_as("member", &database, statement).unwrap();
    }
    let never = [
        "UPDATE event SET at_ms = 1",
        "DELETE FROM event",
        "TRUNCATE event",
        "DELETE FROM ledger",
        "TRUNCATE ledger",
        "UPDATE ledger SET events = 0",
        "UPDATE ledger SET id = decode(repeat('00', 16), 'hex')",
    ];
    for statement in never {
        for user in ["member", "postgres"] {
            let refused = server.try_sql_as(user, &database, statement).expect_err(statement);
            let says = ["permission denied", "append-only", "only grows"];
            assert!(says.iter().any(|says| refused.contains(says)), "{user}: {refused}");
        }
    }
    for statement in
        ["DROP TABLE event", "UPDATE ledger SET schema_version = 2", "CREATE TABLE x()"]
    {
        server.try_sql_as("member", &database, statement).expect_err(statement);
    }
}

#[test]
fn readers_read_the_events_and_nothing_else_and_auditors_views_alone() {
    let Some(cluster) = test_postgres::shared() else { return };
    let database = cluster.create_database(None);
    let target: Target = cluster.url(&database).parse().unwrap();
    schema::init(&target, LedgerId([7; 16])).unwrap();
    let server = cluster.server(0);
    server.sql(&database, "CREATE ROLE a_reader LOGIN IN ROLE bolillero_reader");
    server.sql(&database, "CREATE ROLE an_auditor LOGIN IN ROLE bolillero_auditor");
    let relations = "SELECT string_agg(relname || ' ' || may, ', ' ORDER BY relname, may) \
                     FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', \
                     'TRUNCATE']) AS may WHERE relnamespace = 'public'::regnamespace \
                     AND relkind IN ('r', 'v') AND has_table_privilege(oid, may)";
    for (user, may) in [
        ("a_reader", "event SELECT, ledger SELECT"),
        ("an_auditor", "agencies SELECT, audit_log SELECT, bets SELECT, draws SELECT"),
    ] {
        assert_eq!(server.try_sql_as(user, &database, relations), Ok(may.to_owned()), "{user}");
    }
}

#[test]
fn tables_that_several_prepare_at_once_are_made_once() {
    if !test_postgres::is_installed() {
        return;
    }
    // A cluster without the roles, which are those of all its databases. Another one is prepared
    // meanwhile: it creates a role, and commits once somebody waits for that.
    let cluster = Cluster::start();
    let databases = [(); 2].map(|()| cluster.create_database(None));
    let meanwhile = "BEGIN; CREATE ROLE bolillero_central; DO $$ BEGIN LOOP \
                     PERFORM pg_stat_clear_snapshot(); EXIT WHEN EXISTS (SELECT FROM \
                     pg_stat_activity WHERE wait_event = 'transactionid'); \
                     END LOOP; END $$; COMMIT";
    let is_created = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'BEGIN; CREATE%' \
                      AND backend_xid IS NOT NULL";
    let made: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| cluster.server(0).sql("postgres", meanwhile));
        cluster.server(0).until("postgres", is_created);
        let all = databases.iter().flat_map(|database| [database; 3]);
        let preparing = all.enumerate().map(|(number, database)| {
            let target: Target = cluster.url(database).parse().unwrap();
            let id = LedgerId([u8::try_from(number).unwrap(); 16]);
            scope.spawn(move || schema::init(&target, id).unwrap())
        });
        let preparing: Vec<_> = preparing.collect();
        preparing.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for of_one in made.chunks(3) {
        let created = of_one.iter().filter(|made| matches!(made, Made::Created(_)));
        assert_eq!(created.count(), 1, "{of_one:?}");
    }
}
