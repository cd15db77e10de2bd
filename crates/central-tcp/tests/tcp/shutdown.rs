//! Orderly shutdown of the central.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use wire::ErrorCode;

use crate::client::{Client, DOCUMENT, LORCA, bets_message, patiently, winning_bets};
use crate::log::Log;
use crate::setting::Setting;
use crate::store::Mode;

const SHORT: Duration = Duration::from_millis(200);
const FINISH: [u8; 6] = [0, 14, 0, 0, 0, 1];
const GET_WINNERS: [u8; 6] = [0, 15, 0, 0, 0, 1];

#[tokio::test]
async fn idle_connections_are_closed_at_once_and_no_more_are_taken() {
    let log = Log::keep();
    let central = Setting::default().start().await;
    let port = central.port;
    let mut new = central.connect().await;
    let mut idle = central.connect().await;
    idle.store(1, 0, LORCA).await;
    let mut greeted = central.greeted(1).await;
    let mut mid_message = central.connect().await;
    mid_message.store(1, 1, LORCA).await;
    mid_message.send(&bets_message(1, 2, LORCA)[..20]).await;
    let start = Instant::now();
    central.begin_shutdown();
    new.ends().await;
    idle.ends().await;
    mid_message.ends().await;
    assert_eq!(greeted.error().await.code(), ErrorCode::ShuttingDown);
    greeted.ends().await;
    assert_eq!(central.ended().await, Ok(()));
    // The client has not closed its side, and the central does not wait for that.
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let lines = log.lines();
    let shutdown: Vec<_> = lines.iter().filter(|line| line.contains("shutdown")).collect();
    let expected = ["action: shutdown | result: in_progress", "action: shutdown | result: success"];
    assert_eq!(shutdown, expected);
    assert_eq!(lines.last().unwrap(), expected[1]);
}

#[tokio::test]
async fn agencies_that_wait_for_the_draw_get_no_winners_at_shutdown() {
    let central = Setting::agencies(2).start().await;
    // Sent together, so that the reply to the first shows that the others were read.
    let mut field = central.connect().await;
    field.send(&[FINISH, GET_WINNERS, GET_WINNERS].concat()).await;
    field.expect(&FINISH).await;
    let mut half_closed = central.connect().await;
    half_closed.send(&[FINISH, GET_WINNERS].concat()).await;
    half_closed.half_close().await;
    half_closed.expect(&FINISH).await;
    let mut greeted = central.greeted(1).await;
    greeted.send(&[FINISH, GET_WINNERS].concat()).await;
    greeted.expect(&FINISH).await;
    central.begin_shutdown();
    field.no_winners().await;
    field.no_winners().await;
    field.ends().await;
    half_closed.no_winners().await;
    half_closed.ends().await;
    greeted.no_winners().await;
    assert_eq!(greeted.error().await.code(), ErrorCode::ShuttingDown);
    greeted.ends().await;
    drop((field, greeted));
    assert_eq!(central.ended().await, Ok(()));
}

#[tokio::test]
async fn what_is_being_committed_is_waited_for_and_acknowledged() {
    let central = Setting::limits(|limits| limits.window = 2).start().await;
    let (mut idle, mut agency) = (central.connect().await, central.connect().await);
    central.store.set(Mode::Holds);
    let bytes: Vec<_> = (0..5).flat_map(|chunk| bets_message(1, chunk, LORCA)).collect();
    agency.send(&bytes).await;
    central.store.holds(2).await;
    central.begin_shutdown();
    idle.ends().await;
    central.store.release_all();
    agency.acknowledged(0).await;
    agency.acknowledged(1).await;
    agency.ends().await;
    drop(agency);
    assert_eq!(central.bets_stored(), 2);
    assert_eq!(central.ended().await, Ok(()));
}

#[tokio::test]
async fn under_load_all_that_is_stored_is_acknowledged_and_arrives() {
    let central = Setting::agencies(8).start().await;
    let mut agencies = Vec::new();
    for id in 1..=8 {
        let (mut reading, mut writing) = central.connect().await.stream.into_split();
        let sending = tokio::spawn(async move {
            for chunk in 0.. {
                let message = bets_message(id, chunk, &[LORCA; 50].join("&"));
                if tokio::io::AsyncWriteExt::write_all(&mut writing, &message).await.is_err() {
                    return;
                }
            }
        });
        let acknowledged = tokio::spawn(async move {
            let mut acknowledged = 0_u32;
            let mut reply = [0; 6];
            while reading.read_exact(&mut reply).await.is_ok() {
                let expected = [&[0, 13][..], &acknowledged.to_be_bytes()].concat();
                assert_eq!(reply[..], expected);
                acknowledged += 1;
            }
            acknowledged
        });
        agencies.push((sending, acknowledged));
    }
    while central.bets_stored() < 50_000 {
        tokio::task::yield_now().await;
    }
    let store = central.store.clone();
    let start = Instant::now();
    central.begin_shutdown();
    let mut acknowledged = 0;
    for (sending, reading) in agencies {
        acknowledged += u64::from(patiently(reading).await.unwrap());
        sending.abort();
    }
    assert_eq!(central.ended().await, Ok(()));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(acknowledged * 50, store.bets());
}

#[tokio::test]
async fn replies_on_their_way_arrive_though_the_agency_had_sent_more() {
    let central = Setting::default().start().await;
    let mut before = central.connect().await;
    for chunk in 0..32 {
        before.store(1, chunk, &winning_bets()).await;
    }
    before.end(1).await;
    let mut agency = Client::connect_with_little_room(central.port).await;
    agency.send(&GET_WINNERS.repeat(200_000)).await;
    // One reply has begun, so there are more after it.
    agency.expect(&[0, 17]).await;
    central.begin_shutdown();
    before.ends().await;
    let mut rest = Vec::new();
    patiently(agency.stream.read_to_end(&mut rest)).await.unwrap();
    let len = 4 + DOCUMENT.len() * 4096 + 4095;
    assert_eq!((2 + rest.len()) % len, 0, "the last reply is whole");
    assert!(rest.len() / len >= 15, "all those taken are answered");
    drop(agency);
    assert_eq!(central.ended().await, Ok(()));
}

#[tokio::test]
async fn a_store_that_does_not_answer_does_not_hold_the_shutdown_for_ever() {
    let log = Log::keep();
    let central = Setting { shutdown_time_max: SHORT, ..Setting::default() }.start().await;
    central.store.set(Mode::Holds);
    let mut agency = central.connect().await;
    agency.bets(1, 0, LORCA).await;
    central.store.holds(1).await;
    central.begin_shutdown();
    let store = central.store.clone();
    assert_eq!(central.ended().await, Ok(()));
    agency.is_cut().await;
    log.one("action: close_connections | result: fail | connections: 1");
    // Answers of the store that come too late have no receiver.
    store.release_all();
}

#[tokio::test]
async fn an_agency_that_is_gone_does_not_hide_what_it_had_sent() {
    let log = Log::keep();
    let central = Setting::default().start().await;
    let mut idle = central.greeted(1).await;
    central.store.set(Mode::Holds);
    let mut agency = central.connect().await;
    agency.bets(1, 0, LORCA).await;
    central.store.holds(1).await;
    agency.stream.set_zero_linger().unwrap();
    drop(agency);
    central.begin_shutdown();
    assert_eq!(idle.error().await.code(), ErrorCode::ShuttingDown);
    central.store.release_all();
    assert_eq!(central.ended().await, Ok(()));
    log.one("action: apuesta_recibida | result: success | cantidad: 1");
    assert_eq!(log.lines().last().unwrap(), "action: shutdown | result: success");
}
