//! Agencies that say HELLO.

use std::sync::Arc;

use lottery::{Act, Bets, NumberRange, PrefixDigest, always_allowed};
use wire::{CentralMessage, DrawState, ErrorCode, Fault, FaultCode};

use crate::client::{Client, LORCA, bet, bets_message};
use crate::operated::recorded;
use crate::setting::{Running, Setting};
use crate::store::{Mode, TestStore};

fn digest_of(chunks: &[&str]) -> [u8; 32] {
    let parse = |text: &&str| Bets::parse(text, NumberRange::default()).unwrap();
    let digests = chunks.iter().map(|chunk| *parse(chunk).digest());
    digests.fold(PrefixDigest::EMPTY, |prefix, next| prefix.then(&next)).0
}

async fn state_seen_by(central: &Running, agency: u32) -> DrawState {
    let mut client = central.connect().await;
    client.hello(1, agency, "").await;
    client.welcome().await.state
}

#[tokio::test]
async fn a_new_agency_is_told_the_limits_and_that_nothing_is_stored() {
    let central = Setting::default().start().await;
    let mut agency = central.connect().await;
    agency.hello(7, 1, "").await;
    let welcome = agency.welcome().await;
    assert_eq!((welcome.version, welcome.agency), (1, 1));
    assert_eq!((welcome.window, welcome.frame_len_max), (16, 8192));
    assert_eq!((welcome.number_min, welcome.number_max), (0, 9999));
    assert_eq!((welcome.chunks_stored, welcome.bets_stored), (0, 0));
    assert_eq!(welcome.prefix_digest, [0; 32]);
    assert_eq!((welcome.state, welcome.draw_name.as_str()), (DrawState::Open, "sorteo"));
}

#[tokio::test]
async fn an_agency_that_comes_back_is_told_what_is_stored_without_a_gap() {
    let central = Setting::default().start().await;
    let two = format!("{LORCA}&{}", bet("2", 2));
    let mut before = central.greeted(1).await;
    before.store(1, 0, LORCA).await;
    before.store(1, 1, &two).await;
    // Behind a gap: not counted.
    before.store(1, 3, LORCA).await;
    drop(before);
    let mut agency = central.connect().await;
    agency.hello(1, 1, "sorteo").await;
    let welcome = agency.welcome().await;
    assert_eq!((welcome.chunks_stored, welcome.bets_stored), (2, 3));
    assert_eq!(welcome.prefix_digest, digest_of(&[LORCA, &two]));
}

#[tokio::test]
async fn an_agency_is_told_how_far_the_draw_is() {
    let central = Setting::agencies(2).start().await;
    assert_eq!(state_seen_by(&central, 1).await, DrawState::Open);
    central.greeted(1).await.end(1).await;
    assert_eq!(state_seen_by(&central, 1).await, DrawState::AgencyFinished);
    assert_eq!(state_seen_by(&central, 2).await, DrawState::Open);
    central.greeted(2).await.end(2).await;
    assert_eq!(state_seen_by(&central, 2).await, DrawState::Drawn);
    let central = Setting::operated().start().await;
    let draw = central.opened("nocturna").await;
    let close = recorded("ana", "corte de luz", Act::Close(draw));
    central.service.act(close, always_allowed()).await.unwrap();
    assert_eq!(state_seen_by(&central, 2).await, DrawState::Closed);
}

#[tokio::test]
async fn a_hello_that_cannot_be_accepted_ends_the_connection() {
    let central = Setting::default().start().await;
    for (version, agency, draw, code) in [
        (0, 1, "", ErrorCode::UnsupportedVersion),
        (1, 9, "", ErrorCode::UnknownAgency),
        (1, 1, "otro", ErrorCode::UnknownDraw),
    ] {
        let mut client = central.connect().await;
        client.hello(version, agency, draw).await;
        assert_eq!(client.error().await.code(), code);
        client.ends().await;
    }
}

#[tokio::test]
async fn a_refused_chunk_is_refused_alone_and_says_which_bets() {
    let central = Setting::default().start().await;
    let mut agency = central.greeted(1).await;
    let bad = format!("{LORCA}&A|B|1|2000-02-30|1&x&{}", bet("1", 10_000));
    agency.bets(1, 0, &bad).await;
    agency.bets(1, 1, LORCA).await;
    agency.send(b"\x00\x0c\x00\x051&2&\xff").await;
    let error = agency.error().await;
    assert_eq!((error.code(), error.chunk()), (ErrorCode::BadBets, Some(0)));
    let faults =
        [(1, FaultCode::Birthdate), (2, FaultCode::FieldCount), (3, FaultCode::NumberRange)];
    assert_eq!(error.faults(), faults.map(|(position, code)| Fault { position, code }));
    agency.acknowledged(1).await;
    let error = agency.error().await;
    assert_eq!((error.code(), error.chunk()), (ErrorCode::NotUtf8, Some(2)));
    agency.store(1, 2, LORCA).await;
    assert_eq!(central.bets_stored(), 2);
}

#[tokio::test]
async fn a_connection_speaks_for_one_agency() {
    let central = Setting::agencies(2).start().await;
    let mut agency = central.greeted(1).await;
    agency.bets(2, 0, LORCA).await;
    let error = agency.error().await;
    assert_eq!((error.code(), error.chunk()), (ErrorCode::OtherAgency, Some(0)));
    agency.finish(2).await;
    assert_eq!(agency.error().await.code(), ErrorCode::OtherAgency);
    agency.ends().await;
    assert_eq!(central.bets_stored(), 0);
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
    // A second request behind the first is answered whole, after it.
    agency.get_winners(1).await;
    agency.get_winners(1).await;
    for _ in 0..2 {
        let parts = parts(&mut agency).await;
        assert!(parts.len() > 10, "{} parts", parts.len());
        assert_eq!(parts.concat(), documents);
    }
}

#[tokio::test]
async fn an_agency_without_winners_gets_one_empty_part() {
    let central = Setting::default().start().await;
    let mut agency = central.greeted(1).await;
    agency.end(1).await;
    agency.get_winners(1).await;
    assert_eq!(parts(&mut agency).await, [[""; 0]]);
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

/// The documents of each part, until the last.
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
