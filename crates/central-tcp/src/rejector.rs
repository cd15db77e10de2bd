//! Rejects connections over a limit: tells them why, and closes them.
//!
//! An agency may have sent HELLO already. Closing a socket with unread bytes has the network drop what
//! was sent to it: the agency would see a broken connection, and no reason. So some connections
//! linger: their bytes are read and dropped until they close, or for a short while.
//!
//! Invariants: at most `REJECTED_MAX` connections linger, each for `linger_time_max` and a window of
//! messages at most, and one address has a part of them; log lines are throttled, and counted.

use std::net::{IpAddr, Shutdown};
use std::sync::Arc;

use central::{ConnectionLimit, ConnectionLimiter, LogThrottle};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use wire::CentralSession;

use crate::handshake::Security;
use crate::socket::{Shared, discard};
use crate::translate::Refusal;

/// See the module's documentation.
pub(super) struct Rejector {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    lingering: Arc<ConnectionLimiter>,
    in_all: LogThrottle,
    of_address: LogThrottle,
}

impl Rejector {
    /// For one listener.
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

    /// Tells a connection why it is closed, and closes it. With TLS it is closed only: a reason would
    /// need the handshake.
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
        // A new socket has room for this. Directly, since the runtime has not polled it yet.
        let _ = SockRef::from(&stream).send(session.outgoing());
        let _ = SockRef::from(&stream).shutdown(Shutdown::Write);
        let Ok(permit) = self.lingering.take(peer) else { return };
        // An agency sends no more than its window before it reads.
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
        let (throttle, ip) = match why {
            ConnectionLimit::Total => (&mut self.in_all, None),
            ConnectionLimit::PerAddress => (&mut self.of_address, Some(peer)),
        };
        if let Some(count) = throttle.due(Instant::now()) {
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
