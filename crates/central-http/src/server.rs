//! The HTTP listener: accepts connections within limits, serves each in one task, and closes them
//! in order.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use central::{Server, Service};
use engine::Clock;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use operators::OperatorStore;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::guard::{Guard, guard};
use crate::access::state::Access;
use crate::answers::answer;
use crate::host::Host;
use crate::limits::{ACCEPT_RETRY_TIME_MAX, HttpLimits};
use crate::usecases::app::{App, Letterhead, State};
use crate::usecases::command_line::Recorder;
use crate::web::connections::{Connection, Connections};
use crate::web::http1::{Terms, converse};
use crate::web::input::whole;
use crate::web::origin::Origin;
use crate::web::proxies::Proxies;
use crate::web::thread::Thread;
use crate::{api, console};

/// Paths that do not count towards the limit of concurrent requests: health and metrics, which are
/// quick and must always be answered, and boards and copies of the ledger, which have limits of
/// their own.
const NOT_COUNTED: [&str; 6] =
    ["/healthz", "/readyz", "/metrics", console::EVENTS_PATH, api::EVENTS_PATH, api::RECORDS_PATH];

/// Options of the HTTP server.
pub struct HttpOptions {
    /// The origin under which browsers reach the server, if configured. It is used to detect
    /// cross-site requests; if it is encrypted, cookies are marked `Secure`.
    pub origin: Option<Origin>,
    /// Trusted reverse proxies, if any, that report their clients' addresses.
    pub proxies: Option<Proxies>,
    /// Where operators are kept.
    pub operators: Arc<dyn OperatorStore>,
    /// Services of the host machine.
    pub host: Arc<dyn Host>,
    /// See [`HttpLimits`].
    pub limits: HttpLimits,
    /// What the records of draws begin with.
    pub letterhead: Letterhead,
}

/// The HTTP server for operators and programs.
pub struct HttpServer {
    app: App,
    terms: Arc<Terms>,
    listener: TcpListener,
    connections: Arc<Connections>,
    tasks: TaskTracker,
    thread: Thread,
    cut: CancellationToken,
}

impl HttpServer {
    /// Creates a server that does not accept connections yet.
    ///
    /// # Errors
    /// When the listener has no local address, or the thread can't be started.
    pub fn new(
        service: &Arc<Service>,
        clock: Arc<dyn Clock>,
        listener: TcpListener,
        options: HttpOptions,
    ) -> io::Result<Self> {
        let connections = Connections::new(options.limits.connections_max);
        let port = listener.local_addr()?.port();
        let HttpOptions { origin, proxies, operators, host, limits, letterhead } = options;
        let guard = Guard::new(origin.clone(), &limits, &NOT_COUNTED);
        let access = Access::new(operators, clock, Arc::clone(&host), origin, port);
        let (head_time_max, stopping) = (limits.head_time_max, CancellationToken::new());
        let app =
            State::new(Arc::clone(service), access, host, limits, letterhead, stopping.clone());
        let router = router(&app, guard);
        let terms = Arc::new(Terms { router, proxies, head_time_max, stopping });
        let (tasks, thread, cut) = (TaskTracker::new(), Thread::start()?, CancellationToken::new());
        Ok(Self { app, terms, listener, connections, tasks, thread, cut })
    }

    async fn take_connections(&self) -> Infallible {
        loop {
            match self.listener.accept().await {
                // A connection above the limit is closed without an answer.
                Ok((stream, peer)) => {
                    if let Some(connection) = self.connections.enter(peer.ip()).await {
                        self.serve(stream, peer.ip(), connection);
                    }
                }
                Err(error) => {
                    // The process may be out of file descriptors; they become free as connections
                    // end.
                    tracing::error!(action = "accept_http", result = "fail", error = %error);
                    tokio::time::sleep(ACCEPT_RETRY_TIME_MAX).await;
                }
            }
            // Lets other tasks run between two accepts, even during a flood of connections.
            tokio::task::yield_now().await;
        }
    }

    fn serve(&self, stream: TcpStream, peer: IpAddr, connection: Connection) {
        // The peer may have disconnected already.
        let set_up = set_up(&stream, &self.app.limits).and_then(|()| stream.into_std());
        let Ok(stream) = set_up else { return };
        let (service, terms) = (Arc::clone(&self.app.service), Arc::clone(&self.terms));
        let cut = self.cut.clone();
        let serving = async move {
            let _counted = service.metrics().http_connected();
            // From here on, the stream is registered with the HTTP thread's runtime.
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            cut.run_until_cancelled(converse(stream, peer, connection, terms)).await;
        };
        self.tasks.spawn_on(serving, self.thread.runtime());
    }
}

impl Server for HttpServer {
    fn accept(&mut self) -> BoxFuture<'_, Infallible> {
        // While it accepts connections, it also polls the central's state for the boards and charts,
        // and records what is changed on the command line: first of all, what was changed before.
        async {
            let mut recorder = Recorder::new(Arc::clone(&self.app));
            recorder.record().await;
            tokio::select! {
                never = recorder.keep_recording() => never,
                never = self.app.poller.poll() => never,
                never = self.app.poller.sample() => never,
                never = self.take_connections() => never,
            }
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.terms.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().boxed()
    }

    fn cut(&self) -> BoxFuture<'_, usize> {
        let remaining = self.tasks.len();
        self.cut.cancel();
        std::future::ready(remaining).boxed()
    }
}

/// Builds the router of the API and the console, with the layers common to all requests.
fn router(app: &App, held_against: Arc<Guard>) -> Router {
    api::router(app)
        .merge(console::router())
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(from_fn(whole))
        .layer(from_fn_with_state(held_against, guard))
        .layer(from_fn_with_state(Arc::clone(app), answer))
        .with_state(Arc::clone(app))
}

fn set_up(stream: &TcpStream, limits: &HttpLimits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // If the peer does not acknowledge data in time, the system drops the connection.
    SockRef::from(stream).set_tcp_user_timeout(Some(limits.write_time_max))
}
