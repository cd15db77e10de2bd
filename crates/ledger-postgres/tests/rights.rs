//! What the roles may do, and what nobody may. Left out without Debian's PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use engine::LedgerId;
use ledger_postgres::{Target, schema};

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
