//! The live board: which draw it shows, what it says of agencies, and when a session ends.

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::client::{As, PATIENCE, answer, ask, look, watched};
use crate::draws::Day;
use crate::setting::Running;

/// Returns the board's page once it contains this text: it is refreshed once a second.
pub(crate) async fn board_with(day: &Day, path: &str, text: &str) -> String {
    let mut shown = String::new();
    let seen = async {
        while !shown.contains(text) {
            shown = look(day.central.port, day.operator(), path).await.body;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, seen).await.is_ok();
    assert!(seen, "'{text}' is not in: {shown}");
    shown
}

/// Returns the tabs of a board's page: the number and state of each draw.
fn tabs(page: &str) -> Vec<(u32, &str)> {
    let (_, tabs) = page.split_once("<nav class=\"tabs\"").unwrap();
    let (tabs, _) = tabs.split_once("</nav>").unwrap();
    let tabs = tabs.split("<a href=\"/?draw=").skip(1).map(|tab| {
        let (number, rest) = tab.split_once('"').unwrap();
        let state = rest.split("<span class=\"pill ").nth(1).unwrap().split('"').next().unwrap();
        (number.parse().unwrap(), state)
    });
    tabs.collect()
}

#[tokio::test]
async fn the_board_shows_the_draw_at_hand_until_it_is_published() {
    let day = Day::with_bets().await;
    let tomorrow = json!({ "name": "matutina", "opens_at": "2030-01-01T00:00:00Z" });
    day.post("/api/v1/draws", &tomorrow).await;
    day.post("/api/v1/draws", &json!({ "name": "sin hora" })).await;
    let shows = |number: u32, state: &str| format!("<h2><a href=\"/draws/{number}\">{state}");
    board_with(&day, "/", &shows(1, "nocturna</a></h2>\n    <span class=\"pill open\"")).await;
    day.close().await;
    board_with(&day, "/", &shows(1, "nocturna</a></h2>\n    <span class=\"pill closed\"")).await;
    day.draw().await;
    board_with(&day, "/", &shows(1, "nocturna</a></h2>\n    <span class=\"pill drawn\"")).await;
    day.post("/api/v1/draws/1/publish", &json!({})).await;
    let next = board_with(&day, "/", &shows(2, "matutina")).await;
    assert_eq!(tabs(&next), [(2, "announced"), (3, "announced"), (1, "published")]);
}

#[tokio::test]
async fn an_open_draw_never_loses_its_tab_and_the_first_to_close_comes_first() {
    let day = Day::with_bets().await;
    for number in 2..=12 {
        let closes_at = format!("2030-01-01T{:02}:00:00Z", 23 - number);
        let draw = json!({ "name": format!("sorteo {number}"), "closes_at": closes_at });
        day.post("/api/v1/draws", &draw).await;
    }
    for number in (2..=9).chain([11]) {
        day.post(&format!("/api/v1/draws/{number}/open"), &json!({})).await;
    }
    let page = board_with(&day, "/?draw=10", "<h2><a href=\"/draws/10\">").await;
    let expected = [11, 9, 8, 7, 6, 5, 4, 3, 2, 1].map(|number| (number, "open"));
    assert_eq!(tabs(&page)[..10], expected);
    assert_eq!(tabs(&page)[10..], [(10, "announced")], "the one that is shown has a tab");
    assert!(page.contains("href=\"/draws\">Todos los sorteos</a>"), "{page}");
    let page = board_with(&day, "/", "<h2><a href=\"/draws/11\">").await;
    assert_eq!(tabs(&page), expected);
}

#[tokio::test]
async fn silence_counts_from_the_opening_and_an_interrupted_agency_is_told_from_one_that_never_came()
 {
    let day = Day::with_bets().await;
    let row = |page: &str, agency: u32| {
        let (_, row) = page.split_once(&format!("<tr id=\"agency-{agency}\"")).unwrap();
        row.split_once("</tr>").unwrap().0.to_owned()
    };
    let page = board_with(&day, "/", "interrumpida en 2 apuestas").await;
    assert!(row(&page, 1).contains("interrumpida en 2 apuestas"), "{page}");
    assert!(row(&page, 2).contains("sin conexión"), "{page}");
    assert!(!page.contains("Agencias interrumpidas"), "it may be back in a moment: {page}");
    day.central.clock.advance(60_001);
    let page = board_with(&day, "/", "Agencias interrumpidas: 1<").await;
    assert!(!page.contains("Agencias en silencio"), "{page}");
    // The agency's last message is older than the opening of the next draw.
    day.post("/api/v1/draws", &json!({ "name": "otra" })).await;
    day.post("/api/v1/draws/2/open", &json!({})).await;
    day.bets((2, 1), 0, "Ana|Paz|1|1980-01-02|1");
    let page = board_with(&day, "/?draw=2", "interrumpida en 1 apuesta<").await;
    assert!(!page.contains("Agencias interrumpidas") && !page.contains("silencio"), "{page}");
}

#[tokio::test]
async fn refused_batches_are_those_of_the_draw_with_agency_and_reason() {
    let day = Day::with_bets().await;
    let mut agency = TcpStream::connect(("127.0.0.1", day.central.agencies_port)).await.unwrap();
    // BETS of agency 2, for the only open draw: on no day of the calendar.
    let bets = "2&7&Ana|Paz|1|1980-02-31|1";
    let head = [0, 12, 0, u8::try_from(bets.len()).unwrap()];
    agency.write_all(&[&head, bets.as_bytes()].concat()).await.unwrap();
    let notice =
        "Lotes rechazados en este sorteo: 1. Los últimos: agencia 2, apuestas con errores.";
    board_with(&day, "/?draw=1", notice).await;
    day.post("/api/v1/draws", &json!({ "name": "otra" })).await;
    let other = board_with(&day, "/?draw=2", "<h2><a href=\"/draws/2\">").await;
    assert!(!other.contains("Lotes rechazados"), "{other}");
}

#[tokio::test]
async fn a_board_is_sent_whole_at_first_and_then_the_lines_that_change() {
    let day = Day::with_bets().await;
    let mut board = BufReader::new(watched(day.central.port, day.operator()).await);
    day.bets((1, 1), 7, "Ana|Paz|1|1980-01-02|1");
    let (mut line, mut name) = (String::new(), String::new());
    let seen = async {
        while !line.contains("interrumpida en 3 apuestas") {
            line.clear();
            board.read_line(&mut line).await.unwrap();
            if let Some(named) = line.strip_prefix("event: ") {
                named.trim().clone_into(&mut name);
            }
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
    assert_eq!(name, "lines");
    let (_, changed) = line.split_once(": ").unwrap();
    let changed: Vec<(usize, String)> = serde_json::from_str(changed).unwrap();
    let texts: Vec<_> = changed.iter().map(|(_, text)| text.as_str()).collect();
    assert!(texts.contains(&"3"), "{changed:?}");
    assert!(changed.is_sorted() && changed.len() < 20, "{changed:?}");
}

#[tokio::test]
async fn a_board_is_told_that_its_session_has_ended() {
    let central = Running::start().await;
    let ended = central.get(&As::default(), "/board/events").await;
    assert_eq!((ended.status, ended.header("content-type")), (200, Some("text/event-stream")));
    assert!(
        ended.body.contains("event: over\ndata: session") && !ended.body.contains("event: board"),
        "{ended:?}"
    );
    let who = central.logged_in("viewer").await;
    let mut board = watched(central.port, &who).await;
    assert_eq!(ask(central.port, &who, "DELETE", "/api/v1/session", None).await.status, 204);
    let rest = answer(&mut board).await;
    assert!(rest.head.contains("event: over") || rest.body.contains("event: over"), "{rest:?}");
    let page = look(central.port, &central.logged_in("viewer").await, "/").await.body;
    assert!(page.contains("Su sesión terminó: lo que se ve no se actualiza."), "{page}");
}
