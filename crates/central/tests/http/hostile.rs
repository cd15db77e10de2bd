//! Clients that are slow, senseless, or too many.

use std::time::Duration;

use central::HttpLimits;
use lottery::StoreFault;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{As, answer, send};
use crate::setting::{PASSWORD, Running};
use crate::store::Mode;

fn in_a_hurry() -> HttpLimits {
    let short = Duration::from_millis(300);
    HttpLimits { head_time_max: short, request_time_max: short, ..HttpLimits::default() }
}

fn login_with(kind: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n\
         Content-Length: {len}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused() {
    let central = Running::start().await;
    let good = json!({ "name": "viewer", "password": "x" }).to_string();
    let json = "application/json";
    let unknown = json!({ "name": "viewer", "password": "x", "admin": true }).to_string();
    let deep = "[".repeat(60_000);
    let cases = [
        ("text/plain", good.as_str(), 415, "not-json"),
        ("application/x-www-form-urlencoded", "name=viewer&password=x", 415, "not-json"),
        (json, "{", 400, "bad-request"),
        (json, "", 400, "bad-request"),
        (json, "[]", 400, "bad-request"),
        (json, "{\"name\": \"viewer\"}", 400, "bad-request"),
        (json, "{\"name\": 7, \"password\": \"x\"}", 400, "bad-request"),
        (json, &unknown, 400, "bad-request"),
        (json, &deep, 400, "bad-request"),
        (json, &format!("\"{}\"", "x".repeat(70_000)), 413, "too-long"),
        ("APPLICATION/JSON; charset=utf-8", &good, 401, "not-authenticated"),
    ];
    for (kind, body, status, problem) in cases {
        let answer = send(central.port, &login_with(kind, body)).await;
        answer.is_problem(status, problem);
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_central_goes_on() {
    let central = Running::start().await;
    let giant = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(100));
    for (bytes, status) in [
        (giant.as_bytes(), 431),
        (many.as_bytes(), 431),
        (&b"\x00\x0c\x00\x32\x00\x00\r\n\r\n"[..], 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"POST /api/v1/session HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
    ] {
        assert_eq!(send(central.port, bytes).await.status, status);
    }
    assert_eq!(central.get(&As::default(), "/healthz").await.status, 200);
    let lost = central.get(&As::default(), "/%00/../%ff?x=%ff").await;
    lost.is_problem(404, "not-found");
    central.shut_down().await;
}

#[tokio::test]
async fn slow_heads_and_slow_bodies_are_not_waited_for() {
    let central = Running::start_with(in_a_hurry()).await;
    let mut idle = TcpStream::connect(("127.0.0.1", central.port)).await.unwrap();
    let mut slow = TcpStream::connect(("127.0.0.1", central.port)).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHos").await.unwrap();
    let late = login_with("application/json", "{\"name\": \"viewer\", \"password\": \"x\"}");
    let answered = send(central.port, &late[..late.len() - 3]).await;
    answered.is_problem(408, "timed-out");
    // Both end, with words or without.
    assert!([0, 408].contains(&answer(&mut slow).await.status));
    assert!([0, 408].contains(&answer(&mut idle).await.status));
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_the_others_served() {
    let limits = HttpLimits { connections_max: 3, ..HttpLimits::default() };
    let central = Running::start_with(limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(("127.0.0.1", central.port)).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream.readable().await.unwrap();
        held.push(stream);
    }
    assert_eq!(central.get(&As::default(), "/healthz").await.status, 0);
    held.pop();
    while central.get(&As::default(), "/healthz").await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_end_in_order_waits_for_nobody_who_is_idle() {
    let central = Running::start().await;
    let mut kept = TcpStream::connect(("127.0.0.1", central.port)).await.unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    kept.readable().await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), central.shut_down()).await.unwrap();
}

#[tokio::test]
async fn browsers_are_told_to_keep_frame_and_run_nothing() {
    let central = Running::start().await;
    for path in ["/healthz", "/api/v1/session", "/nothing"] {
        let answer = central.get(&As::default(), path).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn what_was_counted_is_told() {
    let central = Running::start().await;
    let metrics = central.get(&As::default(), "/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "bolillero_batches_total{result=\"accepted\"} 0",
        "bolillero_http_connections 1",
        "bolillero_agency_connections{identity=\"claimed\"} 0",
        "bolillero_group_events_bucket{le=\"1\"} 2",
        "bolillero_group_events_bucket{le=\"+Inf\"} 3",
        "bolillero_group_events_sum 7",
        "bolillero_disk_free_bytes 12345",
    ] {
        assert!(metrics.body.lines().any(|it| it == line), "{line}: {}", metrics.body);
    }
    let ready = central.get(&As::default(), "/readyz").await.json();
    assert_eq!(ready["ready"], true);
    std::fs::write(central.data().join("operators.json"), "{").unwrap();
    let not = central.get(&As::default(), "/readyz").await;
    assert_eq!((not.status, &not.json()["operators"]), (503, &json!(false)));
    central.log_in("viewer", "x").await.is_problem(503, "unavailable");
}

#[tokio::test]
async fn a_full_disk_is_told_to_who_logs_in_and_to_who_asks_how_things_are() {
    let central = Running::start().await;
    let ready = async || central.get(&As::default(), "/readyz").await;
    central.store.set(Mode::Refuses(StoreFault::Full("no space left on device".to_owned())));
    assert_eq!(ready().await.json()["room"], true, "nothing was to be stored yet");
    let refused = central.log_in("viewer", PASSWORD).await;
    refused.is_problem(503, "unavailable");
    assert!(refused.json()["detail"].as_str().unwrap().contains("disk is full"), "{refused:?}");
    let not = ready().await;
    let parts = ["ready", "store", "room", "operators"].map(|part| not.json()[part] == true);
    assert_eq!((not.status, parts), (503, [false, true, false, true]));
    central.store.set(Mode::Works);
    assert_eq!(ready().await.status, 503, "nobody knows before something is stored");
    central.logged_in("viewer").await;
    assert_eq!(ready().await.status, 200);
}
