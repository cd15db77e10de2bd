//! Checks of a draw's life: opened, finished by each agency, closed, made; each once.

use super::fixture::{AT, bets, small_batch, terms};
use super::{Pending, Subject, fixture, submit};
use crate::agencies::{Agencies, AgencyId};
use crate::bet::NumberRange;
use crate::draw::{DrawId, DrawName, DrawState, DrawTerms, Timestamp};
use crate::limits::{AGENCIES_MAX, AGENCY_RANGES_MAX, DRAW_NAME_LEN_MAX};
use crate::store::{
    AppendError, Appended, CloseError, Closed, DrawError, Drawn, FinishError, Finished,
    OpenDrawError, ProgressError, ReadError,
};

/// A new store holds nothing.
pub fn an_empty_store_has_no_draws(subject: &mut dyn Subject) {
    assert_eq!(subject.statuses(), []);
    subject.reopen();
    assert_eq!(subject.statuses(), []);
    assert_eq!(subject.scan(DrawId(1)), Err(ReadError::UnknownDraw(DrawId(1))));
}

/// Opening again finds the draw: at once, later, and after a restart.
pub fn a_draw_is_opened_once_and_found_by_the_same_terms(subject: &mut dyn Subject) {
    let terms = terms("sorteo", 5);
    let opened =
        [(); 2].map(|()| submit(|done| subject.store().open_draw(terms.clone(), AT, done)));
    assert_eq!(opened.map(Pending::answer), [Ok(DrawId(1)), Ok(DrawId(1))]);
    assert_eq!(subject.open_with(&terms), Ok(DrawId(1)));
    subject.reopen();
    assert_eq!(subject.open_with(&terms), Ok(DrawId(1)));
    assert_eq!(subject.statuses().len(), 1);
    subject.finish_and_close(DrawId(1));
    assert_eq!(subject.open_with(&terms), Ok(DrawId(1)));
}

/// A name stands for its terms, and who asks with others is told the recorded ones.
pub fn a_draws_name_with_other_terms_is_refused(subject: &mut dyn Subject) {
    let recorded = terms("sorteo", 5);
    let other_agencies = terms("sorteo", 6);
    let other_numbers =
        DrawTerms { numbers: NumberRange::new(1, 9_999).unwrap(), ..recorded.clone() };
    let refusal = Err(OpenDrawError::OtherTerms(Box::new(recorded.clone())));
    let at_once = [&recorded, &other_agencies]
        .map(|terms| submit(|done| subject.store().open_draw(terms.clone(), AT, done)));
    assert_eq!(at_once.map(Pending::answer), [Ok(DrawId(1)), refusal.clone()]);
    for _ in 0..2 {
        assert_eq!(subject.open_with(&other_agencies), refusal);
        assert_eq!(subject.open_with(&other_numbers), refusal);
        subject.reopen();
    }
    assert_eq!(subject.status(DrawId(1)).terms, recorded);
    assert_eq!(subject.statuses().len(), 1);
}

/// Draws are numbered from 1 and listed in order, whatever their names; a restart goes on counting.
pub fn draws_are_numbered_in_the_order_of_opening(subject: &mut dyn Subject) {
    let names = ["z", "a", "m", "ñ", "B"];
    for (name, id) in names.into_iter().zip(1..) {
        assert_eq!(subject.open(name, id), DrawId(id));
        subject.reopen();
    }
    let statuses = subject.statuses();
    let listed: Vec<_> =
        statuses.iter().map(|status| (status.terms.name.as_str(), status.id)).collect();
    let expected: Vec<_> = names.into_iter().zip((1..).map(DrawId)).collect();
    assert_eq!(listed, expected);
}

/// The longest name, the most agencies in the most ranges, and every number.
pub fn a_draw_keeps_its_terms_up_to_every_limit(subject: &mut dyn Subject) {
    let singles = u32::try_from(AGENCY_RANGES_MAX - 1).unwrap();
    let mut ranges: Vec<_> = (0..singles).map(|at| (at * 2, at * 2)).collect();
    let rest = u32::try_from(AGENCIES_MAX).unwrap() - singles;
    ranges.push((u32::MAX - rest + 1, u32::MAX));
    let largest = DrawTerms {
        name: DrawName::new("ñ".repeat(DRAW_NAME_LEN_MAX / 2)).unwrap(),
        agencies: Agencies::from_ranges(ranges).unwrap(),
        numbers: NumberRange::new(0, u32::MAX).unwrap(),
    };
    let smallest = DrawTerms {
        name: DrawName::new("x").unwrap(),
        agencies: Agencies::from_ranges(vec![(0, 0)]).unwrap(),
        numbers: NumberRange::new(u32::MAX, u32::MAX).unwrap(),
    };
    let large = subject.open_with(&largest).unwrap();
    let small = subject.open_with(&smallest).unwrap();
    for (chunk, agency) in [0, u32::MAX].into_iter().enumerate() {
        let all_numbers = bets(&[("1", 0), ("2", u32::MAX)]);
        let batch = fixture::batch(large, agency, u32::try_from(chunk).unwrap(), all_numbers);
        assert_eq!(subject.append(&batch), Ok(Appended::New));
    }
    subject.finish(large, u32::MAX).unwrap();
    subject.finish_and_close(small);
    subject.make(small, u32::MAX).unwrap();
    subject.reopen();
    assert_eq!((subject.status(large).terms, subject.status(small).terms), (largest, smallest));
    assert!(subject.progress(large, u32::MAX).unwrap().finished);
    assert_eq!(subject.status(small).state, DrawState::Drawn { number: u32::MAX });
}

/// Every call names what it does not know, and changes nothing.
pub fn unknown_draws_and_agencies_are_refused(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 3);
    for id in [0, 2, u32::MAX].map(DrawId) {
        assert_eq!(subject.append(&small_batch(id, 1, 0)), Err(AppendError::UnknownDraw(id)));
        assert_eq!(subject.finish(id, 1), Err(FinishError::UnknownDraw(id)));
        assert_eq!(subject.close(id), Err(CloseError::UnknownDraw(id)));
        assert_eq!(subject.make(id, 1), Err(DrawError::UnknownDraw(id)));
        assert_eq!(subject.progress(id, 1), Err(ProgressError::UnknownDraw(id)));
        assert_eq!(subject.winners(id), Err(ReadError::UnknownDraw(id)));
        assert_eq!(subject.scan(id), Err(ReadError::UnknownDraw(id)));
    }
    for unknown in [0, 4, u32::MAX] {
        let (agency, registered) = (AgencyId(unknown), Agencies::first(3).unwrap());
        assert_eq!(
            subject.append(&small_batch(draw, unknown, 0)),
            Err(AppendError::UnknownAgency { agency, registered: registered.clone() })
        );
        assert_eq!(
            subject.finish(draw, unknown),
            Err(FinishError::UnknownAgency { agency, registered: registered.clone() })
        );
        assert_eq!(
            subject.progress(draw, unknown),
            Err(ProgressError::UnknownAgency { agency, registered })
        );
    }
    subject.reopen();
    let status = subject.status(draw);
    assert_eq!((status.batches, status.agencies_finished), (0, 0));
    assert_eq!(subject.scan(draw), Ok(vec![]));
}

/// One agency that finishes again and again is one agency.
pub fn a_finish_repeated_is_counted_once(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 3);
    let answer = |repeated| Ok(Finished { repeated, agencies_finished: 1, all: false });
    let at_once = [(); 2].map(|()| subject.submit_finish(draw, 2));
    assert_eq!(at_once.map(Pending::answer), [answer(false), answer(true)]);
    assert_eq!(subject.finish(draw, 2), answer(true));
    subject.reopen();
    assert_eq!(subject.finish(draw, 2), answer(true));
    assert_eq!(subject.status(draw).agencies_finished, 1);
    assert!(!subject.status(draw).all_finished());
}

/// The answer that lets the draw be made comes with the last different agency, over restarts too.
pub fn all_have_finished_only_when_each_one_has(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 3);
    let mut finish = |agency, repeated, agencies_finished, all| {
        let expected = Finished { repeated, agencies_finished, all };
        assert_eq!(subject.finish(draw, agency), Ok(expected), "agency {agency}");
        assert_eq!(subject.status(draw).all_finished(), all);
        subject.reopen();
    };
    finish(3, false, 1, false);
    finish(3, true, 1, false);
    finish(1, false, 2, false);
    finish(3, true, 2, false);
    finish(1, true, 2, false);
    finish(2, false, 3, true);
    finish(1, true, 3, true);
}

/// While an agency may still send bets, the draw stays open and takes them.
pub fn a_draw_is_not_closed_before_all_have_finished(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 2);
    let missing = |finished| Err(CloseError::AgenciesMissing { finished, registered: 2 });
    assert_eq!(subject.close(draw), missing(0));
    subject.finish(draw, 1).unwrap();
    assert_eq!(subject.close(draw), missing(1));
    subject.finish(draw, 1).unwrap();
    subject.reopen();
    assert_eq!(subject.close(draw), missing(1));
    assert_eq!(subject.status(draw).state, DrawState::Open);
    assert_eq!(subject.append(&small_batch(draw, 2, 0)), Ok(Appended::New));
}

/// Closing again, even after the draw is made, changes nothing and says so.
pub fn a_draw_is_closed_once(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    subject.finish(draw, 1).unwrap();
    let at_once = [(); 2].map(|()| submit(|done| subject.store().close(draw, AT, done)));
    let [first, again] = at_once.map(Pending::answer);
    assert_eq!((first, again), (Ok(Closed { repeated: false }), Ok(Closed { repeated: true })));
    subject.reopen();
    assert_eq!(subject.status(draw).state, DrawState::Closed);
    assert_eq!(subject.close(draw), Ok(Closed { repeated: true }));
    subject.make(draw, 7).unwrap();
    assert_eq!(subject.close(draw), Ok(Closed { repeated: true }));
    assert_eq!(subject.status(draw).state, DrawState::Drawn { number: 7 });
}

/// All having finished is not enough: closing is a step of its own.
pub fn a_draw_is_not_made_before_it_is_closed(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    assert_eq!(subject.make(draw, 7), Err(DrawError::NotClosed));
    subject.finish(draw, 1).unwrap();
    assert_eq!(subject.make(draw, 7), Err(DrawError::NotClosed));
    subject.reopen();
    assert_eq!(subject.make(draw, 7), Err(DrawError::NotClosed));
    assert_eq!(subject.status(draw).state, DrawState::Open);
}

/// The recorded number is the answer to whoever asks later, with whatever number.
pub fn a_draw_is_made_once_and_keeps_its_number(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    subject.append(&small_batch(draw, 1, 7)).unwrap();
    subject.finish_and_close(draw);
    let at_once = [7, 8].map(|number| submit(|done| subject.store().draw(draw, number, AT, done)));
    let answer = |repeated| Ok(Drawn { repeated, number: 7 });
    assert_eq!(at_once.map(Pending::answer), [answer(false), answer(true)]);
    for number in [7, 8, u32::MAX] {
        assert_eq!(subject.make(draw, number), answer(true));
        subject.reopen();
        assert_eq!(subject.make(draw, number), answer(true));
    }
    assert_eq!(subject.status(draw).state, DrawState::Drawn { number: 7 });
    assert_eq!(subject.winners(draw).unwrap()[&1], ["1-7"]);
}

/// A number that could not be betted on can't win; both ends of the range can.
pub fn a_number_out_of_range_is_not_drawn(subject: &mut dyn Subject) {
    let range = NumberRange::new(10, 20).unwrap();
    for (name, winning) in [("low", 10), ("high", 20)] {
        let draw = subject.open_with(&DrawTerms { numbers: range, ..terms(name, 1) }).unwrap();
        subject.finish_and_close(draw);
        for number in [0, 9, 21, u32::MAX] {
            assert_eq!(subject.make(draw, number), Err(DrawError::NumberRange { number, range }));
        }
        subject.reopen();
        assert_eq!(subject.status(draw).state, DrawState::Closed);
        let expected = Drawn { repeated: false, number: winning };
        assert_eq!(subject.make(draw, winning), Ok(expected));
    }
}

/// Changes of one thread are decided in order, also while the ones before wait to be durable.
pub fn a_draws_whole_life_may_be_submitted_at_once(subject: &mut dyn Subject) {
    let store = subject.store();
    let draw = DrawId(1);
    let opened = submit(|done| store.open_draw(terms("sorteo", 2), AT, done));
    let early = submit(|done| store.draw(draw, 5, AT, done));
    let bets_of_one = subject.submit_append(&small_batch(draw, 1, 5));
    let one = subject.submit_finish(draw, 1);
    let too_late = subject.submit_append(&small_batch(draw, 1, 6));
    let too_soon = submit(|done| store.close(draw, AT, done));
    let two = subject.submit_finish(draw, 2);
    let closed = submit(|done| store.close(draw, AT, done));
    let after_close = subject.submit_append(&small_batch(draw, 2, 0));
    let drawn = submit(|done| store.draw(draw, 5, AT, done));
    let again = submit(|done| store.draw(draw, 6, AT, done));
    drop(store);

    assert_eq!(opened.answer(), Ok(draw));
    assert_eq!(early.answer(), Err(DrawError::NotClosed));
    assert_eq!(bets_of_one.answer(), Ok(Appended::New));
    assert_eq!(one.answer(), Ok(Finished { repeated: false, agencies_finished: 1, all: false }));
    assert_eq!(too_late.answer(), Err(AppendError::AgencyFinished(AgencyId(1))));
    assert_eq!(too_soon.answer(), Err(CloseError::AgenciesMissing { finished: 1, registered: 2 }));
    assert_eq!(two.answer(), Ok(Finished { repeated: false, agencies_finished: 2, all: true }));
    assert_eq!(closed.answer(), Ok(Closed { repeated: false }));
    assert_eq!(after_close.answer(), Err(AppendError::DrawClosed(None)));
    assert_eq!(drawn.answer(), Ok(Drawn { repeated: false, number: 5 }));
    assert_eq!(again.answer(), Ok(Drawn { repeated: true, number: 5 }));
    assert_eq!(subject.winners(draw).unwrap()[&1], ["1-5"]);
}

/// Times are noted, not judged: a clock that stands still or runs backwards refuses nothing.
pub fn the_clock_decides_nothing(subject: &mut dyn Subject) {
    let [late, later, early] = [AT.0, u64::MAX, 0].map(Timestamp);
    let store = subject.store();
    let draw = super::wait(|done| store.open_draw(terms("sorteo", 1), late, done)).unwrap();
    for (chunk, at) in [later, early, late, late].into_iter().enumerate() {
        let batch = small_batch(draw, 1, u32::try_from(chunk).unwrap());
        assert_eq!(super::wait(|done| store.append(batch, at, done)), Ok(Appended::New));
    }
    super::wait(|done| store.finish(draw, AgencyId(1), early, done)).unwrap();
    super::wait(|done| store.close(draw, later, done)).unwrap();
    super::wait(|done| store.draw(draw, 2, early, done)).unwrap();
    drop(store);
    let before = subject.snapshot();
    subject.reopen();
    assert_eq!(subject.snapshot(), before);
    assert_eq!(subject.winners(draw).unwrap()[&1], ["1-2"]);
}
