//! Serves one connection: requests and answers in turn, until one side ends it.
//!
//! On shutdown:
//! - requests that have not arrived in full are dropped;
//! - complete requests are answered, and clients get a moment to receive the answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::limits::{HTTP_FIELDS_MAX, HTTP_HEAD_LEN_MAX, HTTP_TAKING_TIME_MAX};
use crate::web::body::{Awaited, Held};
use crate::web::connections::Connection;
use crate::web::peer::{Ending, Peer};
use crate::web::proxies::Proxies;

/// The stage that a connection is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for the head of the next request.
    Waiting,
    /// Receives the body of a request.
    Arriving,
    /// Processes a complete request.
    Asked,
    /// Sends the answer.
    Answering,
}

struct Progress {
    connection: Connection,
    stage: watch::Sender<Stage>,
}

/// A request, until its answer was sent or dropped.
struct Turn(Arc<Progress>);

/// Settings that all connections share.
pub(crate) struct Terms {
    /// Answers the requests.
    pub(crate) router: Router,
    /// Trusted proxies that report their clients' addresses.
    pub(crate) proxies: Option<Proxies>,
    /// How long the head of a request may take to arrive.
    pub(crate) head_time_max: Duration,
    /// Cancelled on shutdown: no more requests are accepted.
    pub(crate) stopping: CancellationToken,
}

/// Serves a connection until the client ends it, it has to give way, or the central stops.
pub(crate) async fn converse(
    stream: TcpStream,
    peer: IpAddr,
    connection: Connection,
    terms: Arc<Terms>,
) {
    let (stage, _) = watch::channel(Stage::Waiting);
    let progress = Arc::new(Progress { connection, stage });
    let router = TowerToHyperService::new(terms.router.clone());
    let (asked, clients) = (Arc::clone(&progress), Arc::clone(&terms));
    let service = service_fn(move |request: Request<Incoming>| {
        let turn = Turn::begin(&asked);
        let whole = Arc::clone(&asked);
        let mut request = request.map(|body| Awaited::new(body, move || whole.reach(Stage::Asked)));
        let proxies = clients.proxies.as_ref();
        let client = proxies.map_or(peer, |proxies| proxies.client(peer, request.headers()));
        request.extensions_mut().insert(Peer(client));
        request.extensions_mut().insert(Ending(asked.connection.ending()));
        let answer = router.call(request);
        async move {
            let answer = answer.await?;
            turn.0.reach(Stage::Answering);
            Ok::<_, Infallible>(answer.map(|body| Held::by(body, turn)))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(terms.head_time_max)
        .max_buf_size(HTTP_HEAD_LEN_MAX)
        .max_headers(HTTP_FIELDS_MAX);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = progress.connection.must_give_way() => return,
        () = terms.stopping.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = progress.no_longer_waited_for() => return,
            }
        }
    };
    if let Err(error) = ended {
        // Time-outs, broken connections, invalid HTTP: hyper has already answered if it could.
        tracing::debug!(action = "serve_http", result = "fail", ip = %peer, error = %error);
    }
}

impl Progress {
    fn reach(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Waits until a shutdown need not wait for this connection any more.
    async fn no_longer_waited_for(&self) {
        let mut stage = self.stage.subscribe();
        // A complete request is answered, within the time limit of the whole shutdown.
        let reached = stage.wait_for(|stage| *stage != Stage::Asked).await.map(|stage| *stage);
        // In `Waiting`, the client may still be receiving the previous answer.
        if let Ok(Stage::Answering | Stage::Waiting) = reached {
            sleep(HTTP_TAKING_TIME_MAX).await;
        }
    }
}

impl Turn {
    fn begin(progress: &Arc<Progress>) -> Self {
        progress.connection.is_asked();
        progress.reach(Stage::Arriving);
        Self(Arc::clone(progress))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.reach(Stage::Waiting);
        self.0.connection.waits();
    }
}
