//! The format on disk is frozen: a ledger written by format 2's first release can be read, and the
//! same events give the same bytes.
//!
//! The golden files hold the nonzero rows of 32 bytes, in hexadecimal, each after its offset. They
//! are never regenerated: a change of format gets a new version and its own golden file, and so do
//! new kinds of records.

use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::sync::Arc;

use engine::conformance::{TestClock, wait};
use ledger::disk::simulated::SimulatedDisk;
use lottery::{
    Act, Actor, Agencies, AgencyId, AuditedAction, BetsSearch, CommandLineChange, DrawId, DrawName,
    DrawState, DrawTerms, Label, LogInFailed, NumberRange, OperatorsChange, Reason, RecordedAct,
    Registration, Role, Schedule, Timestamp,
};

use crate::support::{FIRST, SECOND, edit, operator, terms};
use crate::workload::{DRAW, OPTIONS, Run, append, begin, check_contents, open, try_open_at};

const ROW_LEN: usize = 32;
const SEGMENTS: [&str; 2] = [FIRST, SECOND];
const GOLDEN: [&str; 2] =
    [include_str!("golden/format-2-segment-1.hex"), include_str!("golden/format-2-segment-2.hex")];
const ACTS: &str = include_str!("golden/format-2-acts.hex");
/// The segment that the first act of feature 1 begins.
const FEATURE_1: &str = include_str!("golden/format-2-feature-1.hex");
/// The segment that the first act of feature 2 begins.
const FEATURE_2: &str = include_str!("golden/format-2-feature-2.hex");
const FEATURE_3: &str = include_str!("golden/format-2-feature-3.hex");
/// The segment that the first act that names a standby begins.
const FEATURE_4: &str = include_str!("golden/format-2-feature-4.hex");

/// Writes the events of a draw without operators: two segments, the first with its index, each
/// event in its own group.
fn written_now() -> (SimulatedDisk, Run) {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    let mut chunk = 0;
    while disk.contents(SEGMENTS[1]).iter().all(|&byte| byte == 0) {
        append(&ledger, &mut run, 1, chunk, 1_500).unwrap();
        chunk += 1;
    }
    append(&ledger, &mut run, 2, 0, 50).unwrap();
    append(&ledger, &mut run, 3, 0, 50).unwrap();
    for agency in 1..=3 {
        wait(|done| ledger.finish(DRAW, AgencyId(agency), done)).unwrap();
        run.finished.push(agency);
    }
    run.drawn = true;
    drop(ledger);
    drop(open(&disk));
    (disk, run)
}

/// Writes all acts of operators and of the clock, in one segment.
fn acts_written_now() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let clock = Arc::new(TestClock::default());
    let ledger = try_open_at(&disk, OPTIONS, Arc::clone(&clock)).unwrap();
    let draw = DrawId(1);
    let label = |text: &str| Label::new(text).unwrap();
    let terms = DrawTerms {
        name: DrawName::new("Quiniela ñ").unwrap(),
        agencies: Agencies::from_ranges(vec![(1, 5), (7, 7)]).unwrap(),
        numbers: NumberRange::new(1, 99_999).unwrap(),
    };
    let schedule = Schedule { opens_at: Some(Timestamp(3)), closes_at: Some(Timestamp(4)) };
    let (name, place) = (label("La Ñata"), label("Goya"));
    let registration = Registration { agency: AgencyId(7), name, place, enabled: true };
    let the_clock = Actor::Clock;
    let [ana, eva] = ["ana", "eva"].map(operator);
    let added = OperatorsChange::Add { name: label("luz"), role: Role::Auditor };
    let document = Some(label("30904465"));
    let agency = Some(AgencyId(7));
    let search = BetsSearch { draw, document, number: Some(7574), agency, after: 0 };
    let audited = [
        AuditedAction::LogIn,
        AuditedAction::ChangeOperators(added.clone()),
        AuditedAction::OperatorsNotChanged(added),
        AuditedAction::SearchBets(search),
        AuditedAction::ReadWinners(draw),
    ];
    let audited = audited.map(|action| (&eva, Act::Audited(action)));
    let acts = [
        (&ana, Act::Register(registration)),
        (&ana, Act::Announce { terms, schedule }),
        (&the_clock, Act::Open(draw)),
        (&the_clock, Act::Close(draw)),
        (&ana, Act::EnterNumber { draw, number: 7574 }),
        (&eva, Act::EnterNumber { draw, number: 7574 }),
    ];
    for (at, (by, act)) in (1..).zip(acts.into_iter().chain(audited)) {
        let why = Reason::new(if *by == the_clock { "" } else { "es la hora" }).unwrap();
        let recorded = RecordedAct::new(by.clone(), why, act);
        let judge = Box::new(move || Some(at));
        clock.set(Timestamp(at));
        wait(|done| ledger.act(recorded, judge, done)).unwrap();
    }
    let publish = RecordedAct::new(ana, Reason::default(), Act::Publish(draw));
    wait(|done| ledger.act(publish, lottery::always_allowed(), done)).unwrap();
    disk
}

/// Writes all acts of feature 1: the first one begins a segment.
fn corrections_written_now() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let clock = Arc::new(TestClock::default());
    let ledger = try_open_at(&disk, OPTIONS, Arc::clone(&clock)).unwrap();
    let (draw, agency) = (DrawId(1), AgencyId(1));
    let terms = |name: &str| terms(name, 2);
    let schedule = Schedule { opens_at: None, closes_at: Some(Timestamp(99)) };
    let mut at = 0;
    let mut act = |by: &str, act| {
        at += 1;
        clock.set(Timestamp(at));
        let recorded = RecordedAct::new(operator(by), Reason::new("error").unwrap(), act);
        wait(|done| ledger.act(recorded, lottery::always_allowed(), done)).unwrap();
    };
    act("ana", Act::Announce { terms: terms("mañna"), schedule: Schedule::default() });
    act("ana", Act::Announce { terms: terms("tarde"), schedule: Schedule::default() });
    act("ana", Act::Edit { draw, terms: terms("mañana"), schedule });
    act("ana", Act::Cancel(DrawId(2)));
    act("ana", Act::Open(draw));
    wait(|done| ledger.finish(draw, agency, done)).unwrap();
    act("ana", Act::Reopen { draw, agency });
    act("ana", Act::Close(draw));
    act("ana", Act::EnterNumber { draw, number: 7 });
    act("ana", Act::CorrectNumber { draw, number: 8 });
    act("eva", Act::EnterNumber { draw, number: 8 });
    act("ana", Act::Void(draw));
    act("eva", Act::Void(draw));
    disk
}

/// Writes the acts of feature 2: the first one begins a segment.
fn failed_log_ins_written_now() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let clock = Arc::new(TestClock::default());
    let ledger = try_open_at(&disk, OPTIONS, Arc::clone(&clock)).unwrap();
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let failed = |attempts, address| LogInFailed { attempts, address };
    let actions = [
        AuditedAction::LogIn,
        AuditedAction::LogInFailed(failed(1, [10, 0, 0, 7].into())),
        AuditedAction::LogInFailed(failed(258, v6.into())),
    ];
    for (at, action) in (1..).zip(actions) {
        clock.set(Timestamp(at));
        let recorded = RecordedAct::new(operator("ana"), Reason::default(), Act::Audited(action));
        wait(|done| ledger.act(recorded, lottery::always_allowed(), done)).unwrap();
    }
    disk
}

/// Writes the acts of feature 3: the first one begins a segment.
fn command_line_written_now() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let clock = Arc::new(TestClock::default());
    let ledger = try_open_at(&disk, OPTIONS, Arc::clone(&clock)).unwrap();
    let label = |text: &str| Label::new(text).unwrap();
    let given = OperatorsChange::GiveTokenTo {
        name: label("luz"),
        role: Role::Viewer,
        days: 90,
        label: label("pasillo ñ"),
    };
    let by = |user: &str, change| {
        let (user, at) = (label(user), Timestamp(1_700_000_000_123));
        AuditedAction::OnCommandLine(CommandLineChange { user, at, change })
    };
    let actions = [
        (operator("ana"), AuditedAction::LogIn),
        (operator("ana"), AuditedAction::ChangeOperators(given.clone())),
        (Actor::Clock, by("root", given)),
        (Actor::Clock, by("ana", OperatorsChange::Disable(label("luz")))),
    ];
    for (at, (by, action)) in (1..).zip(actions) {
        clock.set(Timestamp(at));
        let recorded = RecordedAct::new(by, Reason::default(), Act::Audited(action));
        wait(|done| ledger.act(recorded, Box::new(move || Some(at)), done)).unwrap();
    }
    disk
}

/// Writes the acts of feature 4: the first one begins a segment.
fn standbys_written_now() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let clock = Arc::new(TestClock::default());
    let ledger = try_open_at(&disk, OPTIONS, Arc::clone(&clock)).unwrap();
    let label = |text: &str| Label::new(text).unwrap();
    let (name, role) = (label("reserva"), Role::Standby);
    let added = OperatorsChange::Add { name: name.clone(), role };
    let given = OperatorsChange::GiveToken { role, days: 366, label: label("copia ñ") };
    let given_to = OperatorsChange::GiveTokenTo { name, role, days: 366, label: label("copia ñ") };
    let (user, at) = (label("root"), Timestamp(1_700_000_000_123));
    let by_root = CommandLineChange { user, at, change: given_to };
    let actions = [
        (operator("ana"), AuditedAction::LogIn),
        (operator("ana"), AuditedAction::ChangeOperators(added.clone())),
        (operator("ana"), AuditedAction::OperatorsNotChanged(added)),
        (operator("reserva"), AuditedAction::ChangeOperators(given)),
        (Actor::Clock, AuditedAction::OnCommandLine(by_root)),
    ];
    for (at, (by, action)) in (1..).zip(actions) {
        clock.set(Timestamp(at));
        let recorded = RecordedAct::new(by, Reason::default(), Act::Audited(action));
        wait(|done| ledger.act(recorded, Box::new(move || Some(at)), done)).unwrap();
    }
    disk
}

fn rows(bytes: &[u8]) -> String {
    let mut text = format!("length {}\n", bytes.len());
    for (at, row) in bytes.chunks(ROW_LEN).enumerate() {
        if row.iter().any(|&byte| byte != 0) {
            write!(text, "{:08x} ", at * ROW_LEN).unwrap();
            row.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
            text.push('\n');
        }
    }
    text
}

fn bytes(rows: &str) -> Vec<u8> {
    let mut lines = rows.lines();
    let len = lines.next().unwrap().strip_prefix("length ").unwrap().parse().unwrap();
    let mut bytes = vec![0; len];
    for line in lines {
        let (offset, row) = line.split_once(' ').unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        for (at, pair) in row.as_bytes().chunks(2).enumerate() {
            let pair = std::str::from_utf8(pair).unwrap();
            bytes[offset + at] = u8::from_str_radix(pair, 16).unwrap();
        }
    }
    bytes
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let (disk, _) = written_now();
    for (name, golden) in SEGMENTS.iter().zip(GOLDEN) {
        assert!(rows(&disk.contents(name)) == golden, "{name} differs from the golden file");
    }
}

#[test]
fn the_same_acts_give_the_same_bytes() {
    let written = rows(&acts_written_now().contents(SEGMENTS[0]));
    assert!(written == ACTS, "{} differs from the golden file:\n{written}", SEGMENTS[0]);
}

/// Returns a disk with the segments of these golden files.
fn written_before(golden: &[&str]) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    for (name, golden) in SEGMENTS.iter().zip(golden) {
        disk.put(name, &bytes(golden));
    }
    disk
}

#[test]
fn the_same_corrections_give_the_same_bytes_in_a_segment_of_their_own() {
    let disk = corrections_written_now();
    let written = rows(&disk.contents(SEGMENTS[1]));
    assert!(written == FEATURE_1, "{} differs from the golden file:\n{written}", SEGMENTS[1]);
    let feature = |name| disk.contents(name)[96];
    assert_eq!(SEGMENTS.map(feature), [0, 1]);
    let ledger = open(&disk);
    let found = |id| ledger.view().draw(DrawId(id)).unwrap();
    assert_eq!([1, 2].map(|id| found(id).state), [DrawState::Closed, DrawState::Cancelled]);
    assert_eq!((found(1).terms.name.as_str(), found(1).agencies_finished), ("mañana", 0));
}

#[test]
fn the_same_failed_log_ins_give_the_same_bytes_in_a_segment_of_their_own() {
    let disk = failed_log_ins_written_now();
    let written = rows(&disk.contents(SEGMENTS[1]));
    assert!(written == FEATURE_2, "{} differs from the golden file:\n{written}", SEGMENTS[1]);
    let feature = |name| disk.contents(name)[96];
    assert_eq!(SEGMENTS.map(feature), [0, 2]);
    assert_eq!(open(&disk).report().records, 3);
}

#[test]
fn the_same_changes_on_the_command_line_give_the_same_bytes_in_a_segment_of_their_own() {
    let disk = command_line_written_now();
    let written = rows(&disk.contents(SEGMENTS[1]));
    assert!(written == FEATURE_3, "{} differs from the golden file:\n{written}", SEGMENTS[1]);
    let feature = |name| disk.contents(name)[96];
    assert_eq!(SEGMENTS.map(feature), [0, 3]);
    assert_eq!(open(&disk).report().records, 4);
}

#[test]
fn the_same_acts_that_name_a_standby_give_the_same_bytes_in_a_segment_of_their_own() {
    let disk = standbys_written_now();
    let written = rows(&disk.contents(SEGMENTS[1]));
    assert!(written == FEATURE_4, "{} differs from the golden file:\n{written}", SEGMENTS[1]);
    let feature = |name| disk.contents(name)[96];
    assert_eq!(SEGMENTS.map(feature), [0, 4]);
    assert_eq!(open(&disk).report().records, 5);
}

#[test]
fn an_act_of_a_feature_that_the_header_does_not_name_is_damage() {
    let disk = corrections_written_now();
    edit(&disk, SECOND, |segment| {
        segment[96] = 0;
        let sum = crc32c::crc32c(&segment[16..104]);
        segment[12..16].copy_from_slice(&sum.to_le_bytes());
    });
    let refused = try_open_at(&disk, OPTIONS, Arc::default()).err().unwrap().to_string();
    assert!(refused.contains("feature"), "{refused}");
}

#[test]
fn acts_written_before_are_read() {
    let ledger = open(&written_before(&[ACTS]));
    assert_eq!(ledger.report().records, 15);
    let status = ledger.view().draw(DRAW).unwrap();
    assert_eq!(status.state, DrawState::Drawn { number: 7574 });
    assert!(status.is_published());
}

#[test]
fn a_ledger_of_the_first_release_is_read() {
    let ledger = open(&written_before(&GOLDEN));
    assert_eq!((ledger.report().records, ledger.report().indexes_built), (1 + 4 + 3 + 3, 0));
    let (_, run) = written_now();
    check_contents(&ledger, &run, "the golden files");
}
