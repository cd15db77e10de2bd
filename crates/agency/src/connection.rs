//! One connection to the central: moves bytes between a socket and the protocol session.
//!
//! Does not decide what to send: callers queue messages on [`Connection::session`], and they are
//! written while the next event is awaited.

use std::io::{self, ErrorKind};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until, timeout};
use wire::{AgencyEvent, AgencySession};

use crate::error::Loss;
use crate::limits::{CONNECT_TIME_MAX, KEEPALIVE_INTERVAL, KEEPALIVE_TIME};
use crate::options::Central;
use crate::transport::Transport;

/// A connection to the central.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) session: AgencySession,
    transport: Transport,
    /// Why writing failed. What the central sent before that is still read.
    write_error: Option<io::Error>,
}

impl Connection {
    /// Connects to the central; `session` must be a new one.
    pub(crate) async fn open(central: &Central, session: AgencySession) -> Result<Self, Loss> {
        let connecting = timeout(CONNECT_TIME_MAX, connect(&central.address)).await;
        let stream = connecting.unwrap_or(Err(Loss::ConnectTime(CONNECT_TIME_MAX)))?;
        stream.set_nodelay(true).map_err(Loss::Connect)?;
        let keepalive =
            TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive).map_err(Loss::Connect)?;
        let transport =
            timeout(CONNECT_TIME_MAX, Transport::over(stream, central.tls.as_ref())).await;
        let transport = transport.unwrap_or(Err(Loss::TlsTime(CONNECT_TIME_MAX)))?;
        Ok(Self { session, transport, write_error: None })
    }

    /// Returns the central's next event. With `time_max`, it must arrive completely in that time.
    pub(crate) async fn next_event(
        &mut self,
        time_max: Option<Duration>,
    ) -> Result<AgencyEvent, Loss> {
        let deadline = time_max.map(|time_max| (Instant::now() + time_max, time_max));
        loop {
            match self.session.next_event() {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(violation) => {
                    let speaks = self.transport.speaks();
                    return Err(speaks.map_or(Loss::Violation(violation), Loss::Other));
                }
            }
            self.write();
            let wants_write = !self.session.outgoing().is_empty() && self.write_error.is_none();
            tokio::select! {
                ready = self.transport.ready(wants_write) => ready.map_err(Loss::Io)?,
                loss = pass(deadline) => return Err(loss),
            };
            self.read()?;
        }
    }

    fn write(&mut self) {
        while !self.session.outgoing().is_empty() && self.write_error.is_none() {
            match self.transport.try_write(self.session.outgoing()) {
                Ok(len) => self.session.sent(len),
                Err(error) if is_transient(&error) => break,
                Err(error) => self.write_error = Some(error),
            }
        }
    }

    fn read(&mut self) -> Result<(), Loss> {
        match self.transport.try_read(self.session.space()) {
            Ok(0) => Err(self.write_error.take().map_or(Loss::Closed, Loss::Io)),
            Ok(len) => {
                self.session.filled(len);
                Ok(())
            }
            Err(Loss::Io(error)) if is_transient(&error) => Ok(()),
            Err(loss) => Err(loss),
        }
    }
}

/// Connects to the first of the host's addresses that accepts a connection.
async fn connect(address: &str) -> Result<TcpStream, Loss> {
    let addresses: Vec<_> = lookup_host(address).await.map_err(Loss::Lookup)?.collect();
    TcpStream::connect(&*addresses).await.map_err(Loss::Connect)
}

/// Returns when the deadline has passed; never returns if there is none.
async fn pass(deadline: Option<(Instant, Duration)>) -> Loss {
    match deadline {
        Some((deadline, time_max)) => {
            sleep_until(deadline).await;
            Loss::ReplyTime(time_max)
        }
        None => std::future::pending().await,
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
