//! A central with operators on its own port, for one test.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use central::limits::SHUTDOWN_TIME_MAX_DEFAULT;
use central::{Central, Mode, Options, Presence, ServeError, Server, Zone};
use central_http::{
    ClientHeader, GroupCounts, Host, HttpLimits, HttpOptions, HttpServer, Letterhead, Origin,
    Proxies, Scrubbed,
};
use central_tcp::{AgencyServer, Limits, Listeners};
use engine::conformance::TestClock;
use lottery::Label;
use operators::{Name, OperatorsFile, OperatorsFolder, Password, Role};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, As, ask};
use crate::store::TestStore;

/// The password of every operator.
pub(crate) const PASSWORD: &str = "a long password";

/// A running central, with one operator for each role, named after it.
pub(crate) struct Running {
    pub(crate) port: u16,
    /// The port that agencies connect to.
    pub(crate) agencies_port: u16,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<TestStore>,
    pub(crate) host: Arc<TestHost>,
    pub(crate) presence: Arc<Presence>,
    data: TempDir,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

/// A host whose ledger reports damage when a test says so. It counts the requests for the free room
/// on its disk.
#[derive(Default)]
pub(crate) struct TestHost(Mutex<Option<String>>, pub(crate) AtomicU64);

impl TestHost {
    pub(crate) fn find_damage(&self, what: &str) {
        *self.0.lock() = Some(what.to_owned());
    }
}

impl Host for TestHost {
    fn random(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        // Unique among all centrals of the process, which is enough for the tests.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let mut rng = fastrand::Rng::with_seed(count);
        rng.fill(bytes);
        Ok(())
    }

    fn log_lines_dropped(&self) -> u64 {
        678
    }

    fn disk_free_len(&self) -> std::io::Result<u64> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(12_345)
    }

    fn groups(&self) -> GroupCounts {
        GroupCounts { counts: vec![(Some(1), 2), (None, 1)], events: 7 }
    }

    fn store_away(&self) -> Option<String> {
        None
    }

    fn scrubbed(&self) -> Scrubbed {
        let damage = self.0.lock().clone();
        Scrubbed { passes: 1, damaged_segments: u64::from(damage.is_some()), damage }
    }
}

pub(crate) fn add_operator(data: &Path, name: &str, role: Role) {
    let name = Name::new(name).unwrap();
    let hash = Password::given(PASSWORD.to_owned()).hash(&name, [1; 16]).unwrap();
    OperatorsFile::in_folder(data).change(|people| people.add(name, role, hash)).unwrap();
}

/// Options that a test may change.
#[derive(Default)]
struct Start {
    limits: HttpLimits,
    origin: Option<Origin>,
    proxies: Option<Proxies>,
    zone: Zone,
    letterhead: Letterhead,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_with(HttpLimits::default()).await
    }

    /// Starts a central that browsers reach at this origin.
    pub(crate) async fn start_at(origin: &str) -> Self {
        Self::start_as(Start { origin: Some(origin.parse().unwrap()), ..Start::default() }).await
    }

    pub(crate) async fn start_with(limits: HttpLimits) -> Self {
        Self::start_as(Start { limits, ..Start::default() }).await
    }

    pub(crate) async fn start_in(zone: &str) -> Self {
        Self::start_as(Start { zone: Zone::named(zone).unwrap(), ..Start::default() }).await
    }

    /// Starts a central of a lottery of this name and place.
    pub(crate) async fn start_of(lottery: &str, place: &str) -> Self {
        let [lottery, place] = [lottery, place].map(|text| Some(Label::new(text).unwrap()));
        let letterhead = Letterhead { lottery, place };
        Self::start_as(Start { letterhead, ..Start::default() }).await
    }

    /// Starts a central behind a proxy on this host, which names its clients in `X-Forwarded-For`.
    pub(crate) async fn start_behind_a_proxy(limits: HttpLimits) -> Self {
        let networks = ["127.0.0.1", "10.0.0.0/8"].map(|it| it.parse().unwrap()).to_vec();
        let proxies = Some(Proxies { networks, header: ClientHeader::XForwardedFor });
        Self::start_as(Start { limits, proxies, ..Start::default() }).await
    }

    async fn start_as(start: Start) -> Self {
        let Start { limits, origin, proxies, zone, letterhead } = start;
        let data = tempfile::tempdir().unwrap();
        for role in Role::ALL {
            add_operator(data.path(), role.as_str(), role);
        }
        let options = Options {
            mode: Mode::Operated,
            winners_wait: std::time::Duration::ZERO,
            zone,
            shutdown_time_max: SHUTDOWN_TIME_MAX_DEFAULT,
        };
        let store = Arc::new(TestStore::default());
        let clock = Arc::clone(&store.clock);
        let central = Central::open(store.engine(), Arc::clone(&clock) as _, options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let host = Arc::new(TestHost::default());
        let http = HttpOptions {
            origin,
            proxies,
            operators: Arc::new(OperatorsFolder::new(data.path(), central_http::moment)),
            host: Arc::clone(&host) as Arc<dyn Host>,
            limits,
            letterhead,
        };
        let central = central.await.unwrap();
        let operators = HttpServer::new(central.service(), clock.clone(), listener, http).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let agencies_port = listener.local_addr().unwrap().port();
        let shutdown = CancellationToken::new();
        let listeners = Listeners { plain: vec![listener.into()], tls: None };
        let limits = Limits::default();
        let agencies = AgencyServer::new(central.service(), &limits, listeners).unwrap();
        let presence = central.presence();
        let servers: Vec<Box<dyn Server>> = vec![Box::new(operators), Box::new(agencies)];
        let serving = tokio::spawn(central.serve(servers, shutdown.clone()));
        Self {
            port: address.port(),
            agencies_port,
            clock,
            store,
            host,
            presence,
            data,
            shutdown,
            serving,
        }
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Answer {
        let login = json!({ "name": name, "password": password });
        ask(self.port, &As::default(), "POST", "/api/v1/session", Some(&login)).await
    }

    /// Logs in the operator of that name.
    pub(crate) async fn logged_in(&self, name: &str) -> As {
        let answer = self.log_in(name, PASSWORD).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap().split(';').next();
        let csrf = answer.json()["csrf_token"].as_str().unwrap().to_owned();
        As { cookie: cookie.map(str::to_owned), csrf: Some(csrf), ..As::default() }
    }

    pub(crate) async fn get(&self, who: &As, path: &str) -> Answer {
        ask(self.port, who, "GET", path, None).await
    }

    pub(crate) async fn post(&self, who: &As, path: &str, body: &Value) -> Answer {
        ask(self.port, who, "POST", path, Some(body)).await
    }

    pub(crate) async fn shut_down(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
    }
}
