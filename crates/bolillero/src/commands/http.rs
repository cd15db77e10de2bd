//! The HTTP side of `bolillero serve`: its address, and what it needs from this machine.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use central_http::{
    GroupCounts, Host, HttpLimits, HttpOptions, Letterhead, Origin, Proxies, Scrubbed,
};
use engine::Groups;
use tokio::net::{TcpListener, TcpSocket};

use super::bind;
use super::place::{Health, Kept};
use crate::exit::Ending;
use crate::log_queue::Dropped;

/// Few connections wait at once: those over the limit are accepted and closed.
const ACCEPT_QUEUE_MAX: u32 = 128;

/// How clients reach HTTP: the origin that browsers use and the trusted proxies, where configured.
type Reached = (Option<Origin>, Option<Proxies>);

/// A bound address that does not accept connections yet.
pub(super) struct Bound {
    socket: TcpSocket,
    listen: String,
    reached: Reached,
    letterhead: Letterhead,
}

struct Machine {
    /// The folder of the ledger, if it is in one.
    data: Option<PathBuf>,
    groups: Arc<Groups>,
    health: Health,
    log_lines_dropped: Dropped,
}

/// Binds the address.
pub(super) async fn bound(
    listen: &str,
    reached: Reached,
    letterhead: Letterhead,
) -> Result<Bound, Ending> {
    let socket = bind::bound(listen).await?;
    Ok(Bound { socket, listen: listen.to_owned(), reached, letterhead })
}

impl Bound {
    /// Starts listening.
    pub(super) fn listen(
        self,
        limits: HttpLimits,
        groups: &Arc<Groups>,
        kept: Kept,
        log_lines_dropped: Dropped,
    ) -> anyhow::Result<(TcpListener, HttpOptions)> {
        let Self { socket, listen, reached: (origin, proxies), letterhead } = self;
        let listening = socket.listen(ACCEPT_QUEUE_MAX);
        let listener = listening.with_context(|| bind::cant_listen(&listen))?;
        let address = listener.local_addr().context("can't get the listening address")?;
        tracing::info!(action = "listen_http", result = "success", %address);
        let is_encrypted = origin.as_ref().is_some_and(Origin::is_encrypted);
        if !(is_encrypted || address.ip().to_canonical().is_loopback()) {
            let advice = "not encrypted, including passwords: put a reverse proxy with TLS in \
                          front of it, and set --http-origin https://HOST";
            tracing::warn!(action = "listen_http", result = "in_progress", error = advice);
        }
        if is_encrypted && proxies.is_none() {
            let advice = "all clients of the reverse proxy share its address in limits and in this \
                          log: set --http-trusted-proxies and --http-client-header";
            tracing::warn!(action = "listen_http", result = "in_progress", error = advice);
        }
        let groups = Arc::clone(groups);
        let Kept { data, operators, health } = kept;
        let host = Arc::new(Machine { data, groups, health, log_lines_dropped });
        let options = HttpOptions { origin, proxies, operators, host, limits, letterhead };
        Ok((listener, options))
    }
}

impl Host for Machine {
    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::from)
    }

    fn disk_free_len(&self) -> io::Result<u64> {
        let data = self.data.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let disk = rustix::fs::statvfs(data)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn log_lines_dropped(&self) -> u64 {
        self.log_lines_dropped.count()
    }

    fn groups(&self) -> GroupCounts {
        GroupCounts { counts: self.groups.counts().collect(), events: self.groups.events() }
    }

    fn scrubbed(&self) -> Scrubbed {
        let Some(found) = &self.health.scrubbed else { return Scrubbed::default() };
        Scrubbed {
            passes: found.passes(),
            damaged_segments: found.damaged_segments(),
            damage: found.first_damage(),
        }
    }

    fn store_away(&self) -> Option<String> {
        self.health.store.as_ref().and_then(|store| store.state().away)
    }
}
