//! Tests of the state machine's limits and of undo.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::act::{Act, ActError, Actor, Judge, RecordedAct, Schedule, always_allowed};
use crate::audited::{AuditedAction, CommandLineChange, OperatorsChange};
use crate::bets::Bets;
use crate::label::{Label, Reason};
use crate::limits::{
    AGENCIES_MAX, AGENCY_BATCHES_MAX, COMMAND_LINE_CHANGES_MAX, DRAWS_MAX, DRAWS_UNMADE_MAX,
    REGISTERED_MAX,
};
use crate::view::Publisher;

const AT: Timestamp = Timestamp(1_000);

fn terms(name: &str, agencies: &str) -> DrawTerms {
    let (name, numbers) = (DrawName::new(name).unwrap(), Default::default());
    DrawTerms { name, agencies: agencies.parse().unwrap(), numbers }
}

fn recorded(act: Act) -> RecordedAct {
    let by = Actor::Operator(Label::new("ana").unwrap());
    RecordedAct::new(by, Reason::default(), act)
}

fn announce(name: &str, agencies: &str) -> RecordedAct {
    recorded(Act::Announce { terms: terms(name, agencies), schedule: Schedule::default() })
}

fn register(agency: u32, name: &str) -> RecordedAct {
    let (name, place) = (Label::new(name).unwrap(), Label::new("Goya").unwrap());
    let agency = AgencyId(agency);
    recorded(Act::Register(Registration { agency, name, place, enabled: true }))
}

fn opened(draw: DrawId, terms: DrawTerms) -> Event {
    Event::DrawOpened { draw, terms, number: SealedNumber(7) }
}

fn first_batch(agency: u32) -> Event {
    Event::BatchAccepted(BatchSummary {
        draw: DrawId(1),
        agency: AgencyId(agency),
        chunk: ChunkId(0),
        bets: 1,
        digest: ChunkDigest::of(""),
    })
}

impl Draws {
    fn do_now(&mut self, recorded: RecordedAct) {
        self.apply(&Event::Acted(Box::new(recorded)), AT);
    }
}

#[test]
fn an_agency_takes_no_memory_until_it_bets_or_finishes() {
    let mut draws = Draws::default();
    let all = format!("1-{AGENCIES_MAX}");
    draws.apply(&opened(DrawId(1), terms("a", &all)), AT);
    for name in ["b", "c"] {
        draws.do_now(announce(name, &all));
    }
    draws.apply(&first_batch(7), AT);
    draws.apply(&Event::AgencyFinished { draw: DrawId(1), agency: AgencyId(9) }, AT);
    let stored = draws.draws.iter().map(|draw| draw.agencies.len()).collect::<Vec<_>>();
    assert_eq!((stored, draws.agencies.len()), (vec![2, 0, 0], 1));
    let view = Publisher::of(&draws).view().clone();
    let begun = view.all_begun(DrawId(1)).map(|it| it.agency.0);
    assert_eq!(begun.collect::<Vec<_>>(), [7, 9]);
    assert_eq!(view.all_agencies(DrawId(1)).count() as u64, AGENCIES_MAX);
    let of = |agency| draws.progress(DrawId(1), AgencyId(agency)).map(|it| it.chunks_stored);
    assert_eq!([of(7), of(8)], [Ok(1), Ok(0)]);
    assert!(of(u32::try_from(AGENCIES_MAX).unwrap() + 1).is_err());
}

#[test]
fn draws_are_limited_but_a_ledger_with_more_opens() {
    let mut draws = Draws::default();
    for at in 0..DRAWS_MAX {
        let draw = draw_id(at);
        draws.apply(&opened(draw, terms(&draw.to_string(), "1")), AT);
    }
    let more = draws.decide_open(terms("more", "1"), SealedNumber(7));
    assert_eq!(more, Err(OpenDrawError::TooManyDraws));
    assert_eq!(
        draws.decide_open(terms("7", "1"), SealedNumber(7)).map(|it| it.outcome),
        Ok(DrawId(7))
    );
    let announced = draws.decide_act(&announce("more", "1"), &always_allowed(), AT);
    assert_eq!(announced, Err(ActError::TooManyDraws));
    draws.do_now(announce("more", "1"));
}

#[test]
fn unmade_draws_are_limited_but_a_ledger_with_more_opens() {
    let mut draws = Draws::default();
    (0..=DRAWS_UNMADE_MAX).for_each(|name| draws.do_now(announce(&name.to_string(), "1")));
    let announced = draws.decide_act(&announce("more", "1"), &always_allowed(), AT);
    assert_eq!(announced, Err(ActError::TooManyUnmade));
}

#[test]
fn registered_agencies_are_limited_but_a_ledger_with_more_opens() {
    let mut draws = Draws::default();
    let most = u32::try_from(REGISTERED_MAX).unwrap();
    (1..=most).for_each(|agency| draws.do_now(register(agency, "La Ñata")));
    let decide = |draws: &Draws, recorded| draws.decide_act(&recorded, &always_allowed(), AT);
    assert_eq!(decide(&draws, register(most + 1, "Otra")), Err(ActError::TooManyRegistered));
    assert!(decide(&draws, register(most, "Otra")).is_ok());
    draws.do_now(register(most + 1, "Otra"));
    assert_eq!(draws.register().count(), REGISTERED_MAX + 1);
}

#[test]
fn batches_of_an_agency_are_limited_but_a_ledger_with_more_opens() {
    let mut draws = Draws::default();
    draws.apply(&opened(DrawId(1), terms("a", "1-2")), AT);
    let most = u32::try_from(AGENCY_BATCHES_MAX).unwrap();
    let agency = draws.draws[0].agency_mut(AgencyId(1));
    agency.contiguous = vec![fingerprint(&ChunkDigest::of("")); AGENCY_BATCHES_MAX - 1];
    let batch = |agency, chunk| Batch {
        draw: DrawId(1),
        agency: AgencyId(agency),
        chunk: ChunkId(chunk),
        bets: Bets::none(),
    };
    let append = |draws: &mut Draws, batch: Batch| {
        let ruling = draws.decide_append(&batch, AT)?;
        ruling.event.iter().for_each(|event| draws.apply(event, AT));
        Ok(ruling.outcome)
    };
    assert_eq!(append(&mut draws, batch(1, most + 7)), Ok(Appended::New));
    let refused = Err(AppendError::TooManyBatches(AgencyId(1)));
    for chunk in [most - 1, most + 8] {
        assert_eq!(append(&mut draws, batch(1, chunk)), refused);
    }
    for chunk in [0, most + 7] {
        assert_eq!(append(&mut draws, batch(1, chunk)), Ok(Appended::Repeated));
    }
    assert_eq!(append(&mut draws, batch(2, most)), Ok(Appended::New));
    draws.apply(&Event::BatchAccepted(BatchSummary::of(&batch(1, most))), AT);
    assert!(draws.decide_finish(DrawId(1), AgencyId(1)).is_ok());
}

#[test]
fn lookalike_draw_names_are_refused_but_a_ledger_with_them_opens() {
    let mut draws = Draws::default();
    draws.do_now(announce("Sorteo 1", "1"));
    let decide =
        |draws: &Draws, name| draws.decide_act(&announce(name, "1"), &always_allowed(), AT);
    let (draw, name) = (DrawId(1), DrawName::new("Sorteo 1").unwrap());
    for alike in ["Sorteo l", "sorteo I", "Sоrteo 1", "Sorteo  1"] {
        let refused = ActError::DrawLooksLike { draw, name: name.clone() };
        assert_eq!(decide(&draws, alike), Err(refused), "{alike}");
        let refused = OpenDrawError::LooksLike { draw, name: name.clone() };
        assert_eq!(draws.decide_open(terms(alike, "1"), SealedNumber(7)), Err(refused), "{alike}");
    }
    assert_eq!(decide(&draws, "Sorteo 1"), Err(ActError::NameTaken));
    assert!(decide(&draws, "Sorteo 2").is_ok());
    draws.do_now(announce("Sorteo l", "1"));
    assert_eq!(draws.statuses().len(), 2);
}

#[test]
fn a_draw_with_an_unnormalised_name_is_opened_again() {
    let mut draws = Draws::default();
    let older = DrawName::stored("man\u{303}ana").unwrap();
    let terms_kept = DrawTerms { name: older, ..terms("x", "1-2") };
    draws.apply(&opened(DrawId(1), terms_kept.clone()), AT);
    let open = |agencies| draws.decide_open(terms("man\u{303}ana", agencies), SealedNumber(7));
    assert_eq!(open("1-2").map(|it| (it.outcome, it.event)), Ok((DrawId(1), None)));
    assert_eq!(open("1-3"), Err(OpenDrawError::OtherTerms(Box::new(terms_kept.clone()))));
}

#[test]
fn a_normalised_match_is_found_among_lookalikes() {
    let mut draws = Draws::default();
    for (name, id) in [("Mañana", 1), ("man\u{303}ana", 2)] {
        let terms = DrawTerms { name: DrawName::stored(name).unwrap(), ..terms("x", "1") };
        draws.apply(&opened(DrawId(id), terms), AT);
    }
    let opened = draws.decide_open(terms("mañana", "1"), SealedNumber(7));
    assert_eq!(opened.map(|it| (it.outcome, it.event)), Ok((DrawId(2), None)));
}

#[test]
fn lookalike_agency_names_are_refused_but_older_ones_can_change() {
    let mut draws = Draws::default();
    for agency in [1, 2] {
        draws.do_now(register(agency, "La Ñata"));
    }
    let decide = |draws: &Draws, recorded| draws.decide_act(&recorded, &always_allowed(), AT);
    let refused = |agency| {
        let (agency, name) = (AgencyId(agency), Label::new("La Ñata").unwrap());
        Err(ActError::AgencyLooksLike { agency, name })
    };
    assert_eq!(decide(&draws, register(3, "la Ñаta")), refused(1));
    // An agency may be changed without changing its name.
    let Act::Register(mut second) = register(2, "La Ñata").act else { unreachable!() };
    second.enabled = false;
    assert!(decide(&draws, recorded(Act::Register(second))).is_ok());
    assert_eq!(decide(&draws, register(2, "LA ÑATA")), refused(1));
    draws.do_now(register(1, "Otra"));
    assert_eq!(decide(&draws, register(3, "La Ñata")), refused(2));
    assert!(decide(&draws, register(2, "LA ÑATA")).is_ok());
    draws.do_now(register(2, "Una más"));
    assert!(decide(&draws, register(3, "La Ñata")).is_ok());
}

#[test]
fn agencies_with_an_unnormalised_name_can_change_and_keep_it() {
    let mut draws = Draws::default();
    let older = Label::stored("La N\u{303}ata").unwrap();
    for agency in [1, 2] {
        let Act::Register(before) = register(agency, "x").act else { unreachable!() };
        draws.do_now(recorded(Act::Register(Registration { name: older.clone(), ..before })));
    }
    let Act::Register(typed) = register(2, "La Ñata").act else { unreachable!() };
    let moved = Registration { place: Label::new("Rosario").unwrap(), ..typed };
    let moved = recorded(Act::Register(moved));
    assert!(draws.decide_act(&moved, &always_allowed(), AT).is_ok());
}

#[test]
fn the_latest_changes_on_the_command_line_are_remembered() {
    let mut draws = Draws::default();
    let most = COMMAND_LINE_CHANGES_MAX as u64;
    let is_repeated = |draws: &Draws, at| {
        let judge: Judge = Box::new(|| Some(1));
        let ruling = draws.decide_act(&on_command_line(Timestamp(at)), &judge, AT).unwrap();
        ruling.outcome == Acted::Repeated
    };
    for at in 0..=most {
        assert!(!is_repeated(&draws, at));
        draws.do_now(RecordedAct { operators: 1, ..on_command_line(Timestamp(at)) });
    }
    assert!((1..=most).all(|at| is_repeated(&draws, at)));
    assert!(!is_repeated(&draws, 0), "the oldest one is forgotten");
    draws.undo();
    assert_eq!(draws, Draws::default());
}

fn on_command_line(at: Timestamp) -> RecordedAct {
    let (user, change) = (Label::new("root").unwrap(), OperatorsChange::RevokeToken(1));
    let made = CommandLineChange { user, at, change };
    recorded(Act::Audited(AuditedAction::OnCommandLine(made)))
}

/// A request from a small range of values, so that many collide.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: u8,
    draw: u32,
    agency: u32,
    chunk: u32,
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..15_u8, 1..=4_u32, 1..=3_u32, 0..7_u32);
    let step = step.prop_map(|(kind, draw, agency, chunk)| Step { kind, draw, agency, chunk });
    vec(step, 0..most)
}

impl Step {
    fn decide(self, draws: &Draws, now: Timestamp) -> Option<Event> {
        let Self { kind, draw, agency, chunk } = self;
        let (draw, agency) = (DrawId(draw), AgencyId(agency));
        match kind {
            // Mostly batches, which open and close gaps.
            0..=3 => {
                let bets = Bets::parse(&format!("a|b|{chunk}|1999-03-17|7"), Default::default());
                let batch = Batch { draw, agency, chunk: ChunkId(chunk), bets: bets.unwrap() };
                draws.decide_append(&batch, now).ok()?.event
            }
            4 | 5 => draws.decide_finish(draw, agency).ok()?.event,
            6 => {
                let terms = terms(&format!("solo {chunk}"), ["1-3", "1-2"][chunk as usize % 2]);
                draws.decide_open(terms, SealedNumber(7)).ok()?.event
            }
            7 => draws.due_by_the_clock(now),
            _ => {
                let act = self.act(now);
                let by = Label::new(["ana", "eva"][chunk as usize % 2]).unwrap();
                let why = Reason::new("corte de luz").unwrap();
                let recorded = RecordedAct::new(Actor::Operator(by), why, act);
                draws.decide_act(&recorded, &always_allowed(), now).ok()?.event
            }
        }
    }

    fn act(self, now: Timestamp) -> Act {
        let Self { kind, draw: id, agency, chunk } = self;
        let draw = DrawId(id);
        match (kind, chunk) {
            (8, _) => {
                let closes_at = (chunk < 3).then_some(Timestamp(now.0 + u64::from(chunk) * 5));
                let schedule = Schedule { opens_at: closes_at.map(|_| now), closes_at };
                Act::Announce { terms: terms(&format!("sorteo {id}"), "1-3"), schedule }
            }
            (9, _) => {
                let (name, place) = (Label::new(format!("Ñ {chunk}")).unwrap(), "Goya");
                let (agency, place) = (AgencyId(agency), Label::new(place).unwrap());
                Act::Register(Registration { agency, name, place, enabled: chunk != 3 })
            }
            (10, 0..=1) => Act::Open(draw),
            (10, 2..=3) => Act::Close(draw),
            (10, _) => Act::Publish(draw),
            (12, 0..=2) => {
                let (name, agencies) = (format!("sorteo {chunk}"), ["1-3", "1-2"][id as usize % 2]);
                let schedule = Schedule { opens_at: None, closes_at: Some(Timestamp(now.0 + 9)) };
                Act::Edit { draw, terms: terms(&name, agencies), schedule }
            }
            (12, 3) => Act::Cancel(draw),
            (12, _) => Act::Reopen { draw, agency: AgencyId(agency) },
            (13, 0..=3) => Act::CorrectNumber { draw, number: 7 + u32::from(chunk == 0) },
            (13, _) => Act::Void(draw),
            (14, _) => on_command_line(Timestamp(chunk.into())).act,
            _ => Act::EnterNumber { draw, number: 7 + u32::from(chunk == 6) },
        }
    }
}

/// Carries out the allowed steps; returns the number of events.
fn carry_out_all(draws: &mut Draws, steps: &[Step], mut now: Timestamp) -> usize {
    let mut events = 0;
    for step in steps {
        now.0 += 1;
        if let Some(event) = step.decide(draws, now) {
            events += 1 + draws.carry_out(&event, now).len();
        }
    }
    events
}

proptest! {
    #[test]
    fn undo_restores_the_state_and_the_same_decisions_follow(
        settled in steps(120),
        undone in steps(60),
    ) {
        let mut draws = Draws::default();
        carry_out_all(&mut draws, &settled, AT);
        draws.settle();
        let (before, now) = (draws.clone(), Timestamp(AT.0 + 120));
        let events = carry_out_all(&mut draws, &undone, now);
        let after = draws.clone();
        // An act changes a draw's life and, at most, one thing more.
        prop_assert!(draws.undo.len() <= 2 * events);
        draws.undo();
        prop_assert_eq!(&draws, &before);
        prop_assert_eq!(carry_out_all(&mut draws, &undone, now), events);
        prop_assert_eq!(&draws, &after);
        draws.undo();
        prop_assert_eq!(&draws, &before);
    }
}
