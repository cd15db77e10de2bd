//! The listener: connections within limits, each served by one task and closed in order.

use std::convert::Infallible;
use std::io;
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
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::http::state::{App, State};
use crate::http::thread::Thread;
use crate::http::who::Peer;
use crate::http::{HttpOptions, api};
use crate::limits::{ACCEPT_RETRY_TIME_MAX, HTTP_FIELDS_MAX, HTTP_HEAD_LEN_MAX, HttpLimits};
use crate::places::{Place, Places};
use crate::service::Service;

/// The operators' side of the central.
pub(crate) struct HttpFace {
    app: App,
    router: Router,
    listener: TcpListener,
    places: Arc<Places>,
    tasks: TaskTracker,
    thread: Thread,
    /// No more requests.
    stopping: CancellationToken,
    cut: CancellationToken,
}

impl HttpFace {
    /// Serves nobody yet.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn new(
        service: &Arc<Service>,
        clock: Arc<dyn Clock>,
        listener: TcpListener,
        options: HttpOptions,
    ) -> io::Result<Self> {
        let limits = &options.limits;
        let places = Places::new(limits.connections_max, limits.connections_per_address_max);
        let port = listener.local_addr()?.port();
        let service = Arc::clone(service);
        let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
        let stops = stopping.clone();
        let app = State::new(service, clock, options, port, stops);
        let (router, tasks) = (api::router(&app), TaskTracker::new());
        let thread = Thread::start()?;
        Ok(Self { app, router, listener, places, tasks, thread, stopping, cut })
    }

    /// Takes connections, and looks at the central for those who watch, for as long as it is
    /// polled.
    pub(crate) async fn accept(&self) -> Infallible {
        tokio::select! {
            never = self.app.lookout.keep_looking() => never,
            never = self.take_connections() => never,
        }
    }

    async fn take_connections(&self) -> Infallible {
        loop {
            match self.listener.accept().await {
                // One too many is closed: whoever floods is owed no words.
                Ok((stream, peer)) => {
                    if let Ok(place) = self.places.take(peer.ip()) {
                        self.serve(stream, peer.ip(), place);
                    }
                }
                Err(error) => {
                    // It may be out of descriptors: they come back as connections end.
                    tracing::error!(action = "accept_http", result = "fail", error = %error);
                    tokio::time::sleep(ACCEPT_RETRY_TIME_MAX).await;
                }
            }
            // However many come at once, those that are there have their turn in between.
            tokio::task::yield_now().await;
        }
    }

    /// Has every connection closed once its request is answered, and ends when all are.
    pub(crate) async fn close(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Drops the connections that are left.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    fn serve(&self, stream: TcpStream, peer: IpAddr, place: Place) {
        // The peer may be gone already.
        let set_up = set_up(&stream, &self.app.limits).and_then(|()| stream.into_std());
        let Ok(stream) = set_up else { return };
        let (app, router) = (Arc::clone(&self.app), self.router.clone());
        let (stopping, cut) = (self.stopping.clone(), self.cut.clone());
        let connection = async move {
            let _counted = app.service.metrics().http_connected();
            let head_time_max = app.limits.head_time_max;
            // From here on the other thread hears of it.
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            let serving = converse(stream, peer, router, head_time_max, stopping);
            cut.run_until_cancelled(serving).await;
            drop(place);
        };
        self.tasks.spawn_on(connection, self.thread.runtime());
    }
}

async fn converse(
    stream: TcpStream,
    peer: IpAddr,
    router: Router,
    head_time_max: Duration,
    stopping: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_time_max)
        .max_buf_size(HTTP_HEAD_LEN_MAX)
        .max_headers(HTTP_FIELDS_MAX);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Time-outs, broken connections, what is no HTTP: hyper has told the peer what it could.
        tracing::debug!(action = "atender_http", result = "fail", ip = %peer, error = %error);
    }
}

fn set_up(stream: &TcpStream, limits: &HttpLimits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Who takes no answer is not waited for: the system gives the connection up.
    SockRef::from(stream).set_tcp_user_timeout(Some(limits.write_time_max))
}
