//! Copies of the ledger and the operators for standbys.

use std::time::Duration;

use operators::Role;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{As, PATIENCE, ask, begun_stream};
use crate::draws::Day;
use crate::setting::{Running, add_operator};

const ALL: &str = "/api/v1/ledger/records?from=0";

/// Begins a copy; returns the connection that the rest comes on.
async fn begun_copy(port: u16, who: &As) -> TcpStream {
    let (begun, stream) = begun_stream(port, who, ALL).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    assert_eq!(begun.header("content-type"), Some("application/octet-stream"));
    stream
}

async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // Being cut off is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    rest
}

#[tokio::test]
async fn a_copy_of_another_history_is_refused() {
    let day = Day::with_bets().await;
    let who = day.central.logged_in("standby").await;
    let other = "7".repeat(64);
    for from in [0, 1, 1_000, u64::MAX] {
        let path = format!("/api/v1/ledger/records?from={from}&chain={other}");
        day.central.get(&who, &path).await.is_problem(409, "other-history");
    }
    for query in ["", "?from=-1", "?from=1", "?from=0&chain=x", "?from=0&more=1"] {
        let path = format!("/api/v1/ledger/records{query}");
        day.central.get(&who, &path).await.is_problem(400, "bad-request");
    }
}

#[tokio::test]
async fn few_copies_run_at_once_and_the_end_of_the_central_waits_for_none() {
    let central = Running::start().await;
    let who = central.logged_in("standby").await;
    let mut copies = Vec::new();
    for _ in 0..4 {
        copies.push(begun_copy(central.port, &who).await);
    }
    central.get(&who, ALL).await.is_problem(503, "too-much-at-once");
    let waiting = "/api/v1/ledger/operators?after=5";
    let waits = tokio::spawn({
        let (port, who) = (central.port, who.clone());
        async move { ask(port, &who, "GET", waiting, None).await.status }
    });
    timeout(Duration::from_secs(3), central.shut_down()).await.unwrap();
    for copy in copies {
        rest(copy).await;
    }
    let status = waits.await.unwrap();
    assert!([0, 200].contains(&status), "{status}");
}

#[tokio::test]
async fn a_copy_ends_when_its_standby_is_disabled() {
    let central = Running::start().await;
    let (who, admin) = (central.logged_in("standby").await, central.logged_in("admin").await);
    let copy = begun_copy(central.port, &who).await;
    let metrics = central.get(&As::default(), "/metrics").await.body;
    for line in
        ["bolillero_standbys 1\n", "bolillero_standby_behind_records{operator=\"standby\"} "]
    {
        assert!(metrics.contains(line), "{metrics}");
    }
    let disable = "/api/v1/operators/standby/disable";
    assert_eq!(central.post(&admin, disable, &json!({ "why": "prueba" })).await.status, 204);
    // The end of a stream is 64 bytes of which most are 0, and this one is cut off before.
    let rest = rest(copy).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
    assert_eq!(central.get(&who, ALL).await.status, 401);
    let metrics = central.get(&As::default(), "/metrics").await.body;
    assert!(metrics.contains("bolillero_standbys 0\n"), "{metrics}");
}

#[tokio::test]
async fn operators_are_sent_once_they_are_others() {
    let central = Running::start().await;
    let who = central.logged_in("standby").await;
    let first = central.get(&who, "/api/v1/ledger/operators").await.json();
    let version = first["version"].as_u64().unwrap();
    let (port, path) = (central.port, format!("/api/v1/ledger/operators?after={version}"));
    let waits = tokio::spawn(async move { ask(port, &who, "GET", &path, None).await.json() });
    add_operator(central.data(), "eva", Role::Viewer);
    let second = waits.await.unwrap();
    assert_eq!(second["version"], version + 1);
    assert!(second["operators"]["eva"]["role"] == "viewer" && first["operators"]["eva"].is_null());
}
