//! Conformance checks of what mends mistakes: draws edited and cancelled, agencies reopened, entries
//! corrected, results voided.

use lottery::limits::DRAW_ACTS_MAX;
use lottery::{
    Act, ActError, Acted, Actor, AgencyId, Appended, DrawState, Finished, HistoryStep, Label,
    Schedule, Timestamp,
};

use super::fixture::{AT, recorded, small_batch, terms};
use super::subject::Subject;

pub fn an_announced_draw_is_edited_and_cancelled_until_it_opens(subject: &mut dyn Subject) {
    let draw = subject.announce(&terms("mañna", 1), Schedule::default());
    let other = subject.announce(&terms("tarde", 1), Schedule::default());
    let schedule = Schedule { opens_at: None, closes_at: Some(Timestamp(AT.0 + 9)) };
    let edit = |name, schedule| Act::Edit { draw, terms: terms(name, 2), schedule };
    let act = |subject: &mut dyn Subject, why, act| subject.act_at(AT, recorded("ana", why, act));
    let edited = |name| edit(name, schedule);
    assert_eq!(act(subject, "", edited("mañana")), Err(ActError::NoReason("edit a draw")));
    assert_eq!(act(subject, "error", edited("tarde")), Err(ActError::NameTaken));
    let alike = act(subject, "error", edited("TARDE"));
    assert!(matches!(alike, Err(ActError::DrawLooksLike { draw, .. }) if draw == other));
    let over = Schedule { closes_at: Some(AT), ..schedule };
    assert_eq!(act(subject, "error", edit("mañana", over)), Err(ActError::Schedule));
    assert_eq!(act(subject, "error", edited("mañana")), Ok(Acted::Done));
    assert_eq!(act(subject, "error", edited("mañana")), Ok(Acted::Repeated));
    subject.reopen();
    let found = subject.engine().view().draw_named("mañana").unwrap();
    assert_eq!((found.id, found.life.schedule, found.terms.agencies.count()), (draw, schedule, 2));
    assert!(subject.engine().view().draw_named("mañna").is_none());

    assert_eq!(act(subject, "", Act::Cancel(draw)), Err(ActError::NoReason("cancel a draw")));
    assert_eq!(act(subject, "feriado", Act::Cancel(draw)), Ok(Acted::Done));
    assert_eq!(act(subject, "feriado", Act::Cancel(draw)), Ok(Acted::Repeated));
    for refused in [Act::Open(draw), Act::Close(draw), edited("otra")] {
        assert!(matches!(act(subject, "x", refused), Err(ActError::State { .. })));
    }
    subject.reopen();
    assert_eq!(subject.status(draw).state, DrawState::Cancelled);
    assert!(subject.engine().view().draw_named("mañana").is_none());
    let again = subject.announce(&terms("mañana", 1), Schedule::default());
    assert_eq!(subject.engine().view().draw_named("mañana").unwrap().id, again);
    assert_eq!(act(subject, "", Act::Open(other)), Ok(Acted::Done));
    for late in [Act::Cancel(other), Act::Edit { draw: other, terms: terms("x", 1), schedule }] {
        assert!(matches!(act(subject, "error", late), Err(ActError::State { .. })));
    }
}

pub fn an_agency_that_finished_is_reopened_while_the_draw_is_open(subject: &mut dyn Subject) {
    let draw = subject.open("operado", 2);
    let reopen = Act::Reopen { draw, agency: AgencyId(1) };
    let act =
        |subject: &mut dyn Subject, why| subject.act_at(AT, recorded("ana", why, reopen.clone()));
    subject.append(&small_batch(draw, 1, 0)).unwrap();
    assert_eq!(act(subject, "error"), Err(ActError::NotFinished(AgencyId(1))));
    subject.finish(draw, 1).unwrap();
    assert_eq!(act(subject, ""), Err(ActError::NoReason("reopen an agency")));
    assert_eq!(act(subject, "error"), Ok(Acted::Done));
    assert_eq!(act(subject, "error"), Err(ActError::NotFinished(AgencyId(1))));
    subject.reopen();
    assert_eq!(subject.status(draw).agencies_finished, 0);
    assert_eq!(subject.append(&small_batch(draw, 1, 1)), Ok(Appended::New));
    let finished = subject.finish(draw, 1).unwrap();
    assert_eq!(finished, Finished { repeated: false, agencies_finished: 1, all: false });
    let close = recorded("ana", "corte de luz", Act::Close(draw));
    assert_eq!(subject.act_at(AT, close), Ok(Acted::Done));
    assert!(matches!(act(subject, "error"), Err(ActError::State { .. })));
}

pub fn an_operator_corrects_their_own_entry(subject: &mut dyn Subject) {
    let draw = subject.closed("operado");
    let correct = |subject: &mut dyn Subject, by, number| {
        subject.act(by, Act::CorrectNumber { draw, number })
    };
    assert_eq!(correct(subject, "ana", 7), Err(ActError::NoEntry));
    assert_eq!(subject.enter("ana", draw, 8), Ok(Acted::NumberAwaited));
    assert_eq!(correct(subject, "eva", 7), Err(ActError::NoEntry));
    assert_eq!(correct(subject, "ana", 8), Ok(Acted::Repeated));
    assert_eq!(correct(subject, "ana", 7), Ok(Acted::NumberAwaited));
    subject.reopen();
    assert_eq!(subject.life(draw).entered_by, Some(Label::new("ana").unwrap()));
    assert_eq!(subject.enter("eva", draw, 7), Ok(Acted::NumbersAgree(7)));
    assert!(matches!(correct(subject, "ana", 8), Err(ActError::State { .. })));
}

pub fn two_operators_void_a_result_that_is_not_published(subject: &mut dyn Subject) {
    let draw = subject.closed("operado");
    let act = |subject: &mut dyn Subject, by, why, act| subject.act_at(AT, recorded(by, why, act));
    let void = || Act::Void(draw);
    assert!(matches!(act(subject, "ana", "error", void()), Err(ActError::State { .. })));
    subject.make(draw, 8);
    assert_eq!(act(subject, "ana", "", void()), Err(ActError::NoReason("void a result")));
    assert_eq!(act(subject, "ana", "error", void()), Ok(Acted::VoidAwaited));
    let voided_before = ActError::VoidedBefore(Label::new("ana").unwrap());
    assert_eq!(act(subject, "ana", "error", void()), Err(voided_before));
    let publish = |subject: &mut dyn Subject, why| act(subject, "eva", why, Act::Publish(draw));
    assert!(matches!(publish(subject, ""), Err(ActError::NoReason(_))));
    subject.reopen();
    assert_eq!(act(subject, "eva", "error", void()), Ok(Acted::Voided));
    subject.reopen();
    let life = subject.life(draw);
    assert_eq!((subject.status(draw).state, life.drawn_at), (DrawState::Closed, None));
    assert!(matches!(publish(subject, "x"), Err(ActError::State { .. })));
    subject.make(draw, 7);
    let life = subject.life(draw);
    assert_eq!((life.attempt, life.void_by), (2, None));
    assert_eq!(act(subject, "ana", "duda", void()), Ok(Acted::VoidAwaited));
    assert_eq!(publish(subject, "el extracto lo confirma"), Ok(Acted::Done));
    assert_eq!(act(subject, "eva", "error", void()), Err(ActError::Published));
    subject.reopen();
    assert_eq!(subject.status(draw).state, DrawState::Drawn { number: 7 });
    assert!(subject.status(draw).is_published());
}

pub fn a_draw_keeps_the_record_of_its_acts(subject: &mut dyn Subject) {
    let draw = subject.open("operado", 1);
    subject.finish(draw, 1).unwrap();
    let agency = AgencyId(1);
    let act = |subject: &mut dyn Subject, by, act| {
        subject.act_at(AT, recorded(by, "error", act)).unwrap();
    };
    act(subject, "ana", Act::Reopen { draw, agency });
    act(subject, "ana", Act::Close(draw));
    act(subject, "ana", Act::EnterNumber { draw, number: 8 });
    act(subject, "ana", Act::CorrectNumber { draw, number: 9 });
    act(subject, "eva", Act::EnterNumber { draw, number: 8 });
    for by in ["ana", "eva"] {
        act(subject, by, Act::EnterNumber { draw, number: 8 });
    }
    for by in ["ana", "eva"] {
        act(subject, by, Act::Void(draw));
    }
    subject.reopen();
    let history = subject.life(draw).history;
    let steps: Vec<_> = history.iter().map(|it| it.step).collect();
    use HistoryStep::*;
    assert_eq!(
        steps,
        [
            Announced,
            Opened,
            Reopened(agency),
            Closed,
            NumberEntered,
            NumberCorrected,
            NumberDiffered,
            NumberEntered,
            NumberConfirmed,
            VoidAsked,
            Voided,
        ]
    );
    let last = history.last().unwrap();
    let by = Actor::Operator(Label::new("eva").unwrap());
    assert_eq!((last.at, &last.by, last.why.as_str()), (AT, &by, "error"));
    let enter_other = |subject: &mut dyn Subject| {
        let entered_by = subject.life(draw).entered_by;
        let (by, number) = if entered_by.is_none() { ("ana", 8) } else { ("eva", 9) };
        subject.enter(by, draw, number)
    };
    while subject.life(draw).history.len() < DRAW_ACTS_MAX {
        enter_other(subject).unwrap();
    }
    assert_eq!(enter_other(subject), Err(ActError::TooManyActs));
}
