//! Tests sending to a central that knows HELLO: windows, lost connections, resuming, refusals.

mod scripted;

use agency::{AgencyError, Options, Progress, RowReason};
use lottery::{DrawName, NumberRange};
use scripted::{
    Central, Line, Request, batches, file, options, play, row, rows, run, run_watched, serve,
    welcome, welcome_back, won,
};
use tokio_util::sync::CancellationToken;
use wire::message::DrawState;
use wire::{CentralMessage, Documents, ErrorCode, ErrorMessage, Fault, FaultCode, Welcome};

#[tokio::test]
async fn a_file_is_sent_and_the_winners_come_in_parts() {
    let central = Central::bind().await;
    let file = file(&rows(5));
    let draw = Some(DrawName::new("sorteo").unwrap());
    let script = async {
        let mut line = central.accept().await;
        let (ticket, hello) = line.request().await.unwrap();
        let draw = "sorteo".to_owned();
        assert_eq!(hello, Request::Hello { agency: 1, draw });
        line.greet(ticket, welcome()).await;
        for (chunk, expected) in (0..).zip(batches(5, 2)) {
            let (ticket, text) = line.bets(chunk).await;
            assert_eq!(text, expected);
            line.acknowledge(ticket, chunk).await;
        }
        let (ticket, request) = line.request().await.unwrap();
        assert_eq!(request, Request::Finish);
        let finish_ack = CentralMessage::FinishAck { agency: 1 };
        line.reply(ticket, &finish_ack).await;
        let (ticket, request) = line.request().await.unwrap();
        assert_eq!(request, Request::GetWinners);
        let documents = Documents::join(["30000001", "30000002"]).unwrap();
        let last = false;
        line.reply_part(&ticket, &CentralMessage::WinnersPart { last, documents }).await;
        line.reply(ticket, &won(&["30000004"])).await;
        assert_eq!(line.request().await, None);
    };
    let mut reported = Vec::new();
    let options = Options { draw, ..options(&central, &file) };
    let mut watch = |progress| reported.push(progress);
    let run = run_watched(options, &mut watch, CancellationToken::new());
    let report = play(run, script).await;
    let report = report.unwrap();
    assert!(report.incomplete.is_none());
    assert_eq!(report.winners, ["30000001", "30000002", "30000004"]);
    assert_eq!((report.bets, report.batches, report.resumed), (5, 3, 0));
    let bytes: usize = batches(5, 2).iter().map(|text| text.len() + 8).sum();
    assert_eq!((report.bytes, report.stopped), (bytes as u64, false));
    let acknowledged = |bets, batches| Progress::Acknowledged { bets, batches };
    let expected = [
        Progress::Checked { bets: 5, batches: 3, refused: 0, refused_rows: vec![] },
        Progress::Connected,
        acknowledged(2, 1),
        acknowledged(4, 2),
        acknowledged(5, 3),
        Progress::Finished,
        Progress::Waiting,
    ];
    assert_eq!(reported, expected);
}

#[tokio::test]
async fn the_smaller_window_applies() {
    for (own, offered) in [(3, 64), (64, 3), (1, 1)] {
        let central = Central::bind().await;
        let file = file(&rows(20));
        let options = Options { window: own, ..options(&central, &file) };
        let script = async {
            let window = offered;
            let mut line = central.greet(Welcome { window, ..welcome() }).await;
            let in_flight = u32::from(own.min(offered));
            let mut tickets = std::collections::VecDeque::new();
            for chunk in 0..in_flight {
                tickets.push_back(line.bets(chunk).await.0);
            }
            assert!(line.is_silent().await, "more than {in_flight} in flight");
            for chunk in 0..10 - in_flight {
                line.acknowledge(tickets.pop_front().unwrap(), chunk).await;
                tickets.push_back(line.bets(chunk + in_flight).await.0);
                assert!(line.is_silent().await, "more than {in_flight} in flight");
            }
            for (ticket, chunk) in tickets.into_iter().zip(10 - in_flight..) {
                line.acknowledge(ticket, chunk).await;
            }
            line.serve(10, &[]).await;
        };
        let report = play(run(options), script).await;
        assert_eq!(report.unwrap().batches, 10);
    }
}

#[tokio::test]
async fn after_a_lost_connection_exactly_the_unacknowledged_is_sent_again() {
    let central = Central::bind().await;
    let file = file(&rows(10));
    let expected = batches(10, 2);
    let script = async {
        let mut line = central.greet(welcome()).await;
        let (first, _) = line.bets(0).await;
        line.bets(1).await;
        line.bets(2).await;
        line.acknowledge(first, 0).await;
        line.bets(3).await;
        drop(line);
        // Batch 1 was stored but its acknowledgement was lost; batches 2 and 3 never arrived.
        let mut line = central.greet(welcome_back(&expected[..2])).await;
        assert_eq!(line.serve(2, &["30000001"]).await, expected[2..]);
    };
    let mut lost = 0;
    let mut totals = Vec::new();
    let mut watch = |progress| match progress {
        Progress::Lost { .. } => lost += 1,
        Progress::Acknowledged { bets, batches } => totals.push((bets, batches)),
        _ => {}
    };
    let options = options(&central, &file);
    let run = run_watched(options, &mut watch, CancellationToken::new());
    let report = play(run, script).await;
    let report = report.unwrap();
    assert_eq!((report.bets, report.batches, report.resumed), (10, 5, 0));
    assert_eq!(report.winners, ["30000001"]);
    assert_eq!(lost, 1);
    assert_eq!(totals, [(2, 1), (4, 2), (6, 3), (8, 4), (10, 5)]);
}

#[tokio::test]
async fn other_bets_at_the_central_are_never_sent_on() {
    let central = Central::bind().await;
    let file = file(&rows(9));
    let script = async {
        let other_batch_limit = &batches(9, 3)[..2];
        let mut line = central.greet(welcome_back(other_batch_limit)).await;
        assert_eq!(line.request().await, None);
    };
    let failed = play(run(options(&central, &file)), script).await;
    let error = failed.unwrap_err();
    assert!(!error.is_wrong_input());
    let address = central.address();
    let expected = format!(
        "the central at {address} has other bets of agency 1 (6) than the first ones of this \
         file: to continue, use the same file and the same --batch-max-bets"
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_central_that_lost_acknowledged_batches_is_reported() {
    let failed = serve(&rows(9), async |central| {
        let mut line = central.greet(welcome()).await;
        let (ticket, _) = line.bets(0).await;
        line.acknowledge(ticket, 0).await;
        line.bets(1).await;
        line.bets(2).await;
        line.bets(3).await;
        drop(line);
        let mut line = central.greet(welcome()).await;
        assert_eq!(line.request().await, None);
    })
    .await;
    let lost = matches!(failed, Err(AgencyError::LostByCentral { acknowledged: 2, stored: 0, .. }));
    assert!(lost, "{failed:?}");
}

#[tokio::test]
async fn bets_refused_by_the_central_are_named_by_file_and_line() {
    let central = Central::bind().await;
    let file = file(&format!("{}\n\n{}{}", row(0), row(1), rows(4)));
    let script = async {
        let mut line = central.greet(welcome()).await;
        let (first, _) = line.bets(0).await;
        let (second, _) = line.bets(1).await;
        line.acknowledge(first, 0).await;
        let faults = [(0, FaultCode::Document), (1, FaultCode::NumberRange)]
            .map(|(position, code)| Fault { position, code });
        let error = ErrorMessage::of_chunk(ErrorCode::BadBets, 1, "no").with_faults(faults);
        line.refuse(second, error).await;
        while line.request().await.is_some() {}
    };
    let failed = play(run(options(&central, &file)), script).await;
    let error = failed.unwrap_err();
    assert!(error.is_wrong_input());
    let (path, address) = (file.path().display(), central.address());
    let expected = format!(
        "the central at {address} rejected lines 5 to 6 (2 bets): the batch holds bets that cannot \
         be accepted: no ({path}:5: rejected by the central: bad document; 1 other row is invalid \
         too)"
    );
    assert_eq!(error.to_string(), expected);
    let AgencyError::Refused { lines: Some(lines), rows, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!((lines.first, rows.len()), (5, 2));
    let range = RowReason::Central(FaultCode::NumberRange);
    assert_eq!((rows[1].line, rows[1].reason), (6, range));
}

#[tokio::test]
async fn who_named_no_draw_comes_back_to_the_one_it_was_welcomed_to() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let hello = |draw: &str| Request::Hello { agency: 1, draw: draw.to_owned() };
    let script = async {
        for draw in ["", "sorteo"] {
            let mut line = central.accept().await;
            let (ticket, said) = line.request().await.unwrap();
            assert_eq!(said, hello(draw));
            line.greet(ticket, welcome()).await;
            if draw.is_empty() {
                line.bets(0).await;
            } else {
                line.serve(0, &[]).await;
            }
        }
    };
    assert_eq!(play(run(options(&central, &file)), script).await.unwrap().bets, 3);
}

#[tokio::test]
async fn a_refusal_for_good_ends_the_run_and_one_for_now_does_not() {
    for (code, for_good) in [(ErrorCode::Unknown(999), true), (ErrorCode::Busy, false)] {
        let central = Central::bind().await;
        let file = file(&rows(3));
        let script = async {
            let mut line = central.accept().await;
            let (hello, _) = line.request().await.unwrap();
            line.refuse(hello, ErrorMessage::closing(code, "because")).await;
            drop(line);
            if !for_good {
                central.greet(welcome()).await.serve(0, &[]).await;
            }
        };
        let ended = play(run(options(&central, &file)), script).await;
        match ended {
            Ok(report) => assert!(!for_good && report.bets == 3, "{code}"),
            Err(AgencyError::Refused { code: said, .. }) => assert!(for_good && said == code),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_batch_refused_for_now_is_sent_again_on_a_new_connection() {
    let expected = batches(6, 2);
    let report = serve(&rows(6), async |central| {
        let mut line = central.greet(welcome()).await;
        let (first, _) = line.bets(0).await;
        let (second, _) = line.bets(1).await;
        line.acknowledge(first, 0).await;
        let full = ErrorMessage::of_chunk(ErrorCode::StorageFull, 1, "no room");
        line.refuse(second, full).await;
        let mut line = central.greet(welcome_back(&expected[..1])).await;
        assert_eq!(line.serve(1, &[]).await, expected[1..]);
    })
    .await;
    assert_eq!(report.unwrap().batches, 3);
}

#[tokio::test]
async fn the_file_is_checked_again_with_the_draws_numbers_before_anything_is_sent() {
    for skip_invalid in [false, true] {
        let central = Central::bind().await;
        let file = file(&format!("{}{}{}", row(7), row(150), row(8)));
        let numbers = NumberRange::new(0, 200).unwrap();
        let options = Options { skip_invalid, numbers, ..options(&central, &file) };
        let script = async {
            let number_max = 99;
            let welcome = Welcome { number_max, ..welcome() };
            let texts = central.greet(welcome).await.serve(0, &[]).await;
            assert_eq!(texts.len(), usize::from(skip_invalid));
        };
        let mut told = Vec::new();
        let mut watch = |progress| {
            if let Progress::Checked { refused_rows, .. } = progress {
                told.push(refused_rows);
            }
        };
        let run = run_watched(options, &mut watch, CancellationToken::new());
        let refused = match play(run, script).await {
            Ok(_) => told.pop().unwrap(),
            Err(AgencyError::BadRows { rows, .. }) => rows,
            Err(error) => panic!("{error}"),
        };
        // At first, all rows were valid.
        assert_eq!(told, [vec![]]);
        let range = RowReason::Bet(lottery::BetFault::NumberRange);
        let named: Vec<_> = refused.iter().map(|row| (row.line, row.reason)).collect();
        assert_eq!(named, [(2, range)]);
    }
}

#[tokio::test]
async fn a_shorter_message_limit_of_the_central_makes_smaller_batches() {
    let central = Central::bind().await;
    let file = file(&rows(30));
    let options = Options { batch_bets_max: 93, ..options(&central, &file) };
    let script = async {
        let frame_len_max = 256;
        let welcome = Welcome { frame_len_max, ..welcome() };
        let texts = central.greet(welcome).await.serve(0, &[]).await;
        assert!(texts.len() > 3 && texts.iter().all(|text| text.len() <= 252));
        assert_eq!(texts.join("&"), batches(30, 30)[0]);
    };
    let report = play(run(options), script).await;
    assert_eq!(report.unwrap().bets, 30);
}

#[tokio::test]
async fn a_file_that_changes_after_its_check_is_not_sent() {
    use std::io::Write;
    let central = Central::bind().await;
    let mut file = file(&rows(5));
    let options = options(&central, &file);
    let script = async {
        let mut line = central.accept().await;
        let (hello, _) = line.request().await.unwrap();
        file.write_all(row(5).as_bytes()).unwrap();
        line.greet(hello, welcome()).await;
        assert_eq!(line.request().await, None);
    };
    let failed = play(run(options), script).await;
    assert!(matches!(failed, Err(AgencyError::Changed { .. })), "{failed:?}");
}

#[tokio::test]
async fn an_agency_that_had_finished_only_asks_for_its_winners() {
    for state in [DrawState::AgencyFinished, DrawState::Closed, DrawState::Drawn] {
        let central = Central::bind().await;
        let file = file(&rows(5));
        let script = async {
            let welcome = Welcome { state, ..welcome_back(&batches(5, 2)) };
            let mut line = central.greet(welcome).await;
            let (ticket, request) = line.request().await.unwrap();
            assert_eq!(request, Request::GetWinners);
            line.reply(ticket, &won(&["30000003"])).await;
        };
        let report = play(run(options(&central, &file)), script).await;
        let report = report.unwrap();
        assert!(report.incomplete.is_none());
        assert_eq!(report.winners, ["30000003"]);
        assert_eq!((report.bets, report.resumed, report.bytes), (5, 3, 0));
    }
}

/// Answers GET_WINNERS, which must be the only request.
async fn send_winners(line: &mut Line, winners: &[&str]) {
    let (ticket, request) = line.request().await.expect("GET_WINNERS");
    assert_eq!(request, Request::GetWinners);
    line.reply(ticket, &won(winners)).await;
}

#[tokio::test]
async fn winners_among_the_stored_bets_arrive_though_the_rest_came_too_late() {
    for (state, stored, lines) in [
        (DrawState::AgencyFinished, 2, "lines 1 to 4 (4 bets) take part, and lines 5 to 5 (1 bet)"),
        (DrawState::Closed, 0, "nothing takes part, and lines 1 to 5 (5 bets)"),
        (DrawState::Drawn, 1, "lines 1 to 2 (2 bets) take part, and lines 3 to 5 (3 bets)"),
    ] {
        let central = Central::bind().await;
        let file = file(&rows(5));
        let script = async {
            // Also on a second connection, while waiting for the draw.
            for _ in 0..2 {
                let welcome = Welcome { state, ..welcome_back(&batches(5, 2)[..stored]) };
                let mut line = central.greet(welcome).await;
                let (_ticket, request) = line.request().await.unwrap();
                assert_eq!(request, Request::GetWinners);
            }
            let welcome = Welcome { state, ..welcome_back(&batches(5, 2)[..stored]) };
            send_winners(&mut central.greet(welcome).await, &["30000001"]).await;
        };
        let report = play(run(options(&central, &file)), script).await.unwrap();
        assert_eq!(report.winners, ["30000001"]);
        assert_eq!((report.batches, report.finished), (stored as u64, true));
        let message = report.incomplete.unwrap().to_string();
        let path = file.path().display();
        assert!(message.contains(&format!(": of {path}, {lines} do not")), "{message}");
    }
}

#[tokio::test]
async fn winners_of_other_bets_arrive_too_once_the_draw_is_over() {
    let report = serve(&rows(9), async |central| {
        for _ in 0..2 {
            let state = DrawState::Closed;
            let welcome = Welcome { state, ..welcome_back(&batches(9, 3)[..2]) };
            let mut line = central.greet(welcome).await;
            let (_ticket, request) = line.request().await.unwrap();
            assert_eq!(request, Request::GetWinners);
        }
        let state = DrawState::Drawn;
        let welcome = Welcome { state, ..welcome_back(&batches(9, 3)[..2]) };
        send_winners(&mut central.greet(welcome).await, &["30000004"]).await;
    })
    .await
    .unwrap();
    assert_eq!(report.winners, ["30000004"]);
    let incomplete = report.incomplete.unwrap();
    assert!(matches!(incomplete, AgencyError::OtherBets { bets: 6, .. }), "{incomplete:?}");
}

#[tokio::test]
async fn a_draw_that_closes_while_it_is_sent_to_tells_the_winners_of_what_is_stored() {
    let expected = batches(9, 2);
    let report = serve(&rows(9), async |central| {
        let mut line = central.greet(welcome()).await;
        let (first, _) = line.bets(0).await;
        let (second, _) = line.bets(1).await;
        line.acknowledge(first, 0).await;
        line.refuse(second, ErrorMessage::of_chunk(ErrorCode::DrawClosed, 1, "at 21:00")).await;
        let state = DrawState::Closed;
        let mut line = central.greet(Welcome { state, ..welcome_back(&expected[..1]) }).await;
        send_winners(&mut line, &["30000001"]).await;
    })
    .await
    .unwrap();
    assert_eq!(report.winners, ["30000001"]);
    let message = report.incomplete.unwrap().to_string();
    assert!(message.contains("lines 1 to 2 (2 bets) take part, and lines 3 to 9"), "{message}");
}

#[tokio::test]
async fn a_draw_that_opens_again_after_it_was_over_is_sent_nothing() {
    let failed = serve(&rows(9), async |central| {
        let state = DrawState::Closed;
        let mut line = central.greet(Welcome { state, ..welcome() }).await;
        line.request().await.unwrap();
        drop(line);
        assert_eq!(central.greet(welcome()).await.request().await, None);
    })
    .await;
    assert!(matches!(failed, Err(AgencyError::NoMoreBets { .. })), "{failed:?}");
}

#[tokio::test]
async fn a_reopened_agency_sends_the_rest() {
    let expected = batches(9, 2);
    let report = serve(&rows(9), async |central| {
        let stored = welcome_back(&expected[..2]);
        let state = DrawState::AgencyFinished;
        let mut line = central.greet(Welcome { state, ..stored.clone() }).await;
        assert_eq!(line.request().await.unwrap().1, Request::GetWinners);
        drop(line);
        let mut line = central.greet(stored).await;
        assert_eq!(line.serve(2, &["30000008"]).await, expected[2..]);
    })
    .await
    .unwrap();
    assert!(report.incomplete.is_none(), "{:?}", report.incomplete);
    assert_eq!((report.bets, report.batches, report.resumed), (9, 5, 2));
    assert_eq!(report.winners, ["30000008"]);
}

#[tokio::test]
async fn a_reopened_agency_sends_the_rest_of_a_longer_file() {
    let report = serve(&rows(9), async |central| {
        let before = batches(4, 2);
        let mut line = central.greet(welcome_back(&before)).await;
        assert_eq!(line.serve(2, &["30000008"]).await, batches(9, 2)[2..]);
    })
    .await
    .unwrap();
    assert_eq!((report.bets, report.batches, report.resumed), (9, 5, 2));
    assert!(report.finished && report.incomplete.is_none());
}

#[tokio::test]
async fn a_longer_or_corrected_file_that_makes_other_batches_is_refused() {
    // The last batch before was not full, or a row in it was corrected.
    let shorter = batches(3, 2);
    let mut corrected = batches(4, 2);
    corrected[1] = batches(6, 2)[2].clone();
    for before in [shorter, corrected] {
        let failed = serve(&rows(9), async |central| {
            central.greet(welcome_back(&before)).await.request().await;
        })
        .await;
        assert!(matches!(failed, Err(AgencyError::OtherBets { .. })), "{failed:?}");
    }
}

#[tokio::test]
async fn a_reopened_agency_that_is_stopped_has_not_finished() {
    let (central, file) = (Central::bind().await, file(&rows(9)));
    let shutdown = CancellationToken::new();
    let script = async {
        let stored = welcome_back(&batches(9, 2)[..2]);
        let state = DrawState::AgencyFinished;
        let mut line = central.greet(Welcome { state, ..stored.clone() }).await;
        line.request().await.unwrap();
        drop(line);
        let mut line = central.greet(stored).await;
        line.bets(2).await;
        shutdown.cancel();
    };
    let mut watch = |_| ();
    let run = run_watched(options(&central, &file), &mut watch, shutdown.clone());
    let report = play(run, script).await.unwrap();
    assert!(report.stopped && !report.finished);
}

#[tokio::test]
async fn a_file_that_the_draws_numbers_leave_no_bet_of_is_not_finished() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let options = Options { skip_invalid: true, ..options(&central, &file) };
    let script = async {
        let (number_min, number_max) = (100, 200);
        let welcome = Welcome { number_min, number_max, ..welcome() };
        assert_eq!(central.greet(welcome).await.request().await, None);
    };
    let failed = play(run(options), script).await;
    assert!(matches!(failed, Err(AgencyError::NoBets { refused: 3, .. })), "{failed:?}");
}

#[tokio::test]
async fn nothing_is_asked_of_the_central_for_a_file_that_can_not_be_sent() {
    let central = Central::bind().await;
    // Nobody accepts connections, so the run would not end if it connected.
    let rows_at_fault = file(&format!("{}x\n{}", row(1), row(2)));
    let failed = run(options(&central, &rows_at_fault)).await;
    assert!(matches!(failed, Err(AgencyError::BadRows { count: 1, .. })), "{failed:?}");
    let without_bets = file("\r\n");
    let failed = run(options(&central, &without_bets)).await;
    assert!(matches!(failed, Err(AgencyError::NoBets { .. })), "{failed:?}");
}
