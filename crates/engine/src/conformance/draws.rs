//! Conformance checks of a draw's life.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::fixture::{AT, batch, bets, prefix_digest, recorded, small_batch, terms};
use super::pending::{Pending, submit};
use super::subject::Subject;
use lottery::Event;
use lottery::NumberRange;
use lottery::limits::{AGENCIES_MAX, AGENCY_RANGES_MAX, DRAW_NAME_LEN_MAX};
use lottery::{Act, ActError, Acted, AuditedAction, always_allowed};
use lottery::{Agencies, AgencyId};
use lottery::{AppendError, Appended, Finished, NoPart, NotInDraw, OpenDrawError, ReadError};
use lottery::{DrawId, DrawName, DrawState, DrawTerms, Timestamp};

pub fn an_empty_store_has_no_draws(subject: &mut dyn Subject) {
    assert_eq!(subject.statuses(), []);
    subject.reopen();
    assert_eq!(subject.statuses(), []);
    assert_eq!(subject.scan(DrawId(1)), Err(ReadError::UnknownDraw(DrawId(1))));
}

pub fn a_draw_is_opened_once_and_found_by_the_same_terms(subject: &mut dyn Subject) {
    let terms = terms("sorteo", 1);
    let opened = [(); 2].map(|()| subject.submit_open(&terms, 7));
    assert_eq!(opened.map(Pending::answer), [Ok(DrawId(1)), Ok(DrawId(1))]);
    assert_eq!(subject.open_automatic(&terms, 7), Ok(DrawId(1)));
    subject.reopen();
    assert_eq!(subject.open_automatic(&terms, 7), Ok(DrawId(1)));
    assert_eq!(subject.statuses().len(), 1);
    subject.finish(DrawId(1), 1).unwrap();
    assert_eq!(subject.open_automatic(&terms, 7), Ok(DrawId(1)));
}

pub fn a_draws_name_with_other_terms_is_refused(subject: &mut dyn Subject) {
    let recorded = terms("sorteo", 5);
    let other_agencies = terms("sorteo", 6);
    let other_numbers =
        DrawTerms { numbers: NumberRange::new(1, 9_999).unwrap(), ..recorded.clone() };
    let refusal = Err(OpenDrawError::OtherTerms(Box::new(recorded.clone())));
    let at_once = [&recorded, &other_agencies].map(|terms| subject.submit_open(terms, 7));
    assert_eq!(at_once.map(Pending::answer), [Ok(DrawId(1)), refusal.clone()]);
    for _ in 0..2 {
        assert_eq!(subject.open_automatic(&other_agencies, 7), refusal);
        assert_eq!(subject.open_automatic(&other_numbers, 7), refusal);
        subject.reopen();
    }
    assert_eq!(subject.status(DrawId(1)).terms, recorded);
    assert_eq!(subject.statuses().len(), 1);
}

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

pub fn terms_are_stored_up_to_every_limit(subject: &mut dyn Subject) {
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
    let large = subject.open_automatic(&largest, 0).unwrap();
    let small = subject.open_automatic(&smallest, u32::MAX).unwrap();
    for (chunk, agency) in [0, u32::MAX].into_iter().enumerate() {
        let all_numbers = bets(&[("1", 0), ("2", u32::MAX)]);
        let sent = batch(large, agency, u32::try_from(chunk).unwrap(), all_numbers);
        assert_eq!(subject.append(&sent), Ok(Appended::New));
    }
    subject.finish(large, u32::MAX).unwrap();
    subject.finish(small, 0).unwrap();
    subject.reopen();
    assert_eq!((subject.status(large).terms, subject.status(small).terms), (largest, smallest));
    assert!(subject.progress(large, u32::MAX).unwrap().finished);
    assert_eq!(subject.status(small).state, DrawState::Drawn { number: u32::MAX });
}

fn assert_refused(subject: &dyn Subject, draw: DrawId, agency: u32, why: &NotInDraw) {
    let no_part = || NoPart::from(why.clone());
    assert_eq!(subject.append(&small_batch(draw, agency, 0)), Err(no_part().into()));
    assert_eq!(subject.finish(draw, agency), Err(no_part().into()));
    assert_eq!(subject.progress(draw, agency), Err(why.clone().into()));
}

pub fn unknown_draws_and_agencies_are_refused(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 3);
    for id in [0, 2, u32::MAX].map(DrawId) {
        assert_refused(subject, id, 1, &NotInDraw::UnknownDraw(id));
        assert_eq!(subject.enter("ana", id, 1), Err(ActError::UnknownDraw(id)));
        assert_eq!(subject.winners(id), Err(ReadError::UnknownDraw(id)));
        assert_eq!(subject.scan(id), Err(ReadError::UnknownDraw(id)));
    }
    for unknown in [0, 4, u32::MAX] {
        let (agency, registered) = (AgencyId(unknown), Agencies::first(3).unwrap());
        let refused = NotInDraw::UnknownAgency { agency, registered };
        assert_refused(subject, draw, unknown, &refused);
    }
    subject.reopen();
    let status = subject.status(draw);
    assert_eq!((status.batches, status.agencies_finished), (0, 0));
    assert_eq!(subject.scan(draw), Ok(vec![]));
}

pub fn a_repeated_finish_is_counted_once(subject: &mut dyn Subject) {
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

pub fn all_have_finished_only_with_the_last_agency(subject: &mut dyn Subject) {
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

pub fn the_last_finish_closes_makes_and_publishes_an_automatic_draw(subject: &mut dyn Subject) {
    let draw = subject.open_automatic(&terms("sorteo", 2), 7_531).unwrap();
    subject.append(&small_batch(draw, 1, 31)).unwrap();
    subject.append(&batch(draw, 2, 0, bets(&[("a", 7_531)]))).unwrap();
    for _ in 0..2 {
        subject.finish(draw, 1).unwrap();
        assert_eq!(subject.status(draw).state, DrawState::Open);
        let shown = format!("{:?} {:?}", subject.status(draw), subject.audit_log_from(0));
        assert!(!shown.contains("7531"), "{shown}");
        subject.reopen();
    }
    let at_once = [(); 2].map(|()| subject.submit_finish(draw, 2));
    let answer = |repeated| Ok(Finished { repeated, agencies_finished: 2, all: true });
    assert_eq!(at_once.map(Pending::answer), [answer(false), answer(true)]);
    for _ in 0..2 {
        let status = subject.status(draw);
        assert_eq!(
            (status.state, status.is_published()),
            (DrawState::Drawn { number: 7_531 }, true)
        );
        assert_eq!(subject.winners(draw).unwrap()[&2], ["a"]);
        let audit_log = subject.audit_log_from(5);
        let events: Vec<_> = audit_log.iter().map(|event| (event.sequence, &event.event)).collect();
        let made = Event::DrawMade { draw, attempt: 1, number: 7_531 };
        assert!(matches!(events[0], (5, Event::DrawClosed { bets: 2, .. })), "{events:?}");
        assert_eq!(events[1..], [(6, &made), (7, &Event::DrawPublished { draw })]);
        subject.reopen();
    }
}

pub fn an_automatic_draw_is_made_when_operators_close_it(subject: &mut dyn Subject) {
    let draw = subject.open_automatic(&terms("sorteo", 2), 7).unwrap();
    subject.finish(draw, 1).unwrap();
    assert!(matches!(subject.act("ana", Act::Close(draw)), Err(ActError::ReasonNeeded(_))));
    assert_eq!(subject.act("ana", Act::Open(draw)), Ok(Acted::Repeated));
    assert!(matches!(subject.enter("ana", draw, 7), Err(ActError::State { .. })));
    subject.close(draw);
    let status = subject.status(draw);
    assert_eq!((status.state, status.is_published()), (DrawState::Drawn { number: 7 }, true));
    assert_eq!(status.life.closed.unwrap().by, Some(recorded("ana", "", Act::Open(draw)).by));
    assert_eq!(subject.act("ana", Act::Publish(draw)), Ok(Acted::Repeated));
}

pub fn the_number_of_an_automatic_draw_is_fixed_at_opening(subject: &mut dyn Subject) {
    let range = NumberRange::new(10, 20).unwrap();
    let terms = DrawTerms { numbers: range, ..terms("sorteo", 1) };
    for number in [0, 9, 21, u32::MAX] {
        let refused = Err(OpenDrawError::NumberRange { number, range });
        assert_eq!(subject.open_automatic(&terms, number), refused);
    }
    let draw = subject.open_automatic(&terms, 20).unwrap();
    for _ in 0..2 {
        let refused = Err(OpenDrawError::OtherNumber(terms.name.clone()));
        assert_eq!(subject.open_automatic(&terms, 10), refused);
        subject.reopen();
    }
    subject.finish(draw, 1).unwrap();
    assert_eq!(subject.open_automatic(&terms, 10), Ok(draw));
    assert_eq!(subject.status(draw).state, DrawState::Drawn { number: 20 });
}

pub fn a_close_records_the_digest_of_the_bets(subject: &mut dyn Subject) {
    let contents: [&[(u32, u32)]; 5] = [
        &[(1, 0), (2, 0), (2, 1), (2, 7)],
        &[(2, 1), (2, 7), (1, 0), (2, 0)],
        &[(1, 0), (2, 0), (2, 1)],
        &[(1, 0), (2, 0), (2, 1), (2, 8)],
        &[],
    ];
    let closed = (0..).zip(contents).map(|(at, chunks)| {
        let draw = subject.open(&format!("sorteo {at}"), 2);
        for (agency, chunk) in chunks {
            subject.append(&small_batch(draw, *agency, *chunk)).unwrap();
        }
        subject.close(draw);
        let audit_log = subject.audit_log_from(0);
        match audit_log.last().unwrap().event {
            Event::DrawClosed { bets, set, .. } => (bets, set),
            ref other => panic!("{other:?}"),
        }
    });
    let closed: Vec<_> = closed.collect();
    assert_eq!(closed.iter().map(|(bets, _)| *bets).collect::<Vec<_>>(), [4, 4, 3, 4, 0]);
    let sets = closed.iter().map(|(_, set)| set.to_string());
    let sets: Vec<_> = sets.collect();
    assert_eq!(sets[0], sets[1]);
    assert_eq!(sets[1..].iter().collect::<BTreeSet<_>>().len(), 4);
    let of_one = [1, 0, 0, 0, 1, 0, 0, 0];
    let (one, two) = (prefix(1, &[0]), prefix(2, &[0, 1]));
    let of_two = [2, 0, 0, 0, 2, 0, 0, 0];
    let ahead = [&[1, 0, 0, 0, 7, 0, 0, 0][..], &Sha256::digest(text(2, 7))[..]].concat();
    let none = [0; 4];
    let all = [&of_one[..], &one, &none, &of_two, &two, &ahead].concat();
    let expected: String = Sha256::digest(all).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(sets[0], expected);
}

fn text(agency: u32, chunk: u32) -> String {
    small_batch(DrawId(1), agency, chunk).bets.text().to_owned()
}

fn prefix(agency: u32, chunks: &[u32]) -> [u8; 32] {
    let texts: Vec<_> = chunks.iter().map(|chunk| text(agency, *chunk)).collect();
    prefix_digest(texts.iter().map(String::as_str)).0
}

pub fn a_whole_draw_can_be_submitted_without_waiting(subject: &mut dyn Subject) {
    let draw = DrawId(1);
    let act = |act| {
        let recorded = recorded("ana", "corte de luz", act);
        submit(|done| subject.engine().act(recorded, always_allowed(), done))
    };
    let opened = subject.submit_open(&terms("sorteo", 2), 5);
    let early = act(Act::Publish(draw));
    let bets_of_one = subject.submit_append(&small_batch(draw, 1, 5));
    let one = subject.submit_finish(draw, 1);
    let too_late = subject.submit_append(&small_batch(draw, 1, 6));
    let two = subject.submit_finish(draw, 2);
    let after_close = subject.submit_append(&small_batch(draw, 2, 0));
    let again = [Act::Close(draw), Act::Publish(draw)].map(act);
    assert_eq!(opened.answer(), Ok(draw));
    assert!(matches!(early.answer(), Err(ActError::State { .. })));
    assert_eq!(bets_of_one.answer(), Ok(Appended::New));
    assert_eq!(one.answer(), Ok(Finished { repeated: false, agencies_finished: 1, all: false }));
    assert_eq!(too_late.answer(), Err(AppendError::AgencyFinished(AgencyId(1))));
    assert_eq!(two.answer(), Ok(Finished { repeated: false, agencies_finished: 2, all: true }));
    assert_eq!(after_close.answer(), Err(AppendError::DrawClosed(Some(AT))));
    assert_eq!(again.map(Pending::answer), [Ok(Acted::Repeated), Ok(Acted::Repeated)]);
    assert_eq!(subject.winners(draw).unwrap()[&1], ["1-5"]);
}

pub fn time_never_goes_back(subject: &mut dyn Subject) {
    let terms = terms("sorteo", 1);
    let draw = subject.open_automatic(&terms, 2).unwrap();
    let times = [AT.0 + 5, 0, AT.0 + 1, AT.0 + 9, AT.0 - 1];
    for (chunk, at) in (0..).zip(times) {
        subject.clock().set(Timestamp(at));
        assert_eq!(subject.append(&small_batch(draw, 1, chunk)), Ok(Appended::New));
        let log_in = Act::Audited(AuditedAction::LogIn);
        assert_eq!(subject.act("ana", log_in), Ok(Acted::Done));
    }
    subject.finish(draw, 1).unwrap();
    let noted = |subject: &dyn Subject| {
        let noted = subject.audit_log_from(1).into_iter().map(|event| event.at.0 - AT.0);
        noted.collect::<Vec<_>>()
    };
    // `act()` sets the clock to AT.
    assert!(noted(subject).is_sorted() && noted(subject).first() == Some(&5));
    let before = (subject.snapshot(), noted(subject));
    subject.reopen();
    assert_eq!((subject.snapshot(), noted(subject)), before);
    subject.clock().set(Timestamp(0));
    let log_in = Act::Audited(AuditedAction::LogIn);
    subject.act("ana", log_in).unwrap();
    assert!(noted(subject).is_sorted(), "nor after a restart");
    assert_eq!(subject.winners(draw).unwrap()[&1], ["1-2"]);
}
