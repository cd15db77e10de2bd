//! Clients that are slow, send garbage, or are too many.

use std::time::Duration;

use central_http::HttpLimits;
use lottery::StoreFault;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{As, answer, ask, begun, send, watched};
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
    // Both connections end, with or without a response.
    assert!([0, 408].contains(&answer(&mut slow).await.status));
    assert!([0, 408].contains(&answer(&mut idle).await.status));
}

/// Sends `count` requests with incomplete bodies and this line in their heads.
async fn half_bodies(port: u16, count: usize, line: &str) -> Vec<TcpStream> {
    let request = "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n";
    let bytes = format!("{request}{line}Content-Type: application/json\r\n\r\n{{");
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        held.push(stream);
    }
    held
}

#[tokio::test]
async fn who_waits_gives_way_to_who_comes_and_who_has_a_request_stays() {
    let limits = HttpLimits { connections_max: 3, requests_max: 2, ..HttpLimits::default() };
    let central = Running::start_with(limits).await;
    // Half of a head here, and below a connection without a second request.
    let mut half = TcpStream::connect(("127.0.0.1", central.port)).await.unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHos").await.unwrap();
    let mut idle = TcpStream::connect(("127.0.0.1", central.port)).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    idle.readable().await.unwrap();
    let mut asked = half_bodies(central.port, 2, "").await;
    assert_eq!(answer(&mut half).await.status, 0);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(central.get(&As::default(), path).await.status, 200, "{path}");
    }
    assert_eq!(answer(&mut idle).await.status, 200, "and no more than that one answer");
    central.log_in("viewer", PASSWORD).await.is_problem(503, "too-much-at-once");
    // These requests are answered once they are complete.
    for stream in &mut asked {
        stream.write_all(&[b' '; 99]).await.unwrap();
        stream.readable().await.unwrap();
    }
    assert_eq!(central.log_in("viewer", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn nobody_is_kept_out_by_half_heads() {
    let central = Running::start().await;
    let mut halves = Vec::new();
    for _ in 0..HttpLimits::default().connections_max {
        let mut stream = TcpStream::connect(("127.0.0.1", central.port)).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHos").await.unwrap();
        halves.push(stream);
    }
    for path in ["/healthz", "/readyz", "/metrics", "/login"] {
        assert_eq!(central.get(&As::default(), path).await.status, 200, "{path}");
    }
    assert_eq!(central.log_in("viewer", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_client_with_too_many_requests_keeps_out_itself_only() {
    let central = Running::start_behind_a_proxy(HttpLimits::default()).await;
    let from = |client: &str| {
        let more = format!("X-Forwarded-For: {client}, 10.0.0.9\r\n");
        As { more, ..As::default() }
    };
    let (hostile, other) = (from("203.0.113.7"), from("203.0.113.8"));
    let most = HttpLimits::default().requests_per_client_max;
    let _held = half_bodies(central.port, most, &hostile.more).await;
    let status = async |who, path| central.get(who, path).await.status;
    while status(&hostile, "/login").await != 429 {
        tokio::task::yield_now().await;
    }
    central.get(&hostile, "/nothing").await.is_problem(429, "too-much-at-once");
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(status(&hostile, path).await, 200, "{path}");
    }
    assert_eq!(status(&other, "/login").await, 200);
    // The proxy itself, as in a health check.
    assert_eq!(status(&As::default(), "/login").await, 200);
}

#[tokio::test]
async fn open_boards_keep_out_nobody_and_a_client_has_its_share_of_them() {
    let limits = HttpLimits { boards_per_client_max: 3, ..HttpLimits::default() };
    let limits = HttpLimits { requests_per_client_max: 2, ..limits };
    let central = Running::start_behind_a_proxy(limits).await;
    let viewer = central.logged_in("viewer").await;
    let from = |client: &str| {
        let more = format!("X-Forwarded-For: {client}\r\n");
        As { more, ..viewer.clone() }
    };
    let (one, other) = (from("203.0.113.7"), from("203.0.113.8"));
    let mut boards = Vec::new();
    for _ in 0..3 {
        boards.push(watched(central.port, &one).await);
    }
    central.get(&one, "/board/events").await.is_problem(429, "too-much-at-once");
    assert_eq!(central.get(&one, "/api/v1/draws").await.status, 200);
    assert_eq!(central.get(&one, "/healthz").await.status, 200);
    boards.push(watched(central.port, &other).await);
    boards.clear();
    while begun(central.port, &one, "/board/events").await.status == 429 {
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
async fn counters_are_exported() {
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
        "bolillero_ledger_damaged_segments 0",
        "bolillero_ledger_scrubs_total 1",
        "bolillero_log_lines_dropped_total 678",
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
async fn damage_to_the_ledger_is_told_to_who_asks_how_things_are() {
    let central = Running::start().await;
    let ready = central.get(&As::default(), "/readyz").await;
    assert_eq!((ready.status, &ready.json()["ledger"]), (200, &json!(true)));
    let what = "segment-0000000001.bol at byte 4096: it is another one";
    central.host.find_damage(what);
    let not = central.get(&As::default(), "/readyz").await;
    let reported = (&not.json()["ledger"], &not.json()["ledger_damage"]);
    assert_eq!((not.status, reported), (503, (&json!(false), &json!(what))));
    let metrics = central.get(&As::default(), "/metrics").await;
    let line = "bolillero_ledger_damaged_segments 1";
    assert!(metrics.body.lines().any(|it| it == line), "{}", metrics.body);
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

#[tokio::test]
async fn what_the_store_does_not_answer_in_time_is_not_known_and_goes_on() {
    let act_time_max = Duration::from_millis(300);
    let limits = HttpLimits { act_time_max, ..HttpLimits::default() };
    let central = Running::start_with(limits).await;
    let [admin, operator] = [central.logged_in("admin").await, central.logged_in("operator").await];
    let enabled = || async { central.get(&admin, "/api/v1/operators").await.body };
    let why = json!({ "why": "prueba" });
    let place = json!({ "name": "Norte", "place": "Salta 1" });
    central.store.set(Mode::Holds);
    central.get(&operator, "/api/v1/agencies/9").await.is_problem(404, "not-found");
    for (who, path, body) in [
        (&operator, "/api/v1/agencies/9", &place),
        (&admin, "/api/v1/operators/viewer/disable", &why),
    ] {
        let method = if path.contains("agencies") { "PUT" } else { "POST" };
        let answer = ask(central.port, who, method, path, Some(body)).await;
        answer.is_problem(503, "not-known");
    }
    central.log_in("auditor", PASSWORD).await.is_problem(503, "not-known");
    central.store.set(Mode::Works);
    central.store.release_all();
    // It is done when the store is back, without being asked again.
    while central.get(&operator, "/api/v1/agencies/9").await.status == 404 {
        tokio::task::yield_now().await;
    }
    while !enabled().await.contains("\"disabled\":true") {
        tokio::task::yield_now().await;
    }
    central.shut_down().await;
}
