//! Accessibility of every page: axe-core finds no violation of WCAG 2.2 AA, in both languages,
//! light and dark, on a desktop and a phone; and no page is wider than a phone. Leaves a picture of
//! each in `target/screenshots/`.

use serde_json::json;

use crate::console::{Console, Look};
use crate::setting::{PASSWORD, Setting};
use crate::support::{Process, agency};

/// Pages checked while there is no draw.
const EMPTY: &[&str] =
    &["/", "/start", "/draws", "/draws/repeat", "/agencies", "/search", "/audit", "/account"];

/// Pages checked once there is a draw in each state; the first one is published.
const FULL: &[&str] = &[
    "/",
    "/?draw=1",
    "/?draw=3",
    "/start",
    "/draws",
    "/draws/repeat?day=2030-11-24&first=2030-11-23&last=2030-11-26",
    "/draws/1",
    "/draws/2",
    "/draws/3",
    "/draws/4",
    "/draws/5",
    "/draws/6",
    "/draws/2?step=void",
    "/draws/4?step=edit",
    "/draws/6?step=correct",
    "/draws/1/winners",
    "/draws/1/winners/1",
    "/draws/2/winners/9",
    "/draws/1/acta",
    "/draws/5/acta",
    "/agencies",
    "/agencies?agency=1",
    "/search?draw=1&by=number&value=",
    "/search?draw=1&by=document&value=0",
    "/search?draw=1&by=number&value=x",
    "/audit",
    "/operators",
    "/account",
    "/nothing",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a browser: cargo xtask browser"]
async fn every_page_is_accessible() {
    let setting = Setting::start(2_000);
    let axe = std::env::var_os("AXE").expect("cargo xtask browser says where axe-core is");
    let axe = std::fs::read_to_string(axe).unwrap();
    let console = Console::open(&setting.http, "es-AR", Look::DESKTOP).await;
    let mut found = looked_at(&console, &axe, "entrance", &["/login"]).await;
    console.go("/login").await;
    console.log_in("ana", PASSWORD).await;
    console.sees("Todavía no hay ningún sorteo").await;
    found.extend(looked_at(&console, &axe, "empty", EMPTY).await);
    let _connected = make_draws(&console, &setting).await;
    let winning = &setting.bets.winning_number;
    let full = FULL.iter().map(|path| match path.strip_suffix("value=") {
        Some(path) => format!("{path}value={winning}"),
        None => (*path).to_owned(),
    });
    let full: Vec<_> = full.collect();
    let full: Vec<_> = full.iter().map(String::as_str).collect();
    found.extend(looked_at(&console, &axe, "full", &full).await);
    console.close().await;
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

/// Returns the violations found on these pages.
async fn looked_at(console: &Console, axe: &str, group: &str, paths: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for language in ["en", "es"] {
        console.go(&format!("/language/{language}")).await;
        for path in paths {
            console.go(path).await;
            console.load(axe).await;
            for look in Look::ALL {
                console.appear(look).await;
                let place = format!("{language} {} {path}", look.name);
                let violations = console.violations().await;
                found.extend(violations.into_iter().map(|it| format!("{place}: {it}")));
                if !console.is_as_wide_as_the_window().await {
                    found.push(format!("{place}: wider than the window"));
                }
                let page = path.split(['/', '?', '=', '&']).collect::<Vec<_>>().join("-");
                let picture = format!("screenshots/{language}/{}/{group}{page}", look.name);
                console.shoot_as(&picture).await;
            }
        }
    }
    console.appear(Look::DESKTOP).await;
    found
}

/// Makes a draw in each state by the API; returns the agencies that are connected then.
async fn make_draws(console: &Console, setting: &Setting) -> Vec<Process> {
    for (number, name, place) in [
        (1, "La Suerte", "Rosario"),
        (2, "El Trébol de la Avenida San Martín", "Villa Carlos Paz"),
        (3, "La Herradura", "Goya"),
        (4, "Don Ernesto", "Salta"),
        (5, "El Gato Negro", "Ushuaia"),
    ] {
        let place = json!({ "name": name, "place": place });
        console.api("PUT", &format!("/agencies/{number}"), &place).await;
    }
    console.api("POST", "/agencies/2/disable", &json!({ "why": "prueba" })).await;
    console.api("POST", "/agencies/2/enable", &json!({})).await;
    let announce = async |name: &str, closes_at: &str| {
        let agencies = json!([{ "first": 1, "last": 5 }]);
        let closes_at = format!("2030-11-{closes_at}:00-03:00");
        let draw = json!({ "name": name, "agencies": agencies, "closes_at": closes_at });
        console.api("POST", "/draws", &draw).await;
    };
    let step = async |draw: u32, step: &str| {
        let path = format!("/draws/{draw}/{step}");
        console.api("POST", &path, &json!({ "why": "prueba" })).await;
    };
    let bet = async |draw: u32, name: &str, agencies: u32| {
        let address = &setting.central.address;
        let bets = |id| agency(id, address, setting.bets.file(id), &["--draw", name]);
        let agencies: Vec<_> = (1..=agencies).map(bets).collect();
        let path = format!("/draws/{draw}");
        let finished = json!(agencies.len());
        while console.api("GET", &path, &json!(null)).await["agencies_finished"] != finished {}
        agencies
    };
    announce("Nocturna 24/11", "24T21:00").await;
    step(1, "open").await;
    let agencies = bet(1, "Nocturna 24/11", 5).await;
    step(1, "close").await;
    announce("Matutina 24/11", "24T14:00").await;
    announce("Vespertina 24/11", "24T17:30").await;
    step(3, "open").await;
    let betting = bet(3, "Vespertina 24/11", 3).await;
    announce("Previa 25/11", "25T10:15").await;
    announce("Primera 24/11", "24T11:30").await;
    announce("Turista 24/11", "24T19:15").await;
    for draw in [2, 5, 6] {
        step(draw, "open").await;
        step(draw, "close").await;
    }
    let winning: u32 = setting.bets.winning_number.parse().unwrap();
    for name in ["eva", "ana"] {
        let login = json!({ "name": name, "password": PASSWORD });
        console.api("POST", "/session", &login).await;
        for draw in [1, 2] {
            let path = format!("/draws/{draw}/number");
            let entry = json!({ "number": winning, "allow_empty": true });
            console.api("POST", &path, &entry).await;
        }
    }
    let entry = json!({ "number": 7, "allow_empty": true });
    console.api("POST", "/draws/6/number", &entry).await;
    step(2, "void").await;
    step(1, "publish").await;
    agencies.into_iter().for_each(|it| assert_eq!(it.ended().code, Some(0)));
    betting
}
