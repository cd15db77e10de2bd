//! Conformance checks of draws that operators run, the register and the audit log.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use super::fixture::{AT, recorded, small_batch, terms};
use super::pending::{Pending, submit, wait};
use super::subject::Subject;
use lottery::AgencyTotals;
use lottery::Event;
use lottery::NumberRange;
use lottery::limits::{AGENCIES_MAX, DRAWS_UNMADE_MAX};
use lottery::{
    Act, ActError, Acted, Actor, Judge, Label, Reason, RecordedAct, Registration, Schedule,
    Unfinished, always_allowed,
};
use lottery::{Agencies, AgencyId};
use lottery::{AppendError, Appended, Finished, NoPart, OpenDrawError, StoredEvent};
use lottery::{AuditSpan, AuditedAction, CommandLineChange, OperatorsChange};
use lottery::{Closing, Lifecycle};
use lottery::{DrawId, DrawName, DrawState, DrawTerms, Timestamp};

fn later(ms: u64) -> Timestamp {
    Timestamp(AT.0 + ms)
}

fn by_the_clock(act: Act) -> RecordedAct {
    RecordedAct::new(Actor::Clock, Reason::default(), act)
}

pub(super) fn registration(agency: u32, enabled: bool) -> Registration {
    let (name, place) = (Label::new("La Ñata").unwrap(), Label::new("Goya").unwrap());
    Registration { agency: AgencyId(agency), name, place, enabled }
}

impl dyn Subject + '_ {
    fn act_if(&self, judge: Judge, act: Act) -> Result<Acted, ActError> {
        wait(|done| self.engine().act(recorded("ana", "", act), judge, done))
    }

    pub(super) fn closed(&self, name: &str) -> DrawId {
        let draw = self.open(name, 1);
        self.close(draw);
        draw
    }

    pub(super) fn life(&self, draw: DrawId) -> Lifecycle {
        self.status(draw).life
    }

    pub(super) fn audit_log_from(&self, from: u64) -> Vec<StoredEvent> {
        self.audit_log(AuditSpan::From(from))
    }

    fn audit_log(&self, span: AuditSpan) -> Vec<StoredEvent> {
        let mut audit_log = Vec::new();
        let read = self.engine().audit_log(span, &mut |event, _| {
            audit_log.push(event);
            ControlFlow::Continue(())
        });
        read.unwrap();
        audit_log
    }
}

pub fn an_announced_draw_takes_nothing_until_it_is_opened(subject: &mut dyn Subject) {
    let draw = subject.announce(&terms("operado", 2), Schedule::default());
    assert_eq!(subject.status(draw).state, DrawState::Announced);
    let batch = small_batch(draw, 1, 0);
    assert_eq!(subject.append(&batch), Err(NoPart::NotOpened.into()));
    assert_eq!(subject.finish(draw, 1), Err(NoPart::NotOpened.into()));
    assert!(matches!(subject.enter("ana", draw, 7), Err(ActError::State { .. })));
    assert_eq!(subject.engine().view().open_draws(), []);
    assert_eq!(subject.act("ana", Act::Open(draw)), Ok(Acted::Done));
    assert_eq!(subject.engine().view().open_draws(), [subject.status(draw)]);
    assert_eq!(subject.act("eva", Act::Open(draw)), Ok(Acted::Repeated));
    assert_eq!(subject.append(&batch), Ok(Appended::New));
    assert_eq!(subject.life(draw).opened_at, Some(AT));
}

pub fn a_name_is_announced_once(subject: &mut dyn Subject) {
    let draw = subject.announce(&terms("operado", 2), Schedule::default());
    let again = Act::Announce { terms: terms("operado", 2), schedule: Schedule::default() };
    assert_eq!(subject.act("ana", again), Err(ActError::NameTaken));
    // An automatic draw can't use the name either.
    let open = subject.open_automatic(&terms("operado", 2), 7);
    assert_eq!(open, Err(OpenDrawError::LedByOperators(terms("operado", 2).name)));
    assert_eq!((draw, subject.statuses().len()), (DrawId(1), 1));
}

pub fn stored_texts_from_before_the_rules_are_read(subject: &mut dyn Subject) {
    let text = "man\u{303}ana \u{202e}| \u{200b}";
    let (name, label) = (DrawName::stored(text).unwrap(), Label::stored(text).unwrap());
    let terms = DrawTerms { name: name.clone(), ..terms("operado", 2) };
    let announce = Act::Announce { terms, schedule: Schedule::default() };
    let registration = Registration { name: label.clone(), ..registration(7, true) };
    let (by, why) = (Actor::Operator(label.clone()), Reason::stored(text).unwrap());
    for act in [announce, Act::Register(registration.clone())] {
        let recorded = RecordedAct::new(by.clone(), why.clone(), act);
        subject.act_at(AT, recorded).unwrap();
    }
    let audit_log = subject.audit_log_from(0);
    subject.reopen();
    assert_eq!(subject.statuses()[0].terms.name, name);
    let registered: Vec<_> = subject.engine().view().all_registrations().collect();
    assert_eq!(registered, [Arc::new(registration.clone())]);
    assert_eq!(subject.audit_log_from(0), audit_log);
    // It can be changed as long as its name stays the same.
    let disabled = Registration { enabled: false, ..registration };
    assert_eq!(subject.act("ana", Act::Register(disabled)), Ok(Acted::Done));
}

pub fn agency_zero_is_refused(subject: &mut dyn Subject) {
    let agencies = Agencies::from_ranges(vec![(0, 5)]).unwrap();
    let terms = DrawTerms { agencies, ..terms("operado", 2) };
    let announce = Act::Announce { terms, schedule: Schedule::default() };
    for act in [announce, Act::Register(registration(0, true))] {
        assert_eq!(subject.act("ana", act), Err(ActError::AgencyZero));
    }
    assert_eq!((subject.statuses().len(), subject.audit_log_from(0).len()), (0, 0));
}

pub fn closing_early_or_without_agencies_needs_a_reason(subject: &mut dyn Subject) {
    let closes_at = later(1000);
    let schedule = Schedule { opens_at: None, closes_at: Some(closes_at) };
    let draw = subject.announce(&terms("operado", 2), schedule);
    subject.act("ana", Act::Open(draw)).unwrap();
    let close = Act::Close(draw);
    let refused =
        |agencies, closes_at| Err(ActError::ReasonNeeded(Unfinished { agencies, closes_at }));
    assert_eq!(subject.act("ana", close.clone()), refused(2, Some(closes_at)));
    subject.finish(draw, 1).unwrap();
    subject.finish(draw, 2).unwrap();
    assert_eq!(subject.act("ana", close.clone()), refused(0, Some(closes_at)));
    let why = Reason::new("corte de luz").unwrap();
    let explained = RecordedAct { why: why.clone(), ..recorded("ana", "", close.clone()) };
    assert_eq!(subject.act_at(AT, explained), Ok(Acted::Done));
    assert_eq!(subject.act("eva", close), Ok(Acted::Repeated));
    let by = Actor::Operator(Label::new("ana").unwrap());
    assert_eq!(subject.life(draw).closed, Some(Closing { at: AT, by: Some(by), why }));
}

pub fn the_clock_opens_and_closes_draws_on_schedule(subject: &mut dyn Subject) {
    let schedule = Schedule { opens_at: Some(later(100)), closes_at: Some(later(200)) };
    let draw = subject.announce(&terms("operado", 1), schedule);
    let append = |ms, chunk| {
        subject.clock().set(later(ms));
        subject.append(&small_batch(draw, 1, chunk))
    };
    assert_eq!(append(99, 0), Err(NoPart::NotOpened.into()));
    assert_eq!(append(100, 0), Ok(Appended::New));
    let life = subject.life(draw);
    assert_eq!((life.opened_at, life.closed), (Some(later(100)), None));
    assert_eq!(append(199, 1), Ok(Appended::New));
    let closed_at = Some(later(250));
    assert_eq!(append(250, 2), Err(AppendError::DrawClosed(closed_at)));
    assert_eq!(append(250, 0), Ok(Appended::Repeated));
    assert_eq!(subject.life(draw).closed.unwrap().by, Some(Actor::Clock));
    let entry = Act::EnterNumber { draw, number: 7 };
    assert_eq!(subject.act_at(later(300), by_the_clock(entry)), Err(ActError::NotForTheClock));
    // The clock acts without any request.
    let other = subject.announce(&terms("otro", 1), Schedule::default());
    assert_eq!(subject.life(other).announced_at, later(250), "no earlier than what was before");
    let next = Schedule { opens_at: Some(later(400)), closes_at: Some(later(500)) };
    let next = subject.announce(&terms("siguiente", 1), next);
    for (ms, state) in
        [(399, DrawState::Announced), (450, DrawState::Open), (500, DrawState::Closed)]
    {
        subject.clock().set(later(ms));
        wait(|done| subject.engine().keep_time(done)).unwrap();
        assert_eq!(subject.status(next).state, state);
    }
}

pub fn an_expired_draw_is_not_opened(subject: &mut dyn Subject) {
    let schedule = Schedule { opens_at: Some(later(100)), closes_at: Some(later(200)) };
    let draw = subject.announce(&terms("operado", 1), schedule);
    assert!(matches!(subject.act("ana", Act::Close(draw)), Err(ActError::State { .. })));
    let open = recorded("ana", "", Act::Open(draw));
    assert_eq!(subject.act_at(later(200), open), Err(ActError::Expired(later(200))));
    wait(|done| subject.engine().keep_time(done)).unwrap();
    assert_eq!(subject.status(draw).state, DrawState::Announced);
    let close = |why| subject.act_at(later(200), recorded("ana", why, Act::Close(draw)));
    assert!(matches!(close(""), Err(ActError::ReasonNeeded(_))));
    assert_eq!(close("nadie la abrió"), Ok(Acted::Done));
    assert_eq!(subject.status(draw).state, DrawState::Closed);
}

pub fn unmade_draws_are_limited(subject: &mut dyn Subject) {
    let most = u32::try_from(AGENCIES_MAX).unwrap();
    let announce = |name: String| {
        let act = Act::Announce { terms: terms(&name, most), schedule: Schedule::default() };
        submit(|done| subject.engine().act(recorded("ana", "", act), always_allowed(), done))
    };
    let draw = subject.closed("en curso");
    let announced: Vec<_> = (1..DRAWS_UNMADE_MAX).map(|it| announce(it.to_string())).collect();
    for act in announced {
        assert!(matches!(act.answer(), Ok(Acted::Announced(_))));
    }
    assert_eq!(announce("de más".to_owned()).answer(), Err(ActError::TooManyUnmade));
    subject.reopen();
    let announce = |name| {
        let act = Act::Announce { terms: terms(name, most), schedule: Schedule::default() };
        subject.act("ana", act)
    };
    assert_eq!(announce("de más"), Err(ActError::TooManyUnmade));
    assert_eq!(announce("en curso"), Err(ActError::NameTaken));
    for by in ["ana", "eva"] {
        subject.enter(by, draw, 7).unwrap();
    }
    assert!(matches!(announce("de más"), Ok(Acted::Announced(_))));
    assert_eq!(announce("otra"), Err(ActError::TooManyUnmade));
}

pub fn a_finish_after_the_close_changes_nothing(subject: &mut dyn Subject) {
    let draw = subject.closed("operado");
    let finished = subject.finish(draw, 1).unwrap();
    assert_eq!(finished, Finished { repeated: true, agencies_finished: 0, all: false });
    assert!(!subject.status(draw).all_finished());
}

pub fn a_draw_is_made_with_the_number_that_two_operators_enter(subject: &mut dyn Subject) {
    let draw = subject.closed("operado");
    assert_eq!(subject.enter("ana", draw, 7), Ok(Acted::NumberAwaited));
    assert_eq!(subject.life(draw).entered_by, Some(Label::new("ana").unwrap()));
    let entered_before = ActError::EnteredBefore(Label::new("ana").unwrap());
    assert_eq!(subject.enter("ana", draw, 7), Err(entered_before));
    assert_eq!(subject.enter("eva", draw, 70), Ok(Acted::NumbersDiffer));
    assert_eq!(subject.life(draw).entered_by, None);
    assert_eq!(subject.status(draw).state, DrawState::Closed);

    subject.reopen();
    assert_eq!(subject.enter("eva", draw, 7), Ok(Acted::NumberAwaited));
    subject.reopen();
    assert_eq!(subject.enter("ana", draw, 7), Ok(Acted::NumbersAgree(7)));
    assert_eq!(subject.status(draw).state, DrawState::Drawn { number: 7 });
    assert_eq!((subject.life(draw).drawn_at, subject.life(draw).attempt), (Some(AT), 1));
    subject.reopen();
    for number in [7, 8] {
        assert!(matches!(subject.enter("eva", draw, number), Err(ActError::State { .. })));
    }
    assert_eq!(subject.status(draw).state, DrawState::Drawn { number: 7 });
    assert!(!subject.status(draw).is_published());
}

pub fn a_number_out_of_range_is_refused(subject: &mut dyn Subject) {
    let range = NumberRange::new(10, 20).unwrap();
    for (name, winning) in [("low", 10), ("high", 20)] {
        let draw = subject.open_with(&DrawTerms { numbers: range, ..terms(name, 1) });
        subject.finish_and_close(draw);
        for number in [0, 9, 21, u32::MAX] {
            let refused = Err(ActError::NumberRange { number, range });
            assert_eq!(subject.enter("ana", draw, number), refused);
        }
        subject.reopen();
        assert_eq!(subject.status(draw).state, DrawState::Closed);
        subject.make(draw, winning);
    }
}

pub fn an_act_is_authorized_when_it_is_decided(subject: &mut dyn Subject) {
    let draw = subject.announce(&terms("operado", 1), Schedule::default());
    let judged = Arc::new(Mutex::new(Vec::new()));
    let open_if = |number: u32, version: Option<u64>| {
        let judged = Arc::clone(&judged);
        let judge: Judge = Box::new(move || {
            judged.lock().unwrap().push(number);
            version
        });
        let open = recorded("ana", "", Act::Open(draw));
        submit(|done| subject.engine().act(open, judge, done))
    };
    let answers = [open_if(1, None), open_if(2, Some(5)), open_if(3, None)].map(Pending::answer);
    let refused = Err(ActError::NotAllowed);
    assert_eq!(answers, [refused.clone(), Ok(Acted::Done), refused.clone()]);
    assert_eq!(*judged.lock().unwrap(), [1, 2, 3]);
    let log_in = Act::Audited(AuditedAction::LogIn);
    let unheard = Act::Announce { terms: terms("otro", 1), schedule: Schedule::default() };
    let register = Act::Register(registration(1, false));
    for act in [log_in, unheard, register, Act::Close(draw), Act::Close(DrawId(9))] {
        assert_eq!(subject.act_if(Box::new(|| None), act), refused);
    }
    assert_eq!(subject.audit_log_from(0).len(), 2, "announced and opened");
    subject.reopen();
    let versions = subject.audit_log_from(0).into_iter().map(|event| match event.event {
        Event::Acted(recorded) => recorded.operators,
        other => panic!("{other:?}"),
    });
    assert_eq!(versions.collect::<Vec<_>>(), [0, 5], "announced by always_allowed(), opened");
    assert_eq!(subject.status(draw).state, DrawState::Open);
}

pub fn a_change_on_the_command_line_is_recorded_once(subject: &mut dyn Subject) {
    let record = |subject: &dyn Subject, at, version: u64| {
        let (user, at) = (Label::new("root").unwrap(), Timestamp(at));
        let change = OperatorsChange::RevokeToken(1);
        let made = CommandLineChange { user, at, change };
        subject.act_if(
            Box::new(move || Some(version)),
            Act::Audited(AuditedAction::OnCommandLine(made)),
        )
    };
    // A file that is restored from a copy gives older versions again, at another time.
    let all = [(7, 1), (8, 2), (9, 1), (8, 3)];
    for _ in 0..2 {
        for (at, version) in all {
            record(subject, at, version).unwrap();
            assert_eq!(record(subject, at, version), Ok(Acted::Repeated));
        }
        subject.reopen();
    }
    let stored = subject.audit_log_from(0).into_iter().map(|stored| match stored.event {
        Event::Acted(recorded) => match recorded.act {
            Act::Audited(AuditedAction::OnCommandLine(made)) => (made.at.0, recorded.operators),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    assert_eq!(stored.collect::<Vec<_>>(), all);
}

pub fn a_program_acts_by_token_but_enters_no_number(subject: &mut dyn Subject) {
    let draw = subject.closed("operado");
    let (owner, label) = (Label::new("eva").unwrap(), Label::new("robot \"7\" ñ").unwrap());
    let by = Actor::Token { owner, number: 12, label };
    let by_program = |act| RecordedAct { by: by.clone(), ..recorded("ana", "es la hora", act) };
    let entry = by_program(Act::EnterNumber { draw, number: 7 });
    assert_eq!(subject.act_at(AT, entry), Err(ActError::NotForPrograms));
    let terms = terms("de un programa", 1);
    let act = Act::Announce { terms, schedule: Schedule::default() };
    let Ok(Acted::Announced(other)) = subject.act_at(AT, by_program(act)) else { panic!() };
    subject.act_at(AT, by_program(Act::Open(other))).unwrap();
    subject.act_at(AT, by_program(Act::Close(other))).unwrap();
    subject.reopen();
    assert_eq!(subject.life(other).closed.unwrap().by, Some(by.clone()));
    let traced = subject.audit_log_from(4);
    let acts = traced.iter().filter_map(|event| match &event.event {
        Event::Acted(recorded) => Some(&recorded.by),
        _ => None,
    });
    assert_eq!(acts.collect::<Vec<_>>(), [&by; 3]);
}

pub fn winners_are_published_once_after_the_draw(subject: &mut dyn Subject) {
    let draw = subject.closed("operado");
    let publish = Act::Publish(draw);
    assert!(matches!(subject.act("ana", publish.clone()), Err(ActError::State { .. })));
    subject.make(draw, 7);
    assert!(!subject.status(draw).is_published());
    assert_eq!(subject.act("ana", publish.clone()), Ok(Acted::Done));
    assert_eq!(subject.act("eva", publish), Ok(Acted::Repeated));
    assert!(subject.status(draw).is_published());
}

pub fn a_disabled_agency_is_refused_whatever_it_sends(subject: &mut dyn Subject) {
    let draw = subject.open("operado", 2);
    let (first, second) = (small_batch(draw, 1, 0), small_batch(draw, 1, 1));
    subject.append(&first).unwrap();
    let register = |enabled| subject.act("ana", Act::Register(registration(1, enabled)));
    assert_eq!(register(false), Ok(Acted::Done));
    assert_eq!(register(false), Ok(Acted::Repeated));
    let disabled = || NoPart::AgencyDisabled(AgencyId(1));
    for batch in [&first, &second] {
        assert_eq!(subject.append(batch), Err(disabled().into()));
    }
    assert_eq!(subject.finish(draw, 1), Err(disabled().into()));
    assert_eq!(subject.append(&small_batch(draw, 2, 0)), Ok(Appended::New));
    assert_eq!(register(true), Ok(Acted::Done));
    assert_eq!(subject.append(&second), Ok(Appended::New));
    let register: Vec<_> = subject.engine().view().all_registrations().collect();
    assert_eq!(register, [Arc::new(registration(1, true))]);
}

pub fn totals_count_each_agencys_batches_and_bets(subject: &mut dyn Subject) {
    let draw = subject.open("operado", 2);
    for chunk in [0, 2] {
        subject.append(&small_batch(draw, 2, chunk)).unwrap();
    }
    subject.finish(draw, 2).unwrap();
    let engine = subject.engine();
    let totals = engine.view().agencies(draw, None, 9).unwrap();
    let of = |agency, batches, finished| AgencyTotals {
        agency: AgencyId(agency),
        batches,
        bets: batches,
        finished,
    };
    assert_eq!(totals.agencies, [of(1, 0, false), of(2, 2, true)]);
    assert_eq!(engine.view().agencies(DrawId(9), None, 9), None);
}

pub fn the_audit_log_lists_all_events_but_batches_in_order(subject: &mut dyn Subject) {
    let draw = subject.open("operado", 1);
    subject.append(&small_batch(draw, 1, 0)).unwrap();
    subject.finish(draw, 1).unwrap();
    let log_in = Act::Audited(AuditedAction::LogIn);
    subject.act_at(later(5), recorded("eva", "", log_in.clone())).unwrap();
    let finished = Event::AgencyFinished { draw, agency: AgencyId(1) };
    let logged_in = Event::Acted(Box::new(recorded("eva", "", log_in)));
    let expected = [
        StoredEvent { sequence: 3, at: AT, event: finished },
        StoredEvent { sequence: 4, at: later(5), event: logged_in },
    ];
    assert_eq!(subject.audit_log_from(2), expected);
    let all = subject.audit_log_from(0);
    assert_eq!(all.len(), 4);
    subject.reopen();
    assert_eq!(subject.audit_log_from(4), expected[1..]);
    assert_eq!(subject.audit_log_from(5), []);
    let newest_first: Vec<_> = all.into_iter().rev().collect();
    for (end, later) in [(u64::MAX, 0), (4, 1), (3, 2), (0, 4)] {
        assert_eq!(subject.audit_log(AuditSpan::Before(end)), newest_first[later..]);
    }
}
