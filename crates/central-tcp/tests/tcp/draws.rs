//! The draw is made once, when the last agency finishes, and agencies wait for it.

use std::sync::Arc;
use std::time::Duration;

use lottery::{Agencies, AgencyId, DrawId, SealedNumber, StoreFault};
use wire::ErrorCode;

use crate::client::{Client, LORCA};
use crate::log::Log;
use crate::setting::{Setting, WINNER};
use crate::store::{Mode, TestStore};

const SORTEO: &str = "action: sorteo | result: success";

#[tokio::test]
async fn waiting_agencies_are_released_by_the_draw() {
    let central = Setting::agencies(2).start().await;
    central.connect().await.store(1, 0, LORCA).await;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut client = central.connect().await;
        client.get_winners(1).await;
        waiting.push(client);
    }
    let mut last = central.connect().await;
    last.end(1).await;
    last.end(2).await;
    for client in &mut waiting {
        client.winners("30904465").await;
    }
    assert_eq!(central.store.winners_read(), 1);
    // They continue as if they had not waited.
    waiting[0].get_winners(2).await;
    waiting[0].winners("").await;
}

#[tokio::test]
async fn without_a_wait_the_answer_before_the_draw_is_immediate() {
    let setting = Setting { winners_wait: Duration::ZERO, ..Setting::agencies(2) };
    let central = setting.start().await;
    let mut agency = central.connect().await;
    agency.get_winners(1).await;
    agency.no_winners().await;
    agency.end(1).await;
    agency.end(2).await;
    // A draw whose winners are not read yet is not NO_WINNERS: the answer waits for the read.
    ask_until_drawn(&mut agency).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_over_is_answered_and_the_agency_asks_again() {
    let hour = Duration::from_secs(3600);
    let central = Setting { winners_wait: hour, ..Setting::agencies(2) }.start().await;
    let mut agency = central.connect().await;
    let start = tokio::time::Instant::now();
    agency.get_winners(1).await;
    let mut reply = [0; 2];
    let read = tokio::io::AsyncReadExt::read_exact(&mut agency.stream, &mut reply);
    read.await.unwrap();
    assert_eq!(reply, [0, 16]);
    let waited = start.elapsed();
    assert!(waited >= hour && waited < hour + Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn the_draw_is_made_once_however_many_finish_at_once() {
    let log = Log::keep();
    let central = Setting::agencies(5).start().await;
    central.store.set(Mode::Holds);
    let mut agencies = Vec::new();
    for id in 1..=5_u32 {
        let mut agency = central.connect().await;
        agency.finish(id).await;
        agency.finish(id).await;
        agencies.push(agency);
    }
    central.store.holds(10).await;
    central.store.release_all();
    for (id, agency) in (1_u8..).zip(&mut agencies) {
        agency.expect(&[0, 14, 0, 0, 0, id, 0, 14, 0, 0, 0, id]).await;
        agency.get_winners(u32::from(id)).await;
        agency.winners("").await;
    }
    // FINISH sent again after the draw changes nothing.
    agencies[0].end(1).await;
    agencies[0].get_winners(1).await;
    agencies[0].winners("").await;
    assert_eq!(log.count(SORTEO), 1);
}

#[tokio::test]
async fn a_draw_made_before_the_start_is_served_and_not_logged_again() {
    let log = Log::keep();
    let store: Arc<TestStore> = Arc::default();
    made_before(&store, WINNER);
    let central = Setting::agencies(2).start_on(store).await;
    let mut agency = central.connect().await;
    agency.get_winners(1).await;
    agency.winners("").await;
    assert_eq!(log.count(SORTEO), 0);
}

#[tokio::test]
async fn winners_that_cannot_be_read_are_refused_and_read_again_when_asked_again() {
    let log = Log::keep();
    let central = Setting::default().start().await;
    central.store.set_unreadable(true);
    let mut agency = central.connect().await;
    agency.store(1, 0, LORCA).await;
    agency.get_winners(1).await;
    agency.finish(1).await;
    // The request was waiting since before the draw: its answer comes first, and ends the
    // connection.
    assert_eq!(agency.error().await.code(), ErrorCode::StorageFailed);
    agency.ends().await;
    let line = log.one("action: read_winners | result: fail");
    assert!(line.ends_with("error: damaged at byte 7"), "{line}");
    central.store.set_unreadable(false);
    let mut agency = central.connect().await;
    agency.get_winners(1).await;
    agency.winners("30904465").await;
}

#[tokio::test]
async fn the_last_finish_that_finds_the_store_full_makes_the_draw_when_there_is_room() {
    let log = Log::keep();
    let central = Setting::default().start().await;
    central.store.set(Mode::Refuses(StoreFault::Full("disk".to_owned())));
    let mut agency = central.connect().await;
    agency.finish(1).await;
    assert_eq!(agency.error().await.code(), ErrorCode::StorageFull);
    central.store.set(Mode::Works);
    let mut agency = central.connect().await;
    agency.end(1).await;
    agency.get_winners(1).await;
    agency.winners("").await;
    assert_eq!(log.count(SORTEO), 1);
}

#[tokio::test]
async fn a_central_that_could_not_draw_does_not_open() {
    let setting = Setting { winning_number: 10_000, ..Setting::default() };
    let error = setting.open(&Arc::default()).await.err().unwrap();
    assert!(error.to_string().contains("10000 is outside the range 0-9999"), "{error}");
}

#[tokio::test]
async fn a_draw_of_the_same_name_with_other_agencies_does_not_open() {
    let store: Arc<TestStore> = Arc::default();
    Setting::agencies(2).open(&store).await.unwrap();
    let error = Setting::agencies(3).open(&store).await.err().unwrap();
    assert!(error.to_string().contains("agencies 1-2"), "{error}");
}

#[tokio::test]
async fn the_recorded_number_counts_and_another_one_is_logged() {
    let log = Log::keep();
    let store: Arc<TestStore> = Arc::default();
    made_before(&store, 9);
    Setting::agencies(2).open(&store).await.unwrap();
    let line = log.one("action: open_draw");
    assert!(line.ends_with(&format!("number_drawn: 9 | number_ignored: {WINNER}")), "{line}");
    assert_eq!(log.count(SORTEO), 0);
}

/// Stores a completed draw of two agencies with this number.
fn made_before(store: &TestStore, number: u32) {
    let number = SealedNumber(number);
    let terms = Setting::agencies(2).terms();
    assert_eq!(terms.agencies, Agencies::first(2).unwrap());
    store.open_draw(terms, number, |opened| assert_eq!(opened, Ok(DrawId(1))));
    for agency in [1, 2] {
        store.finish(DrawId(1), AgencyId(agency), |finished| assert!(finished.is_ok()));
    }
}

/// Asks for winners until the draw is made: NO_WINNERS before, WINNERS after.
async fn ask_until_drawn(agency: &mut Client) {
    loop {
        agency.get_winners(1).await;
        let mut id = [0; 2];
        let read = tokio::io::AsyncReadExt::read_exact(&mut agency.stream, &mut id);
        read.await.unwrap();
        match id {
            [0, 16] => {}
            [0, 17] => return agency.expect(&[0, 0]).await,
            other => panic!("neither WINNERS nor NO_WINNERS: {other:?}"),
        }
    }
}
