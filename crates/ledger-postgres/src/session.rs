//! One connection to a server, with a deadline for everything that is asked.
//!
//! The connection is driven only while something is asked: nothing runs in between. What the server
//! remarks beside its answers is kept, as a remark on a commit means that it may not last.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::runtime::Runtime;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::StoreError;
use crate::limits::{
    CONNECT_TIME_MAX, IDLE_IN_TURN_TIME_MAX, LOCK_TIME_MAX, READING_TIME_MAX, STATEMENT_TIME_MAX,
};
use crate::target::HostTarget;

type Messages =
    dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>> + Send;

/// A connection to a server.
pub(crate) struct Session {
    client: Client,
    messages: Box<Messages>,
    notices: Vec<DbError>,
}

/// Why something that was asked has no answer.
#[derive(Debug)]
pub(crate) enum AskError {
    /// The connection was lost, or the answer did not come in time: what was asked may be done or
    /// not.
    Lost(String),
    /// The server answered with an error.
    Server(Box<DbError>),
    /// The answer is not what this program expects.
    Unexpected(String),
}

impl Session {
    /// Connects to a host.
    pub(crate) async fn connect(
        host: &HostTarget,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, AskError> {
        let connecting = async {
            match tls {
                Some(tls) => {
                    let tls = MakeRustlsConnect::new(ClientConfig::clone(tls));
                    Self::connect_by(host, tls).await
                }
                None => Self::connect_by(host, NoTls).await,
            }
        };
        let timed = tokio::time::timeout(CONNECT_TIME_MAX, connecting).await;
        timed.unwrap_or_else(|_| Err(AskError::late(CONNECT_TIME_MAX)))
    }

    async fn connect_by<T>(host: &HostTarget, tls: T) -> Result<Self, AskError>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, mut connection): (_, Connection<Socket, T::Stream>) =
            host.config.connect(tls).await.map_err(AskError::from)?;
        let messages = Box::new(move |cx: &mut Context<'_>| connection.poll_message(cx));
        let mut session = Self { client, messages, notices: Vec::new() };
        // Whatever the role, the database or the server have as defaults.
        let settings = format!(
            "SET search_path = public, pg_temp; SET standard_conforming_strings = on; \
             SET default_transaction_isolation = 'read committed'; SET TimeZone = 'UTC'; \
             SET default_transaction_read_only = off; SET default_transaction_deferrable = off; \
             SET lock_timeout = {}; SET statement_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}; SET client_min_messages = warning; \
             SET client_connection_check_interval = 1000",
            LOCK_TIME_MAX.as_millis(),
            READING_TIME_MAX.as_millis(),
            IDLE_IN_TURN_TIME_MAX.as_millis(),
        );
        session.ask(async |client| client.batch_execute(&settings).await).await?;
        Ok(session)
    }

    /// Asks something of the server, and drives the connection until it is answered.
    pub(crate) async fn ask<T>(
        &mut self,
        asking: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, AskError> {
        self.ask_within(STATEMENT_TIME_MAX, asking).await
    }

    /// As [`Session::ask`], with a deadline.
    pub(crate) async fn ask_within<T>(
        &mut self,
        time_max: Duration,
        asking: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, AskError> {
        let Self { client, messages, notices } = self;
        let mut asking = pin!(asking(client));
        let mut is_closed = false;
        let answered = poll_fn(|cx| {
            loop {
                if let Poll::Ready(answer) = asking.as_mut().poll(cx) {
                    return Poll::Ready(answer.map_err(AskError::from));
                }
                if is_closed {
                    let closed = AskError::Lost("the connection was closed".to_owned());
                    return Poll::Ready(Err(closed));
                }
                match messages(cx) {
                    Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => notices.push(notice),
                    Poll::Ready(Some(Ok(_))) => {}
                    // What was answered before the end is returned first.
                    Poll::Ready(Some(Err(_)) | None) => is_closed = true,
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let timed = tokio::time::timeout(time_max, answered).await;
        timed.unwrap_or_else(|_| Err(AskError::late(time_max)))
    }

    /// Waits for a notification, `time_max` at most.
    pub(crate) async fn hear(&mut self, time_max: Duration) -> Result<(), AskError> {
        let messages = &mut self.messages;
        let heard = poll_fn(|cx| {
            loop {
                match messages(cx) {
                    Poll::Ready(Some(Ok(AsyncMessage::Notification(_)))) => {
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                    Poll::Ready(None) => {
                        let closed = "the connection was closed".to_owned();
                        return Poll::Ready(Err(AskError::Lost(closed)));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        // Nothing heard is as good.
        tokio::time::timeout(time_max, heard).await.unwrap_or(Ok(()))
    }

    /// Takes the warnings that the server has sent since the last call.
    pub(crate) fn take_notices(&mut self) -> Vec<DbError> {
        std::mem::take(&mut self.notices)
    }
}

/// Returns what drives a connection, while something is asked.
pub(crate) fn runtime() -> Result<Runtime, StoreError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| StoreError::Away(format!("can't start a runtime: {error}")))
}

/// Returns the moment, for how long something takes or is ago.
#[expect(clippy::disallowed_methods, reason = "waits are bounded by the monotonic clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl AskError {
    fn late(time_max: Duration) -> Self {
        Self::Lost(format!("no answer within {} s", time_max.as_secs()))
    }

    /// The server's code of the error, if it is one of the server's.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Server(error) => Some(error.code()),
            Self::Lost(_) | Self::Unexpected(_) => None,
        }
    }
}

impl From<tokio_postgres::Error> for AskError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(error) = error.as_db_error() {
            return Self::Server(Box::new(error.clone()));
        }
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        let why = format!("{error}{}", cause.unwrap_or_default());
        // A connection that was never made or has ended; what is left is a row of another shape.
        let is_of_a_row = ["serializing", "column"].iter().any(|it| why.contains(it));
        if is_of_a_row { Self::Unexpected(why) } else { Self::Lost(why) }
    }
}

impl std::fmt::Display for AskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(why) | Self::Unexpected(why) => f.write_str(why),
            Self::Server(error) => {
                write!(f, "{} ({})", error.message(), error.code().code())?;
                error.detail().map_or(Ok(()), |detail| write!(f, ": {detail}"))
            }
        }
    }
}
