//! Authorization in the console: each page and form, without a session and with each role.

use crate::client::{As, ask, begun, fill};
use crate::setting::Running;

/// A request, and the status without a session and for each role in order.
type Row = (&'static str, &'static str, [u16; 5]);

/// Returns the cases. Without a session, requests are redirected to the login; an authorized
/// request gets the status of its content.
fn table() -> Vec<Row> {
    let open = [200; 5];
    let all = [303, 200, 200, 200, 200];
    let all_to_draw = [303; 5];
    let missing = [303, 404, 404, 404, 404];
    let runners = |status| [303, 403, status, 403, status];
    let admins = |status| [303, 403, 403, 403, status];
    vec![
        ("GET", "/login", open),
        ("GET", "/console.css", open),
        ("GET", "/console.js", open),
        ("GET", "/console.svg", open),
        ("GET", "/language/en", [303; 5]),
        ("GET", "/", all),
        ("GET", "/board/events", open),
        ("GET", "/start", all),
        ("GET", "/draws", all),
        ("GET", "/draws/repeat", [303, 403, 200, 403, 200]),
        ("POST", "/draws/repeat", runners(400)),
        ("POST", "/draws", runners(400)),
        ("GET", "/draws/9", missing),
        ("GET", "/draws/9/acta", [303, 403, 404, 404, 404]),
        ("GET", "/draws/9/winners", [303, 403, 404, 404, 404]),
        ("GET", "/draws/9/winners/1", [303, 403, 404, 404, 404]),
        ("GET", "/draws/9/open", all_to_draw),
        ("POST", "/draws/9/edit", runners(404)),
        ("POST", "/draws/9/cancel", runners(404)),
        ("POST", "/draws/9/open", runners(404)),
        ("POST", "/draws/9/reopen", runners(404)),
        ("POST", "/draws/9/close", runners(404)),
        ("POST", "/draws/9/number", runners(404)),
        ("POST", "/draws/9/correct", runners(404)),
        ("POST", "/draws/9/void", runners(404)),
        ("POST", "/draws/9/publish", runners(404)),
        ("GET", "/agencies", all),
        ("POST", "/agencies", runners(400)),
        ("GET", "/nodes", all),
        ("GET", "/search", [303, 403, 200, 200, 200]),
        ("GET", "/audit", [303, 403, 403, 200, 200]),
        ("GET", "/operators", admins(200)),
        ("POST", "/operators", admins(400)),
        ("POST", "/operators/nobody/disable", admins(404)),
        ("POST", "/operators/nobody/enable", admins(404)),
        ("GET", "/account", all),
        ("POST", "/account/password", [303, 400, 400, 400, 400]),
        ("POST", "/account/tokens", [303, 400, 400, 400, 400]),
        ("POST", "/account/tokens/9/revoke", missing),
        ("POST", "/logout", [303; 5]),
    ]
}

async fn everybody(central: &Running) -> Vec<As> {
    let mut askers = vec![As::default()];
    for role in ["viewer", "operator", "auditor", "admin"] {
        askers.push(central.logged_in(role).await);
    }
    askers
}

#[tokio::test]
async fn every_page_is_open_to_those_of_the_table_and_to_nobody_else() {
    let central = Running::start().await;
    let askers = everybody(&central).await;
    for (method, path, expected) in table() {
        for (who, expected) in askers.iter().zip(expected) {
            let csrf = who.csrf.as_deref().unwrap_or_default();
            let answer = match method {
                // This response ends only with the session or the central.
                _ if path == "/board/events" => begun(central.port, who, path).await,
                "GET" => ask(central.port, who, "GET", path, None).await,
                _ => {
                    let fields = format!("csrf={csrf}&sure=yes&number=1&why=prueba&password=x");
                    fill(central.port, who, path, &fields).await
                }
            };
            assert_eq!(answer.status, expected, "{method} {path} {who:?}: {answer:?}");
            let sent_to = answer.header("location");
            if who.cookie.is_none() && expected == 303 && path != "/language/en" {
                assert_eq!(sent_to, Some("/login"), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn no_form_counts_without_the_sessions_other_secret() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let forms = table().into_iter().filter(|row| row.0 == "POST");
    for (_, path, _) in forms {
        let others = central.logged_in("operator").await.csrf.unwrap();
        for csrf in ["", "csrf=", "csrf=0", &format!("csrf={others}")] {
            let answer =
                fill(central.port, &admin, path, &format!("{csrf}&sure=yes&number=1")).await;
            assert_eq!(answer.status, 403, "{path} {csrf}: {answer:?}");
        }
    }
    assert_eq!(central.get(&admin, "/operators").await.status, 200, "nobody was logged out");
}

#[test]
fn every_page_is_in_the_table() {
    let routes = concat!(
        include_str!("../../src/console/board.rs"),
        include_str!("../../src/console/login.rs"),
        include_str!("../../src/console/draws.rs"),
        include_str!("../../src/console/repeat.rs"),
        include_str!("../../src/console/start.rs"),
        include_str!("../../src/console/draw.rs"),
        include_str!("../../src/console/acta.rs"),
        include_str!("../../src/console/winners.rs"),
        include_str!("../../src/console/agencies.rs"),
        include_str!("../../src/console/nodes.rs"),
        include_str!("../../src/console/audit.rs"),
        include_str!("../../src/console/search.rs"),
        include_str!("../../src/console/operators.rs"),
        include_str!("../../src/console/account.rs"),
        include_str!("../../src/console/assets.rs"),
    );
    let paths = routes.split("route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let paths: Vec<_> = paths.collect();
    assert!(paths.len() > 10, "{paths:?}");
    let fits = |requested: &str, path: &str| {
        let (requested, path) = (requested.split('/'), path.split('/'));
        requested.clone().count() == path.clone().count()
            && requested
                .zip(path)
                .all(|(requested, part)| requested == part || part.starts_with('{'))
    };
    for path in paths {
        assert!(table().iter().any(|row| fits(row.1, path)), "{path} is in no row");
    }
}
