//! Conformance checks with many threads, and of callbacks.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Barrier;

use super::fixture::{OwnedBatch, batch, bets, scan, small_batch, terms};
use super::pending::{Pending, submit, wait};
use super::subject::Subject;
use crate::engine::Engine;
use lottery::{AgencyId, AuditSpan};
use lottery::{AppendError, Appended, Batch, StoreFault};
use lottery::{DrawId, DrawState, DrawStatus, SealedNumber};

const THREADS: u32 = 8;

pub fn a_chunk_sent_concurrently_is_stored_once(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 2);
    let sent: Vec<_> = (0..100).map(|at| small_batch(draw, 1 + at % 2, at / 2)).collect();
    // Many short races collide more often than a long one.
    for sent in sent.chunks(4) {
        let answers = at_once(subject, |engine, _| append_all(engine, sent));
        for (at, batch) in sent.iter().enumerate() {
            let of_batch: Vec<_> = answers.iter().map(|of_thread| &of_thread[at]).collect();
            let count = |outcome| of_batch.iter().filter(|answer| ***answer == Ok(outcome)).count();
            let (new, repeated) = (count(Appended::New), count(Appended::Repeated));
            assert_eq!((new, new + repeated), (1, of_batch.len()), "{batch:?}: {of_batch:?}");
        }
    }
    same_batches_in_any_order(subject, draw, &sent);
    subject.reopen();
    same_batches_in_any_order(subject, draw, &sent);
}

pub fn one_of_the_concurrent_contents_of_a_chunk_is_stored(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    let of_thread = |thread: u32, chunk| {
        let document = format!("{chunk}-{thread}");
        batch(draw, 1, chunk, bets(&[(&document, thread)]))
    };
    let sent = |thread| (0..50).map(|chunk| of_thread(thread, chunk)).collect::<Vec<_>>();
    let answers = at_once(subject, |engine, thread| append_all(engine, &sent(thread)));
    let mut winners = Vec::new();
    for (thread, answers) in (0..).zip(answers) {
        for (batch, answer) in sent(thread).into_iter().zip(answers) {
            match answer {
                Ok(Appended::New) => winners.push(batch),
                other => assert_eq!(other, Err(AppendError::ChunkConflict(batch.chunk))),
            }
        }
    }
    assert_eq!(winners.len(), 50);
    same_batches_in_any_order(subject, draw, &winners);
    subject.reopen();
    same_batches_in_any_order(subject, draw, &winners);
}

pub fn the_order_of_one_threads_batches_is_preserved(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", THREADS);
    // Neither ascending nor descending; a different order per thread.
    let sent =
        |thread: u32| (0..60).map(move |at| small_batch(draw, thread + 1, (at * 7 + thread) % 60));
    at_once(subject, |engine, thread| {
        let answers = append_all(engine, &sent(thread).collect::<Vec<_>>());
        assert!(answers.iter().all(|answer| *answer == Ok(Appended::New)));
    });
    for _ in 0..2 {
        let stored = subject.scan(draw).unwrap();
        for thread in 0..THREADS {
            let of_agency = stored.iter().filter(|batch| batch.agency == thread + 1);
            let expected = OwnedBatch::all(&sent(thread).collect::<Vec<_>>());
            assert!(of_agency.eq(&expected), "agency {}", thread + 1);
        }
        assert_eq!(stored.len(), 60 * THREADS as usize);
        subject.reopen();
    }
}

pub fn a_finish_sent_concurrently_is_counted_once(subject: &mut dyn Subject) {
    const AGENCIES: u32 = 40;
    let draw = subject.open("sorteo", AGENCIES);
    let answers = at_once(subject, |engine, thread| {
        let agencies = (0..AGENCIES).map(|at| AgencyId(1 + (at + thread * 5) % AGENCIES));
        let pending: Vec<_> =
            agencies.map(|agency| submit(|done| engine.finish(draw, agency, done))).collect();
        pending.into_iter().map(|answer| answer.answer().unwrap()).collect::<Vec<_>>()
    });
    let mut first: Vec<_> = answers.iter().flatten().filter(|answer| !answer.repeated).collect();
    first.sort_by_key(|answer| answer.agencies_finished);
    let counted: Vec<_> = first.iter().map(|answer| answer.agencies_finished).collect();
    assert_eq!(counted, (1..=u64::from(AGENCIES)).collect::<Vec<_>>());
    let all = answers.iter().flatten().filter(|answer| answer.all);
    assert!(all.clone().all(|answer| answer.agencies_finished == u64::from(AGENCIES)));
    assert_eq!(all.filter(|answer| !answer.repeated).count(), 1);
    subject.reopen();
    assert!(subject.status(draw).all_finished());
}

pub fn a_draw_opened_and_finished_concurrently_is_one(subject: &mut dyn Subject) {
    for round in 1..=25 {
        let terms = terms(&format!("sorteo {round}"), 1);
        let opened = at_once(subject, |engine, _| {
            wait(|done| engine.open_draw(terms.clone(), SealedNumber(round), done)).unwrap()
        });
        let draw = DrawId(round);
        assert!(opened.iter().all(|opened| *opened == draw), "{opened:?}");
        let finished = at_once(subject, |engine, _| {
            wait(|done| engine.finish(draw, AgencyId(1), done)).unwrap()
        });
        assert_eq!(finished.iter().filter(|finished| !finished.repeated).count(), 1);
    }
    for _ in 0..2 {
        for status in subject.statuses() {
            let DrawStatus { id, state, life, .. } = status;
            assert_eq!((state, life.attempt), (DrawState::Drawn { number: id.0 }, 1));
        }
        subject.reopen();
    }
}

pub fn bets_that_race_with_finish_are_stored_or_refused(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    let refusal = Err(AppendError::AgencyFinished(AgencyId(1)));
    let sent = |thread: u32| (0..40).map(move |at| small_batch(draw, 1, thread * 40 + at));
    let acknowledged: Vec<_> = at_once(subject, |engine, thread| {
        let pending: Vec<_> = sent(thread)
            .enumerate()
            .map(|(at, batch)| {
                if thread == 0 && at == 20 {
                    wait(|done| engine.finish(draw, AgencyId(1), done)).unwrap();
                }
                submit(|done| engine.append(batch, done))
            })
            .collect();
        let answers: Vec<_> = pending.into_iter().map(Pending::answer).collect();
        let known = |answer: &_| *answer == Ok(Appended::New) || *answer == refusal;
        assert!(answers.iter().all(known), "{answers:?}");
        if thread == 0 {
            assert!(
                answers[..20].iter().all(Result::is_ok) && answers[20..].iter().all(Result::is_err)
            );
        }
        let stored = sent(thread).zip(answers).filter(|(_, answer)| answer.is_ok());
        stored.map(|(batch, _)| batch).collect::<Vec<_>>()
    })
    .concat();
    same_batches_in_any_order(subject, draw, &acknowledged);
    assert_eq!(subject.status(draw).batches, acknowledged.len() as u64);
    subject.reopen();
    same_batches_in_any_order(subject, draw, &acknowledged);
    assert_eq!(subject.append(&small_batch(draw, 1, u32::MAX)), refusal);
}

pub fn scans_during_intake_return_a_growing_prefix(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", THREADS);
    let scans = at_once(subject, |engine, thread| {
        let scans = (0..30).map(|chunk| {
            let batch = small_batch(draw, thread + 1, chunk);
            wait(|done| engine.append(batch.clone(), done)).unwrap();
            let kept = scan(engine, draw).unwrap();
            let acknowledged = OwnedBatch::read(&batch.stored());
            assert!(kept.contains(&acknowledged), "{acknowledged:?} is missing in {kept:?}");
            kept
        });
        scans.collect::<Vec<_>>()
    });
    let last = subject.scan(draw).unwrap();
    assert_eq!(last.len(), 30 * THREADS as usize);
    for of_thread in scans {
        assert!(of_thread.is_sorted_by_key(Vec::len), "a later scan showed less");
        assert!(of_thread.iter().all(|scan| last.starts_with(scan)), "the order has changed");
    }
    subject.reopen();
    assert_eq!(subject.scan(draw), Ok(last));
}

pub fn a_slow_reader_does_not_block_intake(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    subject.append(&small_batch(draw, 1, 0)).unwrap();
    let engine = subject.engine();
    let append = |chunk| wait(|done| engine.append(small_batch(draw, 1, chunk), done));
    let scanned = engine.scan(draw, &mut |_| {
        assert_eq!(append(1), Ok(Appended::New));
        ControlFlow::Break(())
    });
    let read = engine.audit_log(AuditSpan::From(0), &mut |_, _| {
        assert_eq!(append(2), Ok(Appended::New));
        ControlFlow::Break(())
    });
    assert_eq!((scanned, read), (Ok(()), Ok(())));
    assert_eq!(subject.progress(draw, 1).unwrap().chunks_stored, 3);
}

pub fn every_callback_runs_even_on_shutdown(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    for round in 0..5 {
        let sent: Vec<_> = (0..200).map(|at| small_batch(draw, 1, round * 200 + at)).collect();
        let pending: Vec<_> = sent.iter().map(|batch| subject.submit_append(batch)).collect();
        subject.reopen();
        let kept = subject.scan(draw).unwrap();
        let stored: BTreeMap<_, _> = kept.iter().map(|batch| (batch.chunk, batch)).collect();
        assert_eq!(stored.len(), kept.len(), "a chunk is stored twice");
        for (batch, pending) in sent.iter().zip(pending) {
            match pending.answer() {
                Ok(Appended::New) => {
                    let kept = OwnedBatch::read(&batch.stored());
                    assert_eq!(stored.get(&batch.chunk.0), Some(&&kept), "acknowledged and lost");
                }
                other => assert_eq!(other, Err(AppendError::Store(StoreFault::Closed))),
            }
        }
    }
}

/// Runs `work` on threads that start together; returns their results.
fn at_once<T: Send>(
    subject: &dyn Subject,
    work: impl Fn(&Engine, u32) -> T + Send + Sync,
) -> Vec<T> {
    let (engine, start) = (subject.engine(), Barrier::new(THREADS as usize));
    std::thread::scope(|scope| {
        let threads = (0..THREADS).map(|thread| {
            let (engine, start, work) = (&engine, &start, &work);
            scope.spawn(move || {
                start.wait();
                work(engine, thread)
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn append_all(engine: &Engine, batches: &[Batch]) -> Vec<Result<Appended, AppendError>> {
    let pending: Vec<_> =
        batches.iter().map(|batch| submit(|done| engine.append(batch.clone(), done))).collect();
    pending.into_iter().map(Pending::answer).collect()
}

fn same_batches_in_any_order(subject: &dyn Subject, draw: DrawId, sent: &[Batch]) {
    let (mut stored, mut expected) = (subject.scan(draw).unwrap(), OwnedBatch::all(sent));
    stored.sort();
    expected.sort();
    assert_eq!(stored, expected);
}
