//! Draws repeated on other days, and the list by day.

use serde_json::json;

use crate::client::{As, ask, fill, look};
use crate::draw_pages::are_in_order;
use crate::languages::{done, filled};
use crate::setting::Running;

/// Announces two draws on 10 January 2030, a Thursday.
async fn thursday(central: &Running, who: &As) {
    for (name, closes_at) in [("nocturna 10/01", "21:00"), ("matutina", "14:00")] {
        let times = format!("opens_at=2030-01-10T08:00&closes_at=2030-01-10T{closes_at}");
        let fields = format!("name={name}&agencies=1-2&number_min=0&number_max=99&{times}");
        done(central, who, "/draws", &fields).await;
    }
}

const FRIDAY_AND_SATURDAY: &str = "day=2030-01-10&first=2030-01-11&last=2030-01-12";

#[tokio::test]
async fn draws_of_a_day_are_repeated_on_other_days_after_a_preview() {
    let central = Running::start().await;
    let who = central.logged_in("operator").await;
    thursday(&central, &who).await;
    let path = format!("/draws/repeat?{FRIDAY_AND_SATURDAY}");
    let preview = look(central.port, &who, &path).await.body;
    let expected = [
        "viernes 11/01/2030",
        "name=\"tick-2-2030-01-11\" value=\"0\" checked> matutina 11/01<",
        ">08:00:00 UTC-3<",
        ">14:00:00 UTC-3<",
        "> nocturna 11/01<",
        "sábado 12/01/2030",
        "> matutina 12/01<",
        "name=\"tick-1-2030-01-12\" value=\"0\" checked> nocturna 12/01<",
    ];
    are_in_order(&preview, &expected);
    let count = async || {
        let draws = central.get(&who, "/api/v1/draws").await.json();
        draws["items"].as_array().unwrap().clone()
    };
    assert_eq!(count().await.len(), 2, "a preview announces nothing");

    let ticks = "tick-2-2030-01-11=0&tick-1-2030-01-11=0&tick-1-2030-01-12=0";
    let fields = format!("{FRIDAY_AND_SATURDAY}&{ticks}");
    let list = done(&central, &who, "/draws/repeat", &fields).await.body;
    let days = [
        "Sorteos programados.",
        "Programados: jueves 10/01/2030 <a href=\"/draws/repeat?day=2030-01-10\"",
        "Programados: viernes 11/01/2030",
        ">matutina 11/01</a>",
        ">nocturna 11/01</a>",
        "Programados: sábado 12/01/2030",
        ">nocturna 12/01</a>",
    ];
    are_in_order(&list, &days);
    assert!(!list.contains("matutina 12/01"), "it was not ticked: {list}");
    let friday = count().await.into_iter().find(|it| it["name"] == "nocturna 11/01").unwrap();
    assert_eq!(friday["opens_at"], "2030-01-11T11:00:00.000Z");
    assert_eq!(friday["closes_at"], "2030-01-12T00:00:00.000Z");
    assert_eq!(friday["numbers"], json!({ "min": 0, "max": 99 }));
    assert_eq!(friday["history"][0]["by"], "operator");
    let again = look(central.port, &who, &path).await.body;
    are_in_order(
        &again,
        &["/draws/3\">matutina 11/01</a>", "Ya está programado.", "\"0\" checked"],
    );
    assert_eq!(again.matches("\"0\" checked").count(), 1, "{again}");
}

#[tokio::test]
async fn each_draw_that_is_not_repeated_says_why_and_the_others_are() {
    let central = Running::start().await;
    let who = central.logged_in("operator").await;
    thursday(&central, &who).await;
    let alike = "name=matutina+1l/01&agencies=1&number_min=0&number_max=9";
    done(&central, &who, "/draws", alike).await;
    let edit = "name=nocturna+10/01&agencies=1&number_min=0&number_max=9&why=error";
    done(&central, &who, "/draws/1/edit", edit).await;
    let times = "opens_at=2030-01-10T08:00&closes_at=2030-01-10T21:00";
    done(&central, &who, "/draws/1/edit", &format!("{edit}&{times}")).await;
    let ticks = "tick-2-2030-01-11=0&tick-2-2030-01-12=0&tick-1-2030-01-12=0";
    let fields = format!("{FRIDAY_AND_SATURDAY}&{ticks}");
    let page = filled(&central, &who, "/draws/repeat", &fields).await;
    assert_eq!(page.status, 409, "{page:?}");
    let said = [
        "Algunos sorteos no se programaron",
        "scope=\"rowgroup\">viernes 11/01/2030",
        "value=\"0\" checked> matutina 11/01<",
        "se confunde con el del sorteo 3",
        "value=\"2\"> nocturna 11/01<",
        "scope=\"rowgroup\">sábado 12/01/2030",
        "matutina 12/01</a>",
        "Ya está programado.",
        "value=\"2\" checked> nocturna 12/01<",
        "El sorteo que se repite cambió",
    ];
    are_in_order(&page.body, &said);

    let without = filled(&central, &who, "/draws/repeat", FRIDAY_AND_SATURDAY).await;
    assert!(without.status == 400 && without.body.contains("Marque al menos un sorteo."));
    for (days, error) in [
        ("day=2030-01-10&first=2030-01-11&last=2030-02-16", "Hasta 31 días y 200 sorteos por vez."),
        ("day=2030-01-10&first=2030-01-11&last=9999-12-31", "Hasta 31 días y 200 sorteos por vez."),
        (
            "day=2030-01-10&first=2030-01-11&last=2030-01-10",
            "El último día es anterior al primero.",
        ),
        (
            "day=2030-01-10&first=2030-01-11&last=2030-01-12&weekday=chosen",
            "Elija al menos un día de la semana.",
        ),
        ("day=2030-01-10&first=x&last=2030-01-10", "Elija una fecha."),
    ] {
        let page = look(central.port, &who, &format!("/draws/repeat?{days}")).await.body;
        assert!(page.contains(error), "{days}: {page}");
        let page = filled(&central, &who, "/draws/repeat", days).await;
        assert!(page.status == 400 && page.body.contains(error), "{days}: {page:?}");
    }
    let gone = format!("{FRIDAY_AND_SATURDAY}&tick-1-2030-01-11=2&tick-9-2030-01-11=0");
    let page = filled(&central, &who, "/draws/repeat", &gone).await;
    assert!(page.status == 400 && page.body.contains("ya no es de ese día"), "{page:?}");
    let own =
        look(central.port, &who, "/draws/repeat?day=2030-01-10&first=2030-01-10&last=2030-01-10");
    assert!(!own.await.body.contains("tick-1"), "a draw is not repeated on its own day");
    // What is over, or has no draws, is not announced.
    let past =
        look(central.port, &who, "/draws/repeat?day=2030-01-10&first=2001-01-01&last=2001-01-01");
    are_in_order(&past.await.body, &["Su hora ya pasó.", "No hay nada que programar"]);
}

#[tokio::test]
async fn draws_are_repeated_on_the_weekdays_that_are_chosen() {
    let central = Running::start().await;
    let who = central.logged_in("operator").await;
    thursday(&central, &who).await;
    let week = "day=2030-01-10&first=2030-01-11&last=2030-01-17";
    let page =
        async |query: &str| look(central.port, &who, &format!("/draws/repeat?{query}")).await.body;
    let days = |page: &str| {
        let days = page.split("scope=\"rowgroup\">").skip(1);
        days.map(|day| day.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let is_ticked = |page: &str, weekday: u32| {
        page.contains(&format!("type=\"checkbox\" name=\"weekday-{weekday}\" value=\"1\" checked>"))
    };
    let usual = page(week).await;
    assert_eq!(days(&usual), ["viernes", "sábado", "lunes", "martes", "miércoles", "jueves"]);
    assert!((1..=6).all(|weekday| is_ticked(&usual, weekday)) && !is_ticked(&usual, 7), "{usual}");
    let chosen = page(&format!("{week}&weekday=chosen&weekday-1=1&weekday-7=1")).await;
    assert_eq!(days(&chosen), ["domingo", "lunes"]);
    assert!(is_ticked(&chosen, 7) && !is_ticked(&chosen, 2), "{chosen}");
    // The form with the draws names the weekdays as well.
    let hidden = "<input type=\"hidden\" name=\"weekday-7\" value=\"1\">";
    assert!(chosen.contains(hidden) && !usual.contains(hidden), "{chosen}");

    // A lottery with a draw on a Sunday.
    let sunday = "name=domingo&agencies=1&number_min=0&number_max=9&closes_at=2030-01-13T21:00";
    done(&central, &who, "/draws", sunday).await;
    let usual = page(week).await;
    assert!(is_ticked(&usual, 7), "{usual}");
    assert_eq!(days(&usual).len(), 7);
}

#[tokio::test]
async fn draws_stay_unticked_when_the_session_ends_before_they_are_announced() {
    let central = Running::start().await;
    let who = central.logged_in("operator").await;
    thursday(&central, &who).await;
    ask(central.port, &who, "DELETE", "/api/v1/session", None).await;
    let week = "day=2030-01-10&first=2030-01-13&last=2030-01-14&weekday=chosen&weekday-7=1";
    let more = format!("Referer: http://localhost:{}/draws/repeat?{week}\r\n", central.port);
    let sender = As { more, ..who.clone() };
    let ticks = "tick-1-2030-01-13=0";
    let asked =
        fill(central.port, &sender, "/draws/repeat", &format!("csrf=0&{week}&{ticks}")).await;
    assert_eq!(asked.status, 401, "{asked:?}");
    let back = asked.body.split("name=\"back\" value=\"").nth(1).unwrap().split('"').next();
    let back = back.unwrap().replace("&#38;", "&");
    let who = central.logged_in("operator").await;
    let page = look(central.port, &who, &back).await.body;
    let rows = [
        "name=\"tick-2-2030-01-13\" value=\"0\"> matutina 13/01<",
        "name=\"tick-1-2030-01-13\" value=\"0\" checked> nocturna 13/01<",
    ];
    are_in_order(&page, &rows);
    assert!(!page.contains("lunes 14/01"), "{page}");
}
