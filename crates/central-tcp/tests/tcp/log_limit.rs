//! Limits on the log lines that clients can cause.

use wire::ErrorCode;

use crate::client::{LORCA, patiently};
use crate::log::Log;
use crate::setting::Setting;

#[tokio::test]
async fn a_flood_on_one_connection_is_logged_in_few_lines_and_counted() {
    const FLOOD: usize = 100;
    const LINES: usize = 16;
    let log = Log::keep();
    let central = Setting::agencies(2).start().await;
    let mut agency = central.greeted(1).await;
    agency.store(1, 0, LORCA).await;
    for _ in 0..FLOOD {
        agency.bets(1, 1, "bad").await;
        assert_eq!(agency.error().await.code(), ErrorCode::BadBets);
        agency.bets(2, 1, LORCA).await;
        assert_eq!(agency.error().await.code(), ErrorCode::OtherAgency);
        agency.store(1, 0, LORCA).await;
    }
    // Stored batches are logged however many refusals there were.
    agency.store(1, 1, LORCA).await;
    let count = |start: &str| log.lines().iter().filter(|line| line.starts_with(start)).count();
    let refused = || {
        let of_batches = count("action: apuesta_recibida | result: fail");
        of_batches + count("action: receive_message | result: fail")
    };
    assert_eq!((refused(), count("action: bets_repeated")), (LINES, LINES));
    assert_eq!(count("action: apuesta_recibida | result: success"), 2);
    // The refusal that ends the connection is still logged.
    agency.send(&[0, 99]).await;
    assert_eq!(agency.error().await.code(), ErrorCode::UnknownMessage);
    agency.ends().await;
    drop(agency);
    let expected = "action: suppress_lines | result: success | ip: 127.0.0.1";
    patiently(async {
        while !log.has(expected) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (refusals, repeats) = (2 * FLOOD - LINES, FLOOD - LINES);
    assert_eq!(log.count(&format!("{expected} | refusals: {refusals} | repeats: {repeats}")), 1);
    assert_eq!(refused(), LINES + 1);
}
