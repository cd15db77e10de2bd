//! Tests of waiting for replies, for the draw and for an absent central, and of stopping meanwhile.
//!
//! Where minutes must pass, the clock is paused: it jumps ahead when both sides only wait.

mod scripted;

use std::time::Duration;

use agency::limits::{REPLY_TIME_MAX, STALL_TIME_MAX, WINNERS_LEN_MAX};
use agency::{AgencyError, Options, Progress};
use scripted::{
    Central, Request, batches, file, options, play, rows, run, run_watched, welcome, welcome_back,
    won,
};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, pause, resume, sleep};
use tokio_util::sync::CancellationToken;
use wire::message::DrawState;
use wire::{CentralMessage, Documents, ErrorCode, ErrorMessage, Welcome};

const FINISH_ACK: CentralMessage<'static> = CentralMessage::FinishAck { agency: 1 };

/// Returns options for a file without bets.
fn empty(central: &Central, file: &NamedTempFile) -> Options {
    Options { allow_empty: true, ..options(central, file) }
}

#[tokio::test]
async fn a_silent_central_is_left_after_the_longest_reply_time() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let script = async {
        let mut line = central.greet(welcome()).await;
        line.bets(0).await;
        line.bets(1).await;
        pause();
        let silent_since = Instant::now();
        assert_eq!(line.request().await, None);
        assert!(silent_since.elapsed() >= REPLY_TIME_MAX);
        resume();
        central.greet(welcome()).await.serve(0, &[]).await;
    };
    let mut reasons = Vec::new();
    let mut watch = |progress| {
        if let Progress::Lost { reason, .. } = progress {
            reasons.push(reason);
        }
    };
    let options = options(&central, &file);
    let report = play(run_watched(options, &mut watch, CancellationToken::new()), script).await;
    assert_eq!(report.unwrap().bets, 3);
    assert_eq!(reasons[0], "no reply from the central after 30 seconds");
}

/// Runs until it gives up; returns the error, the pauses between attempts and the duration.
async fn given_up(options: Options) -> (AgencyError, Vec<Duration>, Duration) {
    let mut pauses = Vec::new();
    let mut watch = |progress| {
        if let Progress::Lost { retry_in, .. } = progress {
            pauses.push(retry_in);
        }
    };
    let started = Instant::now();
    let failed = run_watched(options, &mut watch, CancellationToken::new()).await;
    (failed.expect_err("no end without an answer"), pauses, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_central_that_never_was_there_is_given_up_soon() {
    let central = Central::bind().await;
    let address = central.address();
    let file = file(&rows(3));
    let connect_time_max = Duration::from_secs(20);
    let options = Options { connect_time_max, ..options(&central, &file) };
    drop(central);
    let (error, _, took) = given_up(options).await;
    assert!(matches!(error, AgencyError::NeverReached { .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains(&address) && words.contains("nothing listens"), "{words}");
    assert!(took >= connect_time_max && took < connect_time_max + Duration::from_secs(5));
}

#[tokio::test]
async fn a_central_that_stays_away_is_given_up() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let options = options(&central, &file);
    let script = async {
        let mut line = central.greet(welcome()).await;
        line.bets(0).await;
        drop((line, central));
        pause();
    };
    let ((error, pauses, took), ()) = tokio::join!(given_up(options), script);
    assert!(matches!(error, AgencyError::Stalled { .. }), "{error}");
    assert!(took >= STALL_TIME_MAX);
    assert!(took < STALL_TIME_MAX + Duration::from_secs(10));
    assert!(pauses[0] <= Duration::from_millis(100));
    assert!(pauses[10] >= Duration::from_millis(2_500));
}

#[tokio::test]
async fn a_server_that_is_not_a_central_is_reported_at_once() {
    let file = file(&rows(3));
    let answers: [(&[u8], &str); 2] = [
        // The alert that a TLS server sends to a client that does not speak TLS.
        (b"\x15\x03\x03\x00\x02\x02\x0a", "this port uses TLS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "this port serves HTTP"),
    ];
    for (answer, expected) in answers {
        for legacy in [false, true] {
            let central = Central::bind().await;
            let script = async {
                let mut stream = central.accept_raw().await;
                stream.read_u16().await.unwrap();
                stream.write_all(answer).await.unwrap();
            };
            let options = Options { legacy, ..options(&central, &file) };
            let error = play(run(options), script).await.unwrap_err();
            let words = error.to_string();
            assert!(words.contains(expected) && words.contains(&central.address()), "{words}");
        }
    }
}

#[tokio::test]
async fn a_draw_that_is_not_open_yet_is_waited_for_only_if_that_was_asked_for() {
    let reason = "the draw 'sorteo' opens at 2026-11-30 08:00:00Z";
    for wait in [false, true] {
        let central = Central::bind().await;
        let file = file(&rows(3));
        let options = Options { wait, ..options(&central, &file) };
        let script = async {
            pause();
            for _ in 0..if wait { 100 } else { 1 } {
                let mut line = central.accept().await;
                let (hello, _) = line.request().await.unwrap();
                line.refuse(hello, ErrorMessage::closing(ErrorCode::NotOpenYet, reason)).await;
                assert_eq!(line.request().await, None);
            }
            if wait {
                let mut line = central.greet(welcome()).await;
                resume();
                line.serve(0, &["7"]).await;
            } else {
                resume();
            }
        };
        let mut reported = Vec::new();
        let mut watch = |progress| {
            if let Progress::NotOpen { reason } = progress {
                reported.push(reason);
            }
        };
        let started = Instant::now();
        let run = run_watched(options, &mut watch, CancellationToken::new());
        match play(run, script).await {
            Ok(report) => assert!(wait && report.winners == ["7"]),
            Err(error) => {
                let words = error.to_string();
                assert!(!wait && words.contains(reason) && words.contains("--wait"), "{words}");
            }
        }
        assert_eq!(reported, if wait { vec![reason] } else { vec![] });
        // A wait longer than the stall timeout is allowed.
        assert_eq!(started.elapsed() > STALL_TIME_MAX, wait);
    }
}

#[tokio::test]
async fn hours_of_waiting_for_the_draw_do_not_count_as_standing_still() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let script = async {
        let all = batches(3, 2);
        let mut line = central.greet(welcome_back(&all)).await;
        let (ticket, _) = line.request().await.unwrap();
        line.reply(ticket, &FINISH_ACK).await;
        for _ in 0..2 {
            let (_ticket, request) = line.request().await.unwrap();
            assert_eq!(request, Request::GetWinners);
            pause();
            sleep(Duration::from_secs(3 * 3600)).await;
            resume();
            drop(line);
            let state = DrawState::AgencyFinished;
            line = central.greet(Welcome { state, ..welcome_back(&all) }).await;
        }
        line.serve(0, &["30000001"]).await;
    };
    let mut finished = 0;
    let mut watch = |progress| finished += u32::from(progress == Progress::Finished);
    let options = options(&central, &file);
    let report = play(run_watched(options, &mut watch, CancellationToken::new()), script).await;
    assert_eq!(report.unwrap().winners, ["30000001"]);
    assert_eq!(finished, 1);
}

#[tokio::test]
async fn finish_is_said_again_until_the_central_knows_of_it() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let script = async {
        for acknowledged in [false, false, true, true] {
            let mut line = central.greet(welcome_back(&batches(3, 2))).await;
            let (ticket, request) = line.request().await.unwrap();
            assert_eq!(request, Request::Finish);
            if acknowledged {
                line.reply(ticket, &FINISH_ACK).await;
                let (_ticket, request) = line.request().await.unwrap();
                assert_eq!(request, Request::GetWinners);
            }
        }
        central.greet(welcome_back(&batches(3, 2))).await.serve(2, &[]).await;
    };
    let mut finished = 0;
    let mut watch = |progress| finished += u32::from(progress == Progress::Finished);
    let options = options(&central, &file);
    let report = play(run_watched(options, &mut watch, CancellationToken::new()), script).await;
    assert!(report.is_ok());
    assert_eq!(finished, 3, "as often as it was acknowledged");
}

#[tokio::test]
async fn no_winners_yet_is_asked_again_on_the_same_connection() {
    let central = Central::bind().await;
    let file = file("");
    let script = async {
        let mut line = central.greet(welcome()).await;
        let (ticket, _) = line.request().await.unwrap();
        line.reply(ticket, &FINISH_ACK).await;
        for _ in 0..2 {
            let (ticket, request) = line.request().await.unwrap();
            assert_eq!(request, Request::GetWinners);
            line.reply(ticket, &CentralMessage::NoWinners).await;
        }
        line.serve(0, &["7"]).await;
    };
    let report = play(run(empty(&central, &file)), script).await;
    assert_eq!(report.unwrap().winners, ["7"]);
}

#[tokio::test]
async fn winners_that_broke_off_are_collected_again_from_the_first() {
    let central = Central::bind().await;
    let file = file("");
    let script = async {
        let mut line = central.greet(welcome()).await;
        let (ticket, _) = line.request().await.unwrap();
        line.reply(ticket, &FINISH_ACK).await;
        let (ticket, _) = line.request().await.unwrap();
        let documents = Documents::join(["1", "2"]).unwrap();
        let last = false;
        line.reply_part(&ticket, &CentralMessage::WinnersPart { last, documents }).await;
        drop(line);
        let state = DrawState::Drawn;
        let mut line = central.greet(Welcome { state, ..welcome() }).await;
        let (ticket, _) = line.request().await.unwrap();
        line.reply(ticket, &won(&["1", "2", "3"])).await;
    };
    let report = play(run(empty(&central, &file)), script).await;
    assert_eq!(report.unwrap().winners, ["1", "2", "3"]);
}

#[tokio::test]
async fn more_winners_than_fit_the_limit_are_refused() {
    let central = Central::bind().await;
    let file = file("");
    let script = async {
        let state = DrawState::Drawn;
        let mut line = central.greet(Welcome { state, ..welcome() }).await;
        let (ticket, _) = line.request().await.unwrap();
        let documents = Documents::join(["30000001"; 7_000]).unwrap();
        let last = false;
        let part = CentralMessage::WinnersPart { last, documents };
        for _ in 0..=WINNERS_LEN_MAX / (7_000 * 9) {
            line.reply_part(&ticket, &part).await;
        }
        line.reply(ticket, &won(&[])).await;
    };
    let failed = play(run(empty(&central, &file)), script).await;
    assert!(matches!(failed, Err(AgencyError::TooManyWinners)));
}

#[tokio::test]
async fn a_central_without_hello_is_distinguished_from_others() {
    let central = Central::bind().await;
    let file = file(&rows(1));
    let stop = CancellationToken::new();
    let mut reasons = Vec::new();
    let mut watch = |progress| {
        if let Progress::Lost { reason, .. } = progress {
            reasons.push(reason);
            stop.cancel();
        }
    };
    let script = async {
        let mut line = central.accept().await;
        line.request().await.unwrap();
    };
    let options = options(&central, &file);
    let report = play(run_watched(options, &mut watch, stop.clone()), script).await;
    assert!(report.unwrap().stopped);
    assert!(reasons[0].contains("--legacy"), "{reasons:?}");
}

#[tokio::test]
async fn being_stopped_while_sending_ends_at_once_and_tells_what_is_stored() {
    let central = Central::bind().await;
    let file = file(&rows(9));
    let stop = CancellationToken::new();
    let script = async {
        let mut line = central.greet(welcome()).await;
        let (ticket, _) = line.bets(0).await;
        line.acknowledge(ticket, 0).await;
        for chunk in 1..4 {
            line.bets(chunk).await;
        }
        stop.cancel();
        assert_eq!(line.request().await, None);
    };
    let options = options(&central, &file);
    let mut ignore = |_| ();
    let report = play(run_watched(options, &mut ignore, stop.clone()), script).await;
    let report = report.unwrap();
    assert_eq!((report.stopped, report.bets, report.batches), (true, 2, 1));
    assert_eq!(report.bets_in_file, Some(9));
}

#[tokio::test]
async fn being_stopped_while_waiting_for_the_draw_ends_at_once() {
    let central = Central::bind().await;
    let file = file(&rows(2));
    let stop = CancellationToken::new();
    let script = async {
        let mut line = central.greet(welcome()).await;
        let (ticket, _) = line.bets(0).await;
        line.acknowledge(ticket, 0).await;
        let (ticket, _) = line.request().await.unwrap();
        line.reply(ticket, &FINISH_ACK).await;
        let (_ticket, request) = line.request().await.unwrap();
        assert_eq!(request, Request::GetWinners);
        stop.cancel();
        assert_eq!(line.request().await, None);
    };
    let options = options(&central, &file);
    let mut ignore = |_| ();
    let report = play(run_watched(options, &mut ignore, stop.clone()), script).await;
    let report = report.unwrap();
    assert_eq!((report.stopped, report.bets, report.winners), (true, 2, vec![]));
}

#[tokio::test]
async fn being_stopped_between_attempts_or_before_the_first_ends_at_once() {
    let central = Central::bind().await;
    let file = file(&rows(2));
    let options = options(&central, &file);
    drop(central);
    let stop = CancellationToken::new();
    let mut watch = |progress| {
        if matches!(progress, Progress::Lost { .. }) {
            stop.cancel();
        }
    };
    let report = run_watched(options.clone(), &mut watch, stop.clone()).await;
    assert!(report.unwrap().stopped);
    let mut never = |progress| panic!("{progress:?}");
    let report = run_watched(options, &mut never, stop.clone()).await;
    assert!(report.unwrap().stopped);
}

#[tokio::test]
async fn options_that_cannot_work_are_refused() {
    let central = Central::bind().await;
    let file = file("");
    let good = options(&central, &file);
    let bad: [fn(&mut Options); 7] = [
        |options| options.batch_bets_max = 0,
        |options| options.window = 0,
        |options| options.window = 1025,
        |options| options.centrals.clear(),
        |options| options.centrals[0].address = "central".to_owned(),
        |options| options.centrals[0].address = "central:99999".to_owned(),
        |options| options.agency = lottery::AgencyId(0),
    ];
    for spoil in bad {
        let mut options = good.clone();
        spoil(&mut options);
        let refused = run(options).await.unwrap_err();
        assert!(matches!(refused, AgencyError::Options(_)) && refused.is_wrong_input());
    }
}
