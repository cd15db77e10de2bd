//! What becomes of a connection over a limit: it is told so, and closed.
//!
//! An agency that says HELLO at once may have done so before it is turned away. A socket closed
//! with bytes that nobody read, or that arrive later, makes the network drop what was sent: the
//! agency would see a connection that broke, and not why. So some of them linger: what they send
//! is read and dropped until they close, or for a short while.
//!
//! Invariants: a flood costs `REJECTED_MAX` lingering connections and no more, each for
//! `linger_time_max` and a window of messages at most; one address has a part of them; it is logged
//! now and then, and counted whole.

use std::net::{IpAddr, Shutdown};
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use wire::CentralSession;

use crate::handshake::Security;
use crate::socket::{Shared, discard};
use crate::translate::Refusal;
use central::LogThrottle;
use central::{ConnectionLimit, ConnectionLimiter};

/// Connections turned away.
pub(super) struct Rejector {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    lingering: Arc<ConnectionLimiter>,
    in_all: LogThrottle,
    of_address: LogThrottle,
}

impl Rejector {
    /// None yet.
    pub(super) fn new(
        shared: &Arc<Shared>,
        tasks: &TaskTracker,
        lingering: Arc<ConnectionLimiter>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            tasks: tasks.clone(),
            lingering,
            in_all: LogThrottle::default(),
            of_address: LogThrottle::default(),
        }
    }

    /// Tells a connection why it is closed, and closes it. With TLS nothing can be told before it
    /// is agreed on, which would cost more than there is place for.
    pub(super) fn reject(
        &mut self,
        stream: TcpStream,
        peer: IpAddr,
        why: ConnectionLimit,
        security: Security<'_>,
    ) {
        self.log(peer, why);
        if matches!(security, Security::Tls(_)) {
            return;
        }
        let limits = self.shared.settings.session;
        let mut session = CentralSession::new(limits);
        session.refuse_unasked(Refusal::Busy(why).message(None, self.shared.service.zone()));
        // A new socket has room for this; if it has not, the close tells enough. Directly, since
        // the runtime does not know yet that it can be written to.
        let _ = SockRef::from(&stream).send(session.outgoing());
        let _ = SockRef::from(&stream).shutdown(Shutdown::Write);
        let Ok(permit) = self.lingering.take(peer) else { return };
        // An agency that expects to be served sends no more than this before it reads.
        let len_max = usize::from(limits.window()) * limits.frame_len_max() as usize;
        let (time_max, stopping) =
            (self.shared.limits.linger_time_max, self.shared.stopping.clone());
        self.tasks.spawn(async move {
            let gone = timeout(time_max, discard(&stream, len_max));
            let _ = stopping.run_until_cancelled(gone).await;
            drop((stream, permit));
        });
    }

    fn log(&mut self, peer: IpAddr, why: ConnectionLimit) {
        let (paced, ip) = match why {
            ConnectionLimit::Total => (&mut self.in_all, None),
            ConnectionLimit::PerAddress => (&mut self.of_address, Some(peer)),
        };
        if let Some(count) = paced.due(Instant::now()) {
            tracing::warn!(
                action = "accept_connections",
                result = "fail",
                ip = ip.map(tracing::field::display),
                cantidad = count,
                error = %why,
            );
        }
    }
}
