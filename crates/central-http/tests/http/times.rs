//! Times are read and shown in the lottery's zone, and never guessed.

use serde_json::Value;

use crate::client::{As, look};
use crate::languages::filled;
use crate::setting::Running;

const ANNOUNCED: &str = "agencies=1&number_min=0&number_max=9";

async fn draws_of(central: &Running, who: &As) -> Value {
    central.get(who, "/api/v1/draws").await.json()["items"].clone()
}

#[tokio::test]
async fn a_time_is_typed_and_shown_in_the_lotterys_zone_and_told_to_programs_with_its_offset() {
    let central = Running::start().await;
    let operator = central.logged_in("operator").await;
    let form = look(central.port, &operator, "/draws").await;
    assert!(form.body.contains("America/Argentina/Buenos_Aires"), "{form:?}");
    let fields = format!("name=nocturna&{ANNOUNCED}&closes_at=2026-11-23T21:00");
    let announced = filled(&central, &operator, "/draws", &fields).await;
    assert_eq!(announced.status, 303, "{announced:?}");
    assert_eq!(draws_of(&central, &operator).await[0]["closes_at"], "2026-11-24T00:00:00.000Z");
    let page = look(central.port, &operator, "/draws/1").await.body;
    assert!(page.contains("23/11/2026 21:00:00 UTC-3"), "{page}");
    let list = look(central.port, &operator, "/draws").await.body;
    assert!(list.contains("lunes 23/11/2026") && list.contains(">21:00:00 UTC-3"), "{list}");
}

#[tokio::test]
async fn a_time_that_clocks_show_twice_is_asked_about_and_one_that_they_never_show_is_refused() {
    let central = Running::start_in("America/Santiago").await;
    let operator = central.logged_in("operator").await;
    let never = format!("name=a&{ANNOUNCED}&closes_at=2026-09-06T00:30");
    let refused = filled(&central, &operator, "/draws", &never).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("los relojes no marcan esa hora"), "{refused:?}");

    let twice = format!("name=a&{ANNOUNCED}&closes_at=2026-04-04T23:30");
    let asked = filled(&central, &operator, "/draws", &twice).await;
    assert_eq!(asked.status, 400);
    let options: Vec<_> = asked.body.split("<option value=\"").skip(1).collect();
    let [first, second] = options[..] else { panic!("two to choose from: {asked:?}") };
    assert!(first.contains("04/04/2026 23:30:00 UTC-3") && second.contains("UTC-4"), "{asked:?}");
    assert_eq!(draws_of(&central, &operator).await, Value::Array(vec![]), "nothing is guessed");
    // The server's clock is in 2024, so this time is in the future.
    let which = second.split('"').next().unwrap();
    let chosen = format!("{twice}&closes_at_which={which}");
    let announced = filled(&central, &operator, "/draws", &chosen).await;
    assert_eq!(announced.status, 303, "{announced:?}");
    assert_eq!(draws_of(&central, &operator).await[0]["closes_at"], "2026-04-05T03:30:00.000Z");
}
