//! Legacy agencies, which know only message ids 12 to 17: many at once, much at once, and what is
//! logged about them.

use wire::ErrorCode;

use crate::client::{Client, DOCUMENT, LORCA, bet, bets_message, winning_bets};
use crate::log::Log;
use crate::setting::Setting;

#[tokio::test]
async fn five_agencies_at_once_get_their_own_winners() {
    let log = Log::keep();
    let central = Setting::agencies(5).start().await;
    let port = central.port;
    let day = |id: u32| async move {
        let mut agency = Client::connect(port).await;
        for chunk in 0..20 {
            let winning = bet(&format!("{id}{chunk:02}"), 7);
            agency.store(id, chunk, &format!("{}&{winning}&{}", bet("1", 8), bet("2", 9))).await;
        }
        agency.end(id).await;
        agency.half_close().await;
        agency.ends().await;
        let mut asking = Client::connect(port).await;
        asking.get_winners(id).await;
        let documents: Vec<_> = (0..20).map(|chunk| format!("{id}{chunk:02}")).collect();
        asking.winners(&documents.join(",")).await;
    };
    tokio::join!(day(1), day(2), day(3), day(4), day(5));
    assert_eq!(central.bets_stored(), 300);
    assert_eq!(log.count("action: apuesta_recibida | result: success | cantidad: 3"), 100);
    for finished in 1..=5 {
        let line = "action: agency_finished | result: success | agencies_finished";
        assert_eq!(log.count(&format!("{line}: {finished}")), 1);
    }
    assert_eq!(log.count("action: sorteo | result: success"), 1);
    assert_eq!(log.count("action: accept_connections | result: success | ip: 127.0.0.1"), 10);
    central.shut_down().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let central = Setting::default().start().await;
    let mut agency = central.connect().await;
    let mut bytes: Vec<_> = (0..100).flat_map(|chunk| bets_message(1, chunk, LORCA)).collect();
    bytes.extend([0, 14, 0, 0, 0, 1]);
    bytes.extend([0, 15, 0, 0, 0, 1]);
    agency.send(&bytes).await;
    for chunk in 0..100 {
        agency.acknowledged(chunk).await;
    }
    agency.expect(&[0, 14, 0, 0, 0, 1]).await;
    agency.winners(&["30904465"; 100].join(",")).await;
}

#[tokio::test]
async fn what_is_repeated_and_what_is_refused_is_logged_as_such() {
    let log = Log::keep();
    let central = Setting::agencies(2).start().await;
    let mut agency = central.connect().await;
    agency.store(1, 0, LORCA).await;
    agency.store(1, 0, LORCA).await;
    log.one("action: apuesta_recibida | result: success | cantidad: 1");
    log.one("action: bets_repeated | result: success | bets: 1");
    for _ in 0..3 {
        agency.end(1).await;
    }
    log.one("action: agency_finished | result: success | agencies_finished: 1");
    assert_eq!(log.count("action: sorteo | result: success"), 0);
    agency.bets(1, 1, LORCA).await;
    assert_eq!(agency.error().await.code(), ErrorCode::AgencyFinished);
    let refused = log.one("action: apuesta_recibida | result: fail | cantidad: 1 | error: ");
    assert!(refused.contains("agency 1 has finished"), "{refused}");
}

#[tokio::test]
async fn all_replies_arrive_though_the_agency_goes_on_sending_after_the_last() {
    let central = Setting::default().start().await;
    let mut before = central.connect().await;
    for chunk in 0..32 {
        before.store(1, chunk, &winning_bets()).await;
    }
    before.end(1).await;
    // The replies are still in the central's send buffer when it refuses the last message, and more
    // data follows than it reads.
    let mut agency = Client::connect_with_little_room(central.port).await;
    let mut bytes = [0, 15, 0, 0, 0, 1].repeat(10);
    bytes.extend(bets_message(1, 0, "x"));
    bytes.extend((1..4000).flat_map(|chunk| bets_message(1, chunk, LORCA)));
    agency.send(&bytes).await;
    for _ in 0..10 {
        agency.winners(&vec![DOCUMENT; 4096].join(",")).await;
    }
    assert_eq!(agency.error().await.code(), ErrorCode::BadBets);
    agency.ends().await;
}

#[tokio::test]
async fn more_winners_than_a_message_holds_are_refused_and_exactly_as_many_are_sent() {
    // 15 bytes and a comma each: 4096 of them take 65,535 bytes.
    for (more, fits) in [(&[][..], true), (&["1"], false)] {
        let central = Setting::default().start().await;
        let mut agency = central.connect().await;
        for chunk in 0..32 {
            agency.store(1, chunk, &winning_bets()).await;
        }
        for document in more {
            agency.store(1, 32, &bet(document, 7)).await;
        }
        agency.end(1).await;
        agency.get_winners(1).await;
        if fits {
            agency.winners(&vec![DOCUMENT; 4096].join(",")).await;
        } else {
            assert_eq!(agency.error().await.code(), ErrorCode::WinnersTooMany);
            agency.ends().await;
        }
    }
}
