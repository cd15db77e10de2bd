//! Centrals that share a store see each other, and who does not live any more. Left out without
//! Debian's PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::sync::{Arc, mpsc};
use std::time::Duration;

use engine::conformance::{TestClock, wait};
use engine::{Engine, LedgerId};
use ledger_postgres::{Node, Options, PostgresLog, Shown, Target, Watch, Watcher, schema};
use lottery::Timestamp;
use test_postgres::{Cluster, Proxy};

const PATIENCE: Duration = Duration::from_secs(60);
/// A central looks every two seconds.
const LOOKS_MAX: u32 = 30;

type Seen = Result<Vec<Node>, String>;

/// A central of a name, which shows one connection and says what it sees.
struct Central {
    seen: mpsc::Receiver<Seen>,
    watch: Watch,
    _log: PostgresLog,
}

struct Telling(mpsc::Sender<Seen>);

impl Watcher for Telling {
    fn wake(&self) {}

    fn shown(&self) -> Shown {
        Shown { connections: 1, presence: "[7]".to_owned() }
    }

    fn see(&self, nodes: Seen) {
        // The receiver is gone when the test has ended.
        let _ = self.0.send(nodes);
    }
}

impl Central {
    fn start(name: &str, url: &str, now: u64) -> Self {
        let target: Target = url.parse().unwrap();
        let clock = Arc::new(TestClock::at(Timestamp(now)));
        let options = Options { clock: Some(clock), ..Options::new(name) };
        let log = PostgresLog::open(&target, options).unwrap();
        let (teller, seen) = mpsc::channel();
        let watch = Watch::start(log.watched(), Arc::new(Telling(teller))).unwrap();
        Self { seen, watch, _log: log }
    }

    /// Waits until what it sees is as wanted.
    fn until(&self, wanted: &str, is: impl Fn(&Seen) -> bool) -> Seen {
        let mut last = None;
        for _ in 0..LOOKS_MAX {
            let seen = self.seen.recv_timeout(PATIENCE).unwrap();
            if is(&seen) {
                return seen;
            }
            last = Some(seen);
        }
        panic!("it does not see {wanted}, but {last:?}");
    }

    /// Waits until it sees centrals of these names, away if their name ends in a dash.
    fn sees(&self, wanted: &str) -> Vec<Node> {
        let told = |it: &Node| format!("{}{}", it.name, if it.is_away { "-" } else { "" });
        let is = |seen: &Seen| {
            let names = |nodes: &Vec<Node>| nodes.iter().map(told).collect::<Vec<_>>().join(" ");
            seen.as_ref().is_ok_and(|nodes| names(nodes) == wanted)
        };
        self.until(wanted, is).unwrap()
    }
}

#[test]
fn centrals_see_each_other_and_who_is_away() {
    let Some(cluster) = test_postgres::shared() else { return };
    let database = cluster.create_database(None);
    let server = cluster.server(0);
    let url = cluster.url(&database);
    schema::init(&url.parse().unwrap(), LedgerId([7; 16])).unwrap();
    let sql = |statement: &str| server.sql(&database, statement);
    let now = sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    let now: u64 = now.trim().parse().unwrap();
    let proxy = Proxy::to(server.port());
    let through = url.replace(&server.port().to_string(), &proxy.port().to_string());

    // Earlier runs: one that a later run of its name follows, one away for long, one not for long.
    for (name, age) in [("a", "11 s"), ("c", "2 h"), ("d", "11 s")] {
        sql(&format!(
            "INSERT INTO node (name, started_at, beat_at) \
             VALUES ('{name}', now() - interval '1 day', now() - interval '{age}')"
        ));
    }
    // One that never showed that it lives, as a copy.
    sql("INSERT INTO node (name) VALUES ('copy')");
    let first = Central::start("a", &url, now);
    first.sees("d- a");
    let second = Central::start("b", &through, now + 300_000);
    let all = first.sees("d- a b");
    let (this, other) = (&all[1], &all[2]);
    assert!(this.is_this && !other.is_this, "{all:?}");
    assert_eq!(other.shown, Shown { connections: 1, presence: "[7]".to_owned() });
    assert!(other.clock_ahead_ms > 200_000 && this.clock_ahead_ms < 1_000, "{all:?}");
    assert!(other.host.ends_with(&proxy.port().to_string()) && other.timeline == 1, "{other:?}");
    assert!(other.started_at <= other.beat_at && other.beat_at.0.abs_diff(now) < 60_000);
    assert!(second.sees("d- a b")[2].is_this);

    // A row that is gone is written again, all of it.
    let is_back = |seen: &Seen| {
        let second = seen.as_ref().ok().and_then(|nodes| nodes.get(2));
        let is_same = |it: &Node| (it.id, &it.shown) == (other.id, &other.shown);
        second.is_some_and(|it| is_same(it) && !it.is_away && it.started_at > other.started_at)
    };
    sql(&format!("DELETE FROM node WHERE id = {}", other.id));
    first.until("it again", is_back).unwrap();

    // One that is not heard for a while is away, and does not see the others.
    proxy.swallow();
    assert!(second.until("that it can't see", Result::is_err).is_err());
    let age = |time: &str| {
        let aged = "beat_at = beat_at - age, started_at = started_at - age";
        let of = format!("FROM (SELECT interval '{time}' AS age) AS given WHERE id = {}", other.id);
        sql(&format!("UPDATE node SET {aged} {of}"));
    };
    age("11 s");
    assert_eq!(first.sees("d- a b-")[2].shown, other.shown, "what it showed last");

    // One that is away for long is forgotten, and may be back.
    age("2 h");
    first.sees("d- a");
    proxy.heal();
    // What it was storing when it was cut off may come first.
    first.until("it as it was", is_back).unwrap();
    second.sees("d- a b");

    // One that ends says so.
    drop(second.watch);
    first.sees("d- a");
    assert_eq!(sql("SELECT string_agg(name, ' ' ORDER BY id) FROM node"), "d copy a");
}

#[test]
fn after_a_promotion_centrals_are_seen_at_the_new_primary() {
    if !test_postgres::is_installed() {
        return;
    }
    let mut cluster = Cluster::with(&["synchronous_standby_names=b"]);
    let standby = cluster.add_standby("b", 0);
    let database = cluster.create_database(None);
    let target: Target = cluster.url(&database).parse().unwrap();
    schema::init(&target, LedgerId([7; 16])).unwrap();
    let log = PostgresLog::open(&target, Options::new("a")).unwrap();
    let (teller, seen) = mpsc::channel();
    let watch = Watch::start(log.watched(), Arc::new(Telling(teller))).unwrap();
    let engine = Engine::start(Box::new(log), Arc::<TestClock>::default()).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap().unwrap()[0].timeline, 1);
    // The old primary goes on to answer, and can't commit any more. The new one can.
    cluster.server(standby).configure(&["synchronous_standby_names="]);
    cluster.server(standby).reload();
    cluster.server(standby).promote();
    let renewed = "SELECT bool_or(timeline = 2) FROM node";
    wait(|done| engine.keep_time(done)).unwrap();
    cluster.server(standby).until(&database, renewed);
    drop(watch);
}
