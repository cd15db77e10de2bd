//! Accepts connections within the limits, and gives each its task.
//!
//! No error ends it: when the system is out of descriptors, it pauses and goes on.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use central::{ConnectionLimiter, ConnectionPermit, Identity, Server, Service};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use lottery::DrawName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::Settings;
use crate::handshake::{self, Listeners, Listening, Security};
use crate::limits::{
    ACCEPT_QUEUE_MAX, ACCEPT_RETRY_TIME_MAX, ACCEPT_RETRY_TIME_MIN, Limits, LimitsError,
    REJECTED_MAX, REJECTED_PER_ADDRESS_MAX, SOCKET_LEN_MAX,
};
use crate::rejector::Rejector;
use crate::socket::{Shared, Socket};
use crate::transport::Transport;

/// Serves agencies.
pub struct AgencyServer {
    listeners: Option<Listeners>,
    shared: Arc<Shared>,
    limiter: Arc<ConnectionLimiter>,
    /// Limits rejected connections that linger.
    lingering: Arc<ConnectionLimiter>,
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl AgencyServer {
    /// Accepts connections from `listeners`, once it is run.
    ///
    /// # Errors
    /// When no agency could be served within `limits`.
    pub fn new(
        service: &Arc<Service>,
        limits: &Limits,
        listeners: Listeners,
    ) -> Result<Self, LimitsError> {
        let limiter =
            ConnectionLimiter::new(limits.connections_max, limits.connections_per_address_max);
        let in_flight = limits.in_flight_bytes_max.min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            service: Arc::clone(service),
            limits: limits.clone(),
            settings: Arc::new(Settings {
                session: limits.session()?,
                frame_time_max: limits.frame_time_max,
                write_time_max: limits.write_time_max,
                winners_wait: service.winners_wait(),
                zone: service.zone(),
                metrics: Arc::clone(service.metrics()),
            }),
            in_flight: Arc::new(Semaphore::new(in_flight)),
            stopping: CancellationToken::new(),
        };
        let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
        let lingering = ConnectionLimiter::new(REJECTED_MAX, REJECTED_PER_ADDRESS_MAX);
        let listeners = Some(listeners);
        Ok(Self { listeners, shared: Arc::new(shared), limiter, lingering, tasks, cut })
    }

    async fn accept_from(&self, listeners: &Listeners) -> Infallible {
        let plain = listeners.plain.iter().map(|at| (at, Security::Plain));
        let by_tls = listeners.tls.iter().flat_map(|(listening, configs)| {
            listening.iter().map(|at| (at, Security::Tls(configs)))
        });
        let accepting =
            plain.chain(by_tls).map(|(at, security)| Box::pin(self.accept_at(at, security)));
        let mut accepting: Vec<_> = accepting.collect();
        let accepting = poll_fn(|context| {
            for one in &mut accepting {
                if let Poll::Ready(never) = one.as_mut().poll(context) {
                    match never {}
                }
            }
            Poll::Pending
        });
        let ending = async {
            match &listeners.tls {
                Some((_, configs)) => {
                    let presence = self.shared.service.presence();
                    presence.watch_certificates(configs.clone()).await
                }
                None => pending().await,
            }
        };
        tokio::select! {
            never = accepting => never,
            never = ending => never,
        }
    }

    async fn accept_at(&self, at: &Listening, security: Security<'_>) -> Infallible {
        prepare(&at.listener);
        let mut pause = Pause::default();
        let lingering = Arc::clone(&self.lingering);
        let mut rejector = Rejector::new(&self.shared, &self.tasks, lingering);
        loop {
            let (stream, peer) = match at.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    // Descriptors come back as connections end.
                    tracing::error!(action = "accept_connections", result = "fail", error = %error);
                    tokio::time::sleep(pause.next()).await;
                    continue;
                }
            };
            pause = Pause::default();
            match self.limiter.take(peer.ip()) {
                Ok(permit) => self.serve(stream, peer, permit, (security, at.draw.clone())),
                Err(why) => rejector.reject(stream, peer.ip(), why, security),
            }
            // A flood of new connections does not hold up those that are there.
            tokio::task::yield_now().await;
        }
    }

    async fn close(&self) {
        self.shared.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: ConnectionPermit,
        (security, bound): (Security<'_>, Option<Arc<DrawName>>),
    ) {
        if let Err(error) = set_up(&stream, &self.shared.limits) {
            // The peer is gone already.
            tracing::debug!(
                action = "accept_connections",
                result = "fail",
                ip = %peer.ip(),
                error = %error,
            );
            return;
        }
        tracing::info!(action = "accept_connections", result = "success", ip = %peer.ip());
        let (shared, cut) = (Arc::clone(&self.shared), self.cut.clone());
        match security {
            Security::Plain => {
                let transport = Transport::plain(stream);
                let socket = Socket::new(transport, peer, Identity::Claimed, bound, shared);
                self.tasks.spawn(run(socket, cut, permit));
            }
            Security::Tls(configs) => {
                let configs = configs.clone();
                let entering = Box::pin(handshake::enter(stream, peer, configs, bound, shared));
                self.tasks.spawn(run_with_tls(entering, cut, permit));
            }
        }
    }
}

impl Server for AgencyServer {
    fn accept(&mut self) -> BoxFuture<'_, Infallible> {
        let listeners = self.listeners.take().expect("connections are accepted once");
        async move { self.accept_from(&listeners).await }.boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.close().boxed()
    }

    fn cut(&self) -> BoxFuture<'_, usize> {
        let remaining = self.tasks.len();
        self.cut.cancel();
        async move {
            self.close().await;
            remaining
        }
        .boxed()
    }
}

/// A connection's task. Its size is the memory of an idle connection.
async fn run(mut socket: Socket, cut: CancellationToken, _permit: ConnectionPermit) {
    cut.run_until_cancelled(socket.run()).await;
}

/// As [`run`], after the handshake, which needs more memory for a moment.
async fn run_with_tls(
    entering: Pin<Box<impl Future<Output = Option<Socket>>>>,
    cut: CancellationToken,
    permit: ConnectionPermit,
) {
    if let Some(Some(socket)) = cut.run_until_cancelled(entering).await {
        run(socket, cut, permit).await;
    }
}

/// The pauses after failures to accept: each twice the one before, up to a limit.
#[derive(Debug, Default)]
struct Pause {
    last: Duration,
}

impl Pause {
    fn next(&mut self) -> Duration {
        self.last = (self.last * 2).clamp(ACCEPT_RETRY_TIME_MIN, ACCEPT_RETRY_TIME_MAX);
        self.last
    }
}

/// Whether an error concerns only the connection being accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::Interrupted
            | Kind::TimedOut
    )
}

/// Sets the options that connections inherit from their listener. They work without, too.
fn prepare(listener: &TcpListener) {
    let socket = SockRef::from(listener);
    let prepared = socket
        .set_send_buffer_size(SOCKET_LEN_MAX)
        .and_then(|()| socket.set_recv_buffer_size(SOCKET_LEN_MAX))
        // Makes its queue longer.
        .and_then(|()| socket.listen(ACCEPT_QUEUE_MAX.cast_signed()));
    if let Err(error) = prepared {
        tracing::warn!(action = "accept_connections", result = "fail", error = %error);
    }
}

fn set_up(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    // Replies are batched here already: Nagle's algorithm would only delay them.
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(limits.keepalive_idle_time)
        .with_interval(limits.keepalive_interval)
        .with_retries(limits.keepalive_probes);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use engine::conformance::{TestClock, in_memory};
    use lottery::{Agencies as Registered, DrawName, DrawTerms, NumberRange};

    use super::*;
    use central::{Central, Mode, Options, Zone};

    #[tokio::test]
    async fn an_idle_connection_costs_little() {
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Registered::first(1).unwrap(),
            numbers: NumberRange::default(),
        };
        let mode = Mode::Automatic { terms, winning_number: 7 };
        let (winners_wait, shutdown_time_max) = (Duration::ZERO, Duration::ZERO);
        let options = Options { mode, winners_wait, zone: Zone::default(), shutdown_time_max };
        let clock = Arc::<TestClock>::default();
        let engine = Arc::new(in_memory(clock.clone()));
        let central = Central::open(engine, clock, options).await.unwrap();
        let (limits, listeners) = (Limits::default(), Listeners::default());
        let agencies = AgencyServer::new(central.service(), &limits, listeners).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let shared = Arc::clone(&agencies.shared);
        let transport = Transport::plain(stream);
        let socket = Socket::new(transport, address, Identity::Claimed, None, shared);
        assert_eq!(
            socket.connection.session().memory_len(),
            0,
            "no buffer before there is something to read"
        );
        let permit = agencies.limiter.take(address.ip()).unwrap();
        let task = run(socket, agencies.cut.clone(), permit);
        assert!(size_of_val(&task) <= 2560, "{} bytes", size_of_val(&task));
    }

    #[test]
    fn pauses_grow_up_to_the_limit() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..7).map(|_| pause.next().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn running_out_of_descriptors_is_not_one_connections_fault() {
        // EMFILE and ENFILE.
        for code in [24, 23] {
            assert!(!is_of_one_connection(&io::Error::from_raw_os_error(code)));
        }
        assert!(is_of_one_connection(&io::Error::from(io::ErrorKind::ConnectionAborted)));
    }

    #[tokio::test]
    async fn what_the_system_keeps_of_a_connection_is_bounded_from_its_start() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        prepare(&listener);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&stream);
        // Linux tells twice what was asked for.
        assert!(socket.send_buffer_size().unwrap() <= 2 * SOCKET_LEN_MAX);
        assert!(socket.recv_buffer_size().unwrap() <= 2 * SOCKET_LEN_MAX);
    }

    #[tokio::test]
    async fn a_connection_is_asked_whether_it_lives() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        set_up(&stream, &Limits::default()).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(10));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    }
}
