//! A minimal HTTP/1.1 client for the tests: one request per connection.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Timeout, longer than anything a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const BROWSER: &str = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n";

/// The credentials and headers of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct As {
    /// The cookie's name and value.
    pub(crate) cookie: Option<String>,
    pub(crate) csrf: Option<String>,
    pub(crate) token: Option<String>,
    /// Additional header lines.
    pub(crate) more: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Checks that this is an error response of this status and kind, in the common form.
    pub(crate) fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:bolillero:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        for field in ["title", "detail", "remedy"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
    }
}

/// Sends a request with these headers and this body.
pub(crate) async fn ask(
    port: u16,
    who: &As,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let mut head = head(who, method, path);
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    send(port, format!("{head}\r\n{body}").as_bytes()).await
}

/// Requests a page as a browser does.
pub(crate) async fn look(port: u16, who: &As, path: &str) -> Answer {
    let head = head(&As { csrf: None, ..who.clone() }, "GET", path);
    send(port, format!("{head}{BROWSER}\r\n").as_bytes()).await
}

/// Submits a form of the console as a browser does.
pub(crate) async fn fill(port: u16, who: &As, path: &str, fields: &str) -> Answer {
    let head = head(&As { csrf: None, ..who.clone() }, "POST", path);
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let length = fields.len();
    let request = format!("{head}{BROWSER}{kind}\r\nContent-Length: {length}\r\n\r\n{fields}");
    send(port, request.as_bytes()).await
}

/// Returns the beginning of a response that has no end.
pub(crate) async fn begun(port: u16, who: &As, path: &str) -> Answer {
    begun_stream(port, who, path).await.0
}

/// Watches the board for as long as the connection is kept; the first event has been read.
pub(crate) async fn watched(port: u16, who: &As) -> TcpStream {
    let (begun, mut stream) = begun_stream(port, who, "/board/events").await;
    assert_eq!(begun.status, 200, "{begun:?}");
    read_until(&mut stream, b"\n\n").await;
    stream
}

/// Returns the head of a response that has no end, and the connection that the rest comes on.
pub(crate) async fn begun_stream(port: u16, who: &As, path: &str) -> (Answer, TcpStream) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = head(who, "GET", path) + "\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let bytes = read_until(&mut stream, b"\r\n\r\n").await;
    (parsed(&bytes), stream)
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = async {
        while !bytes.ends_with(end) {
            bytes.push(stream.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    bytes
}

/// Sends a request's head, with this content type and length, and waits until the central asks for
/// the body.
pub(crate) async fn begun_post(
    port: u16,
    who: &As,
    (method, path): (&str, &str),
    kind: &str,
    len: usize,
) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = head(who, method, path);
    let more = format!("Content-Type: {kind}\r\nContent-Length: {len}\r\nExpect: 100-continue\r\n");
    stream.write_all(format!("{head}{more}\r\n").as_bytes()).await.unwrap();
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut received = [0; 25];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut received)).await.unwrap().unwrap();
    assert_eq!(&received, expected);
    stream
}

/// Sends a request and reads nothing of the response; the receive buffer is small.
pub(crate) async fn stalled(port: u16, who: &As, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    let request = head(who, "GET", path) + "\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::timeout(PATIENCE, stream.readable()).await.unwrap().unwrap();
    stream
}

/// Checks that a response is cut off before its end.
pub(crate) async fn broken_off(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    // By a close or by a reset.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes));
    assert!(!bytes.ends_with(b"0\r\n\r\n"), "it came to its end");
}

fn head(who: &As, method: &str, path: &str) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    if let Some(cookie) = &who.cookie {
        head += &format!("Cookie: other=1; {cookie}\r\n");
    }
    if let Some(csrf) = &who.csrf {
        head += &format!("X-CSRF-Token: {csrf}\r\n");
    }
    if let Some(token) = &who.token {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    head + &who.more
}

/// Sends raw bytes and reads the response to its end.
pub(crate) async fn send(port: u16, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The central may close before all of it is sent.
    let _ = stream.write_all(bytes).await;
    answer(&mut stream).await
}

/// Reads a response until the connection ends.
pub(crate) async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    let reading = async {
        // A reset after the response is an end too.
        while let Ok(len @ 1..) = stream.read(&mut part).await {
            bytes.extend_from_slice(&part[..len]);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    parsed(&bytes)
}

fn parsed(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
