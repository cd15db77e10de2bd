//! Tests with several centrals that share one log: when the agency moves on to another one, after
//! which pause, and what it reports.

mod scripted;

use std::time::Duration;

use agency::limits::{REPLY_TIME_MAX, RETRY_TIME_MIN, STALL_TIME_MAX};
use agency::{AgencyError, Options, Progress, Report};
use scripted::{
    Central, Line, Request, batches, file, options, play, rows, run_watched, welcome, welcome_back,
};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{pause, resume};
use tokio_util::sync::CancellationToken;
use wire::{ErrorCode, ErrorMessage};

/// A connection that was lost or could not be made.
#[derive(Debug)]
struct Lost {
    address: String,
    reason: String,
    retry_in: Duration,
}

/// Returns options with several centrals.
fn any_of(centrals: &[&Central], file: &NamedTempFile) -> Options {
    let all = centrals.iter().map(|central| central.as_option()).collect();
    Options { centrals: all, ..options(centrals[0], file) }
}

/// Runs an agency to its end; returns also what it lost.
async fn run(options: Options) -> (Result<Report, AgencyError>, Vec<Lost>) {
    let mut lost = Vec::new();
    let mut watch = |progress| {
        if let Progress::Lost { address, reason, retry_in } = progress {
            lost.push(Lost { address, reason, retry_in });
        }
    };
    let ended = run_watched(options, &mut watch, CancellationToken::new()).await;
    (ended, lost)
}

/// Accepts the agency's first connection; returns it with its central and the other one.
async fn met<'a>(one: &'a Central, two: &'a Central) -> (TcpStream, &'a Central, &'a Central) {
    tokio::select! {
        stream = one.accept_raw() => (stream, one, two),
        stream = two.accept_raw() => (stream, two, one),
    }
}

#[tokio::test]
async fn what_one_central_acknowledged_is_not_sent_to_the_next() {
    let (one, two, file) = (Central::bind().await, Central::bind().await, file(&rows(10)));
    let all = batches(10, 2);
    let script = async {
        let (stream, first, second) = met(&one, &two).await;
        let mut line = Line::of(stream);
        line.greet_next(welcome()).await;
        let (ticket, _) = line.bets(0).await;
        line.acknowledge(ticket, 0).await;
        line.bets(1).await;
        drop(line);
        // The first central stored another batch, whose acknowledgement was lost.
        let mut line = second.greet(welcome_back(&all[..2])).await;
        line.bets(2).await;
        drop(line);
        let mut line = first.greet(welcome_back(&all[..2])).await;
        assert_eq!(line.serve(2, &["30000001"]).await, all[2..]);
    };
    let (report, lost) = play(run(any_of(&[&one, &two], &file)), script).await;
    let report = report.unwrap();
    assert_eq!((report.bets, report.winners), (10, vec!["30000001".to_owned()]));
    let [first, second] = lost.try_into().unwrap();
    assert_eq!(first.retry_in, Duration::ZERO);
    assert!((RETRY_TIME_MIN / 2..=RETRY_TIME_MIN).contains(&second.retry_in), "{second:?}");
    assert_ne!(first.address, second.address);
    assert!(!first.reason.contains("127.0.0.1"), "said once, by the address: {first:?}");
}

#[tokio::test]
async fn a_conversation_of_the_original_protocol_goes_on_at_the_next_central() {
    let (one, two, file) = (Central::bind().await, Central::bind().await, file(&rows(4)));
    let script = async {
        let (stream, first, second) = met(&one, &two).await;
        let mut line = Line::of(stream);
        let (ticket, _) = line.bets(0).await;
        line.acknowledge(ticket, 0).await;
        line.bets(1).await;
        drop(line);
        let mut line = second.accept().await;
        let (ticket, _) = line.bets(1).await;
        line.acknowledge(ticket, 1).await;
        let (ticket, request) = line.request().await.unwrap();
        assert_eq!(request, Request::Finish);
        line.reply(ticket, &wire::CentralMessage::FinishAck { agency: 1 }).await;
        let mut line = second.accept().await;
        let (ticket, request) = line.request().await.unwrap();
        assert_eq!(request, Request::GetWinners);
        line.reply(ticket, &wire::CentralMessage::NoWinners).await;
        // It asks where it was answered, until nobody answers there.
        drop(second.accept().await);
        let mut stream = first.accept_raw().await;
        let mut request = [0; 6];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request, [0, 15, 0, 0, 0, 1]);
        stream.write_all(b"\0\x11\0\x0830000001").await.unwrap();
    };
    let options = Options { legacy: true, ..any_of(&[&one, &two], &file) };
    let (report, lost) = play(run(options), script).await;
    assert_eq!(report.unwrap().winners, ["30000001"]);
    assert!(lost.iter().all(|lost| lost.retry_in.is_zero()), "{lost:?}");
}

#[tokio::test]
async fn a_central_that_answers_nothing_costs_one_deadline_and_not_the_run() {
    let (one, two, file) = (Central::bind().await, Central::bind().await, file(&rows(3)));
    let script = async {
        let (silent, _, second) = met(&one, &two).await;
        pause();
        let mut line = second.accept().await;
        resume();
        drop(silent);
        line.greet_next(welcome()).await;
        line.serve(0, &["7"]).await;
    };
    // Although the time to reach a central has passed then.
    let connect_time_max = REPLY_TIME_MAX / 2;
    let options = Options { connect_time_max, ..any_of(&[&one, &two], &file) };
    let (report, lost) = play(run(options), script).await;
    assert_eq!(report.unwrap().winners, ["7"]);
    let [lost] = lost.try_into().unwrap();
    assert_eq!(
        (&*lost.reason, lost.retry_in),
        ("no reply from the central after 30 seconds", Duration::ZERO)
    );
}

#[tokio::test]
async fn a_central_that_rejects_for_now_is_left_for_the_next() {
    let (one, two, file) = (Central::bind().await, Central::bind().await, file(&rows(3)));
    let script = async {
        let (stream, _, second) = met(&one, &two).await;
        let mut line = Line::of(stream);
        let (hello, _) = line.request().await.unwrap();
        line.refuse(hello, ErrorMessage::closing(ErrorCode::ShuttingDown, "")).await;
        second.greet(welcome()).await.serve(0, &["7"]).await;
    };
    let (report, lost) = play(run(any_of(&[&one, &two], &file)), script).await;
    assert_eq!(report.unwrap().winners, ["7"]);
    assert_eq!(lost[0].retry_in, Duration::ZERO);
}

#[tokio::test]
async fn a_final_rejection_is_not_tried_at_another_central() {
    let (one, two, file) = (Central::bind().await, Central::bind().await, file(&rows(3)));
    let options = any_of(&[&one, &two], &file);
    let script = async {
        let (stream, first, second) = met(&one, &two).await;
        let mut line = Line::of(stream);
        let (hello, _) = line.request().await.unwrap();
        line.refuse(hello, ErrorMessage::closing(ErrorCode::UnknownAgency, "")).await;
        (first.address(), second.address())
    };
    let ((ended, lost), (first, second)) = tokio::join!(run(options), script);
    let words = ended.unwrap_err().to_string();
    assert_eq!(words, format!("the central at {first} rejected: unknown agency"));
    assert!(lost.is_empty() && !words.contains(&second), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn one_pause_follows_each_round_and_the_error_has_what_each_central_said() {
    let centrals = [Central::bind().await, Central::bind().await, Central::bind().await];
    let file = file(&rows(3));
    let connect_time_max = Duration::from_secs(20);
    let [one, two, three] = &centrals;
    let options = Options { connect_time_max, ..any_of(&[one, two, three], &file) };
    let addresses = centrals.each_ref().map(Central::address);
    drop(centrals);
    let (ended, lost) = run(options).await;
    let mut longest = RETRY_TIME_MIN;
    for round in lost.chunks(3).take(5) {
        let pauses: Vec<_> = round.iter().map(|lost| lost.retry_in).collect();
        assert_eq!(pauses[..2], [Duration::ZERO; 2]);
        assert!((longest / 2..=longest).contains(&pauses[2]), "{pauses:?} of {longest:?}");
        longest *= 2;
        let mut tried: Vec<_> = round.iter().map(|lost| &lost.address).collect();
        tried.sort_unstable();
        let mut all: Vec<_> = addresses.iter().collect();
        all.sort_unstable();
        assert_eq!(tried, all);
    }
    let error = ended.unwrap_err();
    assert!(matches!(error, AgencyError::NeverReached { .. }), "{error}");
    let words = error.to_string();
    for address in addresses {
        let said = format!("at {address}: can't connect: nothing listens on this port");
        assert!(words.contains(&said), "{words}");
    }
}

#[tokio::test]
async fn centrals_that_stay_away_are_given_up() {
    let (one, two, file) = (Central::bind().await, Central::bind().await, file(&rows(3)));
    let options = any_of(&[&one, &two], &file);
    let addresses = [one.address(), two.address()];
    let script = async {
        let (stream, ..) = met(&one, &two).await;
        let mut line = Line::of(stream);
        line.greet_next(welcome()).await;
        line.bets(0).await;
        drop((line, one, two));
        pause();
    };
    let ((ended, lost), ()) = tokio::join!(run(options), script);
    let error = ended.unwrap_err();
    assert!(matches!(error, AgencyError::Stalled { .. }), "{error}");
    let words = error.to_string();
    assert!(addresses.iter().all(|address| words.contains(address)), "{words}");
    let paused: Duration = lost.iter().map(|lost| lost.retry_in).sum();
    assert!(paused <= STALL_TIME_MAX, "{paused:?}");
}

#[tokio::test]
async fn what_is_no_central_is_passed_over_unless_nothing_else_is() {
    let file = file(&rows(3));
    for is_any in [true, false] {
        let (one, two) = (Central::bind().await, Central::bind().await);
        let options = any_of(&[&one, &two], &file);
        let answer = async |mut stream: TcpStream| {
            stream.read_u16().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        };
        let script = async {
            let (stream, _, second) = met(&one, &two).await;
            answer(stream).await;
            if is_any {
                second.greet(welcome()).await.serve(0, &["7"]).await;
            } else {
                answer(second.accept_raw().await).await;
            }
        };
        let (ended, lost) = play(run(options), script).await;
        assert_eq!(lost.len(), 1);
        match ended {
            Ok(report) => assert!(is_any && report.winners == ["7"]),
            Err(error) => {
                let words = error.to_string();
                assert!(!is_any && words.matches("serves HTTP").count() == 2, "{words}");
                for central in [one, two] {
                    assert!(words.contains(&format!("at {}: ", central.address())), "{words}");
                }
            }
        }
    }
}
