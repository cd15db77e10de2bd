//! Agencies of the field, which know ids 12 to 17 and nothing else.

use wire::ErrorCode;

use crate::client::{Client, DOCUMENT, LORCA, bet, bets_message, winning_bets};
use crate::log::Log;
use crate::setting::Setting;

#[tokio::test]
async fn a_whole_day_of_one_agency_byte_by_byte() {
    let central = Setting::default().start().await;
    let mut agency = central.connect().await;
    let payload = b"1&0&Santiago Lionel|Lorca|30904465|1999-03-17|7&A|B|123|2000-01-01|2201";
    let bets = [b"\x00\x0c\x00\x47", &payload[..]].concat();
    for byte in bets {
        agency.send(&[byte]).await;
    }
    agency.expect(&[0, 13, 0, 0, 0, 0]).await;
    for byte in [0, 14, 0, 0, 0, 1] {
        agency.send(&[byte]).await;
    }
    agency.expect(&[0, 14, 0, 0, 0, 1]).await;
    for byte in [0, 15, 0, 0, 0, 1] {
        agency.send(&[byte]).await;
    }
    agency.expect(b"\x00\x11\x00\x0830904465").await;
    agency.half_close().await;
    agency.ends().await;
    central.shut_down().await;
}

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
        let line = "action: agencia_finalizo | result: success | total_agencias_finalizadas";
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
async fn a_repeated_finish_counts_once() {
    let log = Log::keep();
    let central = Setting::agencies(2).start().await;
    let mut first = central.connect().await;
    for _ in 0..3 {
        first.end(1).await;
    }
    assert_eq!(log.count("action: sorteo | result: success"), 0);
    log.one("action: agencia_finalizo | result: success | total_agencias_finalizadas: 1");
    let mut second = central.connect().await;
    second.end(2).await;
    second.get_winners(2).await;
    second.winners("").await;
    assert_eq!(log.count("action: sorteo | result: success"), 1);
}

#[tokio::test]
async fn a_chunk_sent_again_is_stored_once_and_acknowledged_again() {
    let log = Log::keep();
    let central = Setting::default().start().await;
    central.connect().await.store(1, 0, LORCA).await;
    central.connect().await.store(1, 0, LORCA).await;
    assert_eq!(central.bets_stored(), 1);
    log.one("action: apuesta_recibida | result: success | cantidad: 1");
    log.one("action: apuesta_repetida | result: success | cantidad: 1");
}

#[tokio::test]
async fn a_chunk_with_other_content_is_refused() {
    let central = Setting::default().start().await;
    let mut agency = central.connect().await;
    agency.store(1, 0, LORCA).await;
    agency.bets(1, 0, &bet("1", 1)).await;
    assert_eq!(agency.error().await.code(), ErrorCode::ChunkConflict);
    agency.ends().await;
    assert_eq!(central.bets_stored(), 1);
}

#[tokio::test]
async fn bets_after_finish_and_after_the_draw_are_refused() {
    let log = Log::keep();
    let central = Setting::agencies(2).start().await;
    let mut first = central.connect().await;
    first.end(1).await;
    first.bets(1, 0, LORCA).await;
    let error = first.error().await;
    assert_eq!((error.code(), error.chunk()), (ErrorCode::AgencyFinished, Some(0)));
    first.ends().await;
    let refused = log.one("action: apuesta_recibida | result: fail | cantidad: 1 | error: ");
    assert!(refused.contains("agency 1 has finished"), "{refused}");

    let mut second = central.connect().await;
    second.end(2).await;
    second.get_winners(2).await;
    second.winners("").await;
    second.bets(2, 0, LORCA).await;
    assert_eq!(second.error().await.code(), ErrorCode::DrawClosed);
    second.ends().await;
    assert_eq!(central.bets_stored(), 0);
}

#[tokio::test]
async fn an_agency_that_is_not_registered_is_refused_everything() {
    let central = Setting::agencies(2).start().await;
    for request in [&bets_message(3, 0, LORCA)[..], &[0, 14, 0, 0, 0, 3], &[0, 15, 0, 0, 0, 3]] {
        let mut agency = central.connect().await;
        agency.send(request).await;
        let error = agency.error().await;
        assert_eq!(error.code(), ErrorCode::UnknownAgency);
        assert!(error.reason().contains("1-2"), "{}", error.reason());
        agency.ends().await;
    }
    assert_eq!(central.bets_stored(), 0);
}

#[tokio::test]
async fn what_is_not_of_the_protocol_is_refused_and_ends_the_connection() {
    let central = Setting::default().start().await;
    let cases: [(&[u8], ErrorCode); 5] = [
        (&[0, 99, 1, 2, 3], ErrorCode::UnknownMessage),
        (&[0, 12, 0x1f, 0xfd], ErrorCode::FrameTooLong),
        (b"\x00\x0c\x00\x03x&0", ErrorCode::Malformed),
        (b"\x00\x0c\x00\x051&0&\xff", ErrorCode::NotUtf8),
        (b"\x00\x0c\x00\x041&0&", ErrorCode::BadBets),
    ];
    for (bytes, code) in cases {
        let mut agency = central.connect().await;
        agency.send(bytes).await;
        assert_eq!(agency.error().await.code(), code);
        agency.ends().await;
    }
    assert_eq!(central.bets_stored(), 0);
}

#[tokio::test]
async fn all_replies_arrive_though_the_agency_goes_on_sending_after_the_last() {
    let central = Setting::default().start().await;
    let mut before = central.connect().await;
    for chunk in 0..32 {
        before.store(1, chunk, &winning_bets()).await;
    }
    before.end(1).await;
    // The replies are still on their way, in the central's system, when it refuses the last
    // message; and there is more behind that than it reads.
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
async fn an_empty_batch_is_stored() {
    let central = Setting::default().start().await;
    let mut agency = central.connect().await;
    agency.send(b"\x00\x0c\x00\x031&0").await;
    agency.acknowledged(0).await;
}

#[tokio::test]
async fn an_agency_that_closed_its_side_still_gets_its_winners() {
    let central = Setting::agencies(2).start().await;
    let mut waiting = central.connect().await;
    waiting.store(1, 0, LORCA).await;
    waiting.finish(1).await;
    waiting.get_winners(1).await;
    waiting.half_close().await;
    waiting.expect(&[0, 14, 0, 0, 0, 1]).await;
    central.connect().await.end(2).await;
    waiting.winners("30904465").await;
    waiting.ends().await;
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
