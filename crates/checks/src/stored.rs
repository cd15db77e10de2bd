//! Ledgers on a simulated disk: creates valid ones and reads their contents.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use engine::Record;
use engine::conformance::{TestClock, submit};
use ledger::disk::Disk as _;
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Archive, Fault, SimulatedEngine, Summary};
use lottery::{
    Act, Acted, Actor, Agencies, AgencyId, Appended, AuditSpan, AuditedAction, Batch, Bets,
    ChunkId, DrawId, DrawName, DrawState, DrawStatus, DrawTerms, Draws, Event, Label, NumberRange,
    ReadError, Reason, RecordedAct, Registration, Schedule, SealedNumber, StoredEvent, Timestamp,
    Winners,
};

use crate::ledger_bytes::{End, SEGMENT_LEN, file_of, name, segment_header};

pub(crate) const DRAW: DrawId = DrawId(1);
pub(crate) const WINNING_NUMBER: u32 = 7;
const AGENCIES: u32 = 3;
pub(crate) const AT: Timestamp = Timestamp(1_724_278_275_000);

/// The files of a folder, by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// One event of a ledger, with its bets when it is a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) event: Event,
    pub(crate) text: Option<String>,
}

pub(crate) fn open(disk: &SimulatedDisk) -> Result<SimulatedEngine, Fault> {
    SimulatedEngine::open_on(
        Arc::new(disk.clone()),
        SEGMENT_LEN as u64,
        Arc::new(TestClock::at(AT)),
    )
}

/// Returns a disk that holds these files.
pub(crate) fn disk_of(files: &Files) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    files.iter().for_each(|(name, bytes)| disk.put(name, bytes));
    disk
}

/// Returns the files that a disk holds.
pub(crate) fn files_of(disk: &SimulatedDisk) -> Files {
    let names = disk.names().expect("a simulated disk without faults");
    names.into_iter().map(|name| (name.clone(), disk.contents(&name))).collect()
}

/// Reads and checks a ledger from outside, including its indexes, without changing it.
pub(crate) fn read(disk: &SimulatedDisk) -> Result<(Vec<Told>, Summary), Fault> {
    let mut told = Vec::new();
    let archive = Archive::open_on(Arc::new(disk.clone()))?;
    let summary = archive.check(|entry| note(&entry, &mut told))?;
    Ok((told, summary))
}

/// Reads a ledger from outside, without its indexes.
pub(crate) fn read_records(disk: &SimulatedDisk) -> Result<Vec<Told>, Fault> {
    let mut told = Vec::new();
    Archive::open_on(Arc::new(disk.clone()))?.read(|entry| note(&entry, &mut told))?;
    Ok(told)
}

fn note(entry: &Record<'_>, told: &mut Vec<Told>) -> Result<(), Fault> {
    let text = entry.batch().map(|batch| batch.text.to_owned());
    let event = entry.event.clone();
    told.push(Told { sequence: entry.sequence, at: entry.at, event, text });
    Ok(())
}

/// Returns the texts of a draw's batches with agency and chunk, in the order of the scan.
pub(crate) fn scan(
    ledger: &SimulatedEngine,
    draw: DrawId,
) -> Result<Vec<(AgencyId, ChunkId, String)>, ReadError> {
    let mut batches = Vec::new();
    ledger.scan(draw, &mut |batch| {
        batches.push((batch.agency, batch.chunk, batch.text.to_owned()));
        ControlFlow::Continue(())
    })?;
    Ok(batches)
}

/// Returns the batches of a draw among these events.
pub(crate) fn batches_in(told: &[Told], draw: DrawId) -> Vec<(AgencyId, ChunkId, String)> {
    let batches = told.iter().filter_map(|told| match (&told.event, &told.text) {
        (Event::BatchAccepted(batch), Some(text)) if batch.draw == draw => {
            Some((batch.agency, batch.chunk, text.clone()))
        }
        _ => None,
    });
    batches.collect()
}

/// Returns the audit log of a store.
pub(crate) fn audit_log(ledger: &SimulatedEngine) -> Result<Vec<StoredEvent>, ReadError> {
    let mut audit_log = Vec::new();
    ledger.audit_log(AuditSpan::From(0), &mut |event, _| {
        audit_log.push(event);
        ControlFlow::Continue(())
    })?;
    Ok(audit_log)
}

/// Returns the audit log among these events: all except batches.
pub(crate) fn audit_log_in(told: &[Told]) -> Vec<StoredEvent> {
    let others = told.iter().filter(|told| told.text.is_none());
    others
        .map(|told| StoredEvent { sequence: told.sequence, at: told.at, event: told.event.clone() })
        .collect()
}

/// Returns the winners with `number`, computed naively.
pub(crate) fn winners_in(batches: &[(AgencyId, ChunkId, String)], number: u32) -> Winners {
    let mut winners = Winners::default();
    for (agency, _, text) in batches {
        for bet in text.split('&').filter(|bet| !bet.is_empty()) {
            let fields: Vec<&str> = bet.split('|').collect();
            if fields[4].parse() == Ok(number) {
                winners.add(*agency, fields[2]);
            }
        }
    }
    winners
}

/// Checks that the store tells what these events come to or, if it may be damaged, says so.
pub(crate) fn tells(ledger: &SimulatedEngine, told: &[Told], may_be_damaged: bool) {
    let unreadable = |why: &ReadError| {
        let damage = matches!(why, ReadError::Unreadable(words) if words.contains("damaged"));
        assert!(damage && may_be_damaged, "{why}");
    };
    match audit_log(ledger) {
        Ok(found) => assert!(found == audit_log_in(told), "another audit log is told"),
        Err(why) => unreadable(&why),
    }
    for DrawStatus { id, state, .. } in ledger.view().all_draws() {
        let batches = batches_in(told, id);
        match scan(ledger, id) {
            Ok(found) => assert!(found == batches, "other bets are told"),
            Err(why) => unreadable(&why),
        }
        match (state, ledger.winners(id)) {
            (DrawState::Drawn { number }, Ok(found)) => {
                assert_eq!(found, winners_in(&batches, number), "other winners are told");
            }
            (DrawState::Drawn { .. }, Err(why)) => unreadable(&why),
            (_, found) => assert_eq!(found, Err(ReadError::NotDrawn)),
        }
    }
}

/// Checks that the state of the store is the one that these events come to.
pub(crate) fn shows(ledger: &SimulatedEngine, told: &[Told]) {
    let mut draws = Draws::default();
    for told in told {
        draws.replay(&told.event, told.at).expect("it was decided so");
    }
    let register = ledger.view().all_registrations().map(|it| (*it).clone());
    assert!(register.eq(draws.register().cloned()), "another register");
    assert!(ledger.view().all_draws().eq(draws.statuses()), "other draws");
    for DrawStatus { id, terms, .. } in draws.statuses() {
        for agency in terms.agencies.iter().take(AGENCIES as usize) {
            let progress = call(ledger, |it, done| it.progress(id, agency, done));
            assert_eq!(progress, draws.progress(id, agency), "another state");
        }
    }
}

/// Opens a disk's contents as a store, stores a batch in a new draw and verifies both, also after
/// the store is closed and reopened. Reads the rest only if the disk is sound: with these events.
pub(crate) fn takes_a_batch(disk: &SimulatedDisk, sound: Option<&[Told]>) {
    let ledger = open(disk).expect("it was opened before");
    let draws = ledger.view().all_draws();
    let taken: Vec<_> = draws.map(|draw| draw.terms.name.to_string()).collect();
    let is_free = |name: &String| !taken.contains(name);
    let name = (0..).map(|number| format!("nuevo {number}")).find(is_free);
    let terms = terms(&name.expect("some number is free"), 1);
    let draw = call(&ledger, |it, done| it.open_draw(terms, SealedNumber(WINNING_NUMBER), done))
        .expect("a new draw");
    let batch = Batch { draw, ..batch(1, 0, 3) };
    let stored = vec![(batch.agency, batch.chunk, batch.bets.text().to_owned())];
    let appended = call(&ledger, |it, done| it.append(batch.clone(), done));
    assert_eq!(appended, Ok(Appended::New), "a store that opens takes a batch");
    let is_there = |ledger: &SimulatedEngine| {
        let progress = call(ledger, |it, done| it.progress(draw, batch.agency, done));
        let progress = progress.expect("the draw is there");
        assert_eq!((progress.chunks_stored, progress.bets_stored), (1, 3));
        let is_told = || scan(ledger, draw).as_ref() == Ok(&stored);
        assert!(sound.is_none() || is_told(), "what it took is not there");
    };
    is_there(&ledger);
    drop(ledger);
    is_there(&open(disk).unwrap_or_else(|fault| panic!("it does not open again: {fault}")));
    if let Some(told) = sound {
        let (now, summary) = read(disk).expect("it is sound still");
        assert!(now.starts_with(told) && now.len() == told.len() + 2, "other events");
        let mended = summary.torn_bytes + summary.indexes_missing == 0;
        assert!(mended, "opening leaves something half done");
    }
}

/// The valid ledger with a draw led by operators.
const LED: usize = 4;

/// The number of different valid ledgers.
pub(crate) const SOUND_LEDGERS: usize = 5;

/// Returns the files of a valid ledger; some ledgers have several segments.
///
/// # Panics
/// When there is no ledger of that number.
#[must_use]
pub fn sound_ledger(number: usize) -> Vec<Vec<u8>> {
    sound_files(number).into_values().collect()
}

pub(crate) fn sound_files(number: usize) -> Files {
    assert!(number < SOUND_LEDGERS, "there is no such ledger");
    // For each segment its groups; for each group the number of batches and of bets in each.
    let segments: &[&[(u32, u32)]] = match number {
        // Small groups.
        0 => &[&[(1, 2), (3, 1), (2, 3), (1, 1)]],
        // The last group takes many sectors.
        1 => &[&[(1, 2), (2, 60), (3, 40)]],
        // Several segments, and the draw made.
        2 => &[&[(1, 2), (2, 20)], &[(3, 1)], &[(2, 5), (1, 30)]],
        // Several segments, and the draw led by operators.
        LED => &[&[(2, 3)], &[(3, 2), (1, 1)]],
        // Nothing in the last segment yet.
        _ => &[&[(2, 3), (1, 20)], &[]],
    };
    let disk = SimulatedDisk::new();
    let mut chunk = 0;
    for groups in segments {
        if chunk > 0 {
            begin_segment(&disk);
        }
        let ledger = open(&disk).expect("a sound ledger");
        if number != LED {
            assert_eq!(open_draw(&ledger, "sorteo"), DRAW);
        } else if chunk == 0 {
            led_to_its_opening(&ledger);
        }
        for (batches, bets) in *groups {
            append_group(&ledger, chunk, *batches, *bets);
            chunk += 1;
        }
    }
    let ledger = open(&disk).expect("a sound ledger");
    match number {
        2 => make_draw(&ledger),
        LED => led_to_its_end(&ledger),
        _ => {}
    }
    drop(ledger);
    files_of(&disk)
}

pub(crate) fn act(ledger: &SimulatedEngine, by: &str, act: Act) -> Acted {
    let by = match by {
        "" => Actor::Clock,
        name => Actor::Operator(Label::new(name).expect("a short name")),
    };
    let recorded = RecordedAct::new(by, Reason::new("ñ").expect("a short reason"), act);
    call(ledger, |it, done| it.act(recorded, lottery::always_allowed(), done))
        .expect("it may be done now")
}

fn led_to_its_opening(ledger: &SimulatedEngine) {
    let label = |text: &str| Label::new(text).expect("a short text");
    let (name, place) = (label("La Ñata"), label("Goya"));
    let agency = AgencyId(3);
    act(ledger, "luz", Act::Register(Registration { agency, name, place, enabled: true }));
    let closes_at = Some(Timestamp(AT.0 + 1));
    let schedule = Schedule { opens_at: Some(AT), closes_at };
    let terms = terms("operado", AGENCIES);
    assert_eq!(act(ledger, "ana", Act::Announce { terms, schedule }), Acted::Announced(DRAW));
    act(ledger, "", Act::Open(DRAW));
}

fn led_to_its_end(ledger: &SimulatedEngine) {
    act(ledger, "ana", Act::Close(DRAW));
    for (by, number) in [("ana", 8), ("eva", 7), ("ana", 7), ("eva", 7)] {
        act(ledger, by, Act::EnterNumber { draw: DRAW, number });
    }
    act(ledger, "ana", Act::Publish(DRAW));
    act(ledger, "eva", Act::Audited(AuditedAction::ReadWinners(DRAW)));
}

/// Adds the next segment as if the last one were full, so that a ledger of several segments can be
/// small. The previous segment gets its index when the ledger is opened.
fn begin_segment(disk: &SimulatedDisk) {
    let files = files_of(disk);
    let (last, number) = (&files[&name(files.len())], files.len() + 1);
    let end = End::of(last).expect("segments with nothing in them are the last");
    let header = segment_header(number, &end);
    disk.put(&name(number), &file_of(&header, &[], &[]));
}

/// Opens the draw of this name, or finds it.
pub(crate) fn open_draw(ledger: &SimulatedEngine, name: &str) -> DrawId {
    let terms = terms(name, AGENCIES);
    call(ledger, |it, done| it.open_draw(terms, SealedNumber(WINNING_NUMBER), done))
        .expect("it may be opened")
}

fn terms(name: &str, agencies: u32) -> DrawTerms {
    DrawTerms {
        name: DrawName::new(name).expect("a short name"),
        agencies: Agencies::first(agencies).expect("a few"),
        numbers: NumberRange::default(),
    }
}

pub(crate) fn append_group(ledger: &SimulatedEngine, chunk: u32, batches: u32, bets: u32) {
    let pending: Vec<_> = (1..=batches)
        .map(|agency| submit(|done| ledger.append(batch(agency, chunk, bets), done)))
        .collect();
    ledger.commit_group();
    for pending in pending {
        assert_eq!(pending.answer(), Ok(Appended::New));
    }
}

pub(crate) fn make_draw(ledger: &SimulatedEngine) {
    for agency in 1..=AGENCIES {
        call(ledger, |it, done| it.finish(DRAW, AgencyId(agency), done)).expect("all is open");
    }
}

/// Returns a batch that depends only on the arguments.
pub(crate) fn batch(agency: u32, chunk: u32, bets: u32) -> Batch {
    let bet = |bet: u32| {
        let number = (agency * 31 + chunk * 7 + bet) % 50;
        format!("Ana|Díaz|{agency}{chunk:02}{bet:03}|1990-01-02|{number}")
    };
    let text = (0..bets).map(bet).collect::<Vec<_>>().join("&");
    let bets = Bets::parse(&text, NumberRange::default()).expect("acceptable bets");
    Batch { draw: DRAW, agency: AgencyId(agency), chunk: ChunkId(chunk), bets }
}

/// Makes a call and commits the group that answers it.
pub(crate) fn call<T: Send + 'static>(
    ledger: &SimulatedEngine,
    call: impl FnOnce(&SimulatedEngine, engine::Done<T>),
) -> T {
    let pending = submit(|done| call(ledger, done));
    ledger.commit_group();
    pending.answer()
}
