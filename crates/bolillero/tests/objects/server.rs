//! A server of the protocol of S3, in memory.

pub(crate) mod proxy;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// What the server takes from anybody.
pub(crate) const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "lottery"), ("AWS_SECRET_ACCESS_KEY", "the-secret-of-nobody")];

/// Starts moto; it ends with its standard input, which ends with this process.
const PROGRAM: &str = "
import os, sys, threading
def end_with_input():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=end_with_input, daemon=True).start()
from moto.server import main
main(sys.argv[1:])
";

/// A server. Killed when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

/// The server of the tests that don't have one of their own.
pub(crate) fn anywhere() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[], &[]))
}

impl Server {
    pub(crate) fn start(more: &[&str], environment: &[(&str, &str)]) -> Self {
        let python = std::env::var("MOTO_PYTHON").expect("`cargo xtask objects` sets MOTO_PYTHON");
        let mut command = Command::new(python);
        command.args(["-c", PROGRAM, "-H", "127.0.0.1", "-p", "0"]).args(more);
        command.envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = log
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.split_once("Running on ").map(|(_, url)| url.trim().to_owned()));
        let address = address.expect("moto says where it listens");
        let (_, address) = address.split_once("://").unwrap();
        // Its log has a line for each request.
        std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
        Self { process, address: address.to_owned() }
    }

    /// Asks over a connection of its own; returns the status and the body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let Self { address, .. } = self;
        let len = body.len();
        // Of the owner, whose signature is not checked.
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len}\r\n\
             Connection: close\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=lottery/20261201/us-east-1/s3/aws4_request, SignedHeaders=host, \
             Signature=0\r\n\r\n"
        );
        connection.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
        (status, answer.split_off(end + 4))
    }

    pub(crate) fn put(&self, path: &str, body: &[u8]) {
        let (status, answer) = self.ask("PUT", path, body);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
    }

    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let (status, answer) = self.ask("GET", path, b"");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
        answer
    }

    pub(crate) fn delete(&self, path: &str) {
        assert_eq!(self.ask("DELETE", path, b"").0, 204, "{path}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
