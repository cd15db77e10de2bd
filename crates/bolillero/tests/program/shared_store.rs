//! Several centrals on a real PostgreSQL, set up as docs/many-centrals.md says. Left out without
//! Debian's PostgreSQL.

use std::path::Path;

use rustix::process::Signal;
use test_postgres::Cluster;

use crate::support::http::{Http, add_operator};
use crate::support::{
    Bets, Central, Process, agency, exported_by, free_address, run, run_well, str, text, until,
};

const DOCUMENT: &str = include_str!("../../../../docs/many-centrals.md");
/// Small batches, one at a time, so that a day takes long enough to be interrupted.
const SLOWLY: &[&str] = &["--batch-max-bets", "4", "--window", "1"];

/// A database prepared by the commands of the document.
struct Store {
    cluster: Cluster,
    /// The URLs of the owner and of a central.
    owner: String,
    central: String,
}

impl Store {
    fn prepared() -> Self {
        let cluster = Cluster::start();
        let (_, sql) = DOCUMENT.split_once("```sql\n").unwrap();
        let (sql, _) = sql.split_once("```").unwrap();
        for statement in sql.split_inclusive(";\n") {
            cluster.server(0).sql("postgres", statement.trim());
        }
        let port = cluster.server(0).port();
        let url = |user: &str| format!("postgres://{user}:secret@127.0.0.1:{port}/lottery");
        let store = Self { owner: url("owner"), central: url("central"), cluster };
        let made = run_well(&["store", "init", "--store", &store.owner]);
        assert!(made.starts_with("created the ledger "), "{made}");
        store
    }

    fn serve(&self, listen: &str, bets: &Bets, more: &[&str]) -> Central {
        let of_draw = ["--agencies", "5", "--winning-number", &bets.winning_number];
        let serve = ["serve", "--listen", listen, "--store", &self.central];
        Central::listening(Process::start(&[&serve[..], &of_draw, more].concat()))
    }
}

#[test]
fn agencies_use_any_central_and_one_that_dies_takes_nothing_with_it() {
    if !test_postgres::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (store, bets) = (Store::prepared(), Bets::generated(folder.path(), 400));
    let dying = free_address();
    let first = store.serve(&dying, &bets, &["--node", "central-1"]);
    let second = store.serve("127.0.0.1:0", &bets, &["--node", "central-2"]);
    let at = |id: u32| if id <= 2 { &dying } else { &second.address };
    let mut agencies: Vec<_> =
        (1..=5).map(|id| agency(id, at(id), bets.file(id), SLOWLY)).collect();
    // Mid-day at the central that dies.
    agencies[0].wait_for_many("action: apuesta_enviada | result: success", 5);
    first.process.kill();
    let first = store.serve(&dying, &bets, &["--node", "central-1"]);
    for (id, running) in (1..).zip(agencies) {
        bets.are_printed_by(id, &running.ended());
    }
    // Any central has the winners of all.
    let asks = agency(5, &first.address, bets.file(5), SLOWLY);
    bets.are_printed_by(5, &asks.ended());

    let from = ["--store", &store.central];
    bets.are_all_in(&exported_by(&[&["export"], &from[..]].concat()));
    let intact = run_well(&[&["check"], &from[..]].concat());
    assert!(intact.starts_with("intact up to record "), "{intact}");
    let won: usize = (1..=5).map(|id| bets.winners(id).len()).sum();
    let table = run_well(&[&["winners"], &from[..]].concat());
    assert!(table.contains(&format!("{won} winners among {} bets", bets.count())), "{table}");
    let log = run_well(&[&["audit"], &from[..]].concat());
    assert!(log.contains("made draw 1 \"sorteo\""), "{log}");
    auditors_read_the_same(&store, &bets, won);
    for central in [first, second] {
        assert_eq!(central.process.terminate().code, Some(0));
    }
}

/// Checks the views, as an auditor, who sees nothing else.
fn auditors_read_the_same(store: &Store, bets: &Bets, won: usize) {
    let server = store.cluster.server(0);
    server.sql("postgres", "CREATE ROLE ana LOGIN IN ROLE bolillero_auditor");
    let number = &bets.winning_number;
    let finished = "SELECT count(*), sum(bets) FROM agencies WHERE finished_at IS NOT NULL";
    let actions = "SELECT string_agg(action, ' ' ORDER BY sequence) FROM audit_log";
    let finishes = "agency-finished ".repeat(5);
    for (question, answer) in [
        ("SELECT name, state, winning_number, bets FROM draws", {
            format!("sorteo|published|{number}|{}", bets.count())
        }),
        (&format!("SELECT count(*) FROM bets WHERE number = {number}"), won.to_string()),
        (finished, format!("5|{}", bets.count())),
        (actions, format!("draw-opened {finishes}bets-closed draw-made winners-published")),
    ] {
        assert_eq!(server.try_sql_as("ana", "lottery", question), Ok(answer), "{question}");
    }
    for table in ["event", "ledger", "node"] {
        let question = format!("SELECT * FROM {table}");
        let refused = server.try_sql_as("ana", "lottery", &question).expect_err(table);
        assert!(refused.contains("permission denied"), "{refused}");
    }
}

/// A central with an operator, and a client of its API.
fn operated(store: &Store, folder: &Path, name: &str, bets: &Bets) -> (Central, Http) {
    let data = folder.join(name);
    if !data.exists() {
        add_operator(&data, "ana", "viewer");
    }
    let token = Http::new_token(&data, "ana");
    let more = ["--node", name, "--http", "127.0.0.1:0", "--data", str(&data)];
    let mut central = store.serve("127.0.0.1:0", bets, &more);
    let http = Http::of(&mut central).by_token(&token);
    (central, http)
}

/// Returns the items of a list of the API: their field of this name.
fn listed(http: &Http, path: &str, field: &str) -> Vec<String> {
    let list = http.ask("GET", path, "").json();
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item[field].to_string().replace('"', "")).collect()
}

#[test]
fn each_central_shows_all_centrals_and_all_agencies() {
    if !test_postgres::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (store, bets) = (Store::prepared(), Bets::generated(folder.path(), 20));
    let (dying, own) = operated(&store, folder.path(), "central-1", &bets);
    let (other, http) = operated(&store, folder.path(), "central-2", &bets);
    let sees = |names: &[&str], states: &[&str]| {
        let nodes = |field| listed(&http, "/api/v1/nodes", field);
        until(&format!("{names:?} {states:?}"), || {
            (nodes("name") == names && nodes("state") == states).then_some(())
        });
    };
    let sees_agencies = |agencies: &[&str]| {
        let connections = |field| listed(&http, "/api/v1/connections", field);
        until(&format!("{agencies:?}"), || (connections("agency") == agencies).then_some(()));
        connections("node")
    };
    sees(&["central-1", "central-2"], &["alive", "this"]);
    // It has sent its bets and waits for the draw.
    let waiting = agency(1, &dying.address, bets.file(1), &[]);
    let ids = listed(&http, "/api/v1/nodes", "id");
    assert_eq!(sees_agencies(&["1"]), ids[..1]);
    let of_own = listed(&own, "/api/v1/connections", "peer");
    assert_eq!(listed(&http, "/api/v1/connections", "peer"), of_own);

    dying.process.kill();
    sees(&["central-1", "central-2"], &["away", "this"]);
    assert!(sees_agencies(&[]).is_empty());
    drop(waiting);
    // The next run takes its place; one that is shut down leaves.
    let (again, _) = operated(&store, folder.path(), "central-1", &bets);
    sees(&["central-2", "central-1"], &["this", "alive"]);
    assert_eq!(again.process.terminate().code, Some(0));
    sees(&["central-2"], &["this"]);
    assert_eq!(other.process.terminate().code, Some(0));
}

#[test]
fn while_the_database_is_away_agencies_wait_and_a_shutdown_ends() {
    if !test_postgres::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut store, bets) = (Store::prepared(), Bets::generated(folder.path(), 200));
    let mut waiting = store.serve("127.0.0.1:0", &bets, &[]);
    let mut ending = store.serve("127.0.0.1:0", &bets, &[]);
    let at = |id: u32| if id == 1 { &ending.address } else { &waiting.address };
    let mut agencies: Vec<_> =
        (1..=5).map(|id| agency(id, at(id), bets.file(id), SLOWLY)).collect();
    agencies[1].wait_for_many("action: apuesta_enviada | result: success", 3);
    store.cluster.server_mut(0).kill();
    waiting.process.wait_for("action: store | result: fail");
    ending.process.wait_for("action: store | result: fail");
    assert_eq!(ending.process.terminate().code, Some(0));
    store.cluster.server_mut(0).start();
    waiting.process.wait_for("action: store | result: success");
    agencies[0].signal(Signal::TERM);
    agencies[0] = agency(1, &waiting.address, bets.file(1), SLOWLY);
    for (id, running) in (1..).zip(agencies) {
        bets.are_printed_by(id, &running.ended());
    }
    assert_eq!(waiting.process.terminate().code, Some(0));
}

#[test]
fn a_store_that_can_not_be_used_is_refused_with_what_to_do() {
    if !test_postgres::is_installed() {
        return;
    }
    let store = Store::prepared();
    let server = store.cluster.server(0);
    let port = server.port();
    let again = run_well(&["store", "init", "--store", &store.owner]);
    assert!(again.contains("has the tables of version 1 already"), "{again}");
    let found = run_well(&["store", "check", "--store", &store.central]);
    assert!(found.contains("warning   synchronous_standby_names is empty"), "{found}");

    server.sql("postgres", "CREATE DATABASE other");
    server.sql("postgres", "CREATE ROLE nobody LOGIN");
    let of = |user: &str, database: &str| format!("postgres://{user}@127.0.0.1:{port}/{database}");
    let serve =
        |url: &str| run(&["serve", "--listen", "127.0.0.1:0", "--agencies", "5", "--store", url]);
    let refused = |output: std::process::Output, code: i32, why: &str| {
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(why), "{why}: {error}");
    };
    refused(serve(&of("central", "other")), 2, "run `bolillero store init` as its owner");
    refused(serve(&of("nobody", "lottery")), 2, "grant the user the role bolillero_central");
    refused(serve(&of("central", "nowhere")), 2, "database \"nowhere\" does not exist");
    refused(serve("postgres://central@127.0.0.1:1/lottery"), 1, "no server of the store");
    refused(serve("postgres://central@10.0.0.1/lottery"), 2, "reached in plain text");
    let init = run(&["store", "init", "--store", &of("nobody", "other")]);
    refused(init, 2, "run this as the owner of the database");
    let standby = ["--agencies", "5", "--store", &store.central, "--require-standby"];
    let serve = run(&[&["serve", "--listen", "127.0.0.1:0"], &standby[..]].concat());
    refused(serve, 2, "a synchronous standby is required");
    server.sql("postgres", "ALTER ROLE central SET synchronous_commit = off");
    let check = run(&["store", "check", "--store", &store.central]);
    refused(check, 2, "synchronous_commit must be on");
}

#[test]
fn a_ledger_moves_to_a_store_and_back_and_is_the_same() {
    if !test_postgres::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, back) = (folder.path().join("data"), folder.path().join("back"));
    let bets = Bets::generated(&folder.path().join("bets"), 100);
    let mut cluster = Cluster::start();
    let database = cluster.create_database(None);
    let url = cluster.url(&database);
    let copy = |from: &str, to: &str| run(&["copy", "--from", from, "--to", to]);
    let of_draw = ["--agencies", "5", "--winning-number", &bets.winning_number];

    // A first copy in mid-day is continued after its end.
    let mut central = Central::start(&data, "127.0.0.1:0", &of_draw);
    let early = [1, 2].map(|id| agency(id, &central.address, bets.file(id), &[]));
    central.process.wait_for_many("action: agency_finished | result: success", early.len());
    early.into_iter().for_each(|agency| drop(agency.kill()));
    assert_eq!(central.process.terminate().code, Some(0));
    assert_eq!(copy(str(&data), &url).status.code(), Some(0));
    let central = Central::start(&data, "127.0.0.1:0", &of_draw);
    let agencies = (1..=5).map(|id| agency(id, &central.address, bets.file(id), &[]));
    for (id, running) in (1..).zip(agencies.collect::<Vec<_>>()) {
        bets.are_printed_by(id, &running.ended());
    }
    assert_eq!(central.process.terminate().code, Some(0));
    let copied = copy(str(&data), &url);
    assert_eq!(copied.status.code(), Some(0), "{}", text(&copied.stderr));
    assert!(text(&copied.stdout).starts_with("copied and compared "), "{copied:?}");
    assert_eq!(copy(&url, str(&back)).status.code(), Some(0));

    let places = [["--data", str(&data)], ["--store", &url], ["--data", str(&back)]];
    for command in ["audit", "winners", "export"] {
        let [original, shared, back] =
            places.map(|place| run_well(&[&[command], &place[..]].concat()));
        assert!(original == shared && original == back, "{command}");
    }
    let chain = |place: [&str; 2]| {
        let checked = run_well(&[&["check"], &place[..]].concat());
        let ends = |line: &&str| line.starts_with("ledger") || line.starts_with("chain");
        checked.lines().filter(ends).map(str::to_owned).collect::<Vec<_>>()
    };
    let [original, shared, returned] = places.map(chain);
    assert!(original.len() == 2 && original == shared && original == returned, "{original:?}");

    // A central goes on with the copy; and nothing is copied over another history.
    let serve = ["serve", "--listen", "127.0.0.1:0", "--store", &url];
    let central = Central::listening(Process::start(&[&serve[..], &of_draw].concat()));
    let asks = agency(3, &central.address, bets.file(3), &[]);
    bets.are_printed_by(3, &asks.ended());
    let (other, _) = crate::support::drawn(&folder.path().join("other"), 10);
    let refused = copy(str(&other), &url);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("the target holds other events"), "{refused:?}");
    drop(central);
    cluster.server_mut(0).kill();
    let away = copy(str(&data), &url);
    assert_eq!(away.status.code(), Some(1));
}
