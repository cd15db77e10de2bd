//! Sessions: how they begin, are verified, and end.

use std::collections::BTreeMap;

use central_http::HttpLimits;
use operators::{Name, OperatorsFile, Password};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::client::{As, ask, fill};
use crate::setting::{PASSWORD, Running};

async fn status(central: &Running, who: &As) -> u16 {
    central.get(who, "/api/v1/session").await.status
}

#[tokio::test]
async fn who_logs_in_is_told_who_they_are_and_gets_a_cookie_that_pages_can_not_read() {
    let central = Running::start().await;
    let answer = central.log_in("operator", PASSWORD).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    let me = answer.json();
    assert_eq!((&me["name"], &me["role"]), (&json!("operator"), &json!("operator")));
    assert!(me["permissions"].as_array().unwrap().contains(&json!("RunDraws")));
    let who = central.logged_in("operator").await;
    let again = central.get(&who, "/api/v1/session").await.json();
    assert_eq!(again["csrf_token"].as_str(), who.csrf.as_deref());
}

#[tokio::test]
async fn where_browsers_come_with_encryption_the_cookie_never_goes_without() {
    let (encrypted, plain) = ("__Host-bolillero_session_443", "bolillero_session_8080");
    for (origin, name, end) in [
        ("https://lottery.example", encrypted, "; SameSite=Strict; Secure"),
        ("http://10.0.0.5:8080", plain, "; SameSite=Strict"),
    ] {
        let central = Running::start_at(origin).await;
        let answer = central.log_in("viewer", PASSWORD).await;
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.starts_with(&format!("{name}=")) && cookie.ends_with(end), "{cookie}");
        let (_, secret) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        for sent in [encrypted, plain] {
            let who = As { more: format!("Cookie: {sent}={secret}\r\n"), ..As::default() };
            let expected = if sent == name { 200 } else { 401 };
            assert_eq!(status(&central, &who).await, expected, "{origin}: {sent}");
        }
    }
}

#[tokio::test]
async fn two_centrals_on_one_host_leave_each_other_s_sessions_alone() {
    let centrals = [Running::start().await, Running::start().await];
    // Browsers store cookies by name, regardless of the port.
    let mut kept = BTreeMap::new();
    for central in &centrals {
        let cookie = central.logged_in("viewer").await.cookie.unwrap();
        let (name, secret) = cookie.split_once('=').unwrap();
        kept.insert(name.to_owned(), secret.to_owned());
    }
    let sent: Vec<_> = kept.iter().map(|(name, secret)| format!("{name}={secret}")).collect();
    let browser = As { cookie: Some(sent.join("; ")), ..As::default() };
    for central in &centrals {
        assert_eq!(status(central, &browser).await, 200, "{browser:?}");
    }
}

#[tokio::test]
async fn what_a_page_of_elsewhere_sends_is_refused_and_begins_no_session() {
    let (unsaid, said) = (Running::start().await, Running::start_at("https://a.example").await);
    // The browser's headers, and whether they are refused without and with a configured origin.
    for (head, is_refused) in [
        ("", [false, false]),
        ("Sec-Fetch-Site: same-origin", [false, false]),
        ("Sec-Fetch-Site: none", [false, false]),
        ("Sec-Fetch-Site: cross-site", [true, true]),
        ("Sec-Fetch-Site: same-site", [true, true]),
        ("Origin: http://localhost", [false, true]),
        ("Origin: https://localhost", [false, true]),
        ("Origin: http://localhost:81", [true, true]),
        ("Origin: https://a.example", [true, false]),
        ("Origin: https://b.example", [true, true]),
        ("Origin: http://a.example", [true, true]),
        ("Origin: https://a.example:8443", [true, true]),
        ("Origin: null", [true, true]),
        ("Origin: http://localhost\r\nOrigin: https://b.example", [true, true]),
        ("Origin: http://b.example\r\nHost: b.example", [true, true]),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: http://localhost", [false, true]),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: https://a.example", [true, false]),
        ("Sec-Fetch-Site: cross-site\r\nOrigin: http://localhost", [true, true]),
        ("Sec-Fetch-Site: cross-site\r\nOrigin: https://a.example", [true, true]),
    ] {
        let more = if head.is_empty() { String::new() } else { format!("{head}\r\n") };
        let who = As { more, ..As::default() };
        let login = json!({ "name": "viewer", "password": PASSWORD });
        let fields = format!("name=viewer&password={}", PASSWORD.replace(' ', "+"));
        for (central, is_refused) in [&unsaid, &said].into_iter().zip(is_refused) {
            let by_form = fill(central.port, &who, "/login", &fields).await;
            let by_api = central.post(&who, "/api/v1/session", &login).await;
            for answer in [&by_form, &by_api] {
                assert_eq!(answer.header("set-cookie").is_none(), is_refused, "{head}: {answer:?}");
            }
            if is_refused {
                by_api.is_problem(403, "sent-from-elsewhere");
                assert_eq!(by_form.status, 403, "{head}");
                assert!(by_form.body.contains("desde esta consola"), "{head}: {by_form:?}");
            }
            assert_eq!(central.get(&who, "/login").await.status, 200, "{head}: it may look");
        }
    }
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_refused_in_the_same_words() {
    let central = Running::start().await;
    let mut bodies = Vec::new();
    for (name, password) in
        [("viewer", "not the password"), ("nobody", PASSWORD), ("No Body!", PASSWORD)]
    {
        let answer = central.log_in(name, password).await;
        answer.is_problem(401, "not-authenticated");
        assert!(answer.header("set-cookie").is_none());
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn a_change_by_cookie_needs_the_sessions_other_secret() {
    let central = Running::start().await;
    let (admin, other) = (central.logged_in("admin").await, central.logged_in("admin").await);
    let disable = async |csrf: Option<String>| {
        let who = As { csrf, ..admin.clone() };
        let why = json!({ "why": "prueba" });
        ask(central.port, &who, "POST", "/api/v1/operators/viewer/disable", Some(&why)).await
    };
    for wrong in [None, Some(String::new()), Some("0".repeat(64)), other.csrf, admin.cookie.clone()]
    {
        disable(wrong).await.is_problem(403, "csrf");
    }
    assert_eq!(disable(admin.csrf.clone()).await.status, 204);
}

#[tokio::test]
async fn a_session_ends_with_logging_out() {
    let central = Running::start().await;
    let (who, elsewhere) = (central.logged_in("viewer").await, central.logged_in("viewer").await);
    let left = ask(central.port, &who, "DELETE", "/api/v1/session", None).await;
    assert_eq!(left.status, 204);
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(status(&central, &who).await, 401);
    assert_eq!(status(&central, &elsewhere).await, 200);
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_whoever_disabled_them() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let (viewer, auditor) = (central.logged_in("viewer").await, central.logged_in("auditor").await);
    let (path, why) = ("/api/v1/operators/viewer/disable", json!({ "why": "prueba" }));
    central.post(&admin, path, &json!({ "why": " " })).await.is_problem(409, "reason-needed");
    assert_eq!(central.post(&admin, path, &why).await.status, 204);
    let audit_log = central.get(&admin, "/api/v1/audit").await.json();
    let entries = audit_log["items"].as_array().unwrap();
    let disabled = entries.iter().find(|it| it["action"] == "operator-disabled").unwrap();
    assert_eq!(disabled["why"], "prueba");
    assert_eq!(status(&central, &viewer).await, 401);
    assert_eq!(central.log_in("viewer", PASSWORD).await.status, 401);
    // Through the file, as the command does beside the central.
    let file = OperatorsFile::in_folder(central.data());
    file.change(|people| people.disable(&"auditor".parse().unwrap())).unwrap();
    assert_eq!(status(&central, &auditor).await, 401);
    file.change(|people| people.enable(&"auditor".parse().unwrap())).unwrap();
    let again = central.logged_in("auditor").await;
    file.change(|people| people.disable(&"auditor".parse().unwrap())).unwrap();
    file.change(|people| people.enable(&"auditor".parse().unwrap())).unwrap();
    assert_eq!(status(&central, &again).await, 401, "what ended stays ended");
    assert_eq!(central.log_in("auditor", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn another_password_ends_all_sessions_and_tokens() {
    let central = Running::start().await;
    let (who, elsewhere) = (central.logged_in("viewer").await, central.logged_in("viewer").await);
    let token = json!({ "label": "board", "role": "viewer", "days": 1 });
    let token = central.post(&who, "/api/v1/tokens", &token).await.json()["secret"].take();
    let program = As { token: token.as_str().map(str::to_owned), ..As::default() };
    assert_eq!(status(&central, &program).await, 200);
    let change = async |current: &str| {
        let new = json!({ "password": "quite another one", "current_password": current });
        ask(central.port, &who, "PUT", "/api/v1/operators/viewer/password", Some(&new)).await
    };
    change("not the current one").await.is_problem(401, "not-authenticated");
    assert_eq!(change(PASSWORD).await.status, 204);
    for ended in [&who, &elsewhere, &program] {
        assert_eq!(status(&central, ended).await, 401);
    }
    assert_eq!(central.log_in("viewer", PASSWORD).await.status, 401);
    assert_eq!(central.log_in("viewer", "quite another one").await.status, 200);
}

#[tokio::test]
async fn what_waited_for_the_end_of_who_asked_is_not_done() {
    let central = Running::start().await;
    let who = central.logged_in("viewer").await;
    let name: Name = "viewer".parse().unwrap();
    let password = Password::given(PASSWORD.to_owned()).hash(&name, [2; 16]).unwrap();
    let file = OperatorsFile::in_folder(central.data());
    let (port, runtime) = (central.port, Handle::current());
    // Other requests wait while the operators are changed.
    let asked = tokio::task::spawn_blocking(move || {
        let asked = file.change(|people| {
            let token = json!({ "label": "board", "role": "viewer", "days": 1 });
            let asker = who.clone();
            let asked = runtime.spawn(async move {
                ask(port, &asker, "POST", "/api/v1/tokens", Some(&token)).await
            });
            // The same thread answers these, after the other request has reached the change.
            for _ in 0..5 {
                runtime.block_on(ask(port, &who, "GET", "/api/v1/session", None));
            }
            people.set_password(&name, password).map(|()| asked)
        });
        asked.unwrap()
    });
    asked.await.unwrap().await.unwrap().is_problem(401, "not-authenticated");
    assert_eq!(OperatorsFile::in_folder(central.data()).read().unwrap().tokens().count(), 0);
}

#[tokio::test]
async fn who_guesses_passwords_must_wait() {
    let central = Running::start().await;
    for _ in 0..5 {
        assert_eq!(central.log_in("viewer", "not the password").await.status, 401);
    }
    let refused = central.log_in("viewer", PASSWORD).await;
    refused.is_problem(429, "too-many-attempts");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(central.log_in("auditor", PASSWORD).await.status, 200, "others may");
}

#[tokio::test]
async fn who_guesses_behind_a_proxy_keeps_nobody_else_behind_it_out() {
    let log_in = async |central: &Running, client: &str, password: &str| {
        let who = As { more: format!("X-Forwarded-For: {client}\r\n"), ..As::default() };
        let login = json!({ "name": "viewer", "password": password });
        central.post(&who, "/api/v1/session", &login).await.status
    };
    let central = Running::start_behind_a_proxy(HttpLimits::default()).await;
    for at in 0..5 {
        let forged = format!("198.51.100.{at}, 203.0.113.7");
        assert_eq!(log_in(&central, &forged, "not the password").await, 401);
    }
    assert_eq!(log_in(&central, "203.0.113.7", PASSWORD).await, 429);
    assert_eq!(log_in(&central, "203.0.113.8", PASSWORD).await, 200);
    // Without a trusted proxy, the connecting address is the client's, whatever headers say.
    let central = Running::start().await;
    for at in 0..5 {
        let forged = format!("203.0.113.{at}");
        assert_eq!(log_in(&central, &forged, "not the password").await, 401);
    }
    assert_eq!(log_in(&central, "203.0.113.9", PASSWORD).await, 429);
}

#[tokio::test]
async fn a_change_of_operators_that_could_not_be_written_is_on_record_as_not_done() {
    let central = Running::start().await;
    let (admin, auditor) = (central.logged_in("admin").await, central.logged_in("auditor").await);
    let in_the_way = central.data().join("operators.json.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let (disable, why) = ("/api/v1/operators/viewer/disable", json!({ "why": "prueba" }));
    central.post(&admin, disable, &why).await.is_problem(503, "unavailable");
    central.logged_in("viewer").await;
    std::fs::remove_dir(in_the_way).unwrap();
    assert_eq!(central.post(&admin, disable, &why).await.status, 204);
    let audit_log = central.get(&auditor, "/api/v1/audit?order=oldest").await.json();
    let entries = audit_log["items"].as_array().unwrap().iter();
    let entries = entries.filter(|it| it["arguments"]["name"] == "viewer");
    let entries: Vec<_> = entries.map(|it| (&it["action"], &it["arguments"]["change"])).collect();
    let (change, not_changed) = (json!("operator-disabled"), json!("operators-not-changed"));
    let done = (&change, &Value::Null);
    assert_eq!(entries, [done, (&not_changed, &change), done], "{audit_log}");
}
