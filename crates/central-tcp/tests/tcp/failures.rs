//! A store that fails or has no room.

use central::ServeError;
use engine::Gone;
use lottery::StoreFault;
use wire::ErrorCode;

use crate::client::{LORCA, bet};
use crate::log::Log;
use crate::setting::Setting;
use crate::store::Mode;

const WHY: &str = "/var/lib/bolillero: input/output error";

fn failed() -> StoreFault {
    StoreFault::Failed(WHY.to_owned())
}

#[tokio::test]
async fn a_failed_store_ends_the_central_and_nothing_is_acknowledged() {
    let log = Log::keep();
    let central = Setting::agencies(2).start().await;
    let mut idle = central.connect().await;
    let mut waiting = central.connect().await;
    // Sent together, so that the reply to the first shows that the second was read.
    waiting.send(&[0, 14, 0, 0, 0, 2, 0, 15, 0, 0, 0, 2]).await;
    waiting.expect(&[0, 14, 0, 0, 0, 2]).await;
    let mut agency = central.greeted(1).await;
    agency.store(1, 0, LORCA).await;
    central.store.set(Mode::Holds);
    agency.bets(1, 1, LORCA).await;
    central.store.holds(1).await;
    central.store.set(Mode::Refuses(failed()));
    agency.bets(1, 2, LORCA).await;
    idle.ends().await;
    waiting.no_winners().await;
    waiting.ends().await;
    // The first was stored before the store failed, so it may be acknowledged.
    central.store.release(1);
    agency.acknowledged(1).await;
    let error = agency.error().await;
    assert_eq!((error.code(), error.chunk()), (ErrorCode::StorageFailed, Some(2)));
    assert_eq!(agency.error().await.code(), ErrorCode::ShuttingDown);
    agency.ends().await;
    assert_eq!(central.bets_stored(), 2);
    drop((idle, waiting, agency));
    assert_eq!(central.ended().await, Err(ServeError::Store(failed())));
    let line = log.one("action: apuesta_recibida | result: fail | cantidad: 1 | error: ");
    assert!(line.contains("input/output error"), "{line}");
    assert_eq!(log.count("action: shutdown | result: success"), 0);
}

#[tokio::test]
async fn a_store_that_fails_without_any_request_ends_the_central() {
    let central = Setting::default().start().await;
    let mut idle = central.connect().await;
    central.store.set_checked(Err(Gone::Failed(WHY.to_owned())));
    idle.ends().await;
    drop(idle);
    assert_eq!(central.ended().await, Err(ServeError::Store(failed())));
}

#[tokio::test]
async fn a_store_that_fails_at_finish_ends_the_central() {
    let central = Setting::default().start().await;
    central.store.set(Mode::Refuses(failed()));
    let mut agency = central.connect().await;
    agency.finish(1).await;
    assert_eq!(agency.error().await.code(), ErrorCode::StorageFailed);
    agency.ends().await;
    drop(agency);
    assert_eq!(central.ended().await, Err(ServeError::Store(failed())));
}

#[tokio::test]
async fn a_request_that_the_store_drops_is_a_failure_not_a_silence() {
    let central = Setting::default().start().await;
    central.store.set(Mode::Drops);
    let mut agency = central.connect().await;
    agency.bets(1, 0, LORCA).await;
    assert_eq!(agency.error().await.code(), ErrorCode::StorageFailed);
    agency.ends().await;
    drop(agency);
    assert!(matches!(central.ended().await, Err(ServeError::Store(StoreFault::Failed(_)))));
}

#[tokio::test]
async fn a_full_store_refuses_and_takes_the_batch_later() {
    let central = Setting::default().start().await;
    let mut agency = central.greeted(1).await;
    let mut field = central.connect().await;
    central.store.set(Mode::Refuses(StoreFault::Full("no space left on device".to_owned())));
    agency.bets(1, 0, LORCA).await;
    let error = agency.error().await;
    assert_eq!((error.code(), error.chunk()), (ErrorCode::StorageFull, Some(0)));
    field.bets(1, 1, &bet("1", 1)).await;
    assert_eq!(field.error().await.code(), ErrorCode::StorageFull);
    field.ends().await;
    drop(field);
    assert_eq!(central.bets_stored(), 0);

    central.store.set(Mode::Works);
    agency.store(1, 0, LORCA).await;
    central.connect().await.store(1, 1, &bet("1", 1)).await;
    assert_eq!(central.bets_stored(), 2);
    central.shut_down().await;
}
