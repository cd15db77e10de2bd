//! Honest agencies among hostile clients, against the program itself: they get their winners, and
//! the central stays within its memory bound and frees every descriptor.
//!
//! `cargo xtask hostile` runs the large form, which also measures.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod attacks;
mod day;
mod measured;
mod memory;
mod probes;
#[path = "../support/mod.rs"]
mod support;

use attacks::{Attack, Kind};
use day::{AGENCIES, Day};
use support::{Process, agency, allow_descriptors, exported_draw, str};

/// Small batches, one at a time, so that there is time for the attacks.
const SLOWLY: &[&str] = &["--batch-max-bets", "4", "--window", "1"];

/// An attack: its kind, number of clients and number of addresses.
type Force = (Kind, u64, u8);

/// The silent kinds come first, before their time runs out.
const FORCES: &[Force] = &[
    (Kind::Idle, 500, 2),
    // One address, with more connections than it may have.
    (Kind::Flood, 320, 1),
    (Kind::HalfOpen, 500, 2),
    (Kind::Drip, 100, 2),
    (Kind::HalfOpenBehindMuch, 20, 1),
    (Kind::GiantLength, 5, 1),
    (Kind::Garbage, 5, 1),
    (Kind::DeafToErrors, 10, 1),
    (Kind::DeafToWinners, 20, 1),
    (Kind::Reset, 5, 1),
    (Kind::Churn, 5, 1),
];

#[tokio::test]
async fn honest_agencies_get_their_winners_among_every_kind_of_attack_at_once() {
    allow_descriptors(4_000);
    let limits = ["--connections-per-address-max", "300", "--connections-max", "3000"];
    let times = ["--frame-time-max", "1s", "--write-time-max", "1s"];
    let day = Day::begin(&std::env::temp_dir(), 10_000, 0, &[&limits[..], &times].concat());
    let before = day.descriptors();
    let attacks = attack(&day, FORCES).await;
    let agencies = start(&day, SLOWLY);
    check_winners(&day, agencies);
    for attack in attacks.iter().filter(|attack| attack.kind != Kind::Idle) {
        attack.struck(1).await;
    }
    let blows: Vec<_> = attacks.iter().map(|attack| (attack.kind, attack.blows())).collect();
    let most = day.memory_max();
    assert!(most <= memory::bound(&attacks), "{most} bytes; {blows:?}");
    drop(attacks);
    day.descriptors_are(before).await;
    check_ledger(day);
}

#[tokio::test]
async fn agencies_turned_away_in_a_flood_that_takes_every_place_come_again_and_get_their_winners() {
    let day = Day::begin(&std::env::temp_dir(), 2_000, 0, &["--connections-max", "100"]);
    let before = day.descriptors();
    let flood = Attack::start(Kind::Flood, &day.central.address, 200, 4);
    flood.struck(500).await;
    let mut agencies = start(&day, SLOWLY);
    for agency in &mut agencies {
        agency.wait_for("too many connections");
    }
    drop(flood);
    check_winners(&day, agencies);
    day.descriptors_are(before).await;
    check_ledger(day);
}

/// Starts the attacks one after the other, each once the previous one is fully under way.
async fn attack(day: &Day, forces: &[Force]) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for &(kind, clients, addresses) in forces {
        let attack = Attack::start(kind, &day.central.address, clients, addresses);
        if kind.holds() {
            attack.holds(clients * 9 / 10).await;
        } else {
            attack.struck(10).await;
        }
        attacks.push(attack);
    }
    attacks
}

/// Starts the five agencies, each as a process.
fn start(day: &Day, more: &[&str]) -> Vec<Process> {
    let central = &day.central.address;
    (1..=AGENCIES).map(|id| agency(id, central, day.bets.file(id), more)).collect()
}

/// Checks that the agencies succeed and print the winners of their files.
fn check_winners(day: &Day, agencies: Vec<Process>) {
    for (id, process) in (1..).zip(agencies) {
        day.bets.are_printed_by(id, &process.ended());
    }
}

/// Stops the central and checks, from outside, that the ledger holds every bet of the five once.
fn check_ledger(day: Day) -> std::collections::BTreeMap<u32, Vec<String>> {
    let data = day.data();
    let ended = day.central.process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log.last());
    let stored = exported_draw(&data, "sorteo");
    day.bets.are_all_in(&stored);
    assert!(support::run_well(&["check", "--data", str(&data)]).starts_with("intact\n"));
    stored
}
