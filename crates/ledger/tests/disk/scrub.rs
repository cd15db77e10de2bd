//! The scrub finds damage that no reader meets, reports it, and delays neither intake nor readers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ledger::disk::simulated::SimulatedDisk;
use ledger::{Ledger, Scrub, ScrubNews, ScrubPace};

use crate::support::FIRST;
use crate::workload::{OPTIONS, open, play};

#[derive(Debug, PartialEq, Eq)]
enum News {
    Damaged(String),
    Passed(u64),
}

fn scrub(ledger: &Ledger, pace: ScrubPace) -> (Scrub, Receiver<News>) {
    let (sender, news) = channel();
    let scrub = ledger.scrub(pace, move |news| {
        let news = match news {
            ScrubNews::Damaged(fault) => News::Damaged(fault.to_string()),
            ScrubNews::Passed { sound } => News::Passed(sound),
        };
        drop(sender.send(news));
    });
    (scrub.unwrap(), news)
}

fn played() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    assert!(play(&open(&disk), 1).complete);
    disk
}

#[test]
fn a_changed_bet_is_reported_until_it_is_restored() {
    let disk = played();
    let ledger = Ledger::open_on(Arc::new(disk.clone()), OPTIONS).unwrap();
    let pace = ScrubPace { pause_time: Duration::ZERO, interval_time: Duration::ZERO };
    let (scrub, news) = scrub(&ledger, pace);
    let findings = scrub.findings();
    let News::Passed(sealed) = news.recv().unwrap() else { panic!("a sound ledger") };
    assert!(sealed > 1 && findings.passes() > 0 && findings.damaged_segments() == 0);

    disk.flip(FIRST, 5000, 1);
    // The pass in progress may have read the segment before it was damaged.
    let damaged = news.iter().find(|damaged| matches!(damaged, News::Damaged(_))).unwrap();
    let News::Damaged(what) = damaged else { unreachable!() };
    assert!(what.contains(FIRST), "{what}");
    assert_eq!(findings.damaged_segments(), 1);
    assert!(findings.first_damage().unwrap().contains(FIRST));

    disk.flip(FIRST, 5000, 1);
    assert!(news.iter().any(|damaged| damaged == News::Passed(sealed)));
    assert!(news.iter().any(|damaged| damaged == News::Passed(sealed)));
    assert_eq!((findings.damaged_segments(), findings.first_damage()), (0, None));
}

#[test]
fn a_scrub_between_two_steps_or_two_passes_ends_at_once() {
    let disk = played();
    let ledger = Ledger::open_on(Arc::new(disk.clone()), OPTIONS).unwrap();
    let hour = Duration::from_hours(1);
    let (within, news) =
        scrub(&ledger, ScrubPace { pause_time: hour, interval_time: Duration::ZERO });
    // Nothing is written, so the first pass does not pause.
    let passed = news.recv_timeout(Duration::from_mins(1));
    assert!(matches!(passed, Ok(News::Passed(_))), "{passed:?}");
    drop(within);
    assert!(news.recv().is_err(), "it has ended");
    let (between, news) = scrub(&ledger, ScrubPace { interval_time: hour, ..ScrubPace::default() });
    assert!(matches!(news.recv().unwrap(), News::Passed(_)));
    drop(between);
    assert!(news.recv().is_err(), "it has ended");
}
