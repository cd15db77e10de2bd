//! Accounts: own passwords and tokens, disabling operators, and wall screens.

use serde_json::json;

use crate::client::{Answer, As, answer, fill, look, watched};
use crate::draws::Day;
use crate::languages::filled;
use crate::setting::{PASSWORD, Running};

/// Creates a token on the console and returns its secret.
async fn new_token(central: &Running, who: &As, role: &str) -> String {
    let fields = format!("label=hall&role={role}&days=1");
    let created = filled(central, who, "/account/tokens", &fields).await;
    assert_eq!(created.status, 200, "{created:?}");
    let (_, secret) = created.body.split_once("<code id=\"secret\">").expect("the secret");
    let page = look(central.port, who, "/account").await.body;
    let secret = secret.split('<').next().unwrap().to_owned();
    assert!(page.contains("hall") && !page.contains(&secret), "it is shown once: {page}");
    secret
}

async fn logged_in_by_token(central: &Running, token: &str) -> Answer {
    fill(central.port, &As::default(), "/login", &format!("token={token}")).await
}

fn is_sent_to_login(answer: &Answer) {
    let location = answer.header("location").unwrap_or_default();
    let is_page = answer.status == 401 && answer.body.contains("<h1>Ingresar</h1>");
    assert!(is_page || (answer.status == 303 && location.starts_with("/login")), "{answer:?}");
}

#[tokio::test]
async fn a_wall_screen_sees_the_board_and_nothing_else_until_its_token_ends() {
    let day = Day::with_bets().await;
    let central = &day.central;
    let token = new_token(central, &day.admin, "viewer").await;
    let begun = logged_in_by_token(central, &token).await;
    assert_eq!((begun.status, begun.header("location")), (303, Some("/")), "{begun:?}");
    let cookie = begun.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Max-Age=86400"), "{cookie}");
    let screen = As { cookie: cookie.split(';').next().map(str::to_owned), ..As::default() };
    let board = look(central.port, &screen, "/").await;
    assert_eq!(board.status, 200, "{board:?}");
    assert!(board.body.contains("<h2>nocturna</h2>") && board.body.contains("hall"), "{board:?}");
    for absent in ["<form", "csrf", "href=\"/draws", "href=\"/account", "<nav aria-label=\"Secc"] {
        assert!(!board.body.contains(absent), "{absent}: {board:?}");
    }
    for path in ["/draws", "/draws/1", "/agencies", "/account", "/operators", "/audit"] {
        is_sent_to_login(&look(central.port, &screen, path).await);
    }
    central.get(&screen, "/api/v1/draws").await.is_problem(401, "not-authenticated");
    is_sent_to_login(&fill(central.port, &screen, "/draws/1/close", "sure=yes&why=x").await);
    let mut watching = watched(central.port, &screen).await;
    let revoked = filled(central, &day.admin, "/account/tokens/1/revoke", "").await;
    assert!(revoked.body.contains("Token revocado."), "{revoked:?}");
    let rest = answer(&mut watching).await;
    assert!(rest.head.contains("event: over") || rest.body.contains("event: over"), "{rest:?}");
    is_sent_to_login(&look(central.port, &screen, "/").await);
    let audit_log = look(central.port, &day.admin, "/audit").await.body;
    assert!(audit_log.contains("admin con el token 1 «hall»"), "{audit_log}");
}

#[tokio::test]
async fn only_a_valid_token_of_a_viewer_makes_a_wall_screen() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let viewers = new_token(&central, &admin, "viewer").await;
    let admins = new_token(&central, &admin, "admin").await;
    for wrong in [&admins, &"0".repeat(64), "x"] {
        let refused = logged_in_by_token(&central, wrong).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (401, None), "{refused:?}");
        assert!(refused.body.contains("El token no sirve"), "{refused:?}");
    }
    // As a cookie it is worth nothing either.
    let name = admin.cookie.as_deref().unwrap().split('=').next().unwrap();
    let screen = |token| As { cookie: Some(format!("{name}={token}")), ..As::default() };
    is_sent_to_login(&look(central.port, &screen(&admins), "/").await);
    assert_eq!(look(central.port, &screen(&viewers), "/").await.status, 200);
    central.clock.advance(24 * 60 * 60 * 1000);
    is_sent_to_login(&look(central.port, &screen(&viewers), "/").await);
}

#[tokio::test]
async fn operators_change_their_own_password_and_see_what_their_role_may_do() {
    let central = Running::start().await;
    let who = central.logged_in("operator").await;
    let page = look(central.port, &who, "/account").await.body;
    for says in ["Conduce los sorteos", "No hay tokens. Cree uno", "value=\"operator\""] {
        assert!(page.contains(says), "'{says}' is not in: {page}");
    }
    assert!(!page.contains("value=\"admin\"") && !page.contains("value=\"auditor\""), "{page}");
    let old = PASSWORD.replace(' ', "+");
    let change = async |current: &str, again: &str| {
        let fields = format!("current={current}&password=otra+clave+larga&again={again}");
        filled(&central, &who, "/account/password", &fields).await
    };
    for (current, again, says) in [
        (&*old, "otra", "Las contraseñas nuevas no son iguales."),
        ("no+es+esta", "otra+clave+larga", "La contraseña actual no es correcta."),
    ] {
        let refused = change(current, again).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.body.contains(says), "{refused:?}");
        assert!(!refused.body.contains("otra clave"), "{refused:?}");
    }
    let changed = change(&old, "otra+clave+larga").await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert!(changed.body.contains("Contraseña cambiada"), "{changed:?}");
    assert!(changed.header("set-cookie").unwrap().ends_with("Max-Age=0"), "{changed:?}");
    is_sent_to_login(&look(central.port, &who, "/account").await);
    assert_eq!(central.log_in("operator", PASSWORD).await.status, 401);
    assert_eq!(central.log_in("operator", "otra clave larga").await.status, 200);
}

#[tokio::test]
async fn tokens_are_their_owners_to_see_and_revoke_and_an_admins() {
    let central = Running::start().await;
    let viewer = central.logged_in("viewer").await;
    let token = new_token(&central, &viewer, "viewer").await;
    let program = As { token: Some(token), ..As::default() };
    let other = central.logged_in("operator").await;
    assert!(!look(central.port, &other, "/account").await.body.contains("hall"));
    let revoke = "/account/tokens/1/revoke";
    assert_eq!(filled(&central, &other, revoke, "").await.status, 404);
    assert_eq!(central.get(&program, "/api/v1/session").await.status, 200);
    let above = filled(&central, &viewer, "/account/tokens", "label=x&role=admin&days=1").await;
    assert!(above.body.contains("Un token no puede más que «viewer»"), "{above:?}");
    let admin = central.logged_in("admin").await;
    assert!(
        look(central.port, &admin, "/account")
            .await
            .body
            .contains("<td data-label=\"De quién\">viewer</td>")
    );
    let revoked = filled(&central, &admin, revoke, "").await;
    assert!(revoked.body.contains("Ya no sirve"), "{revoked:?}");
    assert_eq!(central.get(&program, "/api/v1/session").await.status, 401);
}

#[tokio::test]
async fn disabling_an_operator_asks_and_takes_a_reason() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let path = "/operators/viewer/disable";
    let csrf = admin.csrf.as_deref().unwrap();
    for (fields, status, says) in [
        ("why=licencia", 400, "Falta confirmar."),
        ("sure=yes", 409, "Hay que decir el motivo."),
        ("sure=yes&why=%E2%A0%80", 400, "El motivo tiene un carácter que no se ve"),
        ("sure=yes&why=licencia", 200, "Hecho."),
    ] {
        assert_eq!(central.log_in("viewer", PASSWORD).await.status, 200, "{fields}");
        let answer = fill(central.port, &admin, path, &format!("csrf={csrf}&{fields}")).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(says), "{answer:?}");
    }
    assert_eq!(central.log_in("viewer", PASSWORD).await.status, 401);
    let audit_log = central.get(&admin, "/api/v1/audit").await.json();
    let mut entries = audit_log["items"].as_array().unwrap().iter();
    let disabled = entries.find(|it| it["action"] == "operator-disabled").unwrap();
    assert_eq!((&disabled["by"], &disabled["why"]), (&json!("admin"), &json!("licencia")));
}
