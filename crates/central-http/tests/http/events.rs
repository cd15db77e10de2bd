//! The API's stream of events: what it tells, and when it ends.

use std::time::Duration;

use central_http::HttpLimits;
use operators::limits::SESSIONS_PER_OPERATOR_MAX;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

use crate::client::{As, PATIENCE, ask, begun_stream};
use crate::draws::Day;
use crate::setting::Running;

/// A stream that is read event by event.
struct Events(BufReader<TcpStream>);

impl Events {
    async fn open(port: u16, who: &As, path: &str) -> Self {
        let (begun, stream) = begun_stream(port, who, path).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        assert_eq!(begun.header("content-type"), Some("text/event-stream"));
        Self(BufReader::new(stream))
    }

    /// Returns the name and the data of the next event; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        let reading = async {
            let mut line = String::new();
            while self.0.read_line(&mut line).await.unwrap() > 0 {
                if let Some(named) = line.strip_prefix("event: ") {
                    named.trim().clone_into(&mut name);
                }
                if let Some(data) = line.strip_prefix("data: ") {
                    return Some((name, serde_json::from_str(data).unwrap()));
                }
                line.clear();
            }
            None
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap()
    }

    /// Returns the number, the state and the bets of the next draw that changed.
    async fn draw(&mut self) -> (u64, String, u64) {
        let (name, draw) = self.next().await.unwrap();
        assert_eq!(name, "draw");
        let state = draw["state"].as_str().unwrap().to_owned();
        (draw["id"].as_u64().unwrap(), state, draw["bets"].as_u64().unwrap())
    }
}

fn seen(draw: u64, state: &str, bets: u64) -> (u64, String, u64) {
    (draw, state.to_owned(), bets)
}

#[tokio::test]
async fn each_change_of_a_draw_is_an_event() {
    let day = Day::with_bets().await;
    day.post("/api/v1/draws", &json!({ "name": "matutina" })).await;
    let mut all = Events::open(day.central.port, day.operator(), "/api/v1/events").await;
    let mut one = Events::open(day.central.port, day.operator(), "/api/v1/events?draw=1").await;
    let (_, first) = one.next().await.unwrap();
    let bets = first["bets"].as_u64().unwrap();
    let expected = json!({
        "id": 1, "name": "nocturna", "state": "open", "agencies_finished": 0,
        "batches": first["batches"], "bets": bets, "acts": 2,
    });
    assert_eq!(first, expected);
    assert_eq!(all.draw().await, seen(1, "open", bets));
    assert_eq!(all.draw().await, seen(2, "announced", 0));
    day.bets((1, 2), 7, "Ana|Paz|1|1980-01-02|1");
    assert_eq!(all.draw().await, seen(1, "open", bets + 1));
    day.post("/api/v1/draws/2/cancel", &json!({ "why": "prueba" })).await;
    assert_eq!(all.draw().await, seen(2, "cancelled", 0));
    day.close().await;
    assert_eq!(all.draw().await, seen(1, "closed", bets + 1));
    assert_eq!(one.draw().await, seen(1, "open", bets + 1));
    assert_eq!(one.draw().await, seen(1, "closed", bets + 1));
}

#[tokio::test]
async fn a_stream_ends_with_its_session_or_token_and_says_so() {
    let central = Running::start().await;
    let who = central.logged_in("viewer").await;
    let token = json!({ "label": "programa", "role": "viewer", "days": 1 });
    let given = central.post(&who, "/api/v1/tokens", &token).await.json();
    let token = given["secret"].as_str().map(str::to_owned);
    let program = As { token, ..As::default() };
    let mut by_session = Events::open(central.port, &who, "/api/v1/events").await;
    let mut by_token = Events::open(central.port, &program, "/api/v1/events").await;
    let path = format!("/api/v1/tokens/{}", given["id"]);
    assert_eq!(ask(central.port, &who, "DELETE", &path, None).await.status, 204);
    let over = ("over".to_owned(), json!({}));
    assert_eq!(by_token.next().await, Some(over.clone()));
    assert_eq!(by_token.next().await, None);
    assert_eq!(ask(central.port, &who, "DELETE", "/api/v1/session", None).await.status, 204);
    assert_eq!(by_session.next().await, Some(over));
    assert_eq!(by_session.next().await, None);
}

#[tokio::test]
async fn streams_share_the_limit_of_boards_and_end_with_the_central() {
    let limits = HttpLimits { boards_per_client_max: 1, ..HttpLimits::default() };
    let central = Running::start_with(limits).await;
    let who = central.logged_in("viewer").await;
    let mut events = Events::open(central.port, &who, "/api/v1/events").await;
    let refused = central.get(&who, "/api/v1/events").await;
    refused.is_problem(429, "too-much-at-once");
    central.shut_down().await;
    let ended = tokio::time::timeout(Duration::from_secs(60), events.next()).await.unwrap();
    assert_eq!(ended, None);
}

#[tokio::test]
async fn following_draws_does_not_count_as_activity_of_the_session() {
    let central = Running::start().await;
    let first = central.logged_in("viewer").await;
    let mut others = Vec::new();
    for _ in 1..SESSIONS_PER_OPERATOR_MAX {
        others.push(central.logged_in("viewer").await);
    }
    let _following = Events::open(central.port, &first, "/api/v1/events").await;
    // One more session ends the least recently used one.
    central.logged_in("viewer").await;
    assert_eq!(ask(central.port, &first, "GET", "/api/v1/draws", None).await.status, 401);
    for other in others {
        assert_eq!(ask(central.port, &other, "GET", "/api/v1/draws", None).await.status, 200);
    }
}
