//! Clients that disconnect before the response: their request takes effect completely or not at
//! all.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use crate::support::Central;
use crate::support::http::{Http, add_operator};

/// How many draws the test opens.
const DRAWS: usize = 20;

/// Sends a request and disconnects as soon as the central has received it.
fn abandon(http: &Http, method: &str, path: &str, body: &str) {
    let mut stream = TcpStream::connect(&http.address).unwrap();
    stream.write_all(http.request(method, path, body).as_bytes()).unwrap();
    http.ask("GET", "/healthz", "");
    stream.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn a_recorded_act_takes_effect_even_if_the_client_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    add_operator(data, "ana", "operator");
    let token = Http::new_token(data, "ana");
    let mut central = Central::start(data, "127.0.0.1:0", &["--http", "127.0.0.1:0"]);
    let http = Http::of(&mut central).by_token(&token);

    for draw in 1..=DRAWS {
        let new = format!(r#"{{"name": "d{draw}", "agencies": [{{"first": 1, "last": 1}}]}}"#);
        let announced = http.ask("POST", "/api/v1/draws", &new);
        assert_eq!(announced.status, 201, "{announced:?}");
    }
    for draw in 1..=DRAWS {
        abandon(&http, "POST", &format!("/api/v1/draws/{draw}/open"), "{}");
    }
    // This request is decided after all the abandoned ones.
    http.ask("POST", "/api/v1/draws/1/open", "{}");
    // The API shows the state in the store; the metrics show the state that agencies are served by.
    let recorded =
        || http.ask("GET", "/api/v1/draws", "").body.matches("\"state\":\"open\"").count();
    let effective = || http.ask("GET", "/metrics", "").body.matches("state=\"open\"").count();
    assert!(recorded() > 1, "none was taken");
    let agree = (0..100).any(|_| recorded() == effective());
    assert!(agree, "{} are on record, {} took effect", recorded(), effective());
}
