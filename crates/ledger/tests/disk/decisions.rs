//! A decision is atomic, whatever sectors of it survive a crash: no draw is closed but not made,
//! and recovery reports any other incomplete decision as damage.

mod forged;
mod setting;

use engine::{Chain, LedgerId};
use ledger::disk::Disk as _;
use ledger::disk::simulated::{Failure, SimulatedDisk};
use lottery::{Act, AgencyId};

use crate::support::bytes::records_in;
use crate::support::{Ask, Shown, check, contents, segments};
use setting::{ALONE, LED, act, ask, batch, begun, enter, fill, open, shown_by};

/// Up to so many sectors, every subset survives once; of more, random subsets are tried.
const SECTORS_MAX: usize = 8;

/// Returns the decisions of more than one record: name, prior requests, request, number of records.
fn decisions() -> [(&'static str, Vec<Ask>, Ask, usize); 5] {
    let close = |draw| act("ana", Act::Close(draw));
    let (first, second) = (enter("ana"), enter("eva"));
    let entered = vec![close(LED), first.clone(), second.clone()];
    [
        ("the last FINISH", vec![], Ask::Finish(ALONE, AgencyId(2)), 4),
        ("a close of what goes by itself", vec![], close(ALONE), 4),
        ("a close", vec![], close(LED), 2),
        ("the second entry", vec![close(LED), first], second, 2),
        ("a publication", entered, act("ana", Act::Publish(LED)), 2),
    ]
}

/// Requests written as one group, one of which is a decision of several records.
struct Group {
    what: String,
    before: SimulatedDisk,
    asks: Vec<Ask>,
    /// The position of the decision among all records, and its number of records.
    decision: (usize, usize),
    /// What the ledger shows before the first request and after each.
    shown: Vec<Shown>,
    end: Option<(LedgerId, Chain)>,
}

/// Counts of what the crashes left.
#[derive(Debug, Default)]
struct Tally {
    /// The decision's first record was complete on the disk, and another was not.
    halves: u32,
    /// Not all of the group was kept.
    without: u32,
    kept: u32,
    /// Groups that went to a new segment.
    second_segments: u32,
    /// Groups that stayed in the first segment.
    first_segments: u32,
}

impl Group {
    fn new(what: String, before: SimulatedDisk, asks: Vec<Ask>, at: usize, records: usize) -> Self {
        let whole = before.crash(&mut || true);
        let ledger = open(&whole).unwrap();
        let first = usize::try_from(ledger.report().records).unwrap() + at;
        let mut shown = vec![shown_by(&ledger)];
        for asked in &asks {
            assert_eq!(ask(&ledger, std::slice::from_ref(asked)), 1, "{what}");
            shown.push(shown_by(&ledger));
        }
        drop(ledger);
        let end = check(&whole).unwrap().end;
        Self { what, before, asks, decision: (first, records), shown, end }
    }

    /// Crashes at each operation of the group, with each subset of the volatile sectors.
    fn crash_everywhere(&self, tally: &mut Tally) {
        for operation in 0.. {
            let disk = self.before.crash(&mut || true);
            let ledger = open(&disk).unwrap();
            disk.fail_after(operation, Failure::NotDurable);
            let acknowledged = ask(&ledger, &self.asks);
            drop(ledger);
            if acknowledged == self.asks.len() {
                let last = segments(&disk).len() == segments(&self.before).len();
                tally.first_segments += u32::from(last);
                tally.second_segments += u32::from(!last);
                return;
            }
            for (survivors, crashed) in crashes(&disk) {
                let what = format!("{}, operation {operation}, {survivors:b}", self.what);
                let kept = self.go_on(&crashed, acknowledged, &what);
                tally.kept += u32::from(kept);
                tally.without += u32::from(!kept);
                tally.halves += u32::from(self.is_half(&disk, &crashed));
            }
        }
    }

    /// Opens the disk after a crash and submits the remaining requests; returns whether none
    /// remained.
    fn go_on(&self, crashed: &SimulatedDisk, acknowledged: usize, what: &str) -> bool {
        let read = crashed.crash(&mut || true);
        let torn_bytes = check(&read).unwrap_or_else(|fault| panic!("{what}: {fault}")).torn_bytes;
        let ledger = open(&read).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!(ledger.report().cut_bytes, torn_bytes, "{what}");
        let shown = shown_by(&ledger);
        let places = acknowledged..=self.asks.len();
        let place = places.clone().find(|place| self.shown[*place] == shown);
        let place = place.unwrap_or_else(|| panic!("{what}: {places:?} were told: {shown:#?}"));
        let rest = &self.asks[place..];
        assert_eq!(ask(&ledger, rest), rest.len(), "{what}: it goes on");
        assert_eq!(Some(&shown_by(&ledger)), self.shown.last(), "{what}");
        drop(ledger);
        let summary = check(&read).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!((summary.torn_bytes, summary.end), (0, self.end), "{what}");
        rest.is_empty()
    }

    /// Returns whether the decision is only partly on the disk: its first record, but not all.
    fn is_half(&self, written: &SimulatedDisk, crashed: &SimulatedDisk) -> bool {
        let (mut place, (first, count)) = (0, self.decision);
        let mut whole = Vec::new();
        let there = crashed.names().unwrap();
        for name in segments(written).iter().filter(|name| there.contains(name)) {
            let (written, crashed) = (written.contents(name), crashed.contents(name));
            for record in records_in(&written) {
                if (first..first + count).contains(&place) {
                    whole.push(crashed.get(record.range()) == Some(&written[record.range()]));
                }
                place += 1;
            }
        }
        whole.first() == Some(&true) && whole.contains(&false)
    }
}

/// Returns the disks that crashes may leave, each with the bits of the sectors that survived.
fn crashes(disk: &SimulatedDisk) -> Vec<(u64, SimulatedDisk)> {
    let crash = |survives: &dyn Fn(usize) -> bool| {
        let mut asked = 0;
        let crashed = disk.crash(&mut || {
            asked += 1;
            survives(asked - 1)
        });
        (asked, crashed)
    };
    let (asked, whole) = crash(&|_| true);
    let all = contents(&whole);
    // Sectors rewritten with the same content make no difference.
    let matters = |lost: &usize| contents(&crash(&|at| at != *lost).1) != all;
    let sectors: Vec<_> = (0..asked).filter(matters).collect();
    let last = (1_u64 << sectors.len()) - 1;
    let mut random = fastrand::Rng::with_seed(last);
    let subsets: Vec<u64> = match sectors.len() {
        0..=SECTORS_MAX => (0..=last).collect(),
        _ => {
            [0, last].into_iter().chain((0..1 << SECTORS_MAX).map(|_| random.u64(..last))).collect()
        }
    };
    let survives = |at: usize, survivors: u64| {
        let bit = sectors.iter().position(|sector| *sector == at);
        bit.is_none_or(|bit| survivors >> bit & 1 == 1)
    };
    let of = |survivors| (survivors, crash(&|at| survives(at, survivors)).1);
    subsets.into_iter().map(of).collect()
}

/// Returns a ledger that has processed the requests `leading`.
fn led_to(leading: &[Ask]) -> SimulatedDisk {
    let disk = begun();
    let ledger = open(&disk).unwrap();
    for asked in leading {
        assert_eq!(ask(&ledger, std::slice::from_ref(asked)), 1);
    }
    drop(ledger);
    disk
}

fn append(disk: &SimulatedDisk, asked: Ask) {
    assert_eq!(ask(&open(disk).unwrap(), &[asked]), 1);
}

#[test]
fn a_decision_is_whole_or_not_at_all_wherever_in_a_sector_it_begins() {
    let mut tally = Tally::default();
    for (what, leading, decision, records) in decisions() {
        let begun = led_to(&leading);
        for shift in (0..512).step_by(8) {
            let before = begun.crash(&mut || true);
            append(&before, batch(0, 160 + shift));
            let what = format!("{what}, shifted by {shift}");
            let group = Group::new(what, before, vec![decision.clone()], 0, records);
            group.crash_everywhere(&mut tally);
        }
    }
    assert!(tally.halves > 120 && tally.without > 700 && tally.kept > 300, "{tally:?}");
}

#[test]
fn a_decision_is_whole_or_not_at_all_among_others_of_its_group() {
    let mut tally = Tally::default();
    for (what, leading, decision, records) in decisions() {
        let begun = led_to(&leading);
        for (before_len, behind_len) in [(160, 160), (600, 0), (1_104, 600), (4_000, 160)] {
            for shift in (0..512).step_by(104) {
                let mut asks = vec![batch(0, before_len + shift), decision.clone()];
                asks.extend((behind_len > 0).then(|| batch(1, behind_len)));
                let what = format!("{what} between {before_len} + {shift} and {behind_len}");
                let group = Group::new(what, begun.crash(&mut || true), asks, 1, records);
                group.crash_everywhere(&mut tally);
            }
        }
    }
    assert!(tally.halves > 800 && tally.without > 5_000 && tally.kept > 90, "{tally:?}");
}

#[test]
fn a_decision_is_whole_or_not_at_all_where_a_segment_ends() {
    let mut tally = Tally::default();
    for (what, leading, decision, records) in decisions() {
        for room in (96..1_200).step_by(48) {
            let before = led_to(&leading);
            fill(&before, room);
            let what = format!("{what}, room for {room}");
            let group = Group::new(what, before, vec![decision.clone()], 0, records);
            group.crash_everywhere(&mut tally);
        }
        // With a batch before it that fits the segment.
        for room in [168, 400, 624, 776, 792] {
            let before = led_to(&leading);
            fill(&before, room);
            let what = format!("{what} behind a batch, room for {room}");
            let group = Group::new(what, before, vec![batch(0, 160), decision.clone()], 1, records);
            group.crash_everywhere(&mut tally);
        }
    }
    assert!(tally.first_segments > 30 && tally.second_segments > 30, "{tally:?}");
    assert!(tally.halves > 20, "{tally:?}");
}
