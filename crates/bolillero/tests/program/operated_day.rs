//! A day led by operators, with the central killed after every response to them.

use std::path::{Path, PathBuf};

use crate::support::http::{Answer, Http, add_operator};
use crate::support::{Bets, Central, agency, exported_draw, free_address, run_well, str};
use serde_json::{Value, json};

/// Small batches, so that a day takes long enough to be interrupted.
const SLOWLY: &[&str] = &["--batch-max-bets", "4"];

/// What the audit log says of who changes operators beside the central.
const BESIDE: &str = " on the command line: ";

struct Day {
    data: PathBuf,
    address: String,
    /// The expected record: who did what, with which outcome.
    done: Vec<String>,
}

impl Day {
    fn central(&self) -> (Central, Http) {
        let mut central = Central::start(&self.data, &self.address, &["--http", "127.0.0.1:0"]);
        let http = Http::of(&mut central);
        (central, http)
    }

    /// Performs one act on a central that is killed as soon as it has answered.
    fn act(&mut self, who: &str, method: &str, path: &str, body: &Value, done: &str) -> Answer {
        let (central, http) = self.central();
        let path = format!("/api/v1/{path}");
        let answer = http.log_in(who).ask(method, &path, &body.to_string());
        central.process.kill();
        assert!(answer.status < 300, "{answer:?}");
        self.done.push(format!("{who}: {done}"));
        answer
    }
}

/// Returns the acts of operators except logging in, and the draw, as `audit` prints them without
/// times, and without what was done on the command line.
fn on_record(data: &Path) -> Vec<String> {
    let printed = run_well(&["audit", "--data", str(data)]);
    let acts = printed.lines().map(|line| line.split_whitespace().skip(2).collect::<Vec<_>>());
    let acts = acts.map(|words| words.join(" ").split(", set").next().unwrap().to_owned());
    let is_of_the_day = |it: &String| {
        let others = [it.starts_with("agency"), it.ends_with("logged in"), it.contains(BESIDE)];
        !others.contains(&true)
    };
    acts.filter(is_of_the_day).collect()
}

#[test]
fn a_day_goes_on_where_it_was_though_the_central_is_killed_after_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 3_000);
    let mut day =
        Day { data: folder.path().join("data"), address: free_address(), done: Vec::new() };
    add_operator(&day.data, "ana", "operator");
    add_operator(&day.data, "eva", "admin");
    for number in 1..=5 {
        let body = json!({ "name": format!("Agencia {number}"), "place": "Rosario" });
        let done = format!(
            "registered an agency, agency {number}, name \"Agencia {number}\", place \"Rosario\", \
             enabled yes"
        );
        day.act("ana", "PUT", &format!("agencies/{number}"), &body, &done);
    }
    let body = json!({ "name": "nocturna", "numbers": { "min": 0, "max": 9999 } });
    let done = "announced draw 1 \"nocturna\", agencies 1-5, numbers 0-9999";
    day.act("ana", "POST", "draws", &body, done);
    day.act("eva", "POST", "draws/1/open", &json!({}), "opened draw 1 \"nocturna\"");

    // Agencies send during the whole day; the central is killed twice meanwhile.
    let (mut central, _) = day.central();
    let agencies = (1..=5).map(|id| agency(id, &day.address, bets.file(id), SLOWLY));
    let agencies: Vec<_> = agencies.collect();
    central.process.wait_for_many("apuesta_recibida | result: success", 60);
    central.process.kill();
    let (mut central, http) = day.central();
    let ana = http.log_in("ana");
    let logged = central.process.wait_for("action: audit | result: success");
    assert!(logged.contains("by: ana | event: logged-in"), "{logged}");
    let finished = || ana.ask("GET", "/api/v1/draws/1", "").json()["agencies_finished"] == 5;
    assert!((0..50_000).any(|_| finished()), "{:?}", ana.ask("GET", "/api/v1/draws/1", ""));
    central.process.kill();

    day.act("eva", "POST", "draws/1/close", &json!({}), "closed draw 1 \"nocturna\"");
    let closed =
        format!("the central: closed the bets of draw 1 \"nocturna\", bets {}", bets.count());
    day.done.push(closed);
    let number: u32 = bets.winning_number.parse().unwrap();
    for (who, number, outcome) in [
        ("ana", number + 1, "awaited"),
        ("eva", number, "differ"),
        ("eva", number, "awaited"),
        ("ana", number, "agree"),
    ] {
        let body = json!({ "number": number });
        let entered = format!(", number {number}");
        let done = format!("entered a number of draw 1 \"nocturna\"{entered}");
        let answer = day.act(who, "POST", "draws/1/number", &body, &done);
        assert_eq!(answer.json()["outcome"], outcome);
        let is_told = on_record(&day.data).iter().any(|line| line.contains(&entered));
        assert_eq!(is_told, outcome == "agree", "{number}");
    }
    let made = format!("winning number {number}, attempt 1");
    day.done.push(format!("the central: made draw 1 \"nocturna\", {made}"));
    let why = json!({ "why": "con escribano" });
    let done = "published draw 1 \"nocturna\" (con escribano)";
    day.act("ana", "POST", "draws/1/publish", &why, done);
    day.done.push("the central: published the winners of draw 1 \"nocturna\"".to_owned());

    let (central, _) = day.central();
    for (id, process) in (1..).zip(agencies) {
        bets.are_printed_by(id, &process.ended());
    }
    assert_eq!(central.process.terminate().code, Some(0));
    bets.are_all_in(&exported_draw(&day.data, "nocturna"));
    assert_eq!(on_record(&day.data), day.done);
    let printed = run_well(&["audit", "--data", str(&day.data)]);
    assert_eq!(printed.matches(BESIDE).count(), 2, "each operator is added once: {printed}");
    let filtered = |more: &[&str]| run_well(&[&["audit", "--data", str(&day.data)], more].concat());
    let by_eva = ["--by", "eva", "--action", "number-entered", "--draw", "nocturna"];
    let csv = filtered(&[&by_eva[..], &["--format", "csv"]].concat());
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.contains(&format!(",eva,number-entered,1,number {number},,")), "{csv}");
    assert_eq!(filtered(&by_eva).lines().count(), 2);
    assert_eq!(filtered(&["--until", "2020-01-01T00:00:00Z"]), "");
    assert_eq!(filtered(&["--since", "2020-01-01T00:00:00Z"]), filtered(&[]));
}

#[test]
fn a_reopened_agency_sends_a_longer_file_and_no_corrected_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    add_operator(&data, "ana", "operator");
    let mut central = Central::start(&data, "127.0.0.1:0", &["--http", "127.0.0.1:0"]);
    let ana = Http::of(&mut central).log_in("ana");
    let post = |path: &str, body: &Value| {
        let answer = ana.ask("POST", &format!("/api/v1/draws{path}"), &body.to_string());
        assert!(answer.status < 300, "{path}: {answer:?}");
    };
    let announced = json!({ "name": "nocturna", "agencies": [{ "first": 1, "last": 1 }] });
    post("", &announced);
    post("/1/open", &json!({}));
    let rows = |numbers: std::ops::Range<u32>| {
        numbers.map(|it| format!("Ana,Paz,{},2000-01-01,{it}\n", 30_000_000 + it))
    };
    let file = |name: &str, rows: Vec<String>| {
        let path = folder.path().join(name);
        std::fs::write(&path, rows.concat()).unwrap();
        path
    };
    let send = |path: &Path| agency(1, &central.address, path, SLOWLY);
    let bets_once_finished = || {
        let draw = || ana.ask("GET", "/api/v1/draws/1", "").json();
        let mut draws = std::iter::repeat_with(draw).take(50_000);
        draws.find(|it| it["agencies_finished"] == 1).unwrap()["bets"].clone()
    };
    let first = send(&file("first.csv", rows(0..8).collect()));
    assert_eq!(bets_once_finished(), 8);
    first.kill();
    post("/1/agencies/1/reopen", &json!({ "why": "faltaba un archivo" }));

    // The third row is stored as it was; a file with another one there is not a longer one.
    let mut corrected: Vec<_> = rows(0..13).collect();
    corrected[2] = corrected[2].replace("Paz", "Díaz");
    let refused = send(&file("corrected.csv", corrected)).ended();
    assert_eq!(refused.code, Some(1), "{:#?}", refused.log);
    let longer: Vec<_> = rows(0..13).collect();
    let sending = send(&file("longer.csv", longer.clone()));
    assert_eq!(bets_once_finished(), 13);
    post("/1/close", &json!({}));
    sending.kill();
    let longer = longer.iter().map(|row| row.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(exported_draw(&data, "nocturna"), [(1, longer)].into());
}
