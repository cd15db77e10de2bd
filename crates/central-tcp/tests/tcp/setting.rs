//! A central on its own port, for one test.

use std::sync::Arc;
use std::time::Duration;

use central::limits::SHUTDOWN_TIME_MAX_DEFAULT;
use central::{Central, Mode, Options, Presence, ServeError, Service, Zone};
use central_tcp::{AgencyServer, Limits, Listeners, Listening};
use engine::conformance::TestClock;
use lottery::{Agencies, DrawName, DrawTerms, NumberRange, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
pub(crate) use crate::store::NOW;
use crate::store::TestStore;

/// The winning number in every test.
pub(crate) const WINNER: u32 = 7;

/// Options that a test may change.
pub(crate) struct Setting {
    pub(crate) agencies: u32,
    pub(crate) draw: &'static str,
    pub(crate) numbers: NumberRange,
    pub(crate) winners_wait: Duration,
    pub(crate) winning_number: u32,
    pub(crate) limits: Limits,
    pub(crate) shutdown_time_max: Duration,
    /// Whether operators lead the draws; then there is none at first.
    pub(crate) operated: bool,
    /// Draws with a listener each, besides the one bound to none.
    pub(crate) bound: &'static [&'static str],
}

impl Default for Setting {
    fn default() -> Self {
        let winners_wait = Duration::from_secs(3600);
        let limits = Limits::default();
        Self {
            agencies: 1,
            draw: "sorteo",
            numbers: NumberRange::default(),
            winners_wait,
            winning_number: WINNER,
            limits,
            shutdown_time_max: SHUTDOWN_TIME_MAX_DEFAULT,
            operated: false,
            bound: &[],
        }
    }
}

pub(crate) struct Running {
    pub(crate) port: u16,
    /// The ports of the listeners bound to a draw.
    pub(crate) bound_ports: Vec<u16>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<TestStore>,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

/// The longest time that the central takes to notice a change of its clock.
const CLOCK_SLEEP_TIME_MAX: Duration = Duration::from_secs(1);

impl Setting {
    pub(crate) fn agencies(agencies: u32) -> Self {
        Self { agencies, ..Self::default() }
    }

    /// Returns the setting of a central without draws, where operators announce them.
    pub(crate) fn operated() -> Self {
        Self { operated: true, ..Self::default() }
    }

    pub(crate) fn limits(change: impl FnOnce(&mut Limits)) -> Self {
        let mut setting = Self::default();
        change(&mut setting.limits);
        setting
    }

    pub(crate) fn terms(&self) -> DrawTerms {
        DrawTerms {
            name: DrawName::new(self.draw).unwrap(),
            agencies: Agencies::first(self.agencies).unwrap(),
            numbers: self.numbers,
        }
    }

    pub(crate) async fn start(self) -> Running {
        self.start_on(Arc::default()).await
    }

    pub(crate) async fn start_on(self, store: Arc<TestStore>) -> Running {
        let clock = Arc::clone(&store.clock);
        let (bound, limits) = (self.bound, self.limits.clone());
        let central = self.open(&store).await.unwrap();
        let service = Arc::clone(central.service());
        let (listening, port) = listen(None).await;
        let (mut plain, mut bound_ports) = (vec![listening], Vec::new());
        for draw in bound {
            let (listening, port) = listen(Some(draw)).await;
            plain.push(listening);
            bound_ports.push(port);
        }
        let (presence, shutdown) = (central.presence(), CancellationToken::new());
        let listeners = Listeners { plain, tls: None };
        let server = AgencyServer::new(&service, &limits, listeners).unwrap();
        let serving = tokio::spawn(central.serve(vec![Box::new(server)], shutdown.clone()));
        Running { port, bound_ports, presence, service, clock, store, shutdown, serving }
    }

    pub(crate) async fn open(self, store: &Arc<TestStore>) -> Result<Central, central::OpenError> {
        let (terms, winning_number) = (self.terms(), self.winning_number);
        let options = Options {
            mode: if self.operated {
                Mode::Operated
            } else {
                Mode::Automatic { terms, winning_number }
            },
            winners_wait: self.winners_wait,
            zone: Zone::default(),
            shutdown_time_max: self.shutdown_time_max,
        };
        Central::open(store.engine(), Arc::clone(&store.clock) as _, options).await
    }
}

async fn listen(draw: Option<&str>) -> (Listening, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (
        Listening { listener, draw: draw.map(|name| Arc::new(DrawName::requested(name).unwrap())) },
        port,
    )
}

impl Running {
    /// Sets the clock and waits until the central notices.
    pub(crate) async fn set_clock(&self, at: Timestamp) {
        self.clock.set(at);
        tokio::time::pause();
        tokio::time::advance(CLOCK_SLEEP_TIME_MAX).await;
        tokio::time::resume();
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.port).await
    }

    /// Connects to the listener of a draw, by its index in the setting.
    pub(crate) async fn connect_bound(&self, at: usize) -> Client {
        Client::connect(self.bound_ports[at]).await
    }

    /// Connects, sends HELLO for an agency in the served draw and receives WELCOME.
    pub(crate) async fn greeted(&self, agency: u32) -> Client {
        let mut client = self.connect().await;
        client.hello(1, agency, "").await;
        client.welcome().await;
        client
    }

    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Waits until the central stops serving.
    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        self.serving.await.unwrap()
    }

    pub(crate) async fn shut_down(self) {
        self.begin_shutdown();
        self.ended().await.unwrap();
    }

    /// Returns how many bets are stored.
    pub(crate) fn bets_stored(&self) -> u64 {
        self.store.bets()
    }
}
