//! Who leaves before the answer: what they asked for takes effect whole, or not at all.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;

use support::{Central, bolillero, run_well, str};

/// How many draws are opened so.
const DRAWS: usize = 20;

struct Http {
    address: String,
    token: String,
}

impl Http {
    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let (token, len) = (&self.token, body.len());
        let head = [
            format!("{method} {path} HTTP/1.1"),
            "Host: x".to_owned(),
            "Connection: close".to_owned(),
            format!("Authorization: Bearer {token}"),
            "Content-Type: application/json".to_owned(),
            format!("Content-Length: {len}"),
        ];
        format!("{}\r\n\r\n{body}", head.join("\r\n"))
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(self.request(method, path, body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks, and leaves at once.
    fn abandon(&self, method: &str, path: &str, body: &str) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(self.request(method, path, body).as_bytes()).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
}

#[test]
fn what_is_on_record_has_taken_effect_whoever_left() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let add = ["operator", "add", "ana", "--role", "operator", "--password-stdin"];
    let mut adding = bolillero();
    adding.args(add).args(["--data", str(data)]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut adding = adding.spawn().unwrap();
    adding.stdin.take().unwrap().write_all(b"a long password\n").unwrap();
    assert!(adding.wait().unwrap().success());
    let give = ["operator", "token", "ana", "--label", "test", "--days", "1"];
    let token = run_well(&[&give[..], &["--data", str(data)]].concat()).trim_end().to_owned();
    let mut central = Central::start(data, "127.0.0.1:0", &["--http", "127.0.0.1:0"]);
    let logged = central.process.log.iter().find(|line| line.contains("escuchar_http"));
    let logged = logged.cloned().unwrap_or_else(|| central.process.wait_for("escuchar_http"));
    let address = logged.split("direccion: ").nth(1).unwrap().to_owned();
    let http = Http { address, token };

    for draw in 1..=DRAWS {
        let new = format!(r#"{{"name": "d{draw}", "agencies": [{{"first": 1, "last": 1}}]}}"#);
        let announced = http.ask("POST", "/api/v1/draws", &new);
        assert!(announced.starts_with("HTTP/1.1 201"), "{announced}");
    }
    for draw in 1..=DRAWS {
        http.abandon("POST", &format!("/api/v1/draws/{draw}/open"), "{}");
    }
    // What is asked after it is on record after it.
    // Decided after all of them.
    http.ask("POST", "/api/v1/draws/1/open", "{}");
    // The store tells where a draw is; metrics, where those who serve agencies take it to be.
    let recorded = || http.ask("GET", "/api/v1/draws", "").matches("\"state\":\"open\"").count();
    let effective = || http.ask("GET", "/metrics", "").matches("state=\"open\"").count();
    assert!(recorded() > 1, "none was taken");
    let agree = (0..100).any(|_| recorded() == effective());
    assert!(agree, "{} are on record, {} took effect", recorded(), effective());
}
