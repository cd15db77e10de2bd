//! A scripted central on a real socket, and shared fixtures of the tests.

#![allow(dead_code, reason = "each test file uses its part of it")]

use std::io::{self, ErrorKind, Write};
use std::pin::pin;
use std::time::Duration;

use agency::limits::CONNECT_TIME_MAX_DEFAULT;
use agency::{AgencyError, Form, Options, Progress, Report};
use lottery::{AgencyId, ChunkDigest, NumberRange, PrefixDigest};
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::message::DrawState;
use wire::{
    AgencyMessage, CentralMessage, CentralSession, DrawName, ErrorMessage, SessionLimits, Ticket,
    Welcome,
};

/// Longer than any test runs, even when its paused clock jumps.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long one side may continue after the other has ended.
const REST_TIME_MAX: Duration = Duration::from_secs(10);

/// The listener of the scripted central.
pub(crate) struct Central {
    listener: TcpListener,
}

/// One connection, from the central's side.
pub(crate) struct Line {
    stream: TcpStream,
    session: CentralSession,
}

/// A request from an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Hello { agency: u32, draw: String },
    Bets { chunk: u32, text: String },
    Finish,
    GetWinners,
}

impl Central {
    pub(crate) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { listener }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("bound").to_string()
    }

    pub(crate) fn as_option(&self) -> agency::Central {
        agency::Central { address: self.address(), tls: None }
    }

    pub(crate) async fn accept_raw(&self) -> TcpStream {
        self.listener.accept().await.expect("a connection").0
    }

    pub(crate) async fn accept(&self) -> Line {
        Line::of(self.accept_raw().await)
    }

    /// Accepts a connection and answers its HELLO.
    pub(crate) async fn greet(&self, welcome: Welcome<'_>) -> Line {
        let mut line = self.accept().await;
        line.greet_next(welcome).await;
        line
    }
}

impl Line {
    pub(crate) fn of(stream: TcpStream) -> Self {
        let limits = SessionLimits::new(8192, 64).expect("good limits");
        Self { stream, session: CentralSession::new(limits) }
    }

    /// Returns the next request; `None` when the agency closed the connection.
    pub(crate) async fn request(&mut self) -> Option<(Ticket, Request)> {
        loop {
            let next = self.session.next_request().expect("a request that makes sense");
            if let Some((ticket, message)) = next {
                return Some((ticket, request_of(&message)));
            }
            self.stream.readable().await.expect("a live socket");
            match self.stream.try_read(self.session.space()) {
                Ok(0) => return None,
                Ok(len) => self.session.filled(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if is_end(&error) => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Returns the ticket and text of the next request, which must be the batch `expected`.
    pub(crate) async fn bets(&mut self, expected: u32) -> (Ticket, String) {
        match self.request().await {
            Some((ticket, Request::Bets { chunk, text })) if chunk == expected => (ticket, text),
            other => panic!("batch {expected} was expected, not {other:?}"),
        }
    }

    /// Returns whether no request arrives within a short time. It may miss one that arrives late,
    /// but never reports one that does not arrive.
    pub(crate) async fn is_silent(&mut self) -> bool {
        let next = self.request();
        timeout(Duration::from_millis(30), next).await.is_err()
    }

    /// Answers the next request, which must be HELLO.
    pub(crate) async fn greet_next(&mut self, welcome: Welcome<'_>) {
        let (ticket, request) = self.request().await.expect("HELLO");
        assert!(matches!(request, Request::Hello { agency: 1, .. }), "{request:?}");
        self.greet(ticket, welcome).await;
    }

    pub(crate) async fn greet(&mut self, ticket: Ticket, welcome: Welcome<'_>) {
        self.session.greet(ticket, welcome);
        self.flush().await;
    }

    pub(crate) async fn acknowledge(&mut self, ticket: Ticket, chunk: u32) {
        self.reply(ticket, &CentralMessage::BetsAck { chunk }).await;
    }

    pub(crate) async fn reply(&mut self, ticket: Ticket, message: &CentralMessage<'_>) {
        self.session.reply(ticket, message);
        self.flush().await;
    }

    pub(crate) async fn reply_part(&mut self, ticket: &Ticket, message: &CentralMessage<'_>) {
        self.session.reply_part(ticket, message);
        self.flush().await;
    }

    pub(crate) async fn refuse(&mut self, ticket: Ticket, error: ErrorMessage) {
        self.session.refuse(ticket, error);
        self.flush().await;
    }

    /// Serves bets from chunk `first` on, FINISH and GET_WINNERS, replying with `winners`. Returns
    /// the texts of the batches.
    pub(crate) async fn serve(&mut self, first: u32, winners: &[&str]) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some((ticket, request)) = self.request().await {
            match request {
                Request::Bets { chunk, text } => {
                    assert_eq!(chunk, first + u32::try_from(texts.len()).expect("few"));
                    texts.push(text);
                    self.acknowledge(ticket, chunk).await;
                }
                Request::Finish => {
                    let agency = 1;
                    self.reply(ticket, &CentralMessage::FinishAck { agency }).await;
                }
                Request::GetWinners => self.reply(ticket, &won(winners)).await,
                Request::Hello { .. } => panic!("HELLO twice"),
            }
        }
        texts
    }

    async fn flush(&mut self) {
        while !self.session.outgoing().is_empty() {
            self.stream.writable().await.expect("a live socket");
            match self.stream.try_write(self.session.outgoing()) {
                Ok(len) => self.session.sent(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if is_end(&error) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Returns whether the error means that the agency closed the connection with data in flight.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn request_of(message: &AgencyMessage<'_>) -> Request {
    match message {
        AgencyMessage::Hello(hello) => {
            Request::Hello { agency: hello.agency, draw: hello.draw_name.as_str().to_owned() }
        }
        AgencyMessage::Bets(bets) => Request::Bets {
            chunk: bets.chunk,
            text: bets.text().expect("UTF-8").expect("bets").to_owned(),
        },
        AgencyMessage::Finish { .. } => Request::Finish,
        AgencyMessage::GetWinners { .. } => Request::GetWinners,
    }
}

/// Returns the last part of the winners.
pub(crate) fn won(winners: &[&str]) -> CentralMessage<'static> {
    CentralMessage::WinnersPart {
        last: true,
        documents: wire::Documents::join(winners).expect("few winners"),
    }
}

/// Returns the WELCOME of an open draw with nothing stored.
pub(crate) fn welcome() -> Welcome<'static> {
    Welcome {
        version: 1,
        agency: 1,
        window: 64,
        frame_len_max: 8192,
        number_min: 0,
        number_max: 9_999,
        chunks_stored: 0,
        bets_stored: 0,
        prefix_digest: [0; 32],
        state: DrawState::Open,
        draw_name: DrawName::new("sorteo").expect("short"),
    }
}

/// Returns the WELCOME when these batches are stored.
pub(crate) fn welcome_back(stored: &[impl AsRef<str>]) -> Welcome<'static> {
    let digests = stored.iter().map(|text| ChunkDigest::of(text.as_ref()));
    let bets = stored.iter().map(|text| text.as_ref().split('&').count() as u64);
    Welcome {
        chunks_stored: stored.len() as u64,
        bets_stored: bets.sum(),
        prefix_digest: digests.fold(PrefixDigest::EMPTY, |p, next| p.then(&next)).0,
        ..welcome()
    }
}

/// Returns a row of the file; the same number always gives the same row.
pub(crate) fn row(number: u32) -> String {
    format!("Ana,Paz,{},2000-01-01,{number}\n", 30_000_000 + number)
}

/// Returns rows 0 to `count - 1`.
pub(crate) fn rows(count: u32) -> String {
    (0..count).map(row).collect()
}

/// Returns the batches of `bets_max` bets that [`rows`] make.
pub(crate) fn batches(count: u32, bets_max: usize) -> Vec<String> {
    let bets: Vec<_> = (0..count).map(|number| row(number).trim_end().replace(',', "|")).collect();
    bets.chunks(bets_max).map(|batch| batch.join("&")).collect()
}

/// Creates a temporary file that holds `text`.
pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("room for it");
    file
}

/// Returns options with two bets per batch and three batches in flight.
pub(crate) fn options(central: &Central, file: &NamedTempFile) -> Options {
    Options {
        agency: AgencyId(1),
        centrals: vec![central.as_option()],
        bets: file.path().to_owned(),
        form: Form::default(),
        draw: None,
        batch_bets_max: 2,
        window: 3,
        legacy: false,
        skip_invalid: false,
        allow_empty: false,
        wait: false,
        connect_time_max: CONNECT_TIME_MAX_DEFAULT,
        numbers: NumberRange::default(),
        language: agency::Language::English,
        seed: 7,
    }
}

/// Runs an agency to its end, with a timeout longer than any test needs.
pub(crate) async fn run(options: Options) -> Result<Report, AgencyError> {
    run_watched(options, &mut |_| (), CancellationToken::new()).await
}

/// Runs the agency and the script concurrently. When one ends, the other must end soon after.
pub(crate) async fn play<T>(
    agency: impl Future<Output = T>,
    script: impl Future<Output = ()>,
) -> T {
    let (mut agency, mut script) = (pin!(agency), pin!(script));
    tokio::select! {
        ended = &mut agency => {
            let rest = timeout(REST_TIME_MAX, script).await;
            rest.expect("the agency ended before the script did");
            ended
        }
        () = &mut script => {
            let rest = timeout(REST_TIME_MAX, agency).await;
            rest.expect("the script ended and the agency goes on")
        }
    }
}

/// Runs an agency with this file and a central that does what the script says.
pub(crate) async fn serve(
    text: &str,
    script: impl AsyncFnOnce(&Central),
) -> Result<Report, AgencyError> {
    let (central, file) = (Central::bind().await, file(text));
    play(run(options(&central, &file)), script(&central)).await
}

/// As [`run`], with progress events and a shutdown token. It can move between threads.
pub(crate) fn run_watched(
    options: Options,
    progress: &mut (dyn FnMut(Progress) + Send),
    shutdown: CancellationToken,
) -> impl Future<Output = Result<Report, AgencyError>> + Send {
    let run = agency::run(options, progress, shutdown);
    async { timeout(DAY, run).await.expect("the agency hangs") }
}
