//! Slow, silent, greedy or too many agencies cost little and delay no others.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use wire::ErrorCode;

use crate::client::{Client, DOCUMENT, LORCA, bets_message, patiently, winning_bets};
use crate::log::Log;
use crate::setting::{Running, Setting};
use crate::store::Mode;

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_message_that_trickles_in_is_cut_while_others_are_served() {
    let log = Log::keep();
    let central = Setting::limits(|limits| limits.frame_time_max = SHORT).start().await;
    let mut silent = central.connect().await;
    let slow = central.connect().await;
    let (mut slow_reading, mut slow_writing) = slow.split();
    let trickle = async move {
        for byte in bets_message(1, 0, LORCA) {
            // Writes fail once the central has closed the connection.
            let _ = slow_writing.write_all(&[byte]).await;
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let cut = async move {
        assert_eq!(slow_reading.error().await.code(), ErrorCode::TimedOut);
        slow_reading.ends().await;
    };
    let served = async {
        let mut other = central.connect().await;
        for chunk in 0..1000 {
            other.store(1, chunk, LORCA).await;
        }
    };
    tokio::join!(served, cut, trickle);
    log.one(
        "action: receive_message | result: fail | ip: 127.0.0.1 | error: the message was not completed",
    );
    // An agency that has not begun a message may be silent for longer than that.
    silent.store(1, 1000, LORCA).await;
}

#[tokio::test]
async fn time_does_not_run_for_a_message_that_the_central_does_not_read() {
    let central = Setting::limits(|limits| limits.window = 1).start().await;
    central.store.set(Mode::Holds);
    let mut agency = central.connect().await;
    let second = bets_message(1, 1, LORCA);
    agency.send(&[&bets_message(1, 0, LORCA), &second[..10]].concat()).await;
    central.store.holds(1).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(600)).await;
    tokio::time::resume();
    central.store.release_all();
    agency.acknowledged(0).await;
    agency.send(&second[10..]).await;
    agency.acknowledged(1).await;
}

#[tokio::test]
async fn each_message_has_its_own_time() {
    let frame_time_max = Duration::from_secs(100);
    let central = Setting::limits(|limits| limits.frame_time_max = frame_time_max).start().await;
    let mut agency = central.connect().await;
    let messages: Vec<_> = (0..5).map(|chunk| bets_message(1, chunk, LORCA)).collect();
    let stream = messages.concat();
    let len = messages[0].len();
    let mut sent = 0;
    // There is always an unfinished message on the connection.
    for chunk in 0..4_u32 {
        let end = sent + len + usize::from(chunk == 0) * 10;
        agency.send(&stream[sent..end]).await;
        sent = end;
        agency.acknowledged(chunk).await;
        tokio::time::pause();
        tokio::time::advance(frame_time_max * 6 / 10).await;
        tokio::time::resume();
    }
    agency.send(&stream[sent..]).await;
    agency.acknowledged(4).await;
}

#[tokio::test]
async fn an_agency_that_reads_no_replies_is_cut_and_delays_no_other() {
    let log = Log::keep();
    let central = Setting::limits(|limits| limits.write_time_max = SHORT).start().await;
    let mut greedy = central.connect().await;
    for chunk in 0..32 {
        greedy.store(1, chunk, &winning_bets()).await;
    }
    greedy.end(1).await;
    // 26 MB of winners, far more than socket buffers hold.
    greedy.send(&[0, 15, 0, 0, 0, 1].repeat(400)).await;
    let cut = "action: send_reply | result: fail | ip: 127.0.0.1";
    let served = async {
        while !log.has(cut) {
            let mut other = central.connect().await;
            other.end(1).await;
        }
    };
    patiently(served).await;
    greedy.is_cut().await;
    log.one(cut);
}

#[tokio::test]
async fn an_agency_that_takes_its_replies_slowly_is_not_cut() {
    let write_time_max = Duration::from_secs(100);
    let central = Setting::limits(|limits| limits.write_time_max = write_time_max).start().await;
    let mut agency = Client::connect_with_little_room(central.port).await;
    for chunk in 0..32 {
        agency.store(1, chunk, &winning_bets()).await;
    }
    agency.end(1).await;
    agency.send(&[0, 15, 0, 0, 0, 1].repeat(1000)).await;
    // More each time than the buffers of both sides hold, so that the central has written.
    for _ in 0..5 {
        for _ in 0..200 {
            agency.winners(&vec![DOCUMENT; 4096].join(",")).await;
        }
        tokio::time::pause();
        tokio::time::advance(write_time_max * 6 / 10).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn one_connection_too_many_is_refused_and_closed() {
    let log = Log::keep();
    let central = Setting::limits(|limits| limits.connections_max = 2).start().await;
    let first = central.greeted(1).await;
    let mut second = central.greeted(1).await;
    for _ in 0..10 {
        let mut third = central.connect().await;
        assert_eq!(third.error().await.code(), ErrorCode::Busy);
        third.ends().await;
    }
    log.one("action: accept_connections | result: fail | cantidad: 1 | error: too many");
    drop(first);
    wait_for_a_place(&central).await;
    second.store(1, 0, LORCA).await;
}

#[tokio::test]
async fn an_agency_that_sends_without_end_leaves_others_their_turn() {
    let setting = Setting::limits(|limits| limits.window = 1000);
    let central = Setting { agencies: 2, ..setting }.start().await;
    // About 100 kB wait in the central's socket before it reads.
    let batches: Vec<_> =
        (0..100).map(|chunk| bets_message(1, chunk, &[LORCA; 22].join("&"))).collect();
    let mut greedy = Client::connect_from([127, 0, 0, 1], central.port, &batches.concat());
    let first = bets_message(2, 0, LORCA);
    let mut other = Client::connect_from([127, 0, 0, 1], central.port, &first);
    other.acknowledged(0).await;
    let stored = central.bets_stored();
    assert!(stored < 22 * 50, "{stored} bets were stored before the other's");
    for chunk in 0..100 {
        greedy.acknowledged(chunk).await;
    }
}

#[tokio::test]
async fn an_agency_that_breaks_off_while_it_waits_gives_its_place_back() {
    let setting = Setting::limits(|limits| limits.connections_max = 1);
    let central = Setting { agencies: 2, ..setting }.start().await;
    let mut waiting = central.connect().await;
    waiting.end(1).await;
    waiting.get_winners(1).await;
    waiting.half_close().await;
    waiting.stream.set_zero_linger().unwrap();
    drop(waiting);
    wait_for_a_place(&central).await;
}

#[tokio::test]
async fn an_agency_that_breaks_off_with_its_window_full_gives_its_place_back() {
    let setting = Setting::limits(|limits| (limits.connections_max, limits.window) = (1, 2));
    let central = Setting { agencies: 2, ..setting }.start().await;
    let mut waiting = central.connect().await;
    waiting.end(1).await;
    for _ in 0..10 {
        waiting.get_winners(1).await;
    }
    waiting.stream.set_zero_linger().unwrap();
    drop(waiting);
    wait_for_a_place(&central).await;
}

async fn wait_for_a_place(central: &Running) {
    let served = async {
        loop {
            let mut client = central.connect().await;
            client.hello(1, 1, "").await;
            if client.is_welcome().await {
                return;
            }
        }
    };
    patiently(served).await;
}
