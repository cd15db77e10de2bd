//! Opens the service, runs its servers, and ends them in order.
//!
//! A shutdown, within [`Options::shutdown_time_max`]: no more connections; no more requests; requests
//! that wait for a draw are answered; commits are awaited and acknowledged; connections are closed.
//! Connections that are left are then dropped.
//!
//! Deliberately absent: signals.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use engine::{Clock, Engine};
use futures_util::future::{BoxFuture, join_all};
use lottery::StoreFault;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::options::Options;
use crate::service::{OpenError, Presence, Service};

/// A central that is open and runs no servers yet.
pub struct Central {
    service: Arc<Service>,
    shutdown_time_max: Duration,
}

/// Accepts connections, and answers their requests from the [`Service`].
pub trait Server: Send + Sync {
    /// Accepts connections while polled. Dropping it closes the listeners.
    fn accept(&mut self) -> BoxFuture<'_, Infallible>;

    /// Closes every connection in order; returns when all are closed.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Drops the remaining connections, and returns their number.
    fn cut(&self) -> BoxFuture<'_, usize>;
}

/// Why serving ended early.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServeError {
    /// The log failed. What was not acknowledged may or may not be stored.
    #[error(transparent)]
    Store(StoreFault),
}

impl Central {
    /// Opens the automatic draw of `options`, or finds it with the same terms. Call it in a tokio
    /// runtime: its blocking pool reads winners later.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let service = Service::open(engine, clock, &options).await?;
        Ok(Self { service, shutdown_time_max: options.shutdown_time_max })
    }

    /// The service that servers answer from.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The connections of agencies.
    #[must_use]
    pub fn presence(&self) -> Arc<Presence> {
        Arc::clone(self.service.presence())
    }

    /// Runs `servers` until `shutdown` is cancelled; returns when all connections have ended.
    ///
    /// # Errors
    /// When the log failed, before or during the shutdown. Connections are closed in that case too.
    pub async fn serve(
        self,
        mut servers: Vec<Box<dyn Server>>,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        tokio::select! {
            biased;
            () = self.service.failure().noticed() => {}
            () = shutdown.cancelled() => {
                tracing::info!(action = "shutdown", result = "in_progress");
            }
            _ = join_all(servers.iter_mut().map(|server| server.accept())) => {}
            never = self.service.keep_time() => match never {},
            never = self.service.watch_store() => match never {},
        }
        self.end(&servers).await;
        match self.service.failure().fault() {
            Some(fault) => Err(ServeError::Store(fault.clone())),
            None => {
                tracing::info!(action = "shutdown", result = "success");
                Ok(())
            }
        }
    }

    async fn end(&self, servers: &[Box<dyn Server>]) {
        let closed = join_all(servers.iter().map(|server| server.close()));
        let in_order = async { tokio::join!(closed, self.service.stop()) };
        if tokio::time::timeout(self.shutdown_time_max, in_order).await.is_err() {
            let cut = join_all(servers.iter().map(|server| server.cut())).await;
            tracing::warn!(
                action = "close_connections",
                result = "fail",
                connections = cut.iter().sum::<usize>(),
                error = "were still open at the end of the shutdown time",
            );
        }
    }
}
