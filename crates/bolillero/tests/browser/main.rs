//! The console as operators use it, with a real browser, a real central and real agencies.
//!
//! Needs Debian's chromium and chromium-driver: `cargo xtask browser`. Leaves screenshots in
//! `target/browser/` and `target/screenshots/`.
#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

#[path = "../support/mod.rs"]
mod support;

mod accessibility;
mod console;
mod driver;
mod keyboard;
mod mistakes;
mod setting;
mod week;

use console::{Console, Look};
use rustix::process::Signal;
use serde_json::json;
use setting::{PASSWORD, Setting};
use support::{Central, agency, run_well, str};

/// Small batches, so that the agencies are seen while they send.
const SLOWLY: &[&str] = &["--batch-max-bets", "5", "--window", "1"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a browser: cargo xtask browser"]
#[expect(clippy::too_many_lines, reason = "a day is told in its order")]
async fn a_day_of_the_lottery_by_the_console() {
    let Setting { central, http, data, bets, folder: _folder } = Setting::start(2_000);
    let ana = Console::open(&http, "es-AR", Look::DESKTOP).await;

    // The first login fails, the second succeeds; the board says what to do.
    ana.log_in("ana", "no es esta clave").await;
    ana.sees("El nombre o la contraseña no son correctos.").await;
    ana.log_in("ana", PASSWORD).await;
    ana.sees("Todavía no hay ningún sorteo").await;
    ana.shoot("board-empty").await;

    // A draw is announced and opened.
    ana.go("/draws").await;
    ana.fill("name", "Quiniela nocturna").await;
    ana.fill("agencies", "1-5").await;
    ana.press("Anunciar").await;
    ana.sees("Abrir la venta").await;
    ana.press("Abrir").await;
    ana.sees("Sorteo abierto.").await;

    // Five agencies appear on the board without a reload.
    ana.go("/").await;
    let total = ana.text_of("#bets").await;
    assert_eq!(total, "0");
    let agencies: Vec<_> =
        (1..=5).map(|id| agency(id, &central.address, bets.file(id), SLOWLY)).collect();
    ana.sees("sin cifrar").await;
    ana.shoot("board-live").await;
    let phone = Console::open(&http, "es-AR", Look::PHONE).await;
    phone.log_in("ana", PASSWORD).await;
    phone.sees("Quiniela nocturna").await;
    phone.shoot("board-phone").await;
    assert!(phone.is_as_wide_as_the_window().await, "the page is wider than the phone");
    phone.close().await;
    let look_on = "window.row = document.querySelector('#agency-1 th'); \
                   document.querySelector('#live .scroll').focus()";
    ana.tells(look_on).await;
    ana.sees_change_of(".clock").await;
    let looks = "return [window.row.isConnected, document.activeElement.className]";
    assert_eq!(ana.tells(looks).await, json!([true, "scroll"]), "who looks on is disturbed");
    ana.waits_for("#finished", "5 / 5").await;
    assert_eq!(ana.text_of("#bets").await, grouped(bets.count()));
    ana.shoot("board-finished").await;

    // The draw is closed, with a confirmation; then two operators enter the number, neither seeing
    // the other's.
    ana.go("/draws/1").await;
    ana.press("Cerrar el sorteo").await;
    ana.sees("Cerrar la venta").await;
    ana.tick("sure").await;
    ana.press("Cerrar el sorteo").await;
    ana.sees("Ingresar el número del extracto").await;
    let eva = Console::open(&http, "en-US", Look::DESKTOP).await;
    eva.log_in("eva", PASSWORD).await;
    let wrong = if bets.winning_number == "1" { "2" } else { "1" };
    ana.enter_number(wrong).await;
    ana.sees("Usted ingresó un número; falta otro operador").await;
    eva.go("/draws/1").await;
    eva.sees("ana has entered the number").await;
    assert!(
        !eva.page().await.contains("value=\"1\""),
        "the number is shown to the second operator"
    );
    eva.enter_number(&bets.winning_number).await;
    eva.sees("entered different numbers").await;
    eva.shoot("numbers-differ-english").await;
    // The page of the one who waits follows.
    ana.sees("ingresaron números distintos").await;
    eva.enter_number(&bets.winning_number).await;
    eva.sees("You entered a number; another operator is missing").await;
    ana.go("/draws/1").await;
    ana.enter_number(&bets.winning_number).await;
    ana.sees("Los dos números coinciden: el sorteo está hecho.").await;
    eva.sees("Publish the winners").await;

    // The winners are viewed, published, and sent to the agencies.
    for id in 1..=5 {
        for document in bets.winners(id) {
            ana.sees(&document).await;
        }
    }
    ana.shoot("winners").await;
    ana.tick("sure").await;
    ana.press("Publicar").await;
    ana.sees("Ganadores publicados.").await;
    for (id, agency) in (1..).zip(agencies) {
        bets.are_printed_by(id, &agency.ended());
    }
    let csv = ana.download("CSV").await;
    assert_eq!(csv.lines().count(), bets.count() + 1, "a header and every bet");
    ana.go("/draws/1/acta").await;
    ana.sees("Acta del sorteo").await;
    ana.shoot("record").await;
    assert_eq!(ana.sheets("record").await, 1, "the record of five agencies is on one sheet");

    // The audit log, in both languages.
    ana.go("/audit").await;
    ana.sees("publicó el sorteo 1").await;
    ana.sees("eva").await;
    ana.follow("English").await;
    ana.sees("published draw 1").await;
    ana.shoot("audit-english").await;
    ana.press("Log out").await;
    ana.sees("Console of the lottery central.").await;
    ana.close().await;
    eva.close().await;
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let audit = run_well(&["audit", "--data", str(&data)]);
    assert!(audit.contains("eva: entered a number of draw 1"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a browser: cargo xtask browser"]
async fn a_board_that_hears_nothing_says_since_when_until_it_hears_again() {
    let Setting { central, http, folder: _folder, .. } = Setting::start(5);
    let ana = Console::open(&http, "es-AR", Look::DESKTOP).await;
    ana.log_in("ana", PASSWORD).await;
    ana.go("/draws").await;
    ana.fill("name", "Quiniela nocturna").await;
    ana.fill("agencies", "1-5").await;
    ana.press("Anunciar").await;
    ana.sees("Abrir la venta").await;
    ana.go("/").await;
    ana.sees_change_of(".clock").await;
    // The connection stays open, but nothing arrives on it.
    central.process.signal(Signal::STOP);
    ana.sees("lo que se ve no se actualiza desde las").await;
    assert_eq!(ana.text_of("#stale time").await, ana.text_of(".clock").await);
    ana.shoot("board-stale").await;
    central.process.signal(Signal::CONT);
    ana.sees_change_of(".clock").await;
    assert_eq!(ana.tells("return document.getElementById('stale').hidden").await, json!(true));
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a browser: cargo xtask browser"]
async fn a_restart_ends_sessions_which_boards_say_and_wall_screens_go_on() {
    let Setting { central, http, data, folder: _folder, .. } = Setting::start(5);
    let ana = Console::open(&http, "es-AR", Look::DESKTOP).await;
    ana.log_in("ana", PASSWORD).await;
    ana.sees("Todavía no hay ningún sorteo").await;
    let draw = json!({ "name": "Nocturna", "agencies": [{ "first": 1, "last": 5 }] });
    ana.api("POST", "/draws", &draw).await;
    ana.api("POST", "/draws/1/open", &json!({})).await;

    // A token is created on the page of the account, and opens the board on a wall screen.
    ana.follow("ana administrador").await;
    ana.fill("label", "salón").await;
    ana.press("Crear").await;
    ana.sees("Cópielo ahora").await;
    ana.shoot("account").await;
    let token = ana.text_of("#secret").await;
    let wall = Console::open(&http, "es-AR", Look::DESKTOP).await;
    wall.tells("document.querySelector('details').open = true").await;
    wall.fill("token", &token).await;
    wall.press("Mostrar el tablero").await;
    wall.sees("salón").await;
    wall.waits_for("h2", "Nocturna").await;

    // While the central is away both boards say so on top, and what they show is greyed.
    ana.go("/").await;
    ana.sees_change_of(".clock").await;
    assert_eq!(central.process.terminate().code, Some(0));
    let is_grey = "return getComputedStyle(document.getElementById('live')).filter";
    for board in [&ana, &wall] {
        board.sees("Sin datos de la central").await;
        assert_eq!(board.tells(is_grey).await, json!("grayscale(1)"));
    }
    ana.shoot("board-away").await;

    // The session has ended with the restart; the wall screen recovers by itself.
    let reached = ["--http", &http, "--http-origin", &format!("http://{http}")];
    let central = Central::start(&data, "127.0.0.1:0", &reached);
    ana.sees("Su sesión terminó").await;
    assert_eq!(ana.tells("return document.getElementById('stale').hidden").await, json!(true));
    ana.shoot("board-ended").await;
    wall.sees_change_of(".clock").await;
    assert_eq!(wall.tells(is_grey).await, json!("none"));
    wall.shoot("board-wall").await;
    ana.follow("Ingresar de nuevo").await;
    ana.sees("Consola de la central de lotería.").await;
    ana.close().await;
    wall.close().await;
    assert_eq!(central.process.terminate().code, Some(0));
}

/// Formats a number as in Argentina.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    if head.is_empty() { tail.to_owned() } else { format!("{head}.{tail}") }
}
