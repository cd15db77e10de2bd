//! Where agencies connect, and the TLS handshake.
//!
//! Invariants: a handshake counts against the limits of connections, and has a limited time; a
//! connection without an agency's certificate never reaches a session, and gets a TLS alert. A
//! certificate that expires later ends its connection (`Presence::watch_certificates`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use central::{Configs, Identity};
use lottery::DrawName;
use pki::CentralConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::limits::TLS_REFUSED_LEN_MAX;
use crate::socket::{Shared, Socket, discard};
use crate::transport::{TlsFault, Transport};

/// The listeners of agencies, of at least one kind.
#[derive(Debug, Default)]
pub struct Listeners {
    /// In plain text: an agency is the one that it claims to be.
    pub plain: Vec<Listening>,
    /// By TLS: an agency is the one in its certificate. The newest configuration applies to new
    /// connections, and ends those that it does not admit.
    pub tls: Option<(Vec<Listening>, Configs)>,
}

/// One listener.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub listener: TcpListener,
    /// The draw of messages that name none, if operators bound the listener to one.
    pub draw: Option<Arc<DrawName>>,
}

impl From<TcpListener> for Listening {
    /// Bound to no draw.
    fn from(listener: TcpListener) -> Self {
        Self { listener, draw: None }
    }
}

/// How a listener's connections are secured.
#[derive(Clone, Copy, Debug)]
pub(super) enum Security<'a> {
    Plain,
    Tls(&'a Configs),
}

/// Makes the TLS handshake. None: it failed, and was logged.
pub(super) async fn enter(
    stream: TcpStream,
    peer: SocketAddr,
    mut configs: Configs,
    bound: Option<Arc<DrawName>>,
    shared: Arc<Shared>,
) -> Option<Socket> {
    let config = Arc::clone(&configs.borrow_and_update());
    // A shutdown waits for no handshake and no refusal.
    let entering = agree(stream, peer, &config, &shared);
    let entered = shared.stopping.run_until_cancelled(entering).await??;
    let (transport, identity) = entered;
    let socket = Socket::new(transport, peer, identity, bound, Arc::clone(&shared));
    if configs.has_changed().unwrap_or(false) {
        // It entered after the others were checked against the newer one.
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
            tracing::error!(action = "tls_handshake", result = "fail", %ip, error = %fault);
            return None;
        }
    };
    let agreed = timeout(limits.handshake_time_max, transport.accept()).await;
    match agreed.unwrap_or(Err(TlsFault::TimedOut)) {
        Ok((agency, certificate)) => {
            tracing::info!(action = "tls_handshake", result = "success", %ip, agency = agency.0);
            Some((transport, Identity::Certified { agency, certificate }))
        }
        Err(TlsFault::Socket(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
            tracing::debug!(action = "tls_handshake", result = "fail", %ip, error = %error);
            None
        }
        Err(fault) => {
            tracing::warn!(action = "tls_handshake", result = "fail", %ip, error = %fault);
            transport.end();
            // Closing with unread bytes would have the network drop the alert.
            let gone = discard(transport.socket(), TLS_REFUSED_LEN_MAX);
            let _ = timeout(limits.linger_time_max, gone).await;
            None
        }
    }
}
