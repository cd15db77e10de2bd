//! Centrals that share a store: who is connected to the others, and which of them are away.

use central::{Connected, Node};
use lottery::{AgencyId, DrawName, Timestamp};
use serde_json::{Value, json};

use crate::board::board_with;
use crate::client::{As, ask, look};
use crate::draws::Day;
use crate::setting::Running;

/// A run of a central, heard at the start of the test's clock.
fn node(id: u32, name: &str, agency: Option<u32>) -> Node {
    let connected = agency.map(|agency| Connected {
        id: 5,
        peer: ([10, 0, 0, 7], 4000).into(),
        certified: true,
        agency: Some(AgencyId(agency)),
        vouched: true,
        draw: Some(DrawName::new("nocturna").unwrap()),
        since: Timestamp(0),
        last_message: Timestamp(0),
    });
    Node {
        id,
        name: name.to_owned(),
        is_this: id == 2,
        is_away: false,
        started_at: Timestamp(0),
        heard_at: Timestamp(0),
        clock_ahead_ms: -1_234,
        host: "db1:5432".to_owned(),
        timeline: 3,
        connections: u64::from(agency.is_some()),
        connected: connected.into_iter().collect(),
    }
}

/// This central, one that lives with agency 2, and one that is away and had agency 1.
pub(crate) fn nodes() -> Vec<Node> {
    let away = Node { is_away: true, ..node(1, "sur", Some(1)) };
    vec![away, node(2, "norte", None), node(3, "oeste", Some(2))]
}

async fn json(central: &Running, who: &As, path: &str) -> Value {
    let answer = ask(central.port, who, "GET", path, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn states(day: &Day) -> Vec<(String, String)> {
    let nodes = json(&day.central, day.operator(), "/api/v1/nodes").await;
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let items = nodes["items"].as_array().unwrap();
    items.iter().map(|it| (text(&it["name"]), text(&it["state"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

#[tokio::test]
async fn agencies_at_other_centrals_are_shown_with_their_central() {
    let day = Day::with_bets().await;
    let (central, who) = (&day.central, day.operator());
    central.presence.see(Ok(nodes()));
    assert_eq!(
        states(&day).await,
        pairs(&[("sur", "away"), ("norte", "this"), ("oeste", "alive")])
    );
    let other = &json(central, who, "/api/v1/nodes").await["items"][2];
    let expected = json!({
        "id": 3, "name": "oeste", "state": "alive", "started_at": "1970-01-01T00:00:00.000Z",
        "heard_at": "1970-01-01T00:00:00.000Z", "clock_ahead_ms": -1234, "host": "db1:5432",
        "timeline": 3, "connections": 1,
    });
    assert_eq!(*other, expected);
    let connections = json(central, who, "/api/v1/connections").await;
    let expected = json!([{
        "node": 3, "as_of": "1970-01-01T00:00:00.000Z", "id": 5, "peer": "10.0.0.7:4000",
        "agency": 2, "certified": true, "draw": "nocturna", "since": "1970-01-01T00:00:00.000Z",
        "last_message": "1970-01-01T00:00:00.000Z",
    }]);
    assert_eq!(connections["items"], expected);
    for (agency, connections) in [(1, 0), (2, 1)] {
        let view = json(central, who, &format!("/api/v1/agencies/{agency}")).await;
        assert_eq!(view["connections"], connections, "{view}");
    }
    let metrics = ask(central.port, &As::default(), "GET", "/metrics", None).await.body;
    for (state, count) in [("this", 1), ("alive", 1), ("away", 1), ("unknown", 0)] {
        let line = format!("bolillero_nodes{{state=\"{state}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }

    let board = board_with(&day, "/", "La central sur no da señales desde").await;
    let connected = "<dt>Agencias conectadas</dt><dd>1 <small>/ 2</small></dd>";
    assert!(board.contains(connected), "{board}");
    assert!(board.contains("con certificado · oeste</td>"), "{board}");
    assert!(board.contains("interrumpida en 2 apuestas</td>"), "of the one away: {board}");
    let page = look(central.port, who, "/nodes").await.body;
    for text in ["oeste <small>3</small>", "ausente", "db1:5432", "−1.234 ms"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(page.contains("<a href=\"/nodes\" aria-current=\"page\">Centrales</a>"), "{page}");
}

#[tokio::test]
async fn centrals_that_can_not_be_seen_are_not_shown_as_alive() {
    let day = Day::with_bets().await;
    let (central, who) = (&day.central, day.operator());
    central.presence.see(Ok(nodes()));
    central.presence.see(Err("db1:5432: no answer".to_owned()));
    assert_eq!(
        states(&day).await,
        pairs(&[("sur", "away"), ("norte", "this"), ("oeste", "unknown")])
    );
    let text = "No se ve a las otras centrales, ni a las agencias conectadas a ellas, desde";
    let board = board_with(&day, "/", text).await;
    assert!(!board.contains("no da señales"), "{board}");
    let page = look(central.port, who, "/nodes").await.body;
    for text in [text, "no se sabe", "db1:5432: no answer"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    central.presence.see(Ok(nodes()));
    let page = look(central.port, who, "/nodes").await.body;
    assert!(!page.contains(text) && page.contains("viva"), "{page}");
}

#[tokio::test]
async fn a_central_with_a_ledger_of_its_own_shows_no_centrals() {
    let day = Day::with_bets().await;
    let (central, who) = (&day.central, day.operator());
    assert!(states(&day).await.is_empty());
    let board = look(central.port, who, "/").await.body;
    assert!(!board.contains("/nodes"), "{board}");
    let metrics = ask(central.port, &As::default(), "GET", "/metrics", None).await.body;
    assert!(!metrics.contains("bolillero_nodes"), "{metrics}");
    let page = look(central.port, who, "/nodes").await.body;
    assert!(page.contains("Ninguna otra central a la vista"), "{page}");
}
