//! Two days of one draw by the console: the second is a repetition of the first, and the board
//! compares them.

use serde_json::{Value, json};

use crate::console::{Console, Look};
use crate::setting::{PASSWORD, Setting};
use crate::support::agency;

/// The days that are previewed, and whether their draw is ticked.
const ROWS: &str = "return [...document.querySelectorAll('main [name^=tick-]')].map(
    (it) => [it.name.slice(-10), it.checked])";

impl Setting {
    /// Opens a draw and sends it the bets of all agencies; the board shows them over time.
    async fn bet(&self, console: &Console, draw: u32, name: &str) {
        console.api("POST", &format!("/draws/{draw}/open"), &json!({})).await;
        let address = &self.central.address;
        let send = |id| agency(id, address, self.bets.file(id), &["--draw", name]);
        let agencies: Vec<_> = (1..=5).map(send).collect();
        console.go("/").await;
        console.waits_for("#finished", "5 / 5").await;
        console.sees("Apuestas por minuto de las agencias con más apuestas").await;
        agencies.into_iter().for_each(|it| drop(it.kill()));
    }
}

impl Console {
    /// Unticks a box of the page's forms.
    async fn untick(&self, name: &str) {
        self.tells(&format!("document.querySelector('main [name=\"{name}\"]').click()")).await;
    }
}

/// Returns what [`ROWS`] returns for these days of November 2030.
fn rows(days: &[(&str, bool)]) -> Value {
    days.iter().map(|(day, is_ticked)| json!([format!("2030-11-{day}"), is_ticked])).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a browser: cargo xtask browser"]
async fn a_repeated_draw_is_compared_with_that_of_the_day_before() {
    let setting = Setting::start(2_000);
    let axe = std::env::var_os("AXE").expect("cargo xtask browser says where axe-core is");
    let axe = std::fs::read_to_string(axe).unwrap();
    let ana = Console::open(&setting.http, "es-AR", Look::DESKTOP).await;
    ana.log_in("ana", PASSWORD).await;
    ana.sees("Todavía no hay ningún sorteo").await;
    let place =
        json!({ "name": "El Trébol de la Avenida San Martín", "place": "Villa Carlos Paz" });
    ana.api("PUT", "/agencies/2", &place).await;
    // A Saturday.
    let draw = json!({
        "name": "Nocturna 23/11",
        "agencies": [{ "first": 1, "last": 5 }],
        "closes_at": "2030-11-23T21:00:00-03:00",
    });
    ana.api("POST", "/draws", &draw).await;
    setting.bet(&ana, 1, "Nocturna 23/11").await;
    ana.api("POST", "/draws/1/close", &json!({ "why": "prueba" })).await;

    // Sunday is left out, and Tuesday; the day that is unticked stays so after the log-in.
    ana.go("/draws/repeat?day=2030-11-23&first=2030-11-24&last=2030-11-28").await;
    let all = [("25", true), ("26", true), ("27", true), ("28", true)];
    assert_eq!(ana.tells(ROWS).await, rows(&all));
    ana.untick("weekday-2").await;
    ana.press("Ver qué se programaría").await;
    ana.sees("jueves 28/11/2030").await;
    assert_eq!(ana.tells(ROWS).await, rows(&[("25", true), ("27", true), ("28", true)]));
    ana.untick("tick-1-2030-11-27").await;
    ana.ends_the_session().await;
    ana.press("Programar los marcados").await;
    ana.sees("Su sesión terminó.").await;
    ana.log_in("ana", PASSWORD).await;
    ana.sees("jueves 28/11/2030").await;
    assert_eq!(ana.tells(ROWS).await, rows(&[("25", true), ("27", false), ("28", true)]));
    ana.shoot("repeat-weekdays").await;
    ana.press("Programar los marcados").await;
    ana.sees("Sorteos programados.").await;
    let announced = ana.api("GET", "/draws", &Value::Null).await;
    let names: Vec<_> =
        announced["items"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["Nocturna 23/11", "Nocturna 25/11", "Nocturna 28/11"]);

    setting.bet(&ana, 2, "Nocturna 25/11").await;
    ana.sees("línea fina: Nocturna 23/11, máximo").await;
    let lines = "return document.querySelectorAll('.chart polyline').length";
    assert_eq!(ana.tells(lines).await, json!(2));
    let strips = "return [...document.querySelectorAll('.heat svg')].map(
        (it) => it.getAttribute('aria-label').startsWith('máximo '))";
    assert_eq!(ana.tells(strips).await, json!([true, true, true, true, true]));
    ana.load(&axe).await;
    for look in Look::ALL {
        ana.appear(look).await;
        assert_eq!(ana.violations().await, [""; 0], "{}", look.name);
        assert!(ana.is_as_wide_as_the_window().await, "{}", look.name);
        let into_view = "document.querySelector('.chart').scrollIntoView()";
        ana.tells(into_view).await;
        ana.shoot(&format!("board-two-days-{}", look.name)).await;
    }
    ana.close().await;
}
