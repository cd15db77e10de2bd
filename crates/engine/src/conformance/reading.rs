//! Conformance checks of reading: scans, winners, progress, statuses.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::fixture::{
    OwnedBatch, Rng, WinnersByAgency, batch, bets, prefix_digest, recount, seeds, small_batch,
};
use super::subject::Subject;
use crate::chain::Chain;
use crate::log::{Entry, Record};
use lottery::AgencyProgress;
use lottery::{Appended, AuditSpan, Batch, ReadError, StoredBatch};
use lottery::{Bets, NumberRange, PrefixDigest};
use lottery::{DrawState, DrawStatus};

pub fn a_scan_ends_when_its_visitor_breaks(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    let sent: Vec<_> = (0..10).map(|chunk| small_batch(draw, 1, chunk)).collect();
    for batch in &sent {
        subject.append(batch).unwrap();
    }
    for enough in [1, 4, 10] {
        let mut seen = Vec::new();
        let scanned = subject.engine().scan(draw, &mut |batch| {
            seen.push(OwnedBatch::read(&batch));
            if seen.len() == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(scanned, Ok(()));
        assert_eq!(seen, OwnedBatch::all(&sent[..enough]));
    }
}

pub fn records_are_all_events_in_order_from_any_number(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 2);
    let mut sent: Vec<_> = (0..40).map(|chunk| small_batch(draw, 1, chunk)).collect();
    sent.push(batch(draw, 2, 0, Bets::none()));
    for batch in &sent {
        subject.append(batch).unwrap();
    }
    subject.finish_and_close(draw);
    subject.make(draw, 7);
    let all = records_from(subject, 0, usize::MAX);
    for _ in 0..2 {
        let (mut before, mut left) = (Chain::first(subject.engine().id()), 0);
        for (sequence, entry) in (0..).zip(&all) {
            let Entry { at, left: its_left, chain, .. } = *entry;
            assert_eq!(entry.sequence, sequence);
            before = before.then_body(sequence, at, its_left, &entry.body());
            assert_eq!(chain, before, "record {sequence}");
            assert!(left == 0 || its_left == left - 1, "record {sequence}");
            left = its_left;
        }
        assert_eq!((left, all.len() as u64), (0, subject.engine().view().events()));
        let batches = all.iter().filter_map(|entry| entry.batch.as_deref().cloned());
        assert!(batches.eq(sent.clone()));
        let mut others = all.iter().filter(|entry| entry.batch.is_none());
        let read = subject.engine().audit_log(AuditSpan::From(0), &mut |event, chain| {
            let Entry { sequence, at, event: expected, chain: its_chain, .. } =
                others.next().unwrap();
            assert_eq!((event.sequence, event.at, &event.event), (*sequence, *at, expected));
            assert_eq!(chain, *its_chain);
            ControlFlow::Continue(())
        });
        assert!(read.is_ok() && others.next().is_none());
        for from in 0..all.len() {
            assert!(records_from(subject, from as u64, usize::MAX) == all[from..], "from {from}");
            let enough = all.len().min(from + 3);
            assert!(records_from(subject, from as u64, 3) == all[from..enough], "from {from}");
        }
        for beyond in [all.len() as u64, all.len() as u64 + 1, u64::MAX] {
            assert!(records_from(subject, beyond, usize::MAX).is_empty());
        }
        subject.reopen();
        assert!(records_from(subject, 0, usize::MAX) == all);
    }
}

/// Reads at most `enough` records.
fn records_from(subject: &dyn Subject, from: u64, enough: usize) -> Vec<Entry> {
    let mut found = Vec::new();
    let read = subject.engine().records(from, &mut |record| {
        let Record { sequence, at, left, event, text, chain } = record;
        let batch = record.batch().map(|StoredBatch { draw, agency, chunk, .. }| {
            let bets = match text {
                "" => Bets::none(),
                text => Bets::parse(text, NumberRange::default()).unwrap(),
            };
            Arc::new(Batch { draw, agency, chunk, bets })
        });
        found.push(Entry { sequence, at, left, event: event.clone(), batch, chain });
        if found.len() == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    read.unwrap();
    found
}

pub fn winners_are_refused_before_the_draw(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    let not_drawn = |stage: &str, subject: &mut dyn Subject| {
        assert_eq!(subject.winners(draw), Err(ReadError::NotDrawn), "{stage}");
        subject.reopen();
        assert_eq!(subject.winners(draw), Err(ReadError::NotDrawn), "{stage}");
    };
    not_drawn("empty", subject);
    subject.append(&batch(draw, 1, 0, bets(&[("a", 7)]))).unwrap();
    not_drawn("with bets", subject);
    subject.finish(draw, 1).unwrap();
    not_drawn("finished", subject);
    subject.close(draw);
    not_drawn("closed", subject);
    subject.make(draw, 7);
    assert_eq!(subject.winners(draw).unwrap()[&1], ["a"]);
}

pub fn winners_of_an_agency_are_its_own_in_order(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 4);
    let sent = [
        batch(draw, 2, 1, bets(&[("z", 7), ("loser", 6), ("m", 7)])),
        batch(draw, 1, 0, bets(&[("shared", 7), ("loser", 70)])),
        batch(draw, 2, 0, bets(&[("a", 7), ("shared", 7), ("z", 7), ("z", 7)])),
        batch(draw, 3, 0, bets(&[("loser", 8), ("7", 77)])),
        batch(draw, 1, 1, bets(&[("shared", 7)])),
    ];
    for batch in &sent {
        assert_eq!(subject.append(batch), Ok(Appended::New));
        assert_eq!(subject.append(batch), Ok(Appended::Repeated));
    }
    subject.finish_and_close(draw);
    subject.make(draw, 7);
    let of_one = ["shared", "shared"];
    let of_two = ["z", "m", "a", "shared", "z", "z"];
    let expected: WinnersByAgency = [(1, &of_one[..]), (2, &of_two[..])]
        .map(|(agency, documents)| (agency, documents.iter().map(|&it| it.into()).collect()))
        .into();
    for _ in 0..2 {
        assert_eq!(subject.winners(draw).as_ref(), Ok(&expected));
        subject.reopen();
    }
}

pub fn a_draw_without_winning_bets_has_no_winners(subject: &mut dyn Subject) {
    let (empty, missed) = (subject.open("empty", 2), subject.open("missed", 2));
    subject.append(&batch(missed, 1, 0, bets(&[("a", 6), ("b", 8)]))).unwrap();
    for draw in [empty, missed] {
        subject.finish_and_close(draw);
        subject.make(draw, 7);
        assert_eq!(subject.winners(draw), Ok(WinnersByAgency::new()));
    }
    subject.reopen();
    assert_eq!(subject.winners(empty), Ok(WinnersByAgency::new()));
    assert_eq!(subject.winners(missed), Ok(WinnersByAgency::new()));
}

pub fn winners_agree_with_a_recount(subject: &mut dyn Subject) {
    for seed in seeds() {
        let mut rng = Rng::with_seed(seed);
        let draw = subject.open(&format!("seed {seed}"), 5);
        let sent: Vec<_> = (0..300)
            .map(|chunk| {
                let (agency, count) = (1 + rng.below(5), rng.below(30));
                batch(draw, agency, chunk, rng.bets(count, 20))
            })
            .collect();
        let at_once: Vec<_> = sent.iter().map(|batch| subject.submit_append(batch)).collect();
        for pending in at_once {
            assert_eq!(pending.answer(), Ok(Appended::New), "seed {seed}");
        }
        subject.finish_and_close(draw);
        let number = rng.below(20);
        subject.make(draw, number);
        for _ in 0..2 {
            let batches = subject.scan(draw).unwrap();
            assert!(
                batches == OwnedBatch::all(&sent),
                "seed {seed}: the scan is not what was sent"
            );
            let winners = subject.winners(draw).unwrap();
            assert_eq!(winners, recount(&batches, number), "seed {seed}");
            assert!(!winners.is_empty(), "seed {seed} makes no winners, and checks nothing");
            subject.reopen();
        }
    }
}

pub fn progress_counts_contiguous_chunks(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 2);
    let content = |chunk: u32| match chunk {
        2 => Bets::none(),
        _ => bets(&vec![("x", chunk); chunk as usize + 1]),
    };
    let steps = [(1, 0), (0, 2), (4, 2), (u32::MAX - 1, 2), (2, 3), (3, 5), (6, 5), (5, 7)];
    let mut other = small_batch(draw, 2, 0);
    for (chunk, chunks_stored) in steps {
        let bets = if chunk > 9 { Bets::none() } else { content(chunk) };
        assert_eq!(subject.append(&batch(draw, 1, chunk, bets)), Ok(Appended::New));
        subject.append(&other).unwrap();
        other.chunk.0 += 1;
        let prefix: Vec<_> = (0..chunks_stored).map(content).collect();
        let expected = AgencyProgress {
            chunks_stored: u64::from(chunks_stored),
            bets_stored: prefix.iter().map(|bets| u64::from(bets.count())).sum(),
            prefix_digest: prefix_digest(prefix.iter().map(Bets::text)),
            finished: false,
            state: DrawState::Open,
        };
        assert_eq!(subject.progress(draw, 1), Ok(expected), "after chunk {chunk}");
        subject.reopen();
        assert_eq!(subject.progress(draw, 1), Ok(expected), "reopened after chunk {chunk}");
    }
}

pub fn progress_has_the_finish_and_the_draws_state(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 2);
    let tells = |of_one, of_two, state, subject: &mut dyn Subject| {
        for _ in 0..2 {
            for (agency, finished) in [(1, of_one), (2, of_two)] {
                let expected = AgencyProgress {
                    chunks_stored: 0,
                    bets_stored: 0,
                    prefix_digest: PrefixDigest([0; 32]),
                    finished,
                    state,
                };
                assert_eq!(subject.progress(draw, agency), Ok(expected));
            }
            subject.reopen();
        }
    };
    tells(false, false, DrawState::Open, subject);
    subject.finish(draw, 2).unwrap();
    tells(false, true, DrawState::Open, subject);
    subject.finish(draw, 1).unwrap();
    tells(true, true, DrawState::Open, subject);
    subject.close(draw);
    tells(true, true, DrawState::Closed, subject);
    subject.make(draw, 0);
    tells(true, true, DrawState::Drawn { number: 0 }, subject);
}

pub fn statuses_count_what_is_stored(subject: &mut dyn Subject) {
    let (first, second) = (subject.open("uno", 2), subject.open("dos", 3));
    let mut expected = subject.statuses();
    let fresh = |status: &DrawStatus| (status.agencies_finished, status.batches, status.bets);
    assert!(expected.iter().all(|status| fresh(status) == (0, 0, 0)));
    let mut rng = Rng::with_seed(1);
    for chunk in 0..20 {
        let (draw, count) = (rng.pick(&[first, second]), rng.below(50));
        let sent = batch(draw, 1, chunk, rng.bets(count, 100));
        assert_eq!(subject.append(&sent), Ok(Appended::New));
        assert_eq!(subject.append(&sent), Ok(Appended::Repeated));
        let conflict = Batch { bets: bets(&[("other", 1)]), ..sent };
        assert!(subject.append(&conflict).is_err());
        let status = expected.iter_mut().find(|status| status.id == draw).unwrap();
        status.batches += 1;
        status.bets += u64::from(count);
        assert_eq!(subject.statuses(), expected);
    }
    for agency in [1, 2, 2, 1] {
        subject.finish(first, agency).unwrap();
    }
    subject.finish(second, 3).unwrap();
    subject.close(first);
    subject.make(first, 7);
    (expected[0].agencies_finished, expected[1].agencies_finished) = (2, 1);
    expected[0].state = DrawState::Drawn { number: 7 };
    expected[0].life = subject.status(first).life;
    assert_eq!(subject.statuses(), expected);
    subject.reopen();
    assert_eq!(subject.statuses(), expected);
}

pub fn everything_reads_the_same_after_reopening_at_each_stage(subject: &mut dyn Subject) {
    let same = |stage: &str, subject: &mut dyn Subject| {
        let before = subject.snapshot();
        for _ in 0..2 {
            subject.reopen();
            assert_eq!(subject.snapshot(), before, "{stage}");
        }
        before
    };
    same("no draws", subject);
    let draw = subject.open("sorteo", 3);
    same("no bets", subject);
    for chunk in [0, 1, 3, u32::MAX] {
        subject.append(&small_batch(draw, 1, chunk)).unwrap();
    }
    same("a gap", subject);
    let other = subject.open("otro", 2);
    subject.append(&small_batch(other, 2, 0)).unwrap();
    subject.append(&small_batch(draw, 1, 2)).unwrap();
    same("two draws", subject);
    subject.finish(draw, 1).unwrap();
    subject.finish(draw, 3).unwrap();
    same("some finished", subject);
    subject.append(&batch(draw, 2, 0, bets(&[("a", 3), ("b", 4), ("a", 3)]))).unwrap();
    subject.finish(draw, 2).unwrap();
    same("all finished", subject);
    subject.close(draw);
    same("closed", subject);
    subject.append(&small_batch(other, 1, 0)).unwrap();
    subject.make(draw, 3);
    let last = same("drawn", subject);

    let winners = last.draws[0].winners.as_ref().unwrap();
    let expected = WinnersByAgency::from([
        (1, vec!["1-3".to_owned()]),
        (2, vec!["a".to_owned(), "a".to_owned()]),
    ]);
    assert_eq!(winners, &expected);
    assert_eq!(last.draws[1].batches.len(), 2);
}
