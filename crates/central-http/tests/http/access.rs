//! Authorization: each path, requested without credentials and by each role.

use serde_json::{Value, json};

use crate::client::{As, ask, begun};
use crate::setting::{PASSWORD, Running};

const ROLES: [&str; 5] = ["viewer", "operator", "auditor", "admin", "standby"];

/// A request, and the status without credentials and for each of [`ROLES`].
type Row = (&'static str, &'static str, Option<Value>, [u16; 6]);

/// Returns the cases. An authorized request gets the status of its content, such as 404.
fn table() -> Vec<Row> {
    let any = [200; 6];
    let all = |status| [401, status, status, status, status, status];
    let people = |status| [401, status, status, status, status, 403];
    let runners = |status| [401, 403, status, 403, status, 403];
    let readers = |status| [401, 403, status, status, status, 403];
    let auditors = |status| [401, 403, 403, status, status, 403];
    let admins = |status| [401, 403, 403, 403, status, 403];
    let standbys = |status| [401, 403, 403, 403, 403, status];
    vec![
        ("GET", "/healthz", None, any),
        ("GET", "/readyz", None, any),
        ("GET", "/metrics", None, any),
        ("GET", "/api/v1/openapi.json", None, any),
        ("GET", "/api/v1/session", None, all(200)),
        ("GET", "/api/v1/draws", None, people(200)),
        ("POST", "/api/v1/draws", Some(json!({})), runners(400)),
        ("GET", "/api/v1/events", None, people(200)),
        ("GET", "/api/v1/events?draw=9", None, people(404)),
        ("GET", "/api/v1/draws/9", None, people(404)),
        ("PATCH", "/api/v1/draws/9", Some(json!({ "why": "x" })), runners(404)),
        ("POST", "/api/v1/draws/9/cancel", Some(json!({ "why": "x" })), runners(404)),
        ("POST", "/api/v1/draws/9/open", Some(json!({})), runners(404)),
        ("POST", "/api/v1/draws/9/agencies/1/reopen", Some(json!({ "why": "x" })), runners(404)),
        ("POST", "/api/v1/draws/9/close", Some(json!({})), runners(404)),
        ("POST", "/api/v1/draws/9/number", Some(json!({ "number": 1 })), runners(404)),
        ("PUT", "/api/v1/draws/9/number", Some(json!({ "number": 1 })), runners(404)),
        ("POST", "/api/v1/draws/9/void", Some(json!({ "why": "x" })), runners(404)),
        ("POST", "/api/v1/draws/9/publish", Some(json!({})), runners(404)),
        ("GET", "/api/v1/draws/9/agencies", None, people(404)),
        ("GET", "/api/v1/draws/9/winners", None, readers(404)),
        ("GET", "/api/v1/draws/9/winners.csv", None, readers(404)),
        ("GET", "/api/v1/draws/9/settlement", None, readers(404)),
        ("GET", "/api/v1/draws/9/bets", None, readers(404)),
        ("GET", "/api/v1/draws/9/bets.csv", None, readers(404)),
        ("GET", "/api/v1/draws/9/bets.parquet", None, readers(404)),
        ("GET", "/api/v1/agencies", None, people(200)),
        ("GET", "/api/v1/agencies/7", None, people(404)),
        ("PUT", "/api/v1/agencies/7", Some(json!({})), runners(400)),
        ("POST", "/api/v1/agencies/9/enable", Some(json!({})), runners(404)),
        ("POST", "/api/v1/agencies/9/disable", Some(json!({})), runners(404)),
        ("GET", "/api/v1/connections", None, people(200)),
        ("GET", "/api/v1/nodes", None, people(200)),
        ("GET", "/api/v1/audit", None, auditors(200)),
        ("GET", "/api/v1/audit.csv", None, auditors(200)),
        ("GET", "/api/v1/operators", None, admins(200)),
        ("POST", "/api/v1/operators", Some(json!({})), admins(400)),
        ("GET", "/api/v1/operators/nobody", None, admins(404)),
        ("POST", "/api/v1/operators/nobody/disable", Some(json!({ "why": "x" })), admins(404)),
        ("POST", "/api/v1/operators/nobody/enable", None, admins(404)),
        (
            "PUT",
            "/api/v1/operators/nobody/password",
            Some(json!({ "password": "another long one" })),
            admins(404),
        ),
        ("GET", "/api/v1/tokens", None, all(200)),
        ("POST", "/api/v1/tokens", Some(json!({})), all(400)),
        ("GET", "/api/v1/tokens/9", None, all(404)),
        ("DELETE", "/api/v1/tokens/9", None, all(404)),
        ("GET", "/api/v1/ledger/records", None, standbys(400)),
        ("GET", "/api/v1/ledger/operators", None, standbys(200)),
        ("GET", "/api/v1/nothing", None, all(404)),
        ("DELETE", "/api/v1/operators", None, all(405)),
        ("DELETE", "/api/v1/session", None, all(204)),
    ]
}

#[tokio::test]
async fn every_path_is_open_to_those_of_the_table_and_to_nobody_else() {
    let central = Running::start().await;
    let mut askers = vec![As::default()];
    for role in ROLES {
        askers.push(central.logged_in(role).await);
    }
    for (method, path, body, expected) in table() {
        for (who, expected) in askers.iter().zip(expected) {
            let answer = match expected {
                // This response ends only with the session or the central.
                200 if path == "/api/v1/events" => begun(central.port, who, path).await,
                _ => ask(central.port, who, method, path, body.as_ref()).await,
            };
            assert_eq!(answer.status, expected, "{method} {path} {who:?}: {answer:?}");
            assert!(answer.header("content-security-policy").is_some());
            if expected >= 400 {
                let kind = answer.header("content-type");
                assert_eq!(kind, Some("application/problem+json"), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn every_path_of_the_description_is_in_the_table() {
    let description: Value = serde_json::from_str(&central_http::openapi()).unwrap();
    let table = table();
    let is_asked = |method: &str, path: &str| {
        let fits = |requested: &str| {
            let (requested, path) = (requested.split('/'), path.split('/'));
            requested.clone().count() == path.clone().count()
                && requested
                    .zip(path)
                    .all(|(requested, part)| requested == part || part.starts_with('{'))
        };
        table.iter().any(|row| row.0.eq_ignore_ascii_case(method) && fits(row.1))
    };
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let logs_in = (method.as_str(), path.as_str()) == ("post", "/api/v1/session");
            assert!(logs_in || is_asked(method, path), "{method} {path} is in no row");
        }
    }
}

#[tokio::test]
async fn a_token_lets_in_as_its_role_and_not_as_its_owner() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let new = json!({ "label": "board", "role": "viewer", "days": 1 });
    let given = central.post(&admin, "/api/v1/tokens", &new).await;
    assert_eq!(given.status, 201, "{given:?}");
    let token = given.json()["secret"].as_str().unwrap().to_owned();
    let bearer = As { token: Some(token), ..As::default() };
    let me = central.get(&bearer, "/api/v1/session").await.json();
    assert_eq!((&me["name"], &me["role"]), (&json!("admin"), &json!("viewer")));
    assert!(me.get("csrf_token").is_none());
    let operators = central.get(&bearer, "/api/v1/operators").await;
    operators.is_problem(403, "not-permitted");
    // A token can't list even its owner's tokens, and can't create another.
    assert_eq!(central.get(&bearer, "/api/v1/tokens").await.json()["items"], json!([]));
    central.post(&bearer, "/api/v1/tokens", &new).await.is_problem(403, "session-needed");

    central.clock.advance(24 * 60 * 60 * 1000);
    central.get(&bearer, "/api/v1/session").await.is_problem(401, "not-authenticated");
}

#[tokio::test]
async fn a_revoked_token_is_worth_nothing() {
    let central = Running::start().await;
    let viewer = central.logged_in("viewer").await;
    let new = json!({ "label": "board", "role": "viewer", "days": 1 });
    let given = central.post(&viewer, "/api/v1/tokens", &new).await.json();
    let token = given["secret"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/tokens/{}", given["id"]);
    let other = central.logged_in("auditor").await;
    assert_eq!(ask(central.port, &other, "DELETE", &path, None).await.status, 404);
    let bearer = As { token: Some(token), ..As::default() };
    assert_eq!(central.get(&bearer, "/api/v1/session").await.status, 200);
    assert_eq!(ask(central.port, &viewer, "DELETE", &path, None).await.status, 204);
    assert_eq!(central.get(&bearer, "/api/v1/session").await.status, 401);
    let above = json!({ "label": "board", "role": "operator", "days": 1 });
    central.post(&viewer, "/api/v1/tokens", &above).await.is_problem(400, "bad-request");
}

#[tokio::test]
async fn a_program_makes_nobody_an_operator_and_is_named_in_what_it_does() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let new = json!({ "label": "night job", "role": "admin", "days": 1 });
    let given = central.post(&admin, "/api/v1/tokens", &new).await.json();
    let token = given["secret"].as_str().map(str::to_owned);
    let robot = As { token, ..As::default() };
    let puppet = json!({ "name": "puppet", "role": "operator", "password": "a long password" });
    let password = json!({ "password": "quite another one", "current_password": PASSWORD });
    let kept = std::fs::read(central.data().join("operators.json")).unwrap();
    for (method, path, body) in [
        ("POST", "/api/v1/operators", Some(&puppet)),
        ("POST", "/api/v1/operators/viewer/enable", None),
        ("PUT", "/api/v1/operators/viewer/password", Some(&password)),
        ("PUT", "/api/v1/operators/admin/password", Some(&password)),
        ("POST", "/api/v1/tokens", Some(&new)),
    ] {
        let answer = ask(central.port, &robot, method, path, body).await;
        answer.is_problem(403, "session-needed");
    }
    assert_eq!(std::fs::read(central.data().join("operators.json")).unwrap(), kept);
    // It may still take access away.
    let (disable, why) = ("/api/v1/operators/viewer/disable", json!({ "why": "prueba" }));
    let disabled = ask(central.port, &robot, "POST", disable, Some(&why));
    assert_eq!(disabled.await.status, 204);
    let path = format!("/api/v1/tokens/{}", given["id"]);
    assert_eq!(ask(central.port, &robot, "DELETE", &path, None).await.status, 204);
    let entries = central.get(&admin, "/api/v1/audit").await.body;
    let entries: Value = serde_json::from_str(&entries).unwrap();
    let entries = entries["items"].as_array().unwrap();
    // Each change names the version before it.
    let version = operators::OperatorsFile::in_folder(central.data()).read().unwrap().version();
    let acts = [
        ("operator-disabled", json!({ "name": "viewer" }), version - 2),
        ("token-revoked", json!({ "token": 1 }), version - 1),
    ];
    for (action, arguments, operators) in acts {
        let act = entries.iter().find(|it| it["action"] == action).unwrap();
        assert_eq!(act["by"], "admin with token 1 \"night job\"", "{entries:?}");
        let judged_by = json!(operators);
        assert_eq!((&act["arguments"], &act["operators"]), (&arguments, &judged_by), "{entries:?}");
    }
}
