//! Several centrals on a real PostgreSQL, set up as docs/how-to/many-centrals.md says. Left out
//! without Debian's PostgreSQL.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use test_postgres::Cluster;

use crate::service_manager::{FED, Manager, OPENS, READY, STOPS};
use crate::support::http::{Http, add_operator, add_operator_in};
use crate::support::raw::{Raw, ack, bets, finish, get_winners, winners};
use crate::support::{
    Bets, Central, Process, agency, exported_by, free_address, run, run_well, str, text, until,
};

const DOCUMENT: &str = include_str!("../../../../docs/how-to/many-centrals.md");
const SECOND: Duration = Duration::from_secs(1);
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

    /// Adds a standby that must have each commit; returns its number.
    fn add_standby(&mut self) -> usize {
        let standby = self.cluster.add_standby("a", 0);
        self.cluster.server(0).configure(&["synchronous_standby_names=a"]);
        self.cluster.server(0).reload();
        standby
    }

    fn serve(&self, listen: &str, bets: &Bets, more: &[&str]) -> Central {
        let of_draw = ["--agencies", "5", "--winning-number", &bets.winning_number];
        self.serve_draw(listen, &[&of_draw, more].concat())
    }

    fn serve_draw(&self, listen: &str, of_draw: &[&str]) -> Central {
        let serve = ["serve", "--listen", listen, "--store", &self.central];
        Central::listening(Process::start(&[&serve[..], of_draw].concat()))
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
    readers_verify_and_copy_events_alone(&store, &folder.path().join("copy"));
    for central in [first, second] {
        assert_eq!(central.process.terminate().code, Some(0));
    }
}

/// Checks the views, as an auditor, who sees nothing else.
fn auditors_read_the_same(store: &Store, bets: &Bets, won: usize) {
    let server = store.cluster.server(0);
    server.sql("postgres", "CREATE ROLE leo LOGIN IN ROLE bolillero_auditor");
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
        assert_eq!(server.try_sql_as("leo", "lottery", question), Ok(answer), "{question}");
    }
    for table in ["event", "ledger", "node"] {
        let question = format!("SELECT * FROM {table}");
        let refused = server.try_sql_as("leo", "lottery", &question).expect_err(table);
        assert!(refused.contains("permission denied"), "{refused}");
    }
}

/// Checks that a user who may change nothing can run what only reads.
fn readers_verify_and_copy_events_alone(store: &Store, copy: &Path) {
    let server = store.cluster.server(0);
    server.sql("postgres", "CREATE ROLE eva LOGIN IN ROLE bolillero_reader");
    let url = store.central.replace("central:", "eva:");
    for command in ["check", "winners", "audit", "export"] {
        let [as_reader, as_central] =
            [&url, &store.central].map(|url| run_well(&[command, "--store", url]));
        assert_eq!(as_reader, as_central, "{command}");
    }
    add_operator_in(["--store", &store.central], "ana", "admin");
    let copied = run_well(&["copy", "--from", &url, "--to", str(copy)]);
    assert!(copied.contains(" events, without the operators, which this user may not read\n"));
    let refused = run(&["operator", "list", "--store", &url]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("permission denied for table operators"));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--agencies", "5", "--store", &url];
    let refused = run(&serve);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("grant the user the role bolillero_central"));
}

/// A central, and a client of its API with a token.
fn operated(store: &Store, token: &str, name: &str, bets: &Bets) -> (Central, Http) {
    let more = ["--node", name, "--http", "127.0.0.1:0"];
    let mut central = store.serve("127.0.0.1:0", bets, &more);
    let http = Http::of(&mut central).by_token(token);
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
    add_operator_in(["--store", &store.central], "ana", "viewer");
    let token = Http::new_token_in(["--store", &store.central], "ana");
    let (dying, own) = operated(&store, &token, "central-1", &bets);
    let (other, http) = operated(&store, &token, "central-2", &bets);
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
    let (again, _) = operated(&store, &token, "central-1", &bets);
    sees(&["central-2", "central-1"], &["this", "alive"]);
    assert_eq!(again.process.terminate().code, Some(0));
    sees(&["central-2"], &["this"]);
    assert_eq!(other.process.terminate().code, Some(0));
}

#[test]
fn a_central_that_is_killed_while_it_stores_the_draw_leaves_it_to_another() {
    if !test_postgres::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::prepared();
    let standby = store.add_standby();
    let of_draw = ["--agencies", "2", "--winning-number", "7"];
    let [dying, other] = [free_address(), free_address()];
    let mut first = store.serve_draw(&dying, &of_draw);
    let file = folder.path().join("bets.csv");
    std::fs::write(&file, "Ana,Paz,1,2000-01-01,7\n").unwrap();
    let waiting = agency(1, &format!("{dying},{other}"), &file, &[]);
    first.process.wait_for("action: agency_finished | result: success");

    // The last FINISH closes and makes the draw, and waits for the standby to have it.
    let batch = bets(2, 0, &["Eva|Paz|2|2000-01-01|7"]);
    let mut last = Raw::connect(&dying);
    last.send(&batch).expect(&ack(0));
    store.cluster.server_mut(standby).kill();
    last.send(&finish(2));
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    store.cluster.server(0).until("postgres", waits);
    first.process.kill();
    last.closed();
    store.cluster.server_mut(standby).start();

    let second = store.serve_draw(&other, &of_draw);
    let ended = waiting.ended();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "1\n"), "{:#?}", ended.log);
    let mut last = Raw::connect(&other);
    last.send(&batch).expect(&ack(0)).send(&finish(2)).expect(&finish(2));
    last.send(&get_winners(2)).expect(&winners("2"));
    let from = ["--store", &store.central];
    let log = run_well(&[&["audit"], &from[..]].concat());
    assert_eq!(log.matches("made draw 1").count(), 1, "{log}");
    let intact = run_well(&[&["check"], &from[..]].concat());
    assert!(intact.starts_with("intact up to record "), "{intact}");
    assert_eq!(second.process.terminate().code, Some(0));
}

#[test]
fn the_watchdog_is_fed_while_the_database_is_away() {
    if !test_postgres::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut store, manager) = (Store::prepared(), Manager::in_folder(folder.path()));
    // Nothing that is asked now can be settled before the standby is back.
    let standby = store.add_standby();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--store", &store.central];
    let central = manager.start(&[&serve[..], &["--agencies", "1"]].concat(), 2 * SECOND);
    assert_eq!([manager.told(), manager.told()], [OPENS, READY]);
    store.cluster.server_mut(standby).kill();
    let away = "STATUS=waits for the store, which is away: the log says why\n";
    manager.fed_until(away);
    (0..5).for_each(|_| assert_eq!(manager.told(), FED));
    store.cluster.server_mut(standby).start();
    manager.fed_until("STATUS=accepts connections\n");
    assert_eq!(central.process.terminate().code, Some(0));
    manager.fed_until(STOPS);
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
fn operators_their_sessions_and_attempts_are_those_of_all_centrals() {
    if !test_postgres::is_installed() {
        return;
    }
    let store = Store::prepared();
    let in_store = ["--store", &store.central];
    for (name, role) in [("ana", "admin"), ("eva", "operator"), ("ada", "admin")] {
        add_operator_in(in_store, name, role);
    }
    let origin = "https://lottery.example";
    let http = ["--http", "127.0.0.1:0", "--http-origin", origin];
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let mut centrals = [(); 2].map(|()| Process::start(&[&serve[..], &in_store, &http].concat()));
    let [first, second] = centrals.each_mut().map(Http::of_process);

    // A session and a token are valid at each, and a permission that ends at one ends at all.
    let (ana, eva) = (first.log_in("ana"), second.log_in("eva"));
    assert_eq!(ana.at(&second).ask("GET", "/api/v1/operators", "").status, 200);
    let granted = r#"{"label": "board", "role": "operator", "days": 1}"#;
    let granted = eva.ask("POST", "/api/v1/tokens", granted);
    assert_eq!(granted.status, 201, "{granted:?}");
    let token = granted.json()["secret"].as_str().unwrap().to_owned();
    let program = Http::of_process(&mut centrals[0]).by_token(&token);
    assert_eq!(program.ask("GET", "/api/v1/draws", "").status, 200);
    let why = r#"{"why": "prueba"}"#;
    let disabled = ana.at(&second).ask("POST", "/api/v1/operators/eva/disable", why);
    assert_eq!(disabled.status, 204, "{disabled:?}");
    for central in [&first, &second] {
        for client in [&eva, &program] {
            assert_eq!(client.at(central).ask("GET", "/api/v1/draws", "").status, 401);
        }
    }
    // What is logged out at one, is at all.
    assert_eq!(ana.at(&second).ask("DELETE", "/api/v1/session", "").status, 204);
    assert_eq!(ana.ask("GET", "/api/v1/session", "").status, 401);

    // Attempts are counted together.
    let guess = r#"{"name": "ada", "password": "not this one"}"#;
    let guessed = [&first, &second].map(|central| {
        (0..3).map(|_| central.ask("POST", "/api/v1/session", guess).status).collect::<Vec<_>>()
    });
    assert_eq!(guessed, [[401, 401, 401], [401, 401, 429]]);

    // What the command line changes holds at each, and is recorded once.
    run_well(&[&["operator", "enable", "eva"], &in_store[..]].concat());
    let listed = run_well(&[&["operator", "list"], &in_store[..]].concat());
    assert!(!listed.contains("disabled"), "{listed}");
    assert_eq!(first.log_in("eva").ask("GET", "/api/v1/draws", "").status, 200);
    for central in centrals {
        assert_eq!(central.terminate().code, Some(0));
    }
    let log = run_well(&[&["audit"], &in_store[..]].concat());
    for name in ["ana", "eva", "ada"] {
        let added = format!("added an operator, name \"{name}\"");
        assert_eq!(log.matches(&added).count(), 1, "{log}");
    }
    let both = [&["operator", "list", "--data", "."], &in_store[..]].concat();
    assert_eq!(run(&both).status.code(), Some(2));
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
    // Later, it may have one: a service manager starts the central again.
    refused(serve, 1, "a synchronous standby is required");
    server.sql("postgres", "ALTER ROLE central SET synchronous_commit = off");
    let check = run(&["store", "check", "--store", &store.central]);
    refused(check, 2, "synchronous_commit must be on");
}

#[test]
fn a_store_is_backed_up_beside_its_central_and_restored_to_a_folder_and_to_a_store() {
    if !test_postgres::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| str(&folder.path().join(name)).to_owned();
    let (store, to, data) = (Store::prepared(), path("backup"), path("data"));
    add_operator_in(["--store", &store.central], "ana", "admin");
    let of_draw = ["--agencies", "1", "--winning-number", "7"];
    let central = store.serve_draw("127.0.0.1:0", &of_draw);
    let back_up = || run_well(&["backup", "--store", &store.central, "--to", &to]);
    let mut last = Raw::connect(&central.address);
    last.send(&bets(1, 0, &["Eva|Paz|2|2000-01-01|7"])).expect(&ack(0));
    assert!(back_up().contains(" with 1 bet in 1 piece\n"));
    last.send(&bets(1, 1, &["Ana|Paz|3|2000-01-01|7"])).expect(&ack(1));
    last.send(&finish(1)).expect(&finish(1));
    let printed = back_up();
    assert!(printed.starts_with("backed up 5 new records with 1 bet in 1 piece\n"), "{printed}");
    assert!(back_up().starts_with("nothing is new\n"));
    assert_eq!(central.process.terminate().code, Some(0));

    let other = Cluster::start();
    let url = other.url(&other.create_database(None));
    let places = [["--data", &data], ["--store", &url]];
    for place in places {
        let printed = run_well(&[&["restore", "--from", &to], &place[..]].concat());
        assert!(printed.contains(" records, and the operators\n"), "{printed}");
        for command in ["audit", "winners", "export"] {
            let original = run_well(&[command, "--store", &store.central]);
            assert_eq!(run_well(&[&[command], &place[..]].concat()), original, "{command}");
        }
        let listed = run_well(&[&["operator", "list"], &place[..]].concat());
        assert!(listed.contains("ana"), "{listed}");
        // The backup goes on from any of them.
        let again = run_well(&[&["backup", "--to", &to], &place[..]].concat());
        assert!(again.starts_with("nothing is new\n"), "{again}");
    }
    let foreign = Store::prepared();
    for command in [
        ["backup", "--store", &foreign.central, "--to", &to],
        ["restore", "--store", &foreign.owner, "--from", &to],
    ] {
        assert_eq!(run(&command).status.code(), Some(2), "{command:?}");
    }
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

    add_operator(&data, "ana", "admin");
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
    let returned = copy(&url, str(&back));
    assert_eq!(returned.status.code(), Some(0));
    assert!(text(&returned.stdout).contains(" events, and the operators\n"), "{returned:?}");

    let places = [["--data", str(&data)], ["--store", &url], ["--data", str(&back)]];
    for command in ["audit", "winners", "export"] {
        let [original, shared, back] =
            places.map(|place| run_well(&[&[command], &place[..]].concat()));
        assert!(original == shared && original == back, "{command}");
    }
    let operators = places.map(|place| run_well(&[&["operator", "list"], &place[..]].concat()));
    assert!(operators.iter().all(|list| list.contains("ana")), "{operators:?}");
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
