//! The pages of draws as operators lead them: outcomes, confirmations, errors beside their fields,
//! sessions that end, the order of the list, and the record.

use std::ops::ControlFlow;

use lottery::{AuditSpan, DrawId, Event};
use serde_json::json;

use crate::client::{As, ask, fill, look};
use crate::draws::{Day, WINNING_NUMBER};
use crate::languages::{done, filled};
use crate::setting::Running;

impl Day {
    async fn draw_page(&self, who: &As, draw: u32) -> String {
        look(self.central.port, who, &format!("/draws/{draw}")).await.body
    }
}

/// Checks that these texts are on the page, in this order.
pub(crate) fn are_in_order(page: &str, texts: &[&str]) {
    let places: Vec<_> = texts.iter().map(|text| page.find(text)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {page}");
}

#[tokio::test]
async fn what_was_done_is_said_once_and_a_reload_does_nothing_again() {
    let day = Day::with_bets().await;
    let closed = filled(&day.central, day.operator(), "/draws/1/close", "why=prueba").await;
    assert_eq!((closed.status, closed.header("location")), (303, Some("/draws/1")));
    let cookie = closed.header("set-cookie").unwrap().split(';').next().unwrap();
    let cookie = format!("{}; {cookie}", day.operator().cookie.as_deref().unwrap());
    let back = As { cookie: Some(cookie), ..day.operator().clone() };
    let page = look(day.central.port, &back, "/draws/1").await;
    assert!(page.body.contains("<p class=\"notice good\" role=\"status\">Sorteo cerrado.</p>"));
    let deleted = page.header("set-cookie").unwrap();
    assert!(deleted.contains("_done=;") && deleted.contains("Max-Age=0"), "{deleted}");
    assert!(!day.draw_page(day.operator(), 1).await.contains("notice good"));
    let acts = day.central.get(day.operator(), "/api/v1/draws/1").await.json();
    assert_eq!(acts["history"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_number_is_confirmed_before_it_is_entered_and_can_be_corrected() {
    let day = Day::with_bets().await;
    day.close().await;
    let post = async |who: &As, path: &str, fields: &str| {
        let csrf = who.csrf.as_deref().unwrap();
        fill(day.central.port, who, path, &format!("csrf={csrf}&{fields}")).await
    };
    let asked = post(day.operator(), "/draws/1/number", "number=7").await;
    assert!(asked.status == 200 && asked.body.contains("<p class=\"digits\">0 0 0 7</p>"));
    let large = post(day.operator(), "/draws/1/number", "number=99999999999").await;
    assert_eq!(large.status, 400);
    assert!(large.body.contains("id=\"number-number-error\">El número es demasiado grande"));
    let draw = day.central.get(day.operator(), "/api/v1/draws/1").await.json();
    assert!(draw["number_entered_by"].is_null(), "{draw}");

    let page = done(&day.central, day.operator(), "/draws/1/number", "number=7").await.body;
    assert!(page.contains("Usted ingresó un número; falta otro operador"), "{page}");
    assert!(page.contains("action=\"/draws/1/correct\"") && !page.contains("notice good"));
    assert!(!page.contains("action=\"/draws/1/number\""), "the form stays: {page}");
    assert!(!page.contains("value=\"7\""), "{page}");
    let other = day.draw_page(&day.admin, 1).await;
    assert!(other.contains("operator ya ingresó el número") && !other.contains("correct"));
    let asked = post(day.operator(), "/draws/1/correct", "number=8").await;
    assert!(asked.body.contains("0 0 0 8") && asked.body.contains("action=\"/draws/1/correct\""));
    let page = done(&day.central, day.operator(), "/draws/1/correct", "number=8").await.body;
    assert!(page.contains("Número corregido."), "{page}");
}

#[tokio::test]
async fn numbers_that_differ_are_told_to_both_in_a_box_of_their_own() {
    let day = Day::with_bets().await;
    day.close().await;
    done(&day.central, day.operator(), "/draws/1/number", "number=7").await;
    let page = done(&day.central, &day.admin, "/draws/1/number", "number=8").await.body;
    for page in [page, day.draw_page(day.operator(), 1).await] {
        assert!(!page.contains("notice good"), "{page}");
        let alert =
            "<section class=\"notice bad\" role=\"alert\"><h2>Los números no coinciden</h2>";
        are_in_order(&page, &[alert, "operator y admin", "action=\"/draws/1/number\""]);
        assert!(!page.contains("value=\"7\"") && !page.contains("value=\"8\""), "{page}");
    }
}

#[tokio::test]
async fn a_result_is_voided_by_two_and_its_page_says_who_and_why() {
    let day = Day::with_bets().await;
    day.close().await;
    day.draw().await;
    let page = done(&day.central, day.operator(), "/draws/1/void", "why=extracto+mal").await.body;
    assert!(!page.contains("notice good") && !page.contains("action=\"/draws/1/void\""), "{page}");
    are_in_order(
        &page,
        &["notice warn", "Resultado en duda", "operator pidió anular", "extracto mal"],
    );
    let other = day.draw_page(&day.admin, 1).await;
    are_in_order(&other, &["Resultado en duda", "Motivo para publicar", "/draws/1/void"]);
    let publish = filled(&day.central, &day.admin, "/draws/1/publish", "").await;
    assert!(publish.status == 409 && publish.body.contains("id=\"publish-why-error\""));
    let page = done(&day.central, &day.admin, "/draws/1/void", "why=extracto+mal").await.body;
    are_in_order(&page, &["Resultado anulado.", "Ingresar el número del extracto"]);
}

#[tokio::test]
async fn an_announced_draw_is_edited_and_cancelled_on_its_page() {
    let central = Running::start().await;
    let who = central.logged_in("operator").await;
    let announced = "agencies=1-5&number_min=0&number_max=99&closes_at=2030-11-23T21:00";
    done(&central, &who, "/draws", &format!("name=mañna&{announced}")).await;
    let page = look(central.port, &who, "/draws/1").await.body;
    for value in ["mañna", "1-5", "0", "99", "2030-11-23T21:00:00"] {
        assert!(page.contains(&format!("value=\"{value}\"")), "{value}: {page}");
    }
    let wrong = format!("name=&{announced}&why=error");
    let wrong = filled(&central, &who, "/draws/1/edit", &wrong.replace("1-5", "1-200000")).await;
    assert_eq!(wrong.status, 400);
    are_in_order(
        &wrong.body,
        &["<details class=\"card\" open>", "id=\"name-error\">", "id=\"agencies-error\">"],
    );
    assert!(wrong.body.contains("Un sorteo tiene hasta 100.000 agencias."), "{wrong:?}");
    let edit = format!("name=mañana&{announced}");
    let without = filled(&central, &who, "/draws/1/edit", &edit).await;
    assert!(without.status == 409 && without.body.contains("id=\"edit-why-error\">"));
    let edit = format!("name=mañana&{announced}&why=error");
    let page = done(&central, &who, "/draws/1/edit", &edit).await.body;
    are_in_order(&page, &["Cambios en lo programado.", "<h1>mañana</h1>"]);
    let page = done(&central, &who, "/draws/1/cancel", "why=feriado").await.body;
    are_in_order(&page, &["aria-current=\"step\">Cancelado", "feriado"]);
    assert!(!page.contains("action=\"/draws/1/"), "{page}");
}

#[tokio::test]
async fn a_time_that_was_not_changed_stays_as_it_was() {
    let central = Running::start().await;
    let who = central.logged_in("operator").await;
    let agencies = json!([{ "first": 1, "last": 2 }]);
    let closes_at = "2030-11-23T21:00:00.123Z";
    let draw = json!({ "name": "noche", "agencies": agencies, "closes_at": closes_at });
    central.post(&who, "/api/v1/draws", &draw).await;
    let fields = "agencies=1-2&number_min=0&number_max=9999&closes_at=2030-11-23T18:00:00";
    done(&central, &who, "/draws/1/edit", &format!("name=nocturna&why=error&{fields}")).await;
    let draw = central.get(&who, "/api/v1/draws/1").await.json();
    assert_eq!((&draw["name"], &draw["closes_at"]), (&json!("nocturna"), &json!(closes_at)));
}

#[tokio::test]
async fn an_agency_is_reopened_on_the_page_of_an_open_draw() {
    let day = Day::with_bets().await;
    assert!(!day.draw_page(day.operator(), 1).await.contains("/draws/1/reopen"));
    day.finish(1);
    assert!(day.draw_page(day.operator(), 1).await.contains("/draws/1/reopen"));
    let wrong = filled(&day.central, day.operator(), "/draws/1/reopen", "agency=2&why=error").await;
    assert!(wrong.status == 409 && wrong.body.contains("id=\"reopen-agency-error\">La agencia 2"));
    let page = done(&day.central, day.operator(), "/draws/1/reopen", "agency=1&why=error").await;
    assert!(page.body.contains("Agencia 1 reabierta."), "{page:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_said_beside_the_field() {
    let day = Day::with_bets().await;
    let right = "name=otra&agencies=1-5&number_min=0&number_max=9";
    for (from, to, error) in [
        ("otra", "", "id=\"name-error\">El nombre no puede estar en blanco."),
        ("otra", "nocturna", "id=\"name-error\">Ya hay un sorteo con ese nombre"),
        ("1-5", "x", "id=\"agencies-error\">Escriba las agencias como números y rangos"),
        ("1-5", "5,1", "id=\"agencies-error\">Escriba los números y rangos en orden"),
        ("1-5", "1-200000", "id=\"agencies-error\">Un sorteo tiene hasta 100.000 agencias."),
        ("1-5", "0", "id=\"agencies-error\">No hay agencia 0"),
        ("min=0", "min=x", "id=\"number_min-error\">Escriba el número con cifras."),
        ("max=9", "max=99999999999", "id=\"number_max-error\">El número es demasiado grande"),
        ("min=0", "min=10", "id=\"number_max-error\">El número menor no puede superar"),
        ("max=9", "max=9&opens_at=x", "id=\"opens_at-error\">Un horario no se entiende."),
        ("max=9", "max=9&closes_at=2001-01-01T09:00", "id=\"closes_at-error\">Un sorteo abre"),
    ] {
        let page = filled(&day.central, day.operator(), "/draws", &right.replace(from, to)).await;
        assert!([400, 409].contains(&page.status), "{to}: {page:?}");
        assert_eq!(page.body.matches("class=\"error\"").count(), 1, "{to}: {page:?}");
        assert!(page.body.contains(error), "{to}: {page:?}");
        assert!(page.body.contains("<details class=\"card\" open>"), "{page:?}");
    }
}

#[tokio::test]
async fn a_form_of_a_session_that_ended_comes_back_after_the_log_in() {
    let day = Day::with_bets().await;
    let (central, port) = (&day.central, day.central.port);
    let who = day.operator().clone();
    ask(port, &who, "DELETE", "/api/v1/session", None).await;
    let page = look(port, &who, "/draws/1?page=2").await;
    let login = "/login?back=%2Fdraws%2F1%3Fpage%3D2";
    assert_eq!((page.status, page.header("location")), (303, Some(login)));
    assert!(look(port, &who, login).await.body.contains("Su sesión terminó."));

    let more = format!("Referer: http://localhost:{port}/draws/1\r\n");
    let sender = As { more, ..who.clone() };
    let fields = "csrf=0&step=close&why=corte+de+luz&number=7&password=x&sure=yes";
    let asked = fill(port, &sender, "/draws/1/close", fields).await;
    assert!(asked.status == 401 && asked.body.contains("Su sesión terminó."), "{asked:?}");
    let back = asked.body.split("name=\"back\" value=\"").nth(1).unwrap().split('"').next();
    let back = back.unwrap().replace("&#38;", "&");
    assert_eq!(back, "/draws/1?step=close&why=corte+de+luz");
    let query: String = encoded(&back);
    let login = |password: &str| format!("name=operator&password={password}&back={query}");
    let wrong = fill(port, &As::default(), "/login", &login("x")).await;
    assert!(wrong.status == 401 && wrong.body.contains("name=\"back\" value=\"/draws/1?"));
    let password = crate::setting::PASSWORD.replace(' ', "+");
    let right = fill(port, &As::default(), "/login", &login(&password)).await;
    assert_eq!((right.status, right.header("location")), (303, Some(back.as_str())));
    let again = central.logged_in("operator").await;
    assert!(look(port, &again, &back).await.body.contains("value=\"corte de luz\""));
    // A page elsewhere is never gone to.
    let elsewhere = "name=operator&password=a+long+password&back=//evil.example/";
    let elsewhere = fill(port, &As::default(), "/login", elsewhere).await;
    assert_eq!(elsewhere.header("location"), Some("/"));
}

/// Encodes a path as the value of a field.
fn encoded(path: &str) -> String {
    let encoded = path.bytes().map(|byte| match byte {
        b'&' | b'?' | b'=' | b'+' | b'/' => format!("%{byte:02X}"),
        byte => char::from(byte).to_string(),
    });
    encoded.collect()
}

#[tokio::test]
async fn the_list_begins_with_what_is_urgent_and_the_state_that_is_current_is_marked() {
    let day = Day::with_bets().await;
    day.close().await;
    day.draw().await;
    day.post("/api/v1/draws/1/publish", &json!({})).await;
    let agencies = json!([{ "first": 1, "last": 2 }]);
    for (name, opens_at) in [
        ("sorteado", None),
        ("cerrado", None),
        ("mañana", Some("2030-01-02T00:00:00Z")),
        ("hoy", Some("2030-01-01T00:00:00Z")),
        ("abierto", None),
    ] {
        let draw = json!({ "name": name, "agencies": agencies, "opens_at": opens_at });
        day.post("/api/v1/draws", &draw).await;
    }
    let why = json!({ "why": "prueba" });
    for draw in [2, 3, 6] {
        day.post(&format!("/api/v1/draws/{draw}/open"), &why).await;
    }
    for draw in [2, 3] {
        day.post(&format!("/api/v1/draws/{draw}/close"), &why).await;
    }
    let entry = json!({ "number": 7, "allow_empty": true });
    for who in [day.operator(), &day.admin] {
        day.central.post(who, "/api/v1/draws/2/number", &entry).await;
    }
    let list = look(day.central.port, day.operator(), "/draws").await.body;
    let names = ["abierto", "cerrado", "sorteado", "hoy", "mañana", "nocturna"];
    are_in_order(&list, &names.map(|name| format!(">{name}</a>")).each_ref().map(|it| &**it));
    are_in_order(&list, &["<details", "<table"]);
    assert!(list.contains("UTC-3 <small>previsto</small>"), "{list}");
    for (draw, state) in [(6, "Abierto"), (3, "Cerrado"), (2, "Sorteado"), (1, "Publicado")] {
        let page = day.draw_page(day.operator(), draw).await;
        assert!(page.contains(&format!("aria-current=\"step\">{state}")), "{draw}: {page}");
    }
}

/// Returns the chain up to the publication of draw 1, which is published.
fn chain_of_publication(day: &Day) -> String {
    let mut found = String::new();
    let read = day.central.store.audit_log(AuditSpan::From(0), &mut |stored, chain| {
        if stored.event == (Event::DrawPublished { draw: DrawId(1) }) {
            found = chain.to_string();
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    found
}

#[tokio::test]
async fn the_record_is_complete_and_only_for_those_who_may_read_winners() {
    let lottery = Running::start_of("Lotería de Santa Fe", "Ciudad de Santa Fe").await;
    let day = Day::with_bets_on(lottery).await;
    day.close().await;
    day.draw().await;
    let record = async |who: &As| look(day.central.port, who, "/draws/1/acta").await;
    assert_eq!(record(&day.roles[0]).await.status, 403);
    assert!(!day.draw_page(&day.roles[0], 1).await.contains("/acta"));
    let before = record(day.auditor()).await.body;
    assert!(before.contains("No publicado") && !before.contains("Escribano"), "{before}");
    day.post("/api/v1/draws/1/publish", &json!({})).await;
    let page = record(day.auditor()).await.body;
    assert!(page.contains("Escribano") && !page.contains("No publicado"), "{page}");
    let entries = day.central.get(day.auditor(), "/api/v1/audit").await.json();
    let mut entries = entries["items"].as_array().unwrap().iter();
    let closed = entries.find(|it| it["action"] == "bets-closed").unwrap();
    let set = closed["arguments"]["set"].as_str().unwrap();
    let number = WINNING_NUMBER.to_string();
    let chain = chain_of_publication(&day);
    assert!(!before.contains(&chain), "{before}");
    let other = Day::with_bets().await;
    let other = look(other.central.port, other.auditor(), "/draws/1/acta").await.body;
    assert!(!other.contains("letterhead"), "{other}");
    for said in [
        "<strong>Lotería de Santa Fe</strong> Ciudad de Santa Fe",
        "nocturna",
        &number,
        set,
        &chain,
        "\">Lorca</td><td data-label=\"Nombre\">Santiago</td>",
        "UTC-3",
        "Sorteo programado",
        "Sorteo abierto",
        "Sorteo cerrado",
        "Número ingresado por primera vez",
        "Los dos números coinciden",
        "Ganadores publicados",
        "prueba",
        "1 La Suerte, Rosario",
        "2 El Trébol, Rosario",
        "30904465",
        "Impreso por auditor",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}
