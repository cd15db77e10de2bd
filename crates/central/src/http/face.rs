//! The listener: connections within limits, each served by one task and closed in order.

use engine::Clock;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::connections::{Connection, Connections};
use crate::http::conversation::converse;
use crate::http::state::{App, State};
use crate::http::thread::Thread;
use crate::http::{HttpOptions, api};
use crate::limits::{ACCEPT_RETRY_TIME_MAX, HttpLimits};
use crate::service::Service;

/// The operators' side of the central.
pub(crate) struct HttpFace {
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

fn set_up(stream: &TcpStream, limits: &HttpLimits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Who takes no answer is not waited for: the system gives the connection up.
    SockRef::from(stream).set_tcp_user_timeout(Some(limits.write_time_max))
}
