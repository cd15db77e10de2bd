//! The central as a whole: opened on a store, serving until told to stop or until the store fails.
//!
//! A shutdown takes these steps, all within [`Limits::shutdown_time_max`](crate::Limits): no more
//! connections; no more requests from the ones there are; those that wait for a draw are told that
//! there is none yet; what is being committed is waited for and acknowledged; every connection is
//! closed in order. What is left when the time is over is cut.
//!
//! Deliberately absent: signals. The second one, for the impatient, is the process's business.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use engine::{Clock, Engine};
use lottery::StoreFault;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http::{HttpFace, HttpOptions};
use crate::options::Options;
use crate::service::{OpenError, Presence, Service};
use crate::tcp::{Agencies, Listeners};

/// A central that found or opened its draw and serves nobody yet.
pub struct Central {
    service: Arc<Service>,
    clock: Arc<dyn Clock>,
    agencies: Agencies,
    http: Option<HttpFace>,
    options: Options,
}

/// Why serving ended before it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServeError {
    /// The store takes nothing more. What it did not acknowledge may or may not be stored.
    #[error(transparent)]
    Store(StoreFault),
}

impl Central {
    /// Opens the draw of `options`, or finds it when it has the same terms; if all its agencies
    /// had finished, it is closed and made. To be called within a tokio runtime, which also makes
    /// the draw later.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let session_limits = options.limits.session()?;
        let service = Service::open(engine, Arc::clone(&clock), &options).await?;
        let agencies = Agencies::new(&service, &options.limits, session_limits);
        Ok(Self { service, clock, agencies, http: None, options })
    }

    /// What operators ask of it, now and later.
    #[must_use]
    pub fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service)
    }

    /// Who is connected, now and whenever it is asked later.
    #[must_use]
    pub fn presence(&self) -> Arc<Presence> {
        Arc::clone(self.service.presence())
    }

    /// Serves operators too, who connect to `listener`.
    ///
    /// # Errors
    /// When the system gives no thread for it.
    pub fn with_http(self, listener: TcpListener, options: HttpOptions) -> io::Result<Self> {
        let http = HttpFace::new(&self.service, Arc::clone(&self.clock), listener, options)?;
        Ok(Self { http: Some(http), ..self })
    }

    /// Serves agencies, and operators if so asked, until `shutdown` is cancelled; ends when all
    /// connections have.
    ///
    /// # Errors
    /// When the store failed, then or during the shutdown. Connections are closed in that case too.
    pub async fn serve(
        self,
        listeners: Listeners,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        tokio::select! {
            biased;
            () = self.service.failure().noticed() => {}
            () = shutdown.cancelled() => {
                tracing::info!(action = "shutdown", result = "in_progress");
            }
            never = self.agencies.accept_from(&listeners) => match never {},
            never = self.service.keep_time() => match never {},
            never = self.service.watch_store() => match never {},
            never = accept_http(self.http.as_ref()) => match never {},
        }
        drop(listeners);
        self.end().await;
        match self.service.failure().fault() {
            Some(fault) => Err(ServeError::Store(fault.clone())),
            None => {
                tracing::info!(action = "shutdown", result = "success");
                Ok(())
            }
        }
    }

    async fn end(&self) {
        let in_order = async {
            tokio::join!(self.agencies.close(), self.service.stop(), close_http(self.http.as_ref()))
        };
        let time_max = self.options.limits.shutdown_time_max;
        if tokio::time::timeout(time_max, in_order).await.is_err() {
            if let Some(http) = &self.http {
                http.cut();
            }
            let connections = self.agencies.cut().await;
            tracing::warn!(
                action = "cerrar_conexiones",
                result = "fail",
                cantidad = connections,
                error = "were still open when the time for the shutdown was over",
            );
        }
    }
}

async fn accept_http(http: Option<&HttpFace>) -> Infallible {
    match http {
        Some(http) => http.accept().await,
        None => std::future::pending().await,
    }
}

async fn close_http(http: Option<&HttpFace>) {
    if let Some(http) = http {
        http.close().await;
    }
}
