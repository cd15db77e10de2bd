//! The listener: connections within limits, each served by one task and closed in order.

use engine::Clock;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use central::{Server, Service};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connections::{Connection, Connections};
use crate::http1::converse;
use crate::limits::{ACCEPT_RETRY_TIME_MAX, HttpLimits};
use crate::state::{App, State};
use crate::thread::Thread;
use crate::{HttpOptions, api};

/// Serves operators and programs.
pub struct HttpServer {
    app: App,
    router: Router,
    listener: TcpListener,
    connections: Arc<Connections>,
    tasks: TaskTracker,
    thread: Thread,
    /// No more requests.
    stopping: CancellationToken,
    cut: CancellationToken,
}

impl HttpServer {
    /// Serves nobody yet.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(
        service: &Arc<Service>,
        clock: Arc<dyn Clock>,
        listener: TcpListener,
        options: HttpOptions,
    ) -> io::Result<Self> {
        let connections = Connections::new(options.limits.connections_max);
        let port = listener.local_addr()?.port();
        let service = Arc::clone(service);
        let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
        let stops = stopping.clone();
        let app = State::new(service, clock, options, port, stops);
        let (router, tasks) = (api::router(&app), TaskTracker::new());
        let thread = Thread::start()?;
        Ok(Self { app, router, listener, connections, tasks, thread, stopping, cut })
    }

    async fn take_connections(&self) -> Infallible {
        loop {
            match self.listener.accept().await {
                // One too many is closed: whoever floods is owed no words.
                Ok((stream, peer)) => {
                    if let Some(connection) = self.connections.enter(peer.ip()).await {
                        self.serve(stream, peer.ip(), connection);
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

    fn serve(&self, stream: TcpStream, peer: IpAddr, connection: Connection) {
        // The peer may be gone already.
        let set_up = set_up(&stream, &self.app.limits).and_then(|()| stream.into_std());
        let Ok(stream) = set_up else { return };
        let (app, router) = (Arc::clone(&self.app), self.router.clone());
        let cut = self.cut.clone();
        let serving = async move {
            let service = Arc::clone(&app.service);
            let _counted = service.metrics().http_connected();
            // From here on the other thread hears of it.
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            cut.run_until_cancelled(converse(stream, peer, connection, app, router)).await;
        };
        self.tasks.spawn_on(serving, self.thread.runtime());
    }
}

impl Server for HttpServer {
    fn accept(&mut self) -> BoxFuture<'_, Infallible> {
        // While it takes connections, it also looks at the central for those who watch a board.
        async {
            tokio::select! {
                never = self.app.poller.poll() => never,
                never = self.take_connections() => never,
            }
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().boxed()
    }

    fn cut(&self) -> BoxFuture<'_, usize> {
        let left = self.tasks.len();
        self.cut.cancel();
        std::future::ready(left).boxed()
    }
}

fn set_up(stream: &TcpStream, limits: &HttpLimits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Who takes no answer is not waited for: the system gives the connection up.
    SockRef::from(stream).set_tcp_user_timeout(Some(limits.write_time_max))
}
