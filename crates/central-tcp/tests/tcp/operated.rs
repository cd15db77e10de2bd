//! Draws led by operators, as agencies see them.

use std::ops::ControlFlow;
use std::sync::Arc;

use central::Service;
use lottery::{
    Act, Acted, Actor, Agencies, AgencyId, AuditSpan, DrawId, DrawName, DrawState, DrawTerms,
    Label, NumberRange, Reason, RecordedAct, Registration, Schedule, StoreFault, Timestamp,
    always_allowed,
};
use wire::ErrorCode;

use crate::client::{LORCA, bet, patiently, winning_bets};
use crate::log::Log;
use crate::setting::{NOW, Running, Setting, WINNER};
use crate::store::Mode;

pub(crate) fn recorded(by: &str, why: &str, act: Act) -> RecordedAct {
    let by = Actor::Operator(Label::new(by).unwrap());
    RecordedAct::new(by, Reason::new(why).unwrap(), act)
}

impl Running {
    pub(crate) async fn act(&self, by: &str, act: Act) -> Acted {
        self.service.act(recorded(by, "prueba", act), always_allowed()).await.unwrap()
    }

    pub(crate) async fn announce(
        &self,
        name: &str,
        numbers: NumberRange,
        schedule: Schedule,
    ) -> DrawId {
        self.announce_for(name, Agencies::first(2).unwrap(), numbers, schedule).await
    }

    pub(crate) async fn announce_for(
        &self,
        name: &str,
        agencies: Agencies,
        numbers: NumberRange,
        schedule: Schedule,
    ) -> DrawId {
        let terms = DrawTerms { name: DrawName::requested(name).unwrap(), agencies, numbers };
        match self.act("ana", Act::Announce { terms, schedule }).await {
            Acted::Announced(draw) => draw,
            other => panic!("{other:?}"),
        }
    }

    /// Announces and opens a draw.
    pub(crate) async fn opened(&self, name: &str) -> DrawId {
        let draw = self.announce(name, NumberRange::default(), Schedule::default()).await;
        assert_eq!(self.act("ana", Act::Open(draw)).await, Acted::Done);
        draw
    }

    /// Takes a draw from the close to the publication.
    pub(crate) async fn make_and_publish(&self, draw: DrawId) {
        assert_eq!(self.act("ana", Act::Close(draw)).await, Acted::Done);
        let enter = Act::EnterNumber { draw, number: WINNER };
        assert_eq!(self.act("ana", enter.clone()).await, Acted::NumberAwaited);
        assert_eq!(self.act("eva", enter).await, Acted::NumbersAgree(WINNER));
        assert_eq!(self.act("ana", Act::Publish(draw)).await, Acted::Done);
    }
}

async fn state_of(service: &Service, draw: DrawId) -> DrawState {
    service.view().draw(draw).unwrap().state
}

#[tokio::test]
async fn winners_are_sent_when_they_are_published_and_not_before() {
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
    // The winners are known to authorized operators, and the agency still waits.
    let winners = central.service.drawn_winners(draw).await.unwrap();
    assert_eq!(winners.iter().count(), 1);
    let mut late = central.greeted(2).await;
    late.get_winners(2).await;
    assert_eq!(central.store.winners_read(), 1);
    assert_eq!(central.act("ana", Act::Publish(draw)).await, Acted::Done);
    let said = agency.message().await;
    assert!(format!("{said:?}").contains("Winners"), "{said:?}");
    late.message().await;
}

#[tokio::test]
async fn reading_stops_when_the_caller_goes_away() {
    let central = Setting::operated().start().await;
    central.opened("nocturna").await;
    let (seen, mut visits) = tokio::sync::mpsc::unbounded_channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let reading = central.service.audit_log(AuditSpan::From(0), (), move |(), _, _| {
        seen.send(()).unwrap();
        // Ends when `go` is dropped.
        let _ = wait.recv();
        ControlFlow::Continue(())
    });
    tokio::select! {
        read = reading => panic!("it was read to its end: {read:?}"),
        visit = visits.recv() => assert_eq!(visit, Some(())),
    }
    drop(go);
    assert_eq!(visits.recv().await, None, "the second of two events is not visited");
}

#[tokio::test]
async fn before_any_draw_there_is_none_to_bet_in() {
    let central = Setting::operated().start().await;
    let mut agency = central.connect().await;
    agency.hello(1, 1, "").await;
    assert_eq!(agency.error().await.code(), ErrorCode::NoOpenDraw);
}

#[tokio::test]
async fn an_agency_before_the_opening_learns_when_the_draw_opens() {
    let central = Setting::operated().start().await;
    let opens_at = Some(Timestamp(NOW + 3_600_000));
    let schedule = Schedule { opens_at, closes_at: None };
    central.announce("nocturna", NumberRange::default(), schedule).await;
    let expected = "the draw \"nocturna\" is not open yet: it opens at 2024-08-21 \
                    20:11:15 UTC-3";
    for name in ["", "nocturna"] {
        let mut agency = central.connect().await;
        agency.hello(1, 1, name).await;
        let error = agency.error().await;
        assert_eq!((error.code(), error.reason()), (ErrorCode::NotOpenYet, expected));
        agency.ends().await;
    }
    let mut legacy = central.connect().await;
    legacy.bets(1, 0, LORCA).await;
    assert_eq!(legacy.error().await.reason(), expected);
    assert_eq!(central.bets_stored(), 0);
}

#[tokio::test]
async fn an_unknown_draw_is_refused_with_the_open_ones() {
    let central = Setting::operated().start().await;
    let closed = central.opened("matutina").await;
    central.act("ana", Act::Close(closed)).await;
    central.opened("nocturna").await;
    let mut agency = central.connect().await;
    agency.hello(1, 1, "noctruna").await;
    let error = agency.error().await;
    let expected = "there is no draw 'noctruna'; the agency may bet in \"nocturna\" (open)";
    assert_eq!((error.code(), error.reason()), (ErrorCode::UnknownDraw, expected));
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
async fn the_clock_opens_and_closes_and_late_bets_are_refused_with_the_time() {
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
    central.set_clock(at(10)).await;
    reached(DrawState::Open).await;
    let mut agency = central.greeted(1).await;
    agency.store(1, 0, LORCA).await;
    // From its closing time on it is closed, even before the act is recorded.
    central.set_clock(at(20)).await;
    agency.bets(1, 1, LORCA).await;
    let error = agency.error().await;
    assert_eq!(error.code(), ErrorCode::DrawClosed);
    assert!(error.reason().contains("since 2024-08-21 19:11:"), "{}", error.reason());
    reached(DrawState::Closed).await;
}

#[tokio::test]
async fn a_clock_that_can_not_act_tries_on_and_says_why_once() {
    let log = Log::keep();
    let central = Setting::operated().start().await;
    let (opens_at, closes_at) = (Timestamp(NOW + 1_000), Timestamp(NOW + 9_000_000));
    let schedule = Schedule { opens_at: Some(opens_at), closes_at: Some(closes_at) };
    let draw = central.announce("nocturna", NumberRange::default(), schedule).await;
    let asked = || central.store.changes_asked();
    for reason in ["no space left on device", "quota exceeded"] {
        central.store.set(Mode::Refuses(StoreFault::Full(reason.to_owned())));
        for _ in 0..4 {
            let enough = asked() + 1;
            central.set_clock(opens_at).await;
            patiently(async {
                while asked() < enough {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        let expected = format!("action: clock | result: fail | error: the store is full: {reason}");
        assert_eq!(log.count(&expected), 1, "{:#?}", log.lines());
    }
    central.store.set(Mode::Works);
    central.set_clock(opens_at).await;
    patiently(async {
        while state_of(&central.service, draw).await != DrawState::Open {
            tokio::task::yield_now().await;
        }
    })
    .await;
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
async fn an_agency_disabled_while_it_waits_gets_no_winners() {
    let central = Setting::operated().start().await;
    let draw = central.opened("nocturna").await;
    // A connection that acts for two agencies is not ended because of the one that it named before.
    let mut both = central.connect().await;
    both.store(1, 0, &bet("9", WINNER)).await;
    both.get_winners(1).await;
    both.get_winners(2).await;
    let speaks_for_second =
        || central.presence.snapshot().iter().all(|one| one.agency == Some(AgencyId(2)));
    while !speaks_for_second() {
        tokio::task::yield_now().await;
    }
    let (name, place) = (Label::new("La Ñata").unwrap(), Label::new("Goya").unwrap());
    let disabled = Registration { agency: AgencyId(1), name, place, enabled: false };
    central.act("ana", Act::Register(disabled)).await;
    assert_eq!(central.presence.snapshot().len(), 1);
    central.make_and_publish(draw).await;
    let error = both.error().await;
    assert_eq!(error.code(), ErrorCode::UnknownAgency);
    assert!(error.reason().contains("agency 1 is disabled"), "{}", error.reason());
    both.ends().await;
}

#[tokio::test]
async fn it_does_not_matter_who_caused_what_follows() {
    let log = Log::keep();
    let central = Setting::operated().start().await;
    let draw = central.opened("nocturna").await;
    let mut waiting = central.connect().await;
    waiting.store(1, 0, &bet("9", WINNER)).await;
    waiting.get_winners(1).await;
    let mut other = central.greeted(2).await;
    // Directly in the store, as another central would do it.
    let act = |by, act| {
        let done = |acted: Result<_, _>| assert!(acted.is_ok(), "{acted:?}");
        central.store.act(recorded(by, "por la otra", act), always_allowed(), done);
    };
    let (name, place) = (Label::new("La Ñata").unwrap(), Label::new("Goya").unwrap());
    let agency = AgencyId(2);
    act("ana", Act::Register(Registration { agency, name, place, enabled: false }));
    other.ends().await;
    act("ana", Act::Close(draw));
    for by in ["ana", "eva"] {
        act(by, Act::EnterNumber { draw, number: WINNER });
    }
    act("ana", Act::Publish(draw));
    waiting.winners("9").await;
    assert_eq!(state_of(&central.service, draw).await, DrawState::Drawn { number: WINNER });
    assert_eq!(log.count("action: sorteo | result: success"), 1);
}

#[tokio::test]
async fn who_is_connected_before_a_draw_is_opened_takes_part_in_it() {
    let central = Setting::operated().start().await;
    let mut early = central.connect().await;
    while central.presence.snapshot().is_empty() {
        tokio::task::yield_now().await;
    }
    let draw = central.opened("nocturna").await;
    early.store(1, 0, LORCA).await;
    early.end(1).await;
    let first = central.service.view().all_agencies(draw).next().unwrap();
    assert_eq!((first.bets, first.finished), (1, true));
}

#[tokio::test]
async fn an_automatic_draw_of_another_central_continues() {
    let automatic = Setting::agencies(2).start().await;
    automatic.greeted(1).await.store(1, 0, LORCA).await;
    let store = Arc::clone(&automatic.store);
    automatic.shut_down().await;
    let central = Setting::operated().start_on(store).await;
    let mut legacy = central.connect().await;
    legacy.end(1).await;
    legacy.end(2).await;
    central.opened("nocturna").await;
    legacy.get_winners(1).await;
    legacy.winners("30904465").await;
    // What is sent again for this draw is not stored in the next one.
    let mut legacy = central.connect().await;
    legacy.bets(1, 0, LORCA).await;
    assert_eq!(legacy.error().await.code(), ErrorCode::NoOpenDraw);
}
