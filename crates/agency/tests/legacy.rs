//! Tests against a legacy central, byte by byte: no HELLO, one batch at a time, polled winners.

mod scripted;

use std::time::Duration;

use agency::{AgencyError, Options, RowReason};
use scripted::{Central, batches, file, options, play, rows, run};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::{CentralMessage, ErrorCode, ErrorMessage, Fault, FaultCode};

fn legacy(central: &Central, file: &NamedTempFile) -> Options {
    Options { legacy: true, ..options(central, file) }
}

/// Returns a BETS message of the legacy protocol.
fn bets_message(chunk: u32, text: &str) -> Vec<u8> {
    let payload = format!("1&{chunk}&{text}");
    let len = u16::try_from(payload.len()).expect("a short batch");
    [&[0, 12][..], &len.to_be_bytes(), payload.as_bytes()].concat()
}

async fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).await.expect("a message");
    assert_eq!(received, expected);
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    let next = stream.read_u8();
    timeout(Duration::from_millis(30), next).await.is_err()
}

#[tokio::test]
async fn the_first_central_is_served_as_original_agencies_do() {
    let central = Central::bind().await;
    let file = file(&rows(5));
    let script = async {
        let mut stream = central.accept_raw().await;
        for (chunk, text) in (0..).zip(batches(5, 2)) {
            expect(&mut stream, &bets_message(chunk, &text)).await;
            assert!(is_silent(&mut stream).await, "two batches in flight");
            stream.write_all(&[0, 13]).await.unwrap();
            stream.write_u32(chunk).await.unwrap();
        }
        expect(&mut stream, &[0, 14, 0, 0, 0, 1]).await;
        stream.write_all(&[0, 14, 0, 0, 0, 1]).await.unwrap();
        drop(stream);
        for _ in 0..2 {
            let mut stream = central.accept_raw().await;
            expect(&mut stream, &[0, 15, 0, 0, 0, 1]).await;
            stream.write_all(&[0, 16]).await.unwrap();
        }
        // The agency also retries when the connection is closed without a reply.
        let mut stream = central.accept_raw().await;
        expect(&mut stream, &[0, 15, 0, 0, 0, 1]).await;
        drop(stream);
        let mut stream = central.accept_raw().await;
        expect(&mut stream, &[0, 15, 0, 0, 0, 1]).await;
        stream.write_all(b"\0\x11\0\x1130000001,30000002").await.unwrap();
    };
    let report = play(run(legacy(&central, &file)), script).await;
    let report = report.unwrap();
    assert_eq!((report.bets, report.batches), (5, 3));
    assert_eq!(report.winners, ["30000001", "30000002"]);
}

#[tokio::test]
async fn a_batch_without_acknowledgement_is_sent_again_with_its_id() {
    let central = Central::bind().await;
    let file = file(&rows(4));
    let script = async {
        let expected = batches(4, 2);
        let mut stream = central.accept_raw().await;
        expect(&mut stream, &bets_message(0, &expected[0])).await;
        stream.write_all(&[0, 13, 0, 0, 0, 0]).await.unwrap();
        expect(&mut stream, &bets_message(1, &expected[1])).await;
        drop(stream);
        let mut stream = central.accept_raw().await;
        expect(&mut stream, &bets_message(1, &expected[1])).await;
        stream.write_all(&[0, 13, 0, 0, 0, 1]).await.unwrap();
        expect(&mut stream, &[0, 14, 0, 0, 0, 1]).await;
        drop(stream);
        let mut stream = central.accept_raw().await;
        expect(&mut stream, &[0, 14, 0, 0, 0, 1]).await;
        stream.write_all(&[0, 14, 0, 0, 0, 1]).await.unwrap();
        let mut stream = central.accept_raw().await;
        expect(&mut stream, &[0, 15, 0, 0, 0, 1]).await;
        stream.write_all(&[0, 17, 0, 0]).await.unwrap();
    };
    let report = play(run(legacy(&central, &file)), script).await;
    assert_eq!(report.unwrap().winners, Vec::<String>::new());
}

#[tokio::test]
async fn winners_among_the_stored_bets_arrive_though_the_rest_came_too_late() {
    let central = Central::bind().await;
    let file = file(&rows(5));
    let script = async {
        let mut stream = central.accept_raw().await;
        expect(&mut stream, &bets_message(0, &batches(5, 2)[0])).await;
        stream.write_all(&[0, 13, 0, 0, 0, 0]).await.unwrap();
        expect(&mut stream, &bets_message(1, &batches(5, 2)[1])).await;
        let mut bytes = Vec::new();
        let closed = ErrorMessage::of_chunk(ErrorCode::DrawClosed, 1, "");
        CentralMessage::Error(closed).encode(&mut bytes);
        stream.write_all(&bytes).await.unwrap();
        drop(stream);
        let mut stream = central.accept_raw().await;
        expect(&mut stream, &[0, 15, 0, 0, 0, 1]).await;
        stream.write_all(b"\0\x11\0\x0830000001").await.unwrap();
    };
    let report = play(run(legacy(&central, &file)), script).await.unwrap();
    assert_eq!(report.winners, ["30000001"]);
    let message = report.incomplete.unwrap().to_string();
    assert!(message.contains("lines 1 to 2 (2 bets) take part, and lines 3 to 5"), "{message}");
}

#[tokio::test]
async fn a_refusal_names_the_rows_of_the_batch_that_was_in_flight() {
    for chunk in [None, Some(0)] {
        let central = Central::bind().await;
        let file = file(&rows(4));
        let script = async {
            let mut stream = central.accept_raw().await;
            expect(&mut stream, &bets_message(0, &batches(4, 2)[0])).await;
            let error = match chunk {
                Some(chunk) => ErrorMessage::of_chunk(ErrorCode::BadBets, chunk, ""),
                None => ErrorMessage::closing(ErrorCode::BadBets, ""),
            };
            let fault = Fault { position: 1, code: FaultCode::LastName };
            let mut bytes = Vec::new();
            CentralMessage::Error(error.with_faults([fault])).encode(&mut bytes);
            stream.write_all(&bytes).await.unwrap();
        };
        let failed = play(run(legacy(&central, &file)), script).await;
        let Err(AgencyError::Refused { rows, .. }) = failed else {
            panic!("{failed:?}");
        };
        let last_name = RowReason::Central(FaultCode::LastName);
        assert_eq!((rows[0].line, rows[0].reason), (2, last_name));
    }
}
