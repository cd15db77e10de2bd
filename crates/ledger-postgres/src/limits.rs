//! The limits of the log in PostgreSQL.

use std::time::Duration;

/// Longest time to connect to one host, all of it: name, TCP, TLS, authentication, first queries.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// Longest wait for the answer to a statement. A commit without an answer by then is settled on
/// another connection.
pub const STATEMENT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest wait of a statement for a lock, in the server: shorter than [`STATEMENT_TIME_MAX`], so
/// that what was given up here ends there too.
pub const LOCK_TIME_MAX: Duration = Duration::from_secs(4);
/// Longest time that a transaction may wait for its next statement, in the server: a central that
/// stops in mid-turn must not stop the others for longer.
pub const IDLE_IN_TURN_TIME_MAX: Duration = Duration::from_secs(4);
/// Longest wait for a page of a reading, or for a migration.
pub const READING_TIME_MAX: Duration = Duration::from_secs(60);
/// Pause between attempts to settle a commit.
pub const SETTLE_RETRY_TIME: Duration = Duration::from_millis(200);
/// How often an idle central looks for what others have appended, if it hears nothing.
pub const WATCH_TIME: Duration = Duration::from_millis(500);
/// How often a central shows the others that it lives, and looks at them.
pub const BEAT_TIME: Duration = Duration::from_secs(2);
/// A central that has not shown for so long that it lives is away.
pub const AWAY_TIME: Duration = Duration::from_secs(10);
/// A central that is away for so long is forgotten.
pub const FORGET_TIME: Duration = Duration::from_secs(3600);
/// Longest time that a central takes, when it ends, to say so to the others.
pub const LEAVE_TIME_MAX: Duration = Duration::from_secs(1);
/// Most centrals that are looked at, the newest.
pub const NODES_MAX: i64 = 100;
/// Longest time in which a turn judges those who act, before the rest of them is refused: it must end
/// within [`IDLE_IN_TURN_TIME_MAX`], or nothing of it is stored.
pub const JUDGED_TIME_MAX: Duration = Duration::from_secs(1);
/// Most bytes of a group, unless its first decision has more.
pub const GROUP_LEN_MAX: usize = 4 << 20;
/// Most events read at once.
pub const EVENTS_PAGE_MAX: i64 = 5_000;
/// Most batches with their text read at once: a page is at most this many times 64 KiB.
pub const BATCHES_PAGE_MAX: i64 = 64;
/// Most readings at once; others wait.
pub const READINGS_MAX: usize = 2;
/// Most connections for operators' requests at once; others wait.
pub const OPERATORS_CONNECTIONS_MAX: usize = 2;
/// Longest wait for the answer to a query that takes no time, such as those about operators, some
/// of which are asked while a turn holds the end of the log.
pub const QUERY_TIME_MAX: Duration = Duration::from_secs(2);
/// For so long after no server could be used, nobody tries to connect.
pub const RECONNECT_TIME: Duration = Duration::from_millis(500);
/// How far the noted last use of a session may be behind: so much earlier it may end.
pub const SESSION_USE_TIME: Duration = Duration::from_secs(30);
/// Most that a central's clock may differ from the database's before the central stops.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(1);
/// The oldest server: the first with compression by column and checked client connections.
pub const SERVER_VERSION_MIN: i32 = 14;

// A lock that is waited for in the server is given up there first.
const _: () = {
    assert!(LOCK_TIME_MAX.as_millis() < STATEMENT_TIME_MAX.as_millis());
    assert!(IDLE_IN_TURN_TIME_MAX.as_millis() < STATEMENT_TIME_MAX.as_millis());
    // The last one that is judged asks on a connection that is there.
    let judged = JUDGED_TIME_MAX.as_millis() + QUERY_TIME_MAX.as_millis();
    assert!(judged < IDLE_IN_TURN_TIME_MAX.as_millis());
};
