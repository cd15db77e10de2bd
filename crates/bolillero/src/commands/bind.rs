//! Binds the addresses for agencies, in plain text, TLS or both, with the central's certificates.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use central_tcp::limits::ACCEPT_QUEUE_MAX;
use central_tcp::{Listeners, Listening};
use lottery::View;
use pki::{CentralConfig, CentralFiles};
use rustls::pki_types::UnixTime;
use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::arg_types::Listen;
use crate::exit::Ending;

/// How long before a certificate expires its renewal is advised.
pub(super) const EXPIRES_SOON: Duration = Duration::from_hours(30 * 24);

/// The addresses to listen on, and the TLS files.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) plain: Vec<Listen>,
    /// Whether plain text may be served to other hosts.
    pub(super) allow_plaintext: bool,
    pub(super) tls: Option<(Vec<Listen>, CentralFiles)>,
}

/// Bound sockets that do not accept connections yet.
pub(super) struct Bound {
    plain: Vec<(TcpSocket, Listen)>,
    tls: Option<(Vec<(TcpSocket, Listen)>, CentralFiles, Arc<CentralConfig>)>,
}

/// The central's certificates, and the files that they were read from.
pub(super) struct Certificates {
    files: CentralFiles,
    newest: watch::Sender<Arc<CentralConfig>>,
}

impl Addresses {
    /// Reads the certificates.
    pub(super) fn check_files(&self) -> Result<(), Ending> {
        self.tls.as_ref().map_or(Ok(()), |(_, files)| load(files, None).map(drop))
    }

    /// Binds the addresses and reads the certificates.
    pub(super) async fn bind(self) -> Result<Bound, Ending> {
        let plain = all_bound(self.plain).await?;
        for (socket, listen) in &plain {
            check_plaintext(socket, &listen.address, self.allow_plaintext)?;
        }
        let tls = match self.tls {
            None => None,
            Some((listen, files)) => {
                let config = load(&files, None)?;
                Some((all_bound(listen).await?, files, config))
            }
        };
        Ok(Bound { plain, tls })
    }
}

impl Bound {
    /// Checks that each draw bound to an address exists or has a name that can still be announced.
    pub(super) fn check_draws(&self, view: &View) -> Result<(), Ending> {
        let by_tls = self.tls.iter().flat_map(|(addresses, ..)| addresses);
        for (_, listen) in self.plain.iter().chain(by_tls) {
            if let Some(name) = &listen.draw {
                central::draw_name(view, name)
                    .map_err(|why| Ending::wrong(format!("{listen} names no draw: {why}")))?;
            }
        }
        Ok(())
    }

    /// Starts listening. Returns the certificates too, if there are any.
    pub(super) fn listen(self) -> anyhow::Result<(Listeners, Option<Certificates>)> {
        let mut listeners = Listeners::default();
        for (socket, listen) in self.plain {
            listeners.plain.push(listening(socket, listen, None)?);
        }
        let Some((addresses, files, config)) = self.tls else { return Ok((listeners, None)) };
        let (newest, configs) = watch::channel(config);
        let all = addresses.into_iter();
        let all = all.map(|(socket, listen)| listening(socket, listen, Some(true)));
        listeners.tls = Some((all.collect::<Result<_, _>>()?, configs));
        Ok((listeners, Some(Certificates { files, newest })))
    }
}

/// Rejects plain text on an address other than the loopback, unless it is explicitly allowed.
fn check_plaintext(socket: &TcpSocket, listen: &str, allowed: bool) -> Result<(), Ending> {
    let address = socket.local_addr().context("can't get the listening address")?;
    if address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    if !allowed {
        return Err(Ending::wrong(format!(
            "{listen} can be reached from other hosts, and anybody on the network path can read \
             and change plain text: use --tls-listen instead of --listen, or --allow-plaintext"
        )));
    }
    tracing::warn!(
        action = "listen",
        result = "in_progress",
        %address,
        error = "anybody on the network path can read and change plain text, and impersonate any \
                 agency",
    );
    Ok(())
}

fn load(
    files: &CentralFiles,
    before: Option<&CentralConfig>,
) -> Result<Arc<CentralConfig>, Ending> {
    let now = UnixTime::now();
    let config = pki::central_config(files, before, now).map_err(|error| {
        let wrong = error.is_wrong_input();
        Ending::of(wrong, anyhow::Error::new(error).context("can't use TLS"))
    })?;
    let until = config.until;
    tracing::info!(
        action = "load_certificates",
        result = "success",
        expires = %until,
        revoked = config.revoked,
    );
    if until.0.as_secs().saturating_sub(now.as_secs()) < EXPIRES_SOON.as_secs() {
        tracing::warn!(
            action = "load_certificates",
            result = "success",
            expires = %until,
            error = "the central's certificate, or an intermediate one, expires soon: issue a new \
                     one and send SIGHUP",
        );
    }
    for warning in &config.warnings {
        tracing::warn!(action = "load_certificates", result = "success", error = %warning);
    }
    Ok(Arc::new(config))
}

impl Certificates {
    /// Reads the files again; if they can't be used, the previous certificates stay in use.
    pub(super) async fn reload(&self) {
        let (files, before) = (self.files.clone(), Arc::clone(&self.newest.borrow()));
        match tokio::task::spawn_blocking(move || load(&files, Some(&before))).await {
            Ok(Ok(config)) => {
                self.newest.send_replace(config);
            }
            Ok(Err(ending)) => {
                let error = ending.into_error();
                tracing::error!(
                    action = "load_certificates",
                    result = "fail",
                    error = %format_args!("{error:#}; the previous certificates stay in use"),
                );
            }
            // The reading is cancelled only at shutdown.
            Err(_) => {}
        }
    }
}

fn listening(socket: TcpSocket, at: Listen, tls: Option<bool>) -> anyhow::Result<Listening> {
    let Listen { address, draw } = at;
    let listener = socket.listen(ACCEPT_QUEUE_MAX).with_context(|| cant_listen(&address))?;
    let address = listener.local_addr().context("can't get the listening address")?;
    tracing::info!(
        action = "listen",
        result = "success",
        %address,
        tls,
        draw = draw.as_ref().map(tracing::field::display),
    );
    Ok(Listening { listener, draw: draw.map(Arc::new) })
}

/// Binds all addresses.
async fn all_bound(addresses: Vec<Listen>) -> Result<Vec<(TcpSocket, Listen)>, Ending> {
    let mut all = Vec::new();
    for listen in addresses {
        all.push((bound(&listen.address).await?, listen));
    }
    Ok(all)
}

/// Binds a socket that does not accept connections yet.
pub(super) async fn bound(listen: &str) -> Result<TcpSocket, Ending> {
    let failed = |error: io::Error| {
        let wrong = error.kind() == io::ErrorKind::InvalidInput;
        Ending::of(wrong, anyhow::Error::new(error).context(cant_listen(listen)))
    };
    let addresses = tokio::net::lookup_host(listen).await.map_err(failed)?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match bound_to(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn bound_to(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections left by a killed central would otherwise keep the address in use.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

pub(super) fn cant_listen(listen: &str) -> String {
    format!("can't listen on {listen}; is the address free and valid?")
}
