//! How connections come in: in plain text, or by TLS with a certificate.
//!
//! Invariants: a connection that agrees on TLS has its place already, and a limited time; one that
//! shows no agency's certificate never reaches a session, and is told why as far as TLS can.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::limits::TLS_REFUSED_LEN_MAX;
use crate::service::Identity;
use crate::tcp::connection::{Connection, Shared, discard};
use crate::tcp::transport::{TlsFault, Transport};

/// Where agencies connect to; at least one of the two.
#[derive(Debug, Default)]
pub struct Listeners {
    /// In plain text: an agency is who it says.
    pub plain: Option<TcpListener>,
    /// By TLS: an agency is who its certificate says. The newest of the configurations applies to
    /// a connection that begins; it must ask for certificates that [`pki::agency_of`] reads.
    pub tls: Option<(TcpListener, watch::Receiver<Arc<ServerConfig>>)>,
}

/// Which way the connections of a listener come in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door<'a> {
    Plain,
    Tls(&'a watch::Receiver<Arc<ServerConfig>>),
}

/// Agrees on TLS. None: the connection is over, which was logged.
pub(super) async fn enter(
    stream: TcpStream,
    peer: SocketAddr,
    config: Arc<ServerConfig>,
    shared: &Arc<Shared>,
) -> Option<Connection> {
    // Neither who is still entering nor who is being refused is waited for at a shutdown.
    let entering = agree(stream, peer, config, shared);
    let entered = shared.stopping.run_until_cancelled(entering).await??;
    let (transport, identity) = entered;
    Some(Connection::new(transport, peer, identity, Arc::clone(shared)))
}

async fn agree(
    stream: TcpStream,
    peer: SocketAddr,
    config: Arc<ServerConfig>,
    shared: &Shared,
) -> Option<(Transport, Identity)> {
    let (limits, ip) = (&shared.limits, peer.ip());
    let mut transport = match Transport::tls(stream, config) {
        Ok(transport) => transport,
        Err(fault) => {
            tracing::error!(action = "identificar", result = "fail", %ip, error = %fault);
            return None;
        }
    };
    let agreed = timeout(limits.handshake_time_max, transport.accept()).await;
    match agreed.unwrap_or(Err(TlsFault::TimedOut)) {
        Ok(agency) => {
            tracing::info!(action = "identificar", result = "success", %ip, agencia = agency.0);
            Some((transport, Identity::Certified(agency)))
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
