//! A minimal agency client that sends and expects messages one by one.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::message::{Hello, Welcome};
use wire::{AgencyMessage, BetsFrame, CentralMessage, DrawName, ErrorMessage};

/// Timeout, longer than anything a test waits for: a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const LORCA: &str = "Santiago Lionel|Lorca|30904465|1999-03-17|7";

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(port: u16) -> Self {
        Self { stream: TcpStream::connect(("127.0.0.1", port)).await.unwrap() }
    }

    /// Connects from this loopback address and sends `first` before the central can accept the
    /// connection.
    pub(crate) fn connect_from(address: [u8; 4], port: u16, first: &[u8]) -> Self {
        let domain = socket2::Domain::IPV4;
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from((address, 0)).into()).unwrap();
        socket.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        assert_eq!(socket.send(first).unwrap(), first.len());
        socket.set_nonblocking(true).unwrap();
        Self { stream: TcpStream::from_std(socket.into()).unwrap() }
    }

    /// Connects with a small receive buffer.
    pub(crate) async fn connect_with_little_room(port: u16) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        Self { stream: socket.connect(address).await.unwrap() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        patiently(self.stream.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn hello(&mut self, version: u16, agency: u32, draw_name: &str) {
        let draw_name = DrawName::new(draw_name).unwrap();
        self.say(&AgencyMessage::Hello(Hello { version, agency, draw_name })).await;
    }

    pub(crate) async fn bets(&mut self, agency: u32, chunk: u32, bets: &str) {
        self.send(&bets_message(agency, chunk, bets)).await;
    }

    pub(crate) async fn finish(&mut self, agency: u32) {
        self.say(&AgencyMessage::Finish { agency }).await;
    }

    pub(crate) async fn get_winners(&mut self, agency: u32) {
        self.say(&AgencyMessage::GetWinners { agency }).await;
    }

    /// Sends a batch and waits for its acknowledgement.
    pub(crate) async fn store(&mut self, agency: u32, chunk: u32, bets: &str) {
        self.bets(agency, chunk, bets).await;
        self.acknowledged(chunk).await;
    }

    /// Sends FINISH for the agency and waits until it is confirmed.
    pub(crate) async fn end(&mut self, agency: u32) {
        self.finish(agency).await;
        self.expect(&[&[0, 14][..], &agency.to_be_bytes()].concat()).await;
    }

    /// Checks that the next bytes are exactly these.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        patiently(self.stream.read_exact(&mut read)).await.unwrap();
        assert_eq!(read, bytes);
    }

    pub(crate) async fn acknowledged(&mut self, chunk: u32) {
        self.expect(&[&[0, 13][..], &chunk.to_be_bytes()].concat()).await;
    }

    /// Expects WINNERS with exactly these documents.
    pub(crate) async fn winners(&mut self, documents: &str) {
        let len = u16::try_from(documents.len()).unwrap();
        self.expect(&[&[0, 17][..], &len.to_be_bytes(), documents.as_bytes()].concat()).await;
    }

    pub(crate) async fn no_winners(&mut self) {
        self.expect(&[0, 16]).await;
    }

    /// Reads an ERROR and returns it.
    pub(crate) async fn error(&mut self) -> ErrorMessage {
        match self.message().await {
            CentralMessage::Error(error) => error,
            other => panic!("not an ERROR: {other:?}"),
        }
    }

    pub(crate) async fn welcome(&mut self) -> Welcome<'static> {
        match self.message().await {
            CentralMessage::Welcome(welcome) => welcome,
            other => panic!("not a WELCOME: {other:?}"),
        }
    }

    /// Returns whether the next message is a WELCOME; otherwise it is an ERROR or the end.
    pub(crate) async fn is_welcome(&mut self) -> bool {
        let mut id = [0; 2];
        let read = patiently(self.stream.read_exact(&mut id)).await;
        read.is_ok() && id == [0, 19]
    }

    /// Reads and decodes a message that has a length.
    pub(crate) async fn message(&mut self) -> CentralMessage<'static> {
        let mut bytes = vec![0; 4];
        patiently(self.stream.read_exact(&mut bytes)).await.unwrap();
        let len = u16::from_be_bytes([bytes[2], bytes[3]]);
        bytes.resize(4 + usize::from(len), 0);
        patiently(self.stream.read_exact(&mut bytes[4..])).await.unwrap();
        match CentralMessage::decode(&bytes).unwrap() {
            CentralMessage::Error(error) => CentralMessage::Error(error),
            CentralMessage::Welcome(welcome) => CentralMessage::Welcome(welcome.into_owned()),
            CentralMessage::WinnersPart { last, documents } => {
                CentralMessage::WinnersPart { last, documents: documents.into_owned() }
            }
            other => panic!("not a message with a length: {other:?}"),
        }
    }

    /// Checks that nothing more arrives and the connection is closed without a reset.
    pub(crate) async fn ends(&mut self) {
        let mut rest = Vec::new();
        patiently(self.stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, [0; 0]);
    }

    /// Checks that nothing more arrives; returns whether the connection ended without a reset.
    pub(crate) async fn ends_without_reset(&mut self) -> bool {
        match patiently(self.stream.read_to_end(&mut Vec::new())).await {
            Ok(len) => assert_eq!(len, 0),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        self.stream.take_error().unwrap().is_none()
    }

    /// Waits until the connection ends, with or without a reset; discards what arrives before.
    pub(crate) async fn is_cut(&mut self) {
        let _ = patiently(self.stream.read_to_end(&mut Vec::new())).await;
    }

    /// Closes the sending side.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Splits the connection into one to read from and one to write to.
    pub(crate) fn split(self) -> (Self, TcpStream) {
        let stream = self.stream.into_std().unwrap();
        let other = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
        (Self { stream: TcpStream::from_std(stream).unwrap() }, other)
    }

    async fn say(&mut self, message: &AgencyMessage<'_>) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.send(&bytes).await;
    }
}

/// Returns a batch of 128 winning bets whose documents take 2,047 bytes with their commas.
pub(crate) fn winning_bets() -> String {
    vec![bet(DOCUMENT, 7); 128].join("&")
}

/// A document of the maximum length.
pub(crate) const DOCUMENT: &str = "123456789012345";

pub(crate) fn bets_message(agency: u32, chunk: u32, bets: &str) -> Vec<u8> {
    let bets = Some(bets.as_bytes());
    let mut bytes = Vec::new();
    AgencyMessage::Bets(BetsFrame { agency, chunk, bets }).encode(&mut bytes);
    bytes
}

/// Returns a bet of a document on a number.
pub(crate) fn bet(document: &str, number: u32) -> String {
    format!("A|B|{document}|2000-01-01|{number}")
}

pub(crate) async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the central answers")
}
