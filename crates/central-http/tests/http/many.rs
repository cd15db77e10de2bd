//! Pages of draws with many agencies and winners: split into parts, with omissions stated.

use serde_json::json;

use crate::client::{PATIENCE, ask, look, watched};
use crate::draws::{Day, WINNING_NUMBER};
use crate::languages::done;

/// Returns winning bets of these documents.
fn winning(documents: std::ops::Range<u32>) -> String {
    let bets = documents.map(|it| format!("Ana|Paz|{it}|1980-01-02|{WINNING_NUMBER}"));
    bets.collect::<Vec<_>>().join("&")
}

impl Day {
    async fn second_draw(&self, agencies: u32) {
        let agencies = json!([{ "first": 1, "last": agencies }]);
        self.post("/api/v1/draws", &json!({ "name": "grande", "agencies": agencies })).await;
        self.post("/api/v1/draws/2/open", &json!({})).await;
    }

    async fn make_second_draw(&self) {
        self.post("/api/v1/draws/2/close", &json!({ "why": "prueba" })).await;
        let number = json!({ "number": WINNING_NUMBER });
        for who in [self.operator(), &self.admin] {
            self.central.post(who, "/api/v1/draws/2/number", &number).await;
        }
    }

    async fn page(&self, path: &str) -> String {
        let page = look(self.central.port, self.auditor(), path).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        page.body
    }
}

#[tokio::test]
async fn winners_of_many_agencies_are_shown_in_parts() {
    let day = Day::with_bets().await;
    day.second_draw(60).await;
    (1..=55).for_each(|agency| day.bets((2, agency), 0, &winning(agency..agency + 1)));
    day.bets((2, 7), 1, &winning(1_000..1_019));
    day.make_second_draw().await;

    let draw = day.page("/draws/2").await;
    assert_eq!(draw.matches("<th scope=\"row\">").count(), 50);
    assert!(draw.contains("Ganadores en total: <strong>74</strong>"), "{draw}");
    assert!(draw.contains("<a href=\"/draws/2/winners/7\">y 12 más</a>"), "{draw}");
    let next = "/draws/2/winners?after=50";
    assert!(draw.contains(&format!("href=\"{next}\">Agencias siguientes (5)")), "{draw}");
    let rest = day.page(next).await;
    assert_eq!(rest.matches("<th scope=\"row\">").count(), 5);
    assert!(!rest.contains("Agencias siguientes"), "{rest}");
    assert!(day.page("/draws/2/winners?after=55").await.contains("No hay más agencias"));

    let of_agency = day.page("/draws/2/winners/7").await;
    assert_eq!(of_agency.matches("<li>").count(), 20);
    assert!(of_agency.contains("<li>1018</li>") && !of_agency.contains("Siguientes"));
    let of_none = day.page("/draws/2/winners/60").await;
    assert!(of_none.contains("Nadie acertó el número."), "{of_none}");
    let record = day.page("/draws/2/acta").await;
    assert_eq!(record.matches("<th scope=\"row\">").count(), 60, "winners or not");
    assert!(record.contains("1018") && !record.contains("demasiados"), "{record}");
    let stranger = look(day.central.port, day.auditor(), "/draws/2/winners/61").await;
    assert_eq!(stranger.status, 404);
    assert!(stranger.body.contains("La agencia 61 no es de este sorteo"), "{stranger:?}");
    let unmade = look(day.central.port, day.auditor(), "/draws/1/winners/1").await;
    assert_eq!(unmade.status, 409, "{unmade:?}");
}

#[tokio::test]
async fn a_record_that_does_not_list_all_winners_says_so() {
    let day = Day::with_bets().await;
    day.second_draw(1).await;
    (0..6).for_each(|chunk| day.bets((2, 1), chunk, &winning(chunk * 900..(chunk + 1) * 900)));
    day.make_second_draw().await;
    let record = day.page("/draws/2/acta").await;
    assert!(record.contains("Son demasiados para listarlos aquí"), "{record}");
    assert!(record.contains("data-label=\"Ganadores\">5.400</td>"), "{record}");
    assert!(record.len() < 20_000, "{record}");
    let mut seen = 0;
    for (after, next) in [(0, true), (4_000, true), (5_000, false)] {
        let page = day.page(&format!("/draws/2/winners/1?after={after}")).await;
        assert_eq!(page.contains("Siguientes"), next, "{after}");
        assert!(page.contains(&format!("<ol class=\"card documents\" start=\"{}\"", after + 1)));
        seen += page.matches("<li>").count();
    }
    assert_eq!(seen, 1_000 + 1_000 + 400);
    assert!(day.page("/draws/2/winners/1?after=5400").await.contains("No hay más ganadores."));
}

#[tokio::test]
async fn a_board_of_many_agencies_has_parts_and_begins_with_those_to_look_after() {
    let day = Day::with_bets().await;
    day.second_draw(1_200).await;
    day.bets((2, 1_100), 0, "Ana|Paz|1|1980-01-02|1");
    let row = |agency: u32| format!("<tr id=\"agency-{agency}\"");
    day.central.clock.advance(60_001);
    let mut first = day.page("/?draw=2").await;
    // The board is refreshed once a second.
    while !first.contains("Agencias interrumpidas: 1100") {
        first = day.page("/?draw=2").await;
    }
    assert!(first.contains("1 a 100 de 1.200"), "{first}");
    assert!(first.find(&row(1_100)) < first.find(&row(1)) && first.contains(&row(1_100)));
    assert!(first.contains("data-events=\"/board/events?draw=2\""));
    assert!(
        first.contains("href=\"/?draw=2&#38;page=2\">Siguientes") && !first.contains("Anteriores")
    );
    let last = day.page("/?draw=2&page=12").await;
    assert!(last.contains("1.101 a 1.200 de 1.200"), "{last}");
    assert!(last.contains("data-events=\"/board/events?draw=2&#38;page=12\""), "{last}");
    assert!(last.contains(&row(1_200)) && !last.contains(&row(1_100)) && !last.contains(&row(1)));
    assert!(day.page("/?draw=2&page=99").await.contains("1.101 a 1.200"));
    assert!(!day.page("/?draw=1").await.contains("1 a "), "all are there");
}

#[tokio::test]
async fn draws_and_agencies_are_listed_in_parts_too() {
    let day = Day::with_bets().await;
    for number in 3..=203 {
        let data = json!({ "name": format!("Agencia {number}"), "place": "Rosario" });
        let path = format!("/api/v1/agencies/{number}");
        assert_eq!(ask(day.central.port, &day.admin, "PUT", &path, Some(&data)).await.status, 200);
    }
    for number in 2..=201 {
        day.post("/api/v1/draws", &json!({ "name": format!("sorteo {number}") })).await;
    }
    let urgent = day.page("/draws").await;
    assert!(urgent.contains("1 a 200 de 201") && urgent.contains("nocturna<"), "{urgent}");
    assert!(!urgent.contains("sorteo 201<") && urgent.contains("href=\"/draws?page=2\""));
    assert!(day.page("/draws?page=2").await.contains("sorteo 201<"));
    let agencies = day.page("/agencies").await;
    assert!(agencies.contains("1 a 200 de 203") && !agencies.contains("Agencia 203"), "{agencies}");
    // Changes made on a page are shown there.
    let disable = "agency=203&enabled=no&why=prueba";
    let changed = done(&day.central, &day.admin, "/agencies?page=2", disable).await.body;
    assert!(changed.contains("action=\"/agencies?page=2\""), "{changed}");
    assert!(changed.contains("Habilitar la agencia 203"), "{changed}");
    // Renaming the agency does not enable it.
    let renamed = "agency=203&name=Nueva&place=Rosario";
    let renamed = done(&day.central, &day.admin, "/agencies?page=2", renamed).await.body;
    assert!(renamed.contains("Nueva") && renamed.contains("Habilitar la agencia 203"), "{renamed}");
}

#[tokio::test]
async fn a_board_leaves_out_what_was_published_long_ago() {
    let day = Day::with_bets().await;
    day.close().await;
    day.draw().await;
    day.post("/api/v1/draws/1/publish", &json!({})).await;
    for number in 2..=22 {
        day.post("/api/v1/draws", &json!({ "name": format!("sorteo {number}") })).await;
        let step = async |step: &str, body| {
            day.post(&format!("/api/v1/draws/{number}/{step}"), &body).await;
        };
        step("open", json!({})).await;
        step("close", json!({ "why": "prueba" })).await;
        for who in [day.operator(), &day.admin] {
            let path = format!("/api/v1/draws/{number}/number");
            let entry = json!({ "number": 7, "allow_empty": true });
            day.central.post(who, &path, &entry).await;
        }
        step("publish", json!({})).await;
    }
    // The board is refreshed once a second.
    let board = async {
        loop {
            let page = look(day.central.port, day.auditor(), "/?draw=1").await;
            if page.status == 303 {
                return page;
            }
        }
    };
    let old = tokio::time::timeout(PATIENCE, board).await.unwrap();
    assert_eq!(old.header("location"), Some("/draws/1"));
    let newest = day.page("/").await;
    assert!(newest.contains("sorteo 22") && newest.contains("Todos los sorteos"), "{newest}");
    assert!(day.page("/?draw=3").await.contains("sorteo 3"));
}

#[tokio::test]
async fn the_central_is_looked_at_only_while_a_board_is_watched() {
    let central = crate::setting::Running::start().await;
    // Each refresh asks for the free room on the disk.
    let looks = || central.host.1.load(std::sync::atomic::Ordering::SeqCst);
    tokio::time::pause();
    for _ in 0..10 {
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
    }
    tokio::time::resume();
    assert_eq!(looks(), 0);
    let board = watched(central.port, &central.logged_in("viewer").await).await;
    assert!(looks() > 0);
    drop(board);
}
