//! Whole days of a lottery: a central and its agencies as processes over sockets, some of them
//! killed.

use std::path::Path;

use crate::support::{
    Bets, Central, Ended, Process, agency, exported, free_address, run, run_well, str, text,
};

/// Small batches, one at a time, so that a day takes long enough to be interrupted.
const SLOWLY: &[&str] = &["--batch-max-bets", "4", "--window", "1"];

fn serve_with(bets: &Bets) -> Vec<&str> {
    vec!["--agencies", "5", "--winning-number", &bets.winning_number]
}

fn check_winners(bets: &Bets, agency: u32, ended: &Ended) {
    bets.are_printed_by(agency, ended);
    let count = ended.stdout.lines().count();
    let line = format!("consulta_ganadores | result: success | cant_ganadores: {count}");
    assert!(ended.log.iter().any(|logged| logged.contains(&line)), "{:#?}", ended.log);
    let exit = "action: exit | result: success";
    assert!(ended.log.iter().any(|logged| logged.contains(exit)), "{:#?}", ended.log);
}

/// Checks, reading the ledger from outside, that it holds every bet once and has the same winners.
fn check_ledger(bets: &Bets, data: &Path) {
    bets.are_all_in(&exported(data));
    let json = run_well(&["winners", "--data", str(data), "--format", "json"]);
    let recount: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(recount["bets"], bets.count());
    for of_agency in recount["agencies"].as_array().unwrap() {
        let agency = u32::try_from(of_agency["agency"].as_u64().unwrap()).unwrap();
        let documents = of_agency["documents"].as_array().unwrap().iter();
        let mut found: Vec<_> = documents.map(|d| d.as_str().unwrap().to_owned()).collect();
        let mut expected = bets.winners(agency);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "agency {agency}");
    }
    let csv = run_well(&["winners", "--data", str(data), "--format", "csv"]);
    let mut found: Vec<_> = csv.lines().skip(1).map(str::to_owned).collect();
    let of = |id| bets.winners(id).into_iter().map(move |document| format!("{id},{document}"));
    let mut expected: Vec<_> = (1..=5).flat_map(of).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let table = run_well(&["winners", "--data", str(data)]);
    let rows = table.lines().skip(2).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let counts: Vec<_> = rows.map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    let of = |id: u32| (id.to_string(), bets.winners(id).len().to_string());
    assert_eq!(counts, (1..=5).map(of).collect::<Vec<_>>(), "{table}");
    assert!(run_well(&["check", "--data", str(data)]).starts_with("intact\n"));
}

/// Runs a day without incidents and returns the central's log.
fn quiet_day(bets: &Bets, of_agencies: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &serve_with(bets));
    let start = |id| agency(id, &central.address, bets.file(id), of_agencies);
    let agencies: Vec<_> = (1..=5).map(start).collect();
    for (id, process) in (1..).zip(agencies) {
        check_winners(bets, id, &process.ended());
    }
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    check_ledger(bets, &data);
    ended.log
}

fn count(log: &[String], part: &str) -> usize {
    log.iter().filter(|line| line.contains(part)).count()
}

#[test]
fn five_agencies_get_their_winners_and_the_day_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 20_000);
    let log = quiet_day(&bets, &[]);
    assert_eq!(count(&log, "action: accept_connections | result: success | ip: 127.0.0.1"), 5);
    let stored: usize = log
        .iter()
        .filter_map(|line| line.split("apuesta_recibida | result: success | cantidad: ").nth(1))
        .map(|count| count.parse::<usize>().unwrap())
        .sum();
    assert_eq!(stored, 20_000);
    for finished in 1..=5 {
        let line = format!("agency_finished | result: success | agencies_finished: {finished}");
        assert_eq!(count(&log, &line), 1);
    }
    assert_eq!(count(&log, "action: sorteo | result: success"), 1);
    assert_eq!(count(&log, "action: shutdown | result: in_progress"), 1);
    assert!(log.last().unwrap().ends_with("INFO     action: shutdown | result: success"));
}

#[test]
fn agencies_of_the_original_protocol_get_theirs_too() {
    let folder = tempfile::tempdir().unwrap();
    quiet_day(&Bets::generated(folder.path(), 5_000), &["--legacy"]);
}

#[test]
fn agencies_that_send_one_batch_at_a_time_get_theirs_too() {
    let folder = tempfile::tempdir().unwrap();
    quiet_day(&Bets::generated(folder.path(), 5_000), &["--window", "1"]);
}

/// Runs a day with the original exercise's bets, if `REAL_BETS_DIR` names their folder.
#[test]
#[expect(clippy::print_stderr, reason = "readers of the results should know")]
fn the_courses_bets_have_the_courses_winners() {
    let Some(folder) = std::env::var_os("REAL_BETS_DIR") else {
        return eprintln!("not run: REAL_BETS_DIR is not set");
    };
    let bets = Bets::in_folder(Path::new(&folder), "7574".to_owned());
    assert_eq!(bets.count(), 78_697);
    let winners: Vec<_> = (1..=5).map(|agency| bets.winners(agency).len()).collect();
    assert_eq!(winners, [2, 3, 3, 2, 0]);
    quiet_day(&bets, &[]);
}

#[test]
fn a_central_and_an_agency_killed_in_the_middle_lose_nothing_and_repeat_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 12_000);
    let (data, address) = (folder.path().join("data"), free_address());
    let mut central = Central::start(&data, &address, &serve_with(&bets));
    let start = |id| agency(id, &address, bets.file(id), SLOWLY);
    let mut agencies: Vec<_> = (1..=5).map(start).collect();

    central.process.wait_for_many("apuesta_recibida | result: success", 100);
    let mut log = central.process.kill();
    let check = run_well(&["check", "--data", str(&data)]);
    let held: usize =
        check.split(": open; ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((400..12_000).contains(&held), "killed in the middle: {check}");

    let mut central = Central::start(&data, &address, &serve_with(&bets));
    central.process.wait_for_many("apuesta_recibida | result: success", 100);
    agencies.remove(2).kill();
    agencies.insert(2, start(3));
    let resumed = agencies[2].wait_for("apuesta_enviada | result: success");
    assert!(!resumed.ends_with("chunk_id: 0"), "it goes on where it was: {resumed}");

    for (id, process) in (1..).zip(agencies) {
        check_winners(&bets, id, &process.ended());
    }
    log.extend(central.process.terminate().log);
    assert_eq!(count(&log, "action: sorteo | result: success"), 1);
    check_ledger(&bets, &data);
}

#[test]
fn a_central_killed_again_and_again_comes_to_its_draw() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 6_000);
    let (data, address) = (folder.path().join("data"), free_address());
    let mut central = Central::start(&data, &address, &serve_with(&bets));
    let agencies: Vec<_> = (1..=5).map(|id| agency(id, &address, bets.file(id), SLOWLY)).collect();
    for batches in [10, 90, 200, 30] {
        central.process.wait_for_many("apuesta_recibida | result: success", batches);
        central.process.kill();
        central = Central::start(&data, &address, &serve_with(&bets));
    }
    for (id, process) in (1..).zip(agencies) {
        check_winners(&bets, id, &process.ended());
    }
    assert_eq!(central.process.terminate().code, Some(0));
    check_ledger(&bets, &data);
}

#[test]
fn waiting_agencies_outlive_a_restart_of_the_central_and_get_their_winners() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 2_000);
    let (data, address) = (folder.path().join("data"), free_address());
    let mut central = Central::start(&data, &address, &serve_with(&bets));
    let start = |id, more: &[&str]| agency(id, &address, bets.file(id), more);
    let waiting: Vec<_> =
        (1..=4).map(|id| start(id, if id > 2 { &["--legacy"] } else { &[] })).collect();
    central.process.wait_for("agencies_finished: 4");
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert_eq!(count(&ended.log, "sorteo"), 0);

    let central = Central::start(&data, &address, &serve_with(&bets));
    let last = start(5, &[]);
    for (id, process) in (1..).zip(waiting.into_iter().chain([last])) {
        check_winners(&bets, id, &process.ended());
    }
    // After the draw and another restart, the central returns the same winners.
    assert_eq!(central.process.terminate().code, Some(0));
    let central = Central::start(&data, &address, &serve_with(&bets));
    check_winners(&bets, 2, &start(2, &[]).ended());
    let ended = central.process.terminate();
    assert_eq!(count(&ended.log, "sorteo"), 0, "it was made before: {:#?}", ended.log);
    check_ledger(&bets, &data);
}

#[test]
fn an_agency_asked_to_end_says_so_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 4_000);
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &serve_with(&bets));
    let start = |id| agency(id, &central.address, bets.file(id), SLOWLY);
    let mut first = start(1);
    first.wait_for("apuesta_enviada | result: success");
    let ended = first.terminate();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{:#?}", ended.log);
    for action in ["summary", "exit"] {
        let line = format!("action: {action} | result: interrupted");
        assert_eq!(count(&ended.log, &line), 1, "{:#?}", ended.log);
    }
    let agencies: Vec<Process> = (1..=5).map(start).collect();
    for (id, process) in (1..).zip(agencies) {
        check_winners(&bets, id, &process.ended());
    }
    drop(central);
    check_ledger(&bets, &data);
}

#[test]
fn a_central_asked_to_end_under_load_has_all_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 12_000);
    let data = folder.path().join("data");
    let mut central = Central::start(&data, "127.0.0.1:0", &serve_with(&bets));
    let more = ["--batch-max-bets", "4"];
    let agencies: Vec<_> =
        (1..=5).map(|id| agency(id, &central.address, bets.file(id), &more)).collect();
    central.process.wait_for_many("apuesta_recibida | result: success", 200);
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log.last());
    let stored = exported(&data);
    let mut acknowledged = 0;
    for (id, process) in (1..).zip(agencies) {
        let ended = process.terminate();
        assert_eq!(ended.code, Some(1), "{:#?}", ended.log.last());
        let mut left = stored.get(&id).cloned().unwrap_or_default();
        let lines = &bets.lines[&id];
        // The bets of every acknowledged batch are stored.
        for line in &ended.log {
            let Some((_, chunk)) = line.split_once("result: success | cantidad: 4 | chunk_id: ")
            else {
                continue;
            };
            acknowledged += 1;
            for bet in &lines[4 * chunk.parse::<usize>().unwrap()..][..4] {
                let found = left.binary_search(bet);
                left.remove(found.unwrap_or_else(|_| panic!("agency {id}: {bet} is lost")));
            }
        }
        // Besides them, at most the bets in flight are stored.
        assert!(left.len() <= 4 * 16, "agency {id}: {} more", left.len());
        assert!(left.iter().all(|bet| lines.contains(bet)));
    }
    assert!(acknowledged > 0);
}

#[test]
fn a_folder_has_one_central() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let _central = Central::start(&data, "127.0.0.1:0", &["--agencies", "1"]);
    let args = ["serve", "--data", str(&data), "--listen", "127.0.0.1:0", "--agencies", "1"];
    let refused = run(&args);
    let message = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{message}");
    assert!(message.contains("another process is using the data folder"), "{message}");
    assert!(message.contains(str(&data)), "{message}");
}
