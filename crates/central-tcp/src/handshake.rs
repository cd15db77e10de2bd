//! How connections come in: in plain text, or by TLS with a certificate.
//!
//! Invariants: a connection that agrees on TLS has its place already, and a limited time; one that
//! shows no agency's certificate never reaches a session, and is told why as far as TLS can; one
//! whose certificate stops being good later is ended (see `Presence::watch_certificates`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use lottery::DrawName;
use pki::CentralConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::limits::TLS_REFUSED_LEN_MAX;
use crate::socket::{Shared, Socket, discard};
use crate::transport::{TlsFault, Transport};
use central::{Configs, Identity};

/// Where agencies connect to; at least one of the two.
#[derive(Debug, Default)]
pub struct Listeners {
    /// In plain text: an agency is who it says.
    pub plain: Vec<Listening>,
    /// By TLS: an agency is who its certificate says. The newest of the configurations applies to
    /// a connection that begins, and ends those that are there and that it would not let in.
    pub tls: Option<(Vec<Listening>, Configs)>,
}

/// One address that agencies connect to.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub listener: TcpListener,
    /// The draw of those who name none here; none: only what can't be mistaken.
    pub draw: Option<Arc<DrawName>>,
}

impl From<TcpListener> for Listening {
    /// Bound to no draw.
    fn from(listener: TcpListener) -> Self {
        Self { listener, draw: None }
    }
}

/// Which way the connections of a listener come in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Security<'a> {
    Plain,
    Tls(&'a Configs),
}

/// Agrees on TLS. None: the connection is over, which was logged.
pub(super) async fn enter(
    stream: TcpStream,
    peer: SocketAddr,
    mut configs: Configs,
    bound: Option<Arc<DrawName>>,
    shared: Arc<Shared>,
) -> Option<Socket> {
    let config = Arc::clone(&configs.borrow_and_update());
    // Neither who is still entering nor who is being refused is waited for at a shutdown.
    let entering = agree(stream, peer, &config, &shared);
    let entered = shared.stopping.run_until_cancelled(entering).await??;
    let (transport, identity) = entered;
    let socket = Socket::new(transport, peer, identity, bound, Arc::clone(&shared));
    if configs.has_changed().unwrap_or(false) {
        // It was not there yet when others were judged.
        socket.connection.presence().judge(&configs.borrow());
    }
    Some(socket)
}

async fn agree(
    stream: TcpStream,
    peer: SocketAddr,
    config: &CentralConfig,
    shared: &Shared,
) -> Option<(Transport, Identity)> {
    let (limits, ip) = (&shared.limits, peer.ip());
    let mut transport = match Transport::tls(stream, Arc::clone(&config.tls)) {
        Ok(transport) => transport,
        Err(fault) => {
            tracing::error!(action = "identificar", result = "fail", %ip, error = %fault);
            return None;
        }
    };
    let agreed = timeout(limits.handshake_time_max, transport.accept()).await;
    match agreed.unwrap_or(Err(TlsFault::TimedOut)) {
        Ok((agency, certificate)) => {
            tracing::info!(action = "identificar", result = "success", %ip, agencia = agency.0);
            Some((transport, Identity::Certified { agency, certificate }))
        }
        Err(TlsFault::Socket(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
            tracing::debug!(action = "identificar", result = "fail", %ip, error = %error);
            None
        }
        Err(fault) => {
            tracing::warn!(action = "identificar", result = "fail", %ip, error = %fault);
            transport.end();
            // If something arrived that nobody reads, closing would drop the alert on its way.
            let gone = discard(transport.socket(), TLS_REFUSED_LEN_MAX);
            let _ = timeout(limits.linger_time_max, gone).await;
            None
        }
    }
}
