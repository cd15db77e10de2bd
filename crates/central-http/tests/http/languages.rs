//! Spanish readers see no English, neither in refusals nor in the audit log.

use std::time::Duration;

use central_http::HttpLimits;
use serde_json::json;

use crate::client::{Answer, As, ask, fill, look, send};
use crate::draws::Day;
use crate::setting::{PASSWORD, Running};

/// Words of which every English sentence has some, and no Spanish one any.
const ENGLISH: &[&str] = &[
    "the", "is", "are", "of", "not", "there", "your", "this", "must", "that", "and", "it", "has",
    "or", "to", "by", "for", "bets", "draw", "number", "password", "with", "on", "in", "out",
    "log", "was", "been", "too", "at", "nothing", "byte", "bytes", "disabled", "added",
];

/// Returns the text of a page's content, without markup.
fn words_of(page: &str) -> String {
    let main = page
        .split_once("<main id=\"main\" tabindex=\"-1\">")
        .expect("a page")
        .1
        .split_once("</main>")
        .unwrap()
        .0;
    let mut marked = false;
    let said = main.chars().map(|it| match it {
        '<' => {
            marked = true;
            ' '
        }
        '>' => {
            marked = false;
            ' '
        }
        _ if marked => ' ',
        said => said,
    });
    said.collect()
}

/// Checks the status and that the page is in Spanish and contains this text.
pub(crate) fn is_spanish(answer: &Answer, status: u16, says: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{answer:?}");
    let said = words_of(&answer.body);
    assert!(said.contains(says), "'{says}' is not said: {said}");
    let words = said.split(|it: char| !it.is_alphabetic() && it != '\'');
    let english: Vec<_> = words.filter(|word| ENGLISH.contains(word)).collect();
    assert!(english.is_empty(), "{english:?} in: {said}");
}

/// Submits a form as a logged-in operator.
pub(crate) async fn filled(central: &Running, who: &As, path: &str, fields: &str) -> Answer {
    let csrf = who.csrf.as_deref().unwrap();
    fill(central.port, who, path, &format!("csrf={csrf}&sure=yes&{fields}")).await
}

/// Submits a form that is done, and returns the page that it leads to.
pub(crate) async fn done(central: &Running, who: &As, path: &str, fields: &str) -> Answer {
    let sent_on = filled(central, who, path, fields).await;
    assert_eq!(sent_on.status, 303, "{path}: {sent_on:?}");
    let cookie = sent_on.header("set-cookie").and_then(|it| it.split(';').next());
    let cookies = [who.cookie.as_deref(), cookie].into_iter().flatten().collect::<Vec<_>>();
    let who = As { cookie: Some(cookies.join("; ")), ..who.clone() };
    look(central.port, &who, sent_on.header("location").unwrap()).await
}

#[tokio::test]
async fn what_is_refused_on_any_page_is_said_in_spanish() {
    let central = Running::start().await;
    let viewer = central.logged_in("viewer").await;
    let admin = central.logged_in("admin").await;
    for (who, path, status, says) in [
        (&viewer, "/nothing", 404, "No hay nada en esta dirección."),
        (&As::default(), "/nothing", 404, "No hay nada en esta dirección."),
        (&viewer, "/draws/x", 404, "No hay nada en esta dirección."),
        (&viewer, "/draws/9", 404, "No hay un sorteo 9."),
        (&viewer, "/draws/9/acta", 403, "operador, auditor o administrador."),
        (&admin, "/draws/9/acta", 404, "No hay un sorteo 9."),
        (&viewer, "/draws/9/winners", 403, "operador, auditor o administrador."),
        (&admin, "/draws/9/winners/1", 404, "No hay un sorteo 9."),
        (&viewer, "/?draw=x", 400, "El pedido no se entiende."),
        (&viewer, "/language/xx", 404, "No hay nada en esta dirección."),
        (&viewer, "/logout", 405, "El pedido no se entiende."),
        (&viewer, "/audit", 403, "Pídaselo a alguien que sea auditor o administrador."),
        (&viewer, "/operators", 403, "Pídaselo a alguien que sea administrador."),
        (&admin, "/search?draw=9&by=document&value=1", 404, "No hay un sorteo 9."),
        (&admin, "/search?draw=9&by=number&value=x", 400, "Un número se escribe con cifras."),
    ] {
        is_spanish(&look(central.port, who, path).await, status, says);
    }
    let forged = fill(central.port, &admin, "/draws", "csrf=0").await;
    is_spanish(&forged, 403, "La página era de otra sesión.");
    let long = "x".repeat(70_000);
    let long = filled(&central, &admin, "/draws", &long).await;
    is_spanish(&long, 413, "El formulario es demasiado largo.");
}

#[tokio::test]
async fn what_is_refused_of_operators_is_said_in_spanish() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let long = "x".repeat(300);
    for (path, fields, status, says) in [
        ("/operators", "name=Eva&role=viewer", 400, "letras minúsculas"),
        ("/operators", "name=eva&role=viewer&password=corta", 400, "12 caracteres o más"),
        ("/operators", "name=eva&role=viewer&password=aaaaaaaaaaaaaa", 400, "letra repetida"),
        ("/operators", &format!("name=eva&role=viewer&password={long}"), 400, "demasiado larga"),
        (
            "/operators",
            "name=admin&role=viewer&password=una+clave+larga",
            409,
            "Ya hay un operador «admin».",
        ),
        ("/operators/admin/disable", "why=prueba", 409, "es el último administrador habilitado"),
        ("/operators/nadie/disable", "why=prueba", 404, "No hay un operador «nadie»."),
        ("/operators/nadie/borrar", "", 404, "No hay nada en esta dirección."),
        ("/operators/%21/disable", "", 404, "No hay nada en esta dirección."),
        ("/agencies", "agency=x", 400, "El número de la agencia no se entiende."),
    ] {
        is_spanish(&filled(&central, &admin, path, fields).await, status, says);
    }
    std::fs::write(central.data().join("operators.json"), "{").unwrap();
    let login = fill(central.port, &As::default(), "/login", "name=ana&password=x").await;
    is_spanish(&login, 503, "La central no pudo leer o guardar lo que hace falta");
}

#[tokio::test]
async fn what_is_refused_at_the_entrance_is_said_in_spanish() {
    let central = Running::start().await;
    let log_in = async |fields: &str| fill(central.port, &As::default(), "/login", fields).await;
    for _ in 0..5 {
        let wrong = log_in("name=ana&password=x").await;
        is_spanish(&wrong, 401, "El nombre o la contraseña no son correctos.");
        assert!(wrong.body.contains("value=\"ana\""), "the name is kept: {wrong:?}");
    }
    is_spanish(&log_in("name=ana&password=x").await, 429, "Demasiados intentos. Espere");
    is_spanish(&log_in(&"x".repeat(70_000)).await, 413, "El formulario es demasiado largo.");
}

#[tokio::test]
async fn what_is_refused_of_a_draw_is_said_in_spanish() {
    let day = Day::with_bets().await;
    let (central, operator) = (&day.central, day.operator());
    let announced = "name=otra&agencies=1-2&number_min=0&number_max=9";
    let early = "opens_at=2001-01-01T10:00&closes_at=2001-01-01T09:00";
    for (path, fields, status, says) in [
        ("/draws", "name=", 400, "El nombre no puede estar en blanco."),
        ("/draws", "name=otra&agencies=x", 400, "números y rangos separados por comas"),
        ("/draws", "name=otra&agencies=1&number_min=9&number_max=1", 400, "El número menor"),
        ("/draws", &format!("{announced}&opens_at=x"), 400, "Un horario no se entiende."),
        ("/draws", &format!("{announced}&{early}"), 400, "revise los horarios"),
        ("/draws", &announced.replace("otra", "nocturna"), 409, "Ya hay un sorteo con ese nombre"),
        ("/draws/9/open", "", 404, "No hay un sorteo 9."),
        ("/draws/1/nada", "", 404, "No hay nada en esta dirección."),
        ("/draws/1/publish", "", 409, "El sorteo ya no está en ese paso"),
        ("/draws/1/close", "", 409, "Para cerrar ahora hay que decir el motivo."),
    ] {
        is_spanish(&filled(central, operator, path, fields).await, status, says);
    }
    let unsure = format!("csrf={}", operator.csrf.as_deref().unwrap());
    let unsure = fill(central.port, operator, "/draws/1/close", &unsure).await;
    is_spanish(&unsure, 400, "Falta confirmar.");
    let close = "why=corte+de+luz&sure=on";
    assert_eq!(filled(central, operator, "/draws/1/close", close).await.status, 303);
    let number = filled(central, operator, "/draws/1/number", "number=x").await;
    is_spanish(&number, 400, "Escriba el número con cifras.");
    let search = "/search?draw=1&by=number&value=7";
    let early = look(central.port, operator, search).await;
    is_spanish(&early, 403, "Hasta que el sorteo se publique, esto sólo puede hacerlo");
    let early = look(central.port, day.auditor(), search).await;
    is_spanish(&early, 409, "Antes del sorteo las apuestas se buscan sólo por documento.");
    day.close().await;
    let number = async |number: u32| {
        filled(central, operator, "/draws/1/number", &format!("number={number}")).await
    };
    is_spanish(&number(123_456).await, 400, "está fuera del rango");
    let entered = done(central, operator, "/draws/1/number", "number=1").await;
    is_spanish(&entered, 200, "Usted ingresó un número; falta otro operador");
    is_spanish(&number(1).await, 409, "operator ya ingresó el número");
}

#[tokio::test]
async fn what_operators_did_is_told_in_spanish() {
    let day = Day::with_bets().await;
    let (central, admin) = (&day.central, &day.admin);
    let added =
        filled(central, admin, "/operators", "name=eva&role=operator&password=una+clave+larga");
    is_spanish(&added.await, 200, "Operador agregado.");
    for change in ["disable", "enable"] {
        let changed =
            filled(central, admin, &format!("/operators/eva/{change}"), "why=prueba").await;
        is_spanish(&changed, 200, "Hecho.");
    }
    let password = json!({ "password": "otra clave larga" });
    let path = "/api/v1/operators/eva/password";
    assert_eq!(ask(central.port, admin, "PUT", path, Some(&password)).await.status, 204);
    let token = json!({ "label": "hall", "role": "viewer", "days": 9 });
    assert_eq!(central.post(admin, "/api/v1/tokens", &token).await.status, 201);
    assert_eq!(ask(central.port, admin, "DELETE", "/api/v1/tokens/1", None).await.status, 204);
    let search = "/search?draw=1&by=document&value=30904465";
    let found = look(central.port, day.auditor(), search).await;
    is_spanish(&found, 200, "Santiago Lorca");
    assert!(found.body.contains("<td>1-1-0-0</td>"), "{}", found.body);
    day.close().await;
    day.draw().await;
    let bets = central.get(day.auditor(), "/api/v1/draws/1/bets.csv").await;
    assert_eq!(bets.status, 200);
    let leaves = central.logged_in("viewer").await;
    assert_eq!(filled(central, &leaves, "/logout", "").await.status, 303);
    let audit_log = look(central.port, admin, "/audit").await;
    for says in [
        "ingresó",
        "agregó a eva como operador",
        "deshabilitó a eva",
        "habilitó a eva",
        "cambió la contraseña de eva",
        "se dio un token de observador, 9 días: «hall»",
        "revocó el token 1",
        "buscó apuestas del sorteo 1, documento 30904465",
        "exportó las apuestas del sorteo 1",
        "salió",
        "la central",
        "abrió el sorteo 1",
    ] {
        is_spanish(&audit_log, 200, says);
    }
    let record = central.get(admin, "/api/v1/audit").await.json();
    let mut record = record["items"].as_array().unwrap().iter();
    let added = record.find(|it| it["action"] == "operator-added").unwrap();
    assert_eq!(added["arguments"], json!({ "name": "eva", "role": "operator" }));
    assert_eq!(central.log_in("admin", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn what_takes_too_long_is_said_in_spanish() {
    let request_time_max = Duration::from_millis(300);
    let limits = HttpLimits { request_time_max, ..HttpLimits::default() };
    let central = Running::start_with(limits).await;
    let late = b"POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: text/html\r\n\
                 Content-Length: 9\r\n\r\nname=";
    is_spanish(&send(central.port, late).await, 408, "El pedido tardó demasiado.");
}

#[tokio::test]
async fn one_draw_more_than_may_wait_is_refused_with_what_to_do() {
    let day = Day::with_bets().await;
    let (central, operator) = (&day.central, day.operator());
    // One minute ahead; one draw is open already.
    let closes_at = "2024-08-21T22:12:15Z";
    for name in 2..=256 {
        let draw = json!({ "name": name.to_string(), "closes_at": closes_at });
        day.post("/api/v1/draws", &draw).await;
    }
    let refused = central.post(operator, "/api/v1/draws", &json!({ "name": "otra" })).await;
    refused.is_problem(409, "limit-reached");
    assert!(refused.body.contains("256 draws have not been made yet"), "{refused:?}");
    let form = "name=otra&agencies=1-2&number_min=0&number_max=9";
    let refused = filled(central, operator, "/draws", form).await;
    is_spanish(&refused, 409, "Ya hay 256 sorteos sin hacer, y no puede haber más;");

    // A draw that was never opened expires too.
    central.clock.advance(24 * 60 * 60 * 1000);
    let page = look(central.port, operator, "/draws/256").await;
    is_spanish(&page, 200, "No se abrió a tiempo y ya no se puede abrir.");
    let closed = done(central, operator, "/draws/256/close", "why=nadie+la+abrió").await;
    is_spanish(&closed, 200, "nadie la abrió");
    let number = "number=1&allow_empty=yes";
    for who in [operator, &day.admin] {
        assert_eq!(done(central, who, "/draws/256/number", number).await.status, 200);
    }
    day.post("/api/v1/draws", &json!({ "name": "otra" })).await;
}
