//! What is waited for: replies, the draw, a central that is away; and being stopped meanwhile.
//!
//! Where minutes have to pass, the clock is paused: it jumps ahead when both sides only wait.

mod scripted;

use std::time::Duration;

use agency::limits::{REPLY_TIME_MAX, STALL_TIME_MAX, WINNERS_LEN_MAX};
use agency::{AgencyError, Options, Progress};
use scripted::{
    Central, Request, batches, file, options, play, rows, run, run_watched, welcome, welcome_back,
    won,
};
use tokio::time::{Instant, pause, resume, sleep};
use tokio_util::sync::CancellationToken;
use wire::message::DrawState;
use wire::{CentralMessage, Documents, Welcome};

const FINISH_ACK: CentralMessage<'static> = CentralMessage::FinishAck { agency: 1 };

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

#[tokio::test(start_paused = true)]
async fn a_central_that_stays_away_is_given_up() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let options = options(&central, &file);
    drop(central);
    let mut pauses = Vec::new();
    let mut watch = |progress| {
        if let Progress::Lost { retry_in, .. } = progress {
            pauses.push(retry_in);
        }
    };
    let started = Instant::now();
    let failed = run_watched(options, &mut watch, CancellationToken::new()).await;
    assert!(matches!(failed, Err(AgencyError::Stalled { .. })), "{failed:?}");
    assert!(started.elapsed() >= STALL_TIME_MAX);
    assert!(started.elapsed() < STALL_TIME_MAX + Duration::from_secs(10));
    assert!(pauses[0] <= Duration::from_millis(100));
    assert!(pauses[10] >= Duration::from_millis(2_500));
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
async fn finish_is_said_again_until_it_is_acknowledged() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let script = async {
        for _ in 0..3 {
            let mut line = central.greet(welcome_back(&batches(3, 2))).await;
            let (_ticket, request) = line.request().await.unwrap();
            assert_eq!(request, Request::Finish);
        }
        central.greet(welcome_back(&batches(3, 2))).await.serve(2, &[]).await;
    };
    let mut finished = 0;
    let mut watch = |progress| finished += u32::from(progress == Progress::Finished);
    let options = options(&central, &file);
    let report = play(run_watched(options, &mut watch, CancellationToken::new()), script).await;
    assert!(report.is_ok());
    assert_eq!(finished, 1);
}

#[tokio::test]
async fn finish_is_said_again_to_a_central_that_does_not_know_of_it_any_more() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let script = async {
        for _ in 0..2 {
            let mut line = central.greet(welcome_back(&batches(3, 2))).await;
            let (ticket, request) = line.request().await.unwrap();
            assert_eq!(request, Request::Finish);
            line.reply(ticket, &FINISH_ACK).await;
            let (_ticket, request) = line.request().await.unwrap();
            assert_eq!(request, Request::GetWinners);
        }
        let mut line = central.greet(welcome_back(&batches(3, 2))).await;
        line.serve(2, &["7"]).await;
    };
    let report = play(run(options(&central, &file)), script).await;
    assert_eq!(report.unwrap().winners, ["7"]);
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
    let report = play(run(options(&central, &file)), script).await;
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
    let report = play(run(options(&central, &file)), script).await;
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
    let failed = play(run(options(&central, &file)), script).await;
    assert!(matches!(failed, Err(AgencyError::TooManyWinners)));
}

#[tokio::test]
async fn a_central_that_does_not_know_hello_is_told_from_others() {
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
    let bad: [fn(&mut Options); 5] = [
        |options| options.batch_bets_max = 0,
        |options| options.window = 0,
        |options| options.window = 1025,
        |options| options.central = "central".to_owned(),
        |options| options.central = "central:99999".to_owned(),
    ];
    for spoil in bad {
        let mut options = good.clone();
        spoil(&mut options);
        let refused = run(options).await.unwrap_err();
        assert!(matches!(refused, AgencyError::Options(_)) && refused.is_wrong_input());
    }
}

#[test]
fn a_run_can_move_between_threads() {
    fn is_send(_: &impl Send) {}
    let options = Options {
        agency: lottery::AgencyId(1),
        tls: None,
        central: String::new(),
        bets: std::path::PathBuf::new(),
        draw: None,
        batch_bets_max: 1,
        window: 1,
        legacy: false,
        skip_invalid: false,
        numbers: lottery::NumberRange::default(),
        seed: 0,
    };
    let mut ignore = |_| ();
    is_send(&agency::run(options, &mut ignore, CancellationToken::new()));
}
