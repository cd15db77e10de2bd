//! Draws that operators lead, as agencies meet them.

use std::sync::Arc;

use central::Service;
use lottery::{
    Act, Acted, Actor, Agencies, AgencyId, DrawId, DrawName, DrawState, DrawTerms, Label,
    NumberRange, Reason, Registration, Schedule, Signed, Store as _, Timestamp,
};
use wire::ErrorCode;

use crate::client::{LORCA, bet, patiently, winning_bets};
use crate::setting::{NOW, Running, Setting, WINNER};

fn signed(by: &str, why: &str, act: Act) -> Signed {
    let by = Actor::Operator(Label::new(by).unwrap());
    Signed { by, why: Reason::new(why).unwrap(), act }
}

impl Running {
    async fn act(&self, by: &str, act: Act) -> Acted {
        self.service.act(signed(by, "prueba", act)).await.unwrap()
    }

    async fn announce(&self, name: &str, numbers: NumberRange, schedule: Schedule) -> DrawId {
        let terms = DrawTerms {
            name: DrawName::new(name).unwrap(),
            agencies: Agencies::first(2).unwrap(),
            numbers,
        };
        match self.act("ana", Act::Announce { terms, schedule }).await {
            Acted::Announced(draw) => draw,
            other => panic!("{other:?}"),
        }
    }

    /// A draw that takes bets.
    async fn opened(&self, name: &str) -> DrawId {
        let draw = self.announce(name, NumberRange::default(), Schedule::default()).await;
        assert_eq!(self.act("ana", Act::Open(draw)).await, Acted::Done);
        draw
    }

    /// From the close to the publication.
    async fn make_and_publish(&self, draw: DrawId) {
        assert_eq!(self.act("ana", Act::Close(draw)).await, Acted::Done);
        let enter = Act::EnterNumber { draw, number: WINNER };
        assert_eq!(self.act("ana", enter.clone()).await, Acted::NumberAwaited);
        assert_eq!(self.act("eva", enter).await, Acted::NumbersAgree(WINNER));
        assert_eq!(self.act("ana", Act::Publish(draw)).await, Acted::Done);
    }
}

async fn state_of(service: &Service, draw: DrawId) -> DrawState {
    let statuses = service.statuses().await.unwrap();
    statuses.into_iter().find(|status| status.id == draw).unwrap().state
}

#[tokio::test]
async fn winners_are_told_when_they_are_published_and_not_before() {
    let central = Setting::operated().start().await;
    let draw = central.opened("nocturna").await;
    let mut agency = central.greeted(1).await;
    agency.store(1, 0, &winning_bets()).await;
    agency.get_winners(1).await;
    assert_eq!(central.act("ana", Act::Close(draw)).await, Acted::Done);
    let enter = |number| Act::EnterNumber { draw, number };
    assert_eq!(central.act("ana", enter(1)).await, Acted::NumberAwaited);
    assert_eq!(central.act("eva", enter(WINNER)).await, Acted::NumbersDiffer);
    assert_eq!(central.act("ana", enter(WINNER)).await, Acted::NumberAwaited);
    assert_eq!(central.act("eva", enter(WINNER)).await, Acted::NumbersAgree(WINNER));
    assert_eq!(state_of(&central.service, draw).await, DrawState::Drawn { number: WINNER });
    // The winners are known to those who may look, and the agency still waits.
    let winners = central.service.drawn_winners(draw).await.unwrap();
    assert_eq!(winners.iter().count(), 1);
    let mut late = central.greeted(2).await;
    late.get_winners(2).await;
    assert_eq!(central.store.winners_read.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(central.act("ana", Act::Publish(draw)).await, Acted::Done);
    let said = agency.message().await;
    assert!(format!("{said:?}").contains("Winners"), "{said:?}");
    late.message().await;
}

#[tokio::test]
async fn one_draw_comes_after_the_other_without_a_restart() {
    let central = Setting::operated().start().await;
    for name in ["matutina", "nocturna"] {
        let draw = central.opened(name).await;
        let mut legacy = central.connect().await;
        legacy.store(1, 0, &bet(name, WINNER)).await;
        central.make_and_publish(draw).await;
        let mut after = central.connect().await;
        after.get_winners(1).await;
        after.winners(name).await;
    }
}

#[tokio::test]
async fn with_several_draws_open_an_agency_says_which() {
    let central = Setting::operated().start().await;
    for name in ["primera", "segunda"] {
        central.opened(name).await;
        let mut agency = central.connect().await;
        agency.hello(1, 1, name).await;
        assert_eq!(agency.welcome().await.draw_name.as_str(), name);
        agency.store(1, 0, LORCA).await;
    }
    let mut unnamed = central.connect().await;
    unnamed.hello(1, 1, "").await;
    assert_eq!(unnamed.error().await.code(), ErrorCode::NoOpenDraw);
    let mut legacy = central.connect().await;
    legacy.bets(1, 0, LORCA).await;
    assert_eq!(legacy.error().await.code(), ErrorCode::NoOpenDraw);
    assert_eq!(central.bets_stored(), 2);
}

#[tokio::test]
async fn before_any_draw_there_is_none_to_bet_in() {
    let central = Setting::operated().start().await;
    let mut agency = central.connect().await;
    agency.hello(1, 1, "").await;
    assert_eq!(agency.error().await.code(), ErrorCode::NoOpenDraw);
    central.announce("nocturna", NumberRange::default(), Schedule::default()).await;
    let mut agency = central.connect().await;
    agency.hello(1, 1, "").await;
    assert_eq!(agency.error().await.code(), ErrorCode::NoOpenDraw);
}

#[tokio::test]
async fn a_legacy_agencys_first_bets_are_checked_against_the_open_draws_numbers() {
    let central = Setting::operated().start().await;
    let numbers = NumberRange::new(0, 99_999).unwrap();
    let draw = central.announce("grande", numbers, Schedule::default()).await;
    central.act("ana", Act::Open(draw)).await;
    central.connect().await.store(1, 0, &bet("1", 99_999)).await;
}

#[tokio::test]
async fn the_clock_opens_and_closes_and_what_comes_later_is_told_the_time() {
    let central = Setting::operated().start().await;
    let at = |seconds: u64| Timestamp(NOW + seconds * 1000);
    let schedule = Schedule { opens_at: Some(at(10)), closes_at: Some(at(20)) };
    let draw = central.announce("nocturna", NumberRange::default(), schedule).await;
    let reached = |state| {
        let service = Arc::clone(&central.service);
        patiently(async move {
            while state_of(&service, draw).await != state {
                tokio::task::yield_now().await;
            }
        })
    };
    central.clock.set(at(10));
    reached(DrawState::Open).await;
    let mut agency = central.greeted(1).await;
    agency.store(1, 0, LORCA).await;
    // From its time on it is closed, whether the clock's act is on record yet or not.
    central.clock.set(at(20));
    agency.bets(1, 1, LORCA).await;
    let error = agency.error().await;
    assert_eq!(error.code(), ErrorCode::DrawClosed);
    assert!(error.reason().contains("2024-08-21T22:11:"), "{}", error.reason());
    reached(DrawState::Closed).await;
}

#[tokio::test]
async fn a_disabled_agency_is_cut_off_at_once_and_refused_until_it_is_enabled() {
    let central = Setting::operated().start().await;
    central.opened("nocturna").await;
    let mut agency = central.greeted(1).await;
    let mut other = central.greeted(2).await;
    agency.store(1, 0, LORCA).await;
    let register = |enabled| {
        let (name, place) = (Label::new("La Ñata").unwrap(), Label::new("Goya").unwrap());
        Act::Register(Registration { agency: AgencyId(1), name, place, enabled })
    };
    central.act("ana", register(false)).await;
    agency.ends().await;
    let mut again = central.connect().await;
    again.hello(1, 1, "").await;
    assert_eq!(again.error().await.code(), ErrorCode::UnknownAgency);
    let mut legacy = central.connect().await;
    legacy.bets(1, 1, LORCA).await;
    assert_eq!(legacy.error().await.code(), ErrorCode::UnknownAgency);
    let mut curious = central.connect().await;
    curious.get_winners(1).await;
    assert_eq!(curious.error().await.code(), ErrorCode::UnknownAgency);
    other.store(2, 0, LORCA).await;
    central.act("ana", register(true)).await;
    central.greeted(1).await.store(1, 1, LORCA).await;
}

#[tokio::test]
async fn what_was_agreed_on_is_made_by_the_next_start() {
    let central = Setting::operated().start().await;
    let draw = central.opened("nocturna").await;
    central.greeted(1).await.store(1, 0, &bet("9", WINNER)).await;
    central.act("ana", Act::Close(draw)).await;
    let store = Arc::clone(&central.store);
    central.shut_down().await;
    // Straight to the store, as if the central had ended between the second entry and the draw.
    for by in ["ana", "eva"] {
        let act = Act::EnterNumber { draw, number: WINNER };
        let entered = Box::new(|entered: Result<_, _>| assert!(entered.is_ok(), "{entered:?}"));
        store.act(signed(by, "", act), Timestamp(NOW), entered);
    }
    let central = Setting::operated().start_on(store).await;
    assert_eq!(state_of(&central.service, draw).await, DrawState::Drawn { number: WINNER });
    assert_eq!(central.act("ana", Act::Publish(draw)).await, Acted::Done);
    let mut agency = central.connect().await;
    agency.get_winners(1).await;
    agency.winners("9").await;
}

#[tokio::test]
async fn who_is_connected_before_a_draw_is_opened_takes_part_in_it() {
    let central = Setting::operated().start().await;
    let first = central.opened("matutina").await;
    central.connect().await.store(1, 0, LORCA).await;
    assert_eq!(central.act("ana", Act::Close(first)).await, Acted::Done);
    let mut early = central.connect().await;
    while central.presence.snapshot().iter().all(|one| one.agency.is_some()) {
        tokio::task::yield_now().await;
    }
    central.opened("nocturna").await;
    early.store(1, 0, LORCA).await;
    early.end(1).await;
    let standings = central.service.standings(DrawId(2)).await.unwrap();
    assert_eq!((standings[0].bets, standings[0].finished), (1, true));
}

#[tokio::test]
async fn a_draw_that_another_central_was_started_for_is_nobodys_unless_it_is_named() {
    let automatic = Setting::default().start().await;
    automatic.greeted(1).await.store(1, 0, LORCA).await;
    let store = Arc::clone(&automatic.store);
    automatic.shut_down().await;
    let central = Setting::operated().start_on(store).await;
    let mut legacy = central.connect().await;
    legacy.bets(1, 1, LORCA).await;
    assert_eq!(legacy.error().await.code(), ErrorCode::NoOpenDraw);
    let draw = central.opened("nocturna").await;
    central.connect().await.store(1, 0, LORCA).await;
    let standings = central.service.standings(draw).await.unwrap();
    assert_eq!(standings[0].bets, 1);
    let close = signed("ana", "nadie la hace", Act::Close(DrawId(1)));
    let refused = central.service.act(close).await.unwrap_err().to_string();
    assert!(refused.contains("--winning-number"), "{refused}");
}
