//! A central that serves on a port of its own, for one test.

use std::sync::Arc;
use std::time::Duration;

use central::{Central, Clock, Limits, Listeners, Mode, Options, Presence, ServeError};
use lottery::{Agencies, DrawName, DrawTerms, NumberRange, Store, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::store::TestStore;

/// The number that wins in every test.
pub(crate) const WINNER: u32 = 7;

/// The only time there is, in every test.
pub(crate) const NOW: u64 = 1_724_278_275_000;

/// What a test changes of the options.
pub(crate) struct Setting {
    pub(crate) agencies: u32,
    pub(crate) draw: &'static str,
    pub(crate) winners_wait: Duration,
    pub(crate) winning_number: u32,
    pub(crate) limits: Limits,
}

impl Default for Setting {
    fn default() -> Self {
        let winners_wait = Duration::from_secs(3600);
        let limits = Limits::default();
        Self { agencies: 1, draw: "sorteo", winners_wait, winning_number: WINNER, limits }
    }
}

pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) presence: Arc<Presence>,
    pub(crate) store: Arc<TestStore>,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp(NOW)
    }
}

impl Setting {
    pub(crate) fn agencies(agencies: u32) -> Self {
        Self { agencies, ..Self::default() }
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
            numbers: NumberRange::default(),
        }
    }

    pub(crate) async fn start(self) -> Running {
        self.start_on(Arc::default()).await
    }

    pub(crate) async fn start_on(self, store: Arc<TestStore>) -> Running {
        let central = self.open(&store).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (presence, shutdown) = (central.presence(), CancellationToken::new());
        let listeners = Listeners { plain: Some(listener), tls: None };
        let serving = tokio::spawn(central.serve(listeners, shutdown.clone()));
        Running { port, presence, store, shutdown, serving }
    }

    pub(crate) async fn open(self, store: &Arc<TestStore>) -> Result<Central, central::OpenError> {
        let options = Options {
            mode: Mode::Automatic { terms: self.terms(), winning_number: self.winning_number },
            winners_wait: self.winners_wait,
            limits: self.limits,
        };
        let store: Arc<dyn Store> = Arc::<TestStore>::clone(store);
        Central::open(store, Arc::new(StoppedClock), options).await
    }
}

impl Running {
    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.port).await
    }

    /// A connection that said HELLO for an agency in the served draw, and was welcomed.
    pub(crate) async fn greeted(&self, agency: u32) -> Client {
        let mut client = self.connect().await;
        client.hello(1, agency, "").await;
        client.welcome().await;
        client
    }

    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Waits until it serves no more.
    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        self.serving.await.unwrap()
    }

    pub(crate) async fn shut_down(self) {
        self.begin_shutdown();
        self.ended().await.unwrap();
    }

    /// How many bets are stored.
    pub(crate) fn bets_stored(&self) -> u64 {
        self.store.bets()
    }
}
