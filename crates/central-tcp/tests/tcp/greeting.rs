//! Agencies that send HELLO: completed draws, winners in parts, and the central's window.

use std::sync::Arc;

use lottery::Act;
use wire::{CentralMessage, DrawState, ErrorCode};

use crate::client::{Client, LORCA, bet, bets_message};
use crate::setting::Setting;
use crate::store::{Mode, TestStore};

#[tokio::test]
async fn an_agency_learns_that_operators_closed_the_draw() {
    let central = Setting::operated().start().await;
    let draw = central.opened("nocturna").await;
    central.act("ana", Act::Close(draw)).await;
    let mut agency = central.connect().await;
    agency.hello(1, 2, "").await;
    assert_eq!(agency.welcome().await.state, DrawState::Closed);
}

#[tokio::test]
async fn an_older_draw_is_reached_by_its_name_and_its_winners_are_read_once() {
    let store: Arc<TestStore> = Arc::default();
    let before = Setting { draw: "ayer", ..Setting::default() }.start_on(Arc::clone(&store)).await;
    let mut agency = before.connect().await;
    agency.store(1, 0, LORCA).await;
    agency.end(1).await;
    agency.get_winners(1).await;
    agency.winners("30904465").await;
    drop(agency);
    before.shut_down().await;

    let central = Setting { draw: "hoy", ..Setting::default() }.start_on(Arc::clone(&store)).await;
    let read_before = store.winners_read();
    for _ in 0..3 {
        let mut agency = central.connect().await;
        agency.hello(1, 1, "ayer").await;
        let welcome = agency.welcome().await;
        assert_eq!((welcome.state, welcome.draw_name.as_str()), (DrawState::Drawn, "ayer"));
        agency.get_winners(1).await;
        assert_eq!(parts(&mut agency).await, [["30904465"]]);
        agency.bets(1, 1, LORCA).await;
        assert_eq!(agency.error().await.code(), ErrorCode::DrawClosed);
    }
    assert_eq!(store.winners_read() - read_before, 1);
    central.greeted(1).await.store(1, 0, LORCA).await;
}

#[tokio::test]
async fn any_number_of_winners_arrives_in_parts() {
    let central = Setting::limits(|limits| limits.window = 1).start().await;
    let mut agency = central.greeted(1).await;
    let mut documents = Vec::new();
    for chunk in 0..100 {
        let new: Vec<_> = (0..200).map(|n| (chunk * 1000 + n).to_string()).collect();
        let bets: Vec<_> = new.iter().map(|document| bet(document, 7)).collect();
        agency.store(1, chunk, &bets.join("&")).await;
        documents.extend(new);
    }
    agency.end(1).await;
    // A second request is answered in full after the first.
    agency.get_winners(1).await;
    agency.get_winners(1).await;
    for _ in 0..2 {
        let parts = parts(&mut agency).await;
        assert!(parts.len() > 10, "{} parts", parts.len());
        assert_eq!(parts.concat(), documents);
    }
}

#[tokio::test]
async fn no_more_requests_are_taken_than_the_window_allows() {
    let central = Setting::limits(|limits| limits.window = 4).start().await;
    central.store.set(Mode::Holds);
    let mut agency = central.connect().await;
    let bytes: Vec<_> = (0..200).flat_map(|chunk| bets_message(1, chunk, LORCA)).collect();
    agency.send(&bytes).await;
    for chunk in 0..200 {
        let expected = usize::try_from(200 - chunk).unwrap().min(4);
        central.store.holds(expected).await;
        assert_eq!(central.store.held(), expected);
        central.store.release(1);
        agency.acknowledged(chunk).await;
    }
}

#[tokio::test]
async fn no_more_bytes_are_given_to_the_store_than_the_limit_allows() {
    let central = Setting::limits(|limits| limits.in_flight_bytes_max = 1).start().await;
    central.store.set(Mode::Holds);
    let (mut first, mut second) = (central.connect().await, central.connect().await);
    let three = [0, 1, 2].map(|chunk| bets_message(1, chunk, LORCA)).concat();
    first.send(&three).await;
    second.bets(1, 3, LORCA).await;
    for _ in 0..4 {
        central.store.holds(1).await;
        assert_eq!(central.store.held(), 1);
        central.store.release(1);
    }
    first.acknowledged(0).await;
    first.acknowledged(1).await;
    first.acknowledged(2).await;
    second.acknowledged(3).await;
}

/// Returns the documents of each part, up to the last.
async fn parts(agency: &mut Client) -> Vec<Vec<String>> {
    let mut parts = Vec::new();
    loop {
        let CentralMessage::WinnersPart { last, documents } = agency.message().await else {
            panic!("not a part of the winners");
        };
        parts.push(documents.iter().map(str::to_owned).collect());
        if last {
            return parts;
        }
    }
}
