//! The chromedriver process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A running chromedriver; killed when dropped.
pub(crate) struct Driver {
    child: Child,
    pub(crate) address: String,
}

impl Driver {
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("chromedriver: apt-get install chromium-driver");
        Self { child, address: format!("http://127.0.0.1:{port}") }
    }
}

impl Driver {
    /// Sends a DevTools command to the browser of a session.
    pub(crate) fn tell(&self, session: &str, command: &str, parameters: &Value) {
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        let address = self.address.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /session/{session}/goog/cdp/execute HTTP/1.1\r\nHost: {address}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        // It keeps the connection open, so only the first line is read.
        let answer = BufReader::new(stream).lines().next().unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{command}: {answer}");
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
