//! Agencies that name no draw where operators lead several: their bets are not stored in the wrong
//! draw, and no winner is told that there are none.

use std::sync::Arc;

use lottery::{Act, Agencies, DrawId, NumberRange, Schedule};
use wire::ErrorCode;

use crate::client::{Client, LORCA, bet};
use crate::setting::{Running, Setting, WINNER};

/// How far the first draw advances before the second is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Open,
    Closed,
    Published,
}

/// Checks that every message an agency can send without naming a draw, each on its own connection,
/// is refused with the names of both draws.
async fn is_asked_which(central: &Running, agency: u32) {
    type Says = fn(&mut Client, u32) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>>;
    let says: [Says; 4] = [
        |client, agency| Box::pin(client.bets(agency, 0, LORCA)),
        |client, agency| Box::pin(client.finish(agency)),
        |client, agency| Box::pin(client.get_winners(agency)),
        |client, agency| Box::pin(client.hello(1, agency, "")),
    ];
    for say in says {
        let mut client = central.connect().await;
        say(&mut client, agency).await;
        let error = client.error().await;
        assert_eq!(error.code(), ErrorCode::NoOpenDraw, "{}", error.reason());
        for part in ["\"primera\" (", "\"segunda\" (open)", "--draw NAME", "--listen ADDRESS=NAME"]
        {
            assert!(error.reason().contains(part), "{part} is not in: {}", error.reason());
        }
        client.ends().await;
    }
}

/// Returns how many bets are stored in a draw.
async fn bets_in(central: &Running, draw: DrawId) -> u64 {
    central.service.view().all_agencies(draw).map(|totals| totals.bets).sum()
}

#[tokio::test]
async fn what_is_sent_again_never_lands_in_the_draw_that_came_after() {
    for (came_to, restarts) in [
        (First::Open, false),
        (First::Closed, false),
        (First::Published, false),
        (First::Closed, true),
        (First::Published, true),
    ] {
        let central = Setting::operated().start().await;
        let first = central.opened("primera").await;
        let mut agency = central.connect().await;
        agency.store(1, 0, LORCA).await;
        agency.end(1).await;
        match came_to {
            First::Open => {}
            First::Closed => drop(central.act("ana", Act::Close(first)).await),
            First::Published => central.make_and_publish(first).await,
        }
        let second = central.opened("segunda").await;
        let central = if restarts {
            let store = Arc::clone(&central.store);
            central.shut_down().await;
            Setting::operated().start_on(store).await
        } else {
            central
        };
        is_asked_which(&central, 1).await;
        assert_eq!(bets_in(&central, second).await, 0, "{came_to:?}, restart: {restarts}");
        // Nothing was lost: an agency that names a draw continues there.
        let mut named = central.connect().await;
        named.hello(1, 1, "segunda").await;
        named.welcome().await;
        named.store(1, 0, &bet("9", WINNER)).await;
        assert_eq!((bets_in(&central, first).await, bets_in(&central, second).await), (1, 1));
    }
}

#[tokio::test]
async fn winners_of_one_draw_are_never_asked_for_in_another() {
    let central = Setting::operated().start().await;
    let first = central.opened("primera").await;
    central.connect().await.store(1, 0, &bet("30904465", WINNER)).await;
    central.make_and_publish(first).await;
    let second = central.opened("segunda").await;
    central.make_and_publish(second).await;
    let mut legacy = central.connect().await;
    legacy.get_winners(1).await;
    assert_eq!(legacy.error().await.code(), ErrorCode::NoOpenDraw);
    let mut named = central.connect().await;
    named.hello(1, 1, "primera").await;
    named.welcome().await;
    named.get_winners(1).await;
    let reply = format!("{:?}", named.message().await);
    assert!(reply.contains("30904465"), "{reply}");
}

#[tokio::test]
async fn tomorrows_draw_may_be_announced_and_a_connection_stays_with_todays() {
    let central = Setting::operated().start().await;
    central.opened("primera").await;
    let second = central.announce("segunda", NumberRange::default(), Schedule::default()).await;
    let mut agency = central.connect().await;
    agency.store(1, 0, LORCA).await;
    central.act("ana", Act::Open(second)).await;
    // What it sends now continues what it sent before.
    agency.store(1, 1, LORCA).await;
    agency.end(1).await;
    assert_eq!(bets_in(&central, second).await, 0);
    // It also acts for another agency, which sent nothing before the second draw was opened.
    agency.bets(2, 0, LORCA).await;
    assert_eq!(agency.error().await.code(), ErrorCode::NoOpenDraw);
    agency.ends().await;
    is_asked_which(&central, 1).await;
    assert_eq!(central.bets_stored(), 2);
}

#[tokio::test]
async fn agencies_of_one_draw_each_need_not_name_it() {
    let central = Setting::operated().start().await;
    let mut draws = Vec::new();
    for (name, agency) in [("primera", 1), ("segunda", 2)] {
        let agencies = Agencies::from_ranges(vec![(agency, agency)]).unwrap();
        let numbers = NumberRange::default();
        let draw = central.announce_for(name, agencies, numbers, Schedule::default()).await;
        central.act("ana", Act::Open(draw)).await;
        central.connect().await.store(agency, 0, &bet(name, WINNER)).await;
        draws.push(draw);
    }
    // One connection asks for both, and the draws are published in the opposite order.
    let mut both = central.connect().await;
    both.get_winners(1).await;
    both.get_winners(2).await;
    central.make_and_publish(draws[1]).await;
    central.make_and_publish(draws[0]).await;
    both.winners("primera").await;
    both.winners("segunda").await;
    both.get_winners(3).await;
    assert_eq!(both.error().await.code(), ErrorCode::UnknownAgency);
}

#[tokio::test]
async fn a_listener_bound_to_a_draw_is_for_those_who_name_none() {
    let setting = Setting { bound: &["primera", "segunda"], ..Setting::operated() };
    let central = setting.start().await;
    let mut early = central.connect_bound(0).await;
    early.bets(1, 0, LORCA).await;
    let error = early.error().await;
    assert_eq!(error.code(), ErrorCode::NoOpenDraw);
    assert!(error.reason().contains("this address is for the draw \"primera\""), "{error:?}");
    let mut draws = Vec::new();
    for name in ["primera", "segunda"] {
        draws.push(central.announce(name, NumberRange::default(), Schedule::default()).await);
    }
    let mut early = central.connect_bound(1).await;
    early.hello(1, 1, "").await;
    assert_eq!(early.error().await.code(), ErrorCode::NotOpenYet);
    for (at, name) in ["primera", "segunda"].into_iter().enumerate() {
        central.act("ana", Act::Open(draws[at])).await;
        central.connect_bound(at).await.store(1, 0, &bet(name, WINNER)).await;
    }
    // A given name takes precedence, whichever listener is used.
    let mut named = central.connect_bound(0).await;
    named.hello(1, 2, "segunda").await;
    assert_eq!(named.welcome().await.draw_name.as_str(), "segunda");
    for (at, name) in ["primera", "segunda"].into_iter().enumerate() {
        central.make_and_publish(draws[at]).await;
        let mut asking = central.connect_bound(at).await;
        asking.get_winners(1).await;
        asking.winners(name).await;
    }
    let mut legacy = central.connect().await;
    legacy.get_winners(1).await;
    assert_eq!(legacy.error().await.code(), ErrorCode::NoOpenDraw);
}
