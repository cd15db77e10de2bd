//! Conformance checks of the published view.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use super::fixture::recorded;
use super::fixture::{small_batch, terms};
use super::operated::registration;
use super::pending::submit;
use super::subject::Subject;
use crate::engine::{Done, Engine};
use lottery::AgencyTotals;
use lottery::View;
use lottery::limits::VIEW_PAGE_MAX;
use lottery::{Act, Acted, Label, Registration, Schedule, always_allowed};
use lottery::{Agencies, AgencyId};
use lottery::{DrawId, DrawState, DrawTerms, SealedNumber};

/// Makes a call; returns what the view shows while its callback runs.
fn seen_by<T, S>(
    engine: &Engine,
    call: impl FnOnce(Done<T>),
    look: impl FnOnce(&View) -> S + Send + 'static,
) -> S
where
    T: Send + 'static,
    S: Send + 'static,
{
    let view = engine.view().clone();
    let (sender, receiver) = mpsc::channel();
    let answered = submit(|done: Done<T>| {
        call(Box::new(move |answer| {
            let _ = sender.send(look(&view));
            done(answer);
        }));
    });
    drop(answered.answer());
    receiver.recv().unwrap()
}

pub fn the_view_has_a_change_before_it_is_answered(subject: &mut dyn Subject) {
    let engine = &*subject.engine();
    let state = |view: &View| view.draw(DrawId(1)).map(|draw| draw.state);
    let first = |view: &View| view.all_agencies(DrawId(1)).next();
    let of = |batches, finished| {
        Some(AgencyTotals { agency: AgencyId(1), batches, bets: batches, finished })
    };
    let open = |done| engine.open_draw(terms("solo", 1), SealedNumber(7), done);
    let opened = seen_by(engine, open, state);
    assert_eq!(opened, Some(DrawState::Open));
    let batch = small_batch(DrawId(1), 1, 0);
    assert_eq!(seen_by(engine, |done| engine.append(batch, done), first), of(1, false));
    let finish = |done| engine.finish(DrawId(1), AgencyId(1), done);
    let all = move |view: &View| (first(view), state(view));
    let drawn = Some(DrawState::Drawn { number: 7 });
    assert_eq!(seen_by(engine, finish, all), (of(1, true), drawn));
    let act = |act| |done| engine.act(recorded("ana", "", act), always_allowed(), done);
    let announce = Act::Announce { terms: terms("operado", 2), schedule: Schedule::default() };
    assert_eq!(seen_by(engine, act(announce), View::draw_count), 2);
    let registered = |view: &View| view.registration(AgencyId(3)).map(|it| it.enabled);
    let register = |enabled| Act::Register(registration(3, enabled));
    assert_eq!(seen_by(engine, act(register(true)), registered), Some(true));
    assert_eq!(seen_by(engine, act(register(false)), registered), Some(false));
}

pub fn a_page_of_the_view_starts_after_its_cursor(subject: &mut dyn Subject) {
    let agencies = Agencies::from_ranges(vec![(2, 4), (7, 7), (9, 3_000)]).unwrap();
    subject.open_with(&DrawTerms { agencies, ..terms("primero", 1) });
    subject.open("segundo", 1);
    for agency in [2, 7, 2_999] {
        subject.append(&small_batch(DrawId(1), agency, 0)).unwrap();
    }
    for agency in [5, 1, 3] {
        let name = Label::new(agency.to_string()).unwrap();
        let register = Act::Register(Registration { name, ..registration(agency, true) });
        let engine = subject.engine();
        let done = submit(|done| {
            engine.act(recorded("ana", "", register), always_allowed(), done);
        });
        assert_eq!(done.answer(), Ok(Acted::Done));
    }
    for _ in 0..2 {
        let view = subject.engine().view().clone();
        let agencies = |after: Option<u32>, limit| {
            let page = view.agencies(DrawId(1), after.map(AgencyId), limit).unwrap().agencies;
            page.iter().map(|it| (it.agency.0, it.batches)).collect::<Vec<_>>()
        };
        assert_eq!(agencies(None, 2), [(2, 1), (3, 0)]);
        assert_eq!(agencies(Some(3), 3), [(4, 0), (7, 1), (9, 0)]);
        assert_eq!(agencies(Some(2_998), 9), [(2_999, 1), (3_000, 0)]);
        assert_eq!((agencies(Some(3_000), 9), agencies(Some(0), 0)), (vec![], vec![]));
        assert_eq!(agencies(None, usize::MAX).len(), VIEW_PAGE_MAX);
        assert_eq!(view.all_agencies(DrawId(1)).count(), 3 + 1 + 2_992);
        let begun = view.begun(DrawId(1), Some(AgencyId(2)), 9).unwrap();
        let numbers = begun.agencies.iter().map(|it| it.agency.0);
        assert_eq!((numbers.collect::<Vec<_>>(), begun.status.bets), (vec![7, 2_999], 3));
        let draws = |after: Option<u32>, limit| {
            let page = view.draws(after.map(DrawId), limit);
            page.iter().map(|it| it.id.0).collect::<Vec<_>>()
        };
        assert_eq!((draws(None, 1), draws(Some(1), 9)), (vec![1], vec![2]));
        assert_eq!(draws(Some(2), 9), [0; 0]);
        let register = |after: Option<u32>, limit| {
            let page = view.registrations(after.map(AgencyId), limit);
            page.iter().map(|it| it.agency.0).collect::<Vec<_>>()
        };
        assert_eq!((register(None, 2), register(Some(3), 2)), (vec![1, 3], vec![5]));
        let behind = view.registrations_behind(1, 9);
        assert_eq!(behind.iter().map(|it| it.agency.0).collect::<Vec<_>>(), [3, 5]);
        assert_eq!((view.registered_count(), view.draw_count()), (3, 2));
        subject.reopen();
    }
}

pub fn a_reader_with_a_page_blocks_no_writer(subject: &mut dyn Subject) {
    let draw = subject.open("solo", 3_000);
    let engine = subject.engine();
    let view = engine.view();
    let (mut agencies, mut draws) = (view.all_agencies(draw), view.all_draws());
    let page = view.agencies(draw, None, 9).unwrap();
    assert_eq!(agencies.next().unwrap().bets, 0);
    assert_eq!(draws.next().unwrap().bets, 0);
    for agency in [1, 2, 2_500] {
        let (engine, batch) = (Arc::clone(&engine), small_batch(draw, agency, 0));
        // On another thread, so that a blocked call fails the check.
        let appended = submit(|done| {
            std::thread::spawn(move || engine.append(batch, done));
        });
        appended.answer().unwrap();
    }
    assert_eq!(page.status.bets, 0);
    // Rows read before stay as they were; new pages are current.
    assert_eq!(agencies.next().unwrap().bets, 0);
    assert_eq!(agencies.map(|it| it.bets).sum::<u64>(), 1);
    assert_eq!(view.all_agencies(draw).map(|it| it.bets).sum::<u64>(), 3);
}

pub fn reading_a_draw_returns_one_snapshot(subject: &mut dyn Subject) {
    const AGENCIES: u32 = 8;
    let draw = subject.open("solo", AGENCIES);
    let engine = subject.engine();
    let view = engine.view();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut bets_before = 0;
            loop {
                let last = is_over.load(Ordering::Acquire);
                let totals = view.agencies(draw, None, AGENCIES as usize).unwrap();
                let bets = totals.agencies.iter().map(|it| it.bets).sum::<u64>();
                let finished = totals.agencies.iter().filter(|it| it.finished).count();
                assert_eq!(totals.status.bets, bets);
                assert_eq!(totals.status.agencies_finished, finished as u64);
                assert!(bets >= bets_before, "it goes back");
                bets_before = bets;
                if last {
                    return bets;
                }
            }
        });
        for chunk in 0..40 {
            let of = |agency| small_batch(draw, agency, chunk);
            let batches = (1..=AGENCIES).map(of);
            let asked = batches.map(|it| submit(|done| engine.append(it, done)));
            let asked: Vec<_> = asked.collect();
            for it in asked {
                it.answer().unwrap();
            }
        }
        for agency in 1..=AGENCIES {
            let finish = submit(|done| engine.finish(draw, AgencyId(agency), done));
            finish.answer().unwrap();
        }
        is_over.store(true, Ordering::Release);
        assert_eq!(reader.join().unwrap(), u64::from(AGENCIES) * 40);
    });
}

pub fn the_view_agrees_with_the_stored_bets(subject: &mut dyn Subject) {
    let draws = [subject.open("primero", 3), subject.open("segundo", 4)];
    for (draw, agency, chunk) in
        [(0, 1, 0), (1, 4, 0), (0, 1, 5), (0, 2, 1), (1, 4, 1), (1, 1, 0), (0, 1, 1)]
    {
        subject.append(&small_batch(draws[draw], agency, chunk)).unwrap();
    }
    subject.finish(draws[0], 3).unwrap();
    for _ in 0..2 {
        let engine: Arc<_> = subject.engine();
        for draw in draws {
            let mut batches = std::collections::BTreeMap::new();
            let scanned = engine.scan(draw, &mut |batch| {
                *batches.entry(batch.agency).or_insert(0) += 1;
                ControlFlow::Continue(())
            });
            scanned.unwrap();
            for totals in engine.view().all_agencies(draw) {
                let stored = batches.get(&totals.agency).copied().unwrap_or(0);
                assert_eq!((totals.batches, totals.bets), (stored, stored));
                let is_third = draw == draws[0] && totals.agency == AgencyId(3);
                assert_eq!(totals.finished, is_third);
            }
        }
        drop(engine);
        subject.reopen();
    }
}
