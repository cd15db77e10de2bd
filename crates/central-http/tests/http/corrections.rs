//! What mends mistakes, over the API: draws edited and cancelled, agencies reopened, entries
//! corrected, results voided.

use serde_json::{Value, json};

use crate::client::{As, ask};
use crate::draws::{Day, WINNING_NUMBER};

impl Day {
    async fn patch(&self, draw: u32, changes: &Value) -> crate::client::Answer {
        let path = format!("/api/v1/draws/{draw}");
        ask(self.central.port, self.operator(), "PATCH", &path, Some(changes)).await
    }

    async fn correct(&self, who: &As, number: u32) -> crate::client::Answer {
        let body = json!({ "number": number });
        ask(self.central.port, who, "PUT", "/api/v1/draws/1/number", Some(&body)).await
    }

    async fn void(&self, who: &As, why: &str) -> crate::client::Answer {
        self.central.post(who, "/api/v1/draws/1/void", &json!({ "why": why })).await
    }
}

#[tokio::test]
async fn an_announced_draw_is_edited_in_part_and_cancelled() {
    let day = Day::with_bets().await;
    let new = json!({
        "name": "mañna", "numbers": { "min": 0, "max": 99 },
        "agencies": [{ "first": 1, "last": 2 }], "closes_at": "2030-01-01T00:00:00Z",
    });
    day.post("/api/v1/draws", &new).await;
    day.patch(2, &json!({ "why": "" })).await.is_problem(409, "reason-needed");
    day.patch(2, &json!({ "why": "error", "name": " " })).await.is_problem(400, "bad-request");
    day.patch(2, &json!({ "name": "mañana" })).await.is_problem(400, "bad-request");
    let edited = day.patch(2, &json!({ "why": "error", "name": "mañana" })).await.json();
    assert_eq!((&edited["name"], &edited["numbers"]["max"]), (&json!("mañana"), &json!(99)));
    assert_eq!(edited["closes_at"], "2030-01-01T00:00:00.000Z");
    let times = json!({
        "why": "error", "closes_at": null, "opens_at": "2029-01-01T00:00:00Z",
        "agencies": [{ "first": 1, "last": 3 }], "numbers": { "min": 1, "max": 9 },
    });
    let edited = day.patch(2, &times).await.json();
    assert_eq!(edited["closes_at"], Value::Null);
    assert_eq!(edited["opens_at"], "2029-01-01T00:00:00.000Z");
    assert_eq!((&edited["agencies_registered"], &edited["numbers"]["min"]), (&json!(3), &json!(1)));
    let why = json!({ "why": "feriado" });
    let cancelled = day.post("/api/v1/draws/2/cancel", &why).await;
    assert_eq!(cancelled["state"], "cancelled");
    let steps: Vec<_> = cancelled["history"].as_array().unwrap().iter().collect();
    let steps: Vec<_> = steps.iter().map(|it| (&it["step"], &it["by"], &it["why"])).collect();
    let by = json!("operator");
    let [announced, edited, gone] = ["announced", "edited", "cancelled"].map(|it| json!(it));
    let (none, error, feriado) = (json!(""), json!("error"), json!("feriado"));
    let edit = (&edited, &by, &error);
    assert_eq!(steps, [(&announced, &by, &none), edit, edit, (&gone, &by, &feriado)]);
    day.patch(2, &json!({ "why": "x", "name": "y" })).await.is_problem(409, "conflict");
    let late = day.central.post(day.operator(), "/api/v1/draws/1/cancel", &why).await;
    late.is_problem(409, "conflict");
}

#[tokio::test]
async fn an_agency_that_finished_is_reopened_with_a_reason() {
    let day = Day::with_bets().await;
    let path = "/api/v1/draws/1/agencies/1/reopen";
    let reopen =
        async |why: &str| day.central.post(day.operator(), path, &json!({ "why": why })).await;
    reopen("error").await.is_problem(409, "conflict");
    day.finish(1);
    reopen("").await.is_problem(409, "reason-needed");
    let draw = reopen("error").await.json();
    assert_eq!(draw["agencies_finished"], 0);
    let last = draw["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["step"], &last["agency"]), (&json!("agency-reopened"), &json!(1)));
}

#[tokio::test]
async fn one_s_own_entry_is_corrected_in_a_session() {
    let day = Day::with_bets().await;
    day.close().await;
    day.correct(day.operator(), 7).await.is_problem(409, "conflict");
    let wrong = json!({ "number": 1 });
    day.post("/api/v1/draws/1/number", &wrong).await;
    day.correct(&day.admin, 7).await.is_problem(409, "conflict");
    day.correct(day.operator(), 10_000).await.is_problem(400, "bad-request");
    let outcome = async |number| day.correct(day.operator(), number).await.json()["outcome"].take();
    assert_eq!(outcome(1).await, "repeated");
    assert_eq!(outcome(WINNING_NUMBER).await, "awaited");
    let robot = day.robot().await;
    day.correct(&robot, 1).await.is_problem(403, "session-needed");
    let right = json!({ "number": WINNING_NUMBER });
    let agreed = day.central.post(&day.admin, "/api/v1/draws/1/number", &right).await.json();
    assert_eq!(agreed["outcome"], "agree");
}

#[tokio::test]
async fn a_result_is_voided_by_two_people_until_it_is_published() {
    let day = Day::with_bets().await;
    day.close().await;
    day.void(day.operator(), "error").await.is_problem(409, "conflict");
    day.draw().await;
    day.void(day.operator(), "").await.is_problem(409, "reason-needed");
    let robot = day.robot().await;
    day.void(&robot, "error").await.is_problem(403, "session-needed");
    assert_eq!(day.void(day.operator(), "error").await.json()["outcome"], "awaited");
    day.void(day.operator(), "error").await.is_problem(409, "entered-before");
    let draw = day.central.get(&day.admin, "/api/v1/draws/1").await.json();
    assert_eq!((&draw["void_by"], &draw["attempt"]), (&json!("operator"), &json!(1)));
    let publish = day.central.post(&day.admin, "/api/v1/draws/1/publish", &json!({})).await;
    publish.is_problem(409, "reason-needed");
    assert_eq!(day.void(&day.admin, "error").await.json()["outcome"], "voided");
    let draw = day.central.get(&day.admin, "/api/v1/draws/1").await.json();
    assert_eq!((&draw["void_by"], &draw["state"]), (&Value::Null, &json!("closed")));
    day.draw().await;
    let draw = day.post("/api/v1/draws/1/publish", &json!({})).await;
    assert_eq!(draw["attempt"], 2);
    day.void(&day.admin, "error").await.is_problem(409, "conflict");
}
