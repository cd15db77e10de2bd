//! The central as a whole: opened on an engine, serving until told to stop or until the store fails.
//!
//! A shutdown takes these steps, all within [`Options::shutdown_time_max`]: no more
//! connections; no more requests from the ones there are; those that wait for a draw are told that
//! there is none yet; what is being committed is waited for and acknowledged; every connection is
//! closed in order. What is left when the time is over is cut.
//!
//! Deliberately absent: signals. The second one, for the impatient, is the process's business.

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

/// A central that found or opened its draw and serves nobody yet.
pub struct Central {
    service: Arc<Service>,
    shutdown_time_max: Duration,
}

/// What takes connections and answers them from the [`Service`].
pub trait Server: Send + Sync {
    /// Takes connections for as long as it is polled. Once it is dropped, no more connect.
    fn accept(&mut self) -> BoxFuture<'_, Infallible>;

    /// Closes every connection in order; ends when all are closed.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Drops the connections that are left, and returns how many they were.
    fn cut(&self) -> BoxFuture<'_, usize>;
}

/// Why serving ended before it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServeError {
    /// The store takes nothing more. What it did not acknowledge may or may not be stored.
    #[error(transparent)]
    Store(StoreFault),
}

impl Central {
    /// Opens the draw of `options`, or finds it when it has the same terms. To be called within a
    /// tokio runtime, which also reads winners later.
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

    /// What servers answer from.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Who is connected, now and whenever it is asked later.
    #[must_use]
    pub fn presence(&self) -> Arc<Presence> {
        Arc::clone(self.service.presence())
    }

    /// Runs `servers` until `shutdown` is cancelled; ends when all connections have.
    ///
    /// # Errors
    /// When the store failed, then or during the shutdown. Connections are closed in that case too.
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
                action = "cerrar_conexiones",
                result = "fail",
                cantidad = cut.iter().sum::<usize>(),
                error = "were still open when the time for the shutdown was over",
            );
        }
    }
}
