//! An HTTP client for operators, for tests against a running central.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};

use super::{Central, PATIENCE, Process, run_well, str, with_input};

/// A central's HTTP address and the credentials to send.
pub struct Http {
    pub address: String,
    credentials: Vec<String>,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

/// Adds an operator, whose password is derived from the name.
pub fn add_operator(data: &Path, name: &str, role: &str) {
    add_operator_in(["--data", str(data)], name, role);
}

/// As [`add_operator`], in a folder or a store.
pub fn add_operator_in(place: [&str; 2], name: &str, role: &str) {
    let args = ["operator", "add", name, "--role", role, "--password-stdin"];
    let added = with_input(&[&args[..], &place].concat(), &password(name));
    assert!(added.status.success(), "{added:?}");
}

fn password(name: &str) -> String {
    format!("the password of {name}\n")
}

impl Http {
    /// Returns a client without credentials. The central must have been started with `--http`.
    pub fn of(central: &mut Central) -> Self {
        Self::of_process(&mut central.process)
    }

    /// As [`Http::of`], by the address.
    pub fn of_address(address: &str) -> Self {
        Self { address: address.to_owned(), credentials: Vec::new() }
    }

    pub fn of_process(process: &mut Process) -> Self {
        let logged = process.log.iter().find(|line| line.contains("listen_http"));
        let logged = logged.cloned().unwrap_or_else(|| process.wait_for("listen_http"));
        let address = logged.split("address: ").nth(1).unwrap().to_owned();
        Self::at_address(&address)
    }

    /// Returns a client without credentials.
    pub fn at_address(address: &str) -> Self {
        Self { address: address.to_owned(), credentials: Vec::new() }
    }

    /// Creates a token for an operator and returns it. The central must not be running.
    pub fn new_token(data: &Path, name: &str) -> String {
        Self::new_token_in(["--data", str(data)], name)
    }

    /// As [`Http::new_token`], in a folder or a store.
    pub fn new_token_in(place: [&str; 2], name: &str) -> String {
        let give = ["operator", "token", name, "--label", "test", "--days", "1"];
        run_well(&[&give[..], &place].concat()).trim_end().to_owned()
    }

    pub fn by_token(self, token: &str) -> Self {
        let credentials = vec![format!("Authorization: Bearer {token}")];
        Self { credentials, ..self }
    }

    /// Logs in an operator added by [`add_operator`] and returns a client with that session.
    pub fn log_in(&self, name: &str) -> Self {
        let nobody = Self::at_address(&self.address);
        let login = json!({ "name": name, "password": password(name).trim_end() });
        let answer = nobody.ask("POST", "/api/v1/session", &login.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap();
        let secret = answer.json()["csrf_token"].as_str().unwrap().to_owned();
        let credentials = vec![format!("Cookie: {cookie}"), format!("X-CSRF-Token: {secret}")];
        Self { credentials, ..nobody }
    }

    /// Returns a client of another central with the same credentials.
    pub fn at(&self, other: &Self) -> Self {
        Self { address: other.address.clone(), credentials: self.credentials.clone() }
    }

    /// Returns the credentials as lines of a request's head.
    pub fn credentials(&self) -> &[String] {
        &self.credentials
    }

    /// Returns the bytes of a request, for tests that do not wait for the response.
    pub fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut head = vec![
            format!("{method} {path} HTTP/1.1"),
            "Host: x".to_owned(),
            "Connection: close".to_owned(),
            "Content-Type: application/json".to_owned(),
            format!("Content-Length: {}", body.len()),
        ];
        head.extend(self.credentials.iter().cloned());
        format!("{}\r\n\r\n{body}", head.join("\r\n"))
    }

    /// Reads the beginning of a response and returns the connection, with the rest unread.
    pub fn begin(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(self.request("GET", path, "").as_bytes()).unwrap();
        let mut beginning = [0; 12];
        stream.read_exact(&mut beginning).unwrap();
        assert_eq!(&beginning, b"HTTP/1.1 200");
        stream
    }

    pub fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(self.request(method, path, body).as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        // Chunks may end within a character.
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }
}
