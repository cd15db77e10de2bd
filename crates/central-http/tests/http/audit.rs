//! The audit log: filters, pages and files; failed log-ins.

use std::sync::mpsc;

use lottery::{Act, Actor, AuditedAction, Label, Reason, RecordedAct, always_allowed};
use serde_json::json;

use crate::client::look;
use crate::draws::Day;
use crate::setting::Running;

/// Returns the actions of the entries on one page.
async fn actions(day: &Day, query: &str) -> Vec<String> {
    let path = format!("/api/v1/audit?limit=500{query}");
    let page = day.central.get(day.auditor(), &path).await.json();
    let entries = page["items"].as_array().unwrap().iter();
    entries.map(|it| it["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_audit_log_is_filtered_by_person_kind_draw_and_time() {
    let day = Day::with_bets().await;
    day.central.clock.advance(1_000);
    day.post("/api/v1/draws", &json!({ "name": "matutina" })).await;
    let since = day.central.get(day.auditor(), "/api/v1/draws/2").await.json();
    let since = since["announced_at"].as_str().unwrap().to_owned();
    day.central.clock.advance(1_000);
    day.close().await;
    let robot = day.robot().await;
    day.central.post(&robot, "/api/v1/draws/2/open", &json!({})).await.json();

    let of_draw_1 = ["bets-closed", "draw-closed", "draw-opened", "draw-announced"];
    assert_eq!(actions(&day, "&draw=1").await, of_draw_1);
    let oldest_first: Vec<_> = of_draw_1.into_iter().rev().collect();
    assert_eq!(actions(&day, "&draw=1&order=oldest").await, oldest_first);
    assert_eq!(actions(&day, "&draw=2").await, ["draw-opened", "draw-announced"]);
    assert_eq!(actions(&day, "&by=admin").await, ["draw-opened", "token-given", "logged-in"]);
    assert_eq!(actions(&day, "&by=auditor&action=logged-in").await, ["logged-in"]);
    assert_eq!(actions(&day, "&action=draw-opened").await.len(), 2);
    assert_eq!(actions(&day, &format!("&since={since}&by=operator")).await.len(), 2);
    let before = actions(&day, &format!("&until={since}&order=oldest")).await;
    assert_eq!((before.len(), &*before[0]), (8, "logged-in"));
    assert_eq!(actions(&day, "&by=nobody").await, [""; 0]);
    for wrong in ["action=closed", "by=", "since=yesterday", "order=up", "who=ana"] {
        let path = format!("/api/v1/audit?{wrong}");
        day.central.get(day.auditor(), &path).await.is_problem(400, "bad-request");
    }
}

#[tokio::test]
async fn draws_announced_by_one_token_at_one_moment_are_told_apart() {
    let day = Day::with_bets().await;
    let robot = day.robot().await;
    for name in ["matutina", "vespertina", "especial"] {
        day.central.post(&robot, "/api/v1/draws", &json!({ "name": name })).await;
    }
    for (draw, name) in [(2, "matutina"), (3, "vespertina"), (4, "especial")] {
        let path = format!("/api/v1/audit?draw={draw}");
        let page = day.central.get(day.auditor(), &path).await.json();
        let items = page["items"].as_array().unwrap();
        let names: Vec<_> = items.iter().map(|it| it["arguments"]["name"].as_str()).collect();
        assert_eq!(names, [Some(name)], "{page}");
    }
}

#[tokio::test]
async fn the_filtered_audit_log_is_a_file_too() {
    let day = Day::with_bets().await;
    day.close().await;
    let path = "/api/v1/audit.csv?by=operator&action=draw-closed";
    let csv = day.central.get(day.auditor(), path).await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let rows: Vec<_> = csv.body.lines().filter(|line| line.contains(',')).collect();
    assert_eq!(rows[0], "sequence,at,by,action,draw,arguments,why,operators");
    assert!(rows.len() == 2 && rows[1].contains("Z,operator,draw-closed,1,,prueba,5"), "{rows:?}");
    let all = day.central.get(day.auditor(), "/api/v1/audit.csv?order=oldest").await.body;
    assert!(all.contains("agency-registered,,\"agency 1, name \"\"La Suerte\"\", place"), "{all}");
}

/// Stores that these operators logged in, in order.
fn log_in_often(day: &Day, names: impl Iterator<Item = &'static str>) {
    for name in names {
        let (answer, answered) = mpsc::channel();
        let by = Actor::Operator(Label::new(name).unwrap());
        let act = Act::Audited(AuditedAction::LogIn);
        let recorded = RecordedAct::new(by, Reason::default(), act);
        day.central.store.act(recorded, always_allowed(), move |it| answer.send(it).unwrap());
        answered.recv().unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_page_of_the_audit_log_shows_the_newest_and_leads_to_the_others() {
    let day = Day::with_bets().await;
    log_in_often(&day, (0..150).map(|at| if at % 2 == 0 { "eva" } else { "ana" }));
    let page = async |path: &str| look(day.central.port, day.auditor(), path).await.body;
    let rows = |page: &str| page.matches("<td data-label=\"Quién\">").count();
    let newest = page("/audit").await;
    assert_eq!(rows(&newest), 100);
    let next = |page: &str| {
        let (_, rest) = page.split_once("href=\"/audit?").unwrap();
        format!("/audit?{}", rest.split('"').next().unwrap().replace("&#38;", "&"))
    };
    let older = page(&next(&newest)).await;
    assert!(older.contains("anunció el sorteo «nocturna»"), "{older}");
    assert_eq!(rows(&newest) + rows(&older), 150 + 8);

    let of_one = page("/audit?by=ana&action=logged-in&draw=&from=2024-08-21&to=2024-08-21").await;
    assert!(rows(&of_one) == 75 && !of_one.contains("<td data-label=\"Quién\">eva"), "{of_one}");
    let file = "/api/v1/audit.csv?by=ana&#38;action=logged-in&#38;since=2024-08-21T03%3A00%3A00";
    assert!(of_one.contains(file), "{of_one}");
    assert_eq!(rows(&page("/audit?from=2024-08-22").await), 0);
    assert_eq!(rows(&page("/audit?to=2024-08-20").await), 0);
    for (wrong, says) in [
        ("from=21/8", "El día se escribe"),
        ("draw=nocturna", "El sorteo se indica con su número."),
        ("action=x", "El tipo de movimiento no existe."),
        ("by=a%09b", "no es válido"),
    ] {
        let refused = page(&format!("/audit?{wrong}")).await;
        assert!(rows(&refused) == 0 && refused.contains(says), "{wrong}: {refused}");
    }
}

#[tokio::test]
async fn failed_log_ins_of_operators_are_on_record_and_unknown_names_are_not() {
    let central = Running::start().await;
    let auditor = central.logged_in("auditor").await;
    let failed = async || {
        let path = "/api/v1/audit?action=log-in-failed";
        let page = central.get(&auditor, path).await.json();
        page["items"].as_array().unwrap().clone()
    };
    let secret = "correct-horse-battery";
    for name in ["viewer", secret, "not a name"] {
        assert_eq!(central.log_in(name, "not the password").await.status, 401);
    }
    let record = failed().await;
    let arguments = json!({ "name": "viewer", "address": "127.0.0.1", "attempts": 1 });
    assert_eq!(record.len(), 1, "{record:?}");
    assert_eq!((&record[0]["by"], &record[0]["arguments"]), (&json!("somebody"), &arguments));
    let all = central.get(&auditor, "/api/v1/audit").await.body;
    assert!(!all.contains(secret) && !all.contains("not a name"), "{all}");
    let by_name = central.get(&auditor, "/api/v1/audit?by=viewer").await.json();
    assert_eq!(by_name["items"][0]["action"], "log-in-failed");
    let page = look(central.port, &auditor, "/audit?action=log-in-failed").await.body;
    assert!(page.contains("no pudo ingresar como viewer, desde 127.0.0.1"), "{page}");
    assert!(page.contains("<td data-label=\"Quién\">alguien"), "{page}");
}
