//! One connection: its socket, its session, and what it waits for.
//!
//! The task goes round: answer all that can be answered, send it in one write, then wait for the
//! socket, the store, the draw, a deadline or the shutdown, whichever is first.
//!
//! Invariants:
//! - it is read only while the session takes requests: an agency that sends more than its window
//!   is held back by TCP, never refused;
//! - only what the agency fails to do has a deadline: to end a message that it began, to take
//!   replies. A connection without either may be silent for ever;
//! - however much it sends, it lets others have their turn after [`YIELD_LEN`] bytes;
//! - an agency that closed its sending side still gets all that it is owed;
//! - it ends only when the store has answered all that was submitted, so that what is stored is
//!   logged and waited for at shutdown even if the agency is gone.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use lottery::DrawName;
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wire::{CentralSession, SessionLimits};

use crate::draw_lookup::DrawLookup;
use crate::limits::{DISCARD_LEN, Limits, YIELD_LEN};
use crate::log_limit::LogLimit;
use crate::outcomes::Outcomes;
use crate::requests::Stalled;
use crate::translate::Refusal;
use crate::transport::Transport;
use crate::winners::WinnersRequests;
use central::{Identity, PresenceGuard, Service};

/// What all connections have in common.
pub(super) struct Shared {
    pub(super) service: Arc<Service>,
    pub(super) limits: Limits,
    pub(super) session_limits: SessionLimits,
    /// Bytes of batches that may still be given to the store.
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) stopping: CancellationToken,
}

/// One connection.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) presence_guard: PresenceGuard,
    pub(super) session: CentralSession,
    /// Which draw its messages are for.
    pub(super) draws: DrawLookup,
    pub(super) outcomes: Arc<Outcomes>,
    /// Requests that the store has not answered.
    pub(super) submitted: usize,
    pub(super) stalled: Option<Box<Stalled>>,
    pub(super) winners: WinnersRequests,
    pub(super) log_limit: LogLimit,
    /// Bytes of requests handled since others had their turn.
    pub(super) handled_len: usize,
    /// The central stops, or this connection is to end: no more requests are taken.
    pub(super) stopping: bool,
    transport: Transport,
    /// Since when the message that is arriving does, while it is read.
    message_since: Option<Instant>,
    /// Since when the agency takes nothing of what it is sent.
    unsent_since: Option<Instant>,
    /// Whether the agency may not have expected the end.
    lingers: bool,
}

/// Why a connection is dropped without its last replies.
#[derive(Debug, Error)]
enum Dropped {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("the agency takes no replies")]
    TakesNoReplies,
}

impl Connection {
    pub(super) fn new(
        transport: Transport,
        peer: SocketAddr,
        identity: Identity,
        bound: Option<Arc<DrawName>>,
        shared: Arc<Shared>,
    ) -> Self {
        let outcomes = Arc::<Outcomes>::default();
        let woken = Arc::clone(&outcomes);
        let presence = shared.service.presence();
        Self {
            presence_guard: presence.enter(peer, identity, move || woken.wake()),
            session: CentralSession::new(shared.session_limits),
            draws: DrawLookup::at(bound),
            shared,
            outcomes,
            submitted: 0,
            stalled: None,
            winners: WinnersRequests::default(),
            log_limit: LogLimit::new(peer.ip()),
            handled_len: 0,
            stopping: false,
            transport,
            message_since: None,
            unsent_since: None,
            lingers: false,
        }
    }

    /// Serves the agency until one of the two ends it.
    pub(super) async fn run(&mut self) {
        match self.converse().await {
            Ok(()) => self.close().await,
            Err(why) => self.abandon(&why),
        }
        self.stalled = None;
        while self.submitted > 0 {
            self.outcomes.arrived().await;
            self.take_outcomes();
        }
    }

    async fn converse(&mut self) -> Result<(), Dropped> {
        let shared = Arc::clone(&self.shared);
        let mut stopping = pin!(shared.stopping.cancelled());
        loop {
            if self.presence_guard.is_ended() {
                self.leave();
            }
            while self.answer() | self.send()? {
                tokio::task::coop::consume_budget().await;
            }
            if self.handled_len >= YIELD_LEN {
                self.handled_len = 0;
                tokio::task::yield_now().await;
                continue;
            }
            if self.is_over() {
                return Ok(());
            }
            if self.reads() && self.transport.has_read_ahead() {
                self.read().await?;
                continue;
            }
            let interest = self.interest();
            let deadline = self.deadline();
            let ready = tokio::select! {
                ready = self.transport.ready(interest) => Some(ready?),
                () = self.outcomes.arrived() => None,
                () = self.winners.changed() => None,
                permit = Self::permit(&mut self.stalled) => {
                    self.resume(permit);
                    None
                }
                () = until(deadline) => None,
                () = &mut stopping, if !self.stopping => {
                    self.stop();
                    None
                }
            };
            match ready {
                Some(ready) if ready.is_error() => return Err(self.socket_error().into()),
                Some(ready) if self.reads() && (ready.is_readable() || ready.is_read_closed()) => {
                    self.read().await?;
                }
                _ => {}
            }
            self.judge_delays()?;
        }
    }

    /// Takes requests, outcomes and winners for as long as there are some. Says whether there were.
    fn answer(&mut self) -> bool {
        let (mut answered, mut taken) = (false, false);
        loop {
            let requests = self.take_requests();
            let outcomes = self.take_outcomes();
            let winners = self.tell_winners(self.stopping);
            taken |= requests;
            if !(requests | outcomes | winners) {
                break;
            }
            answered = true;
        }
        let arriving = self.session.is_mid_message() && self.reads();
        let since = self.message_since.filter(|_| !taken);
        self.message_since = arriving.then(|| since.unwrap_or_else(Instant::now));
        answered
    }

    /// Answers the requests for winners that can be answered. Says whether there was one.
    fn tell_winners(&mut self, ends: bool) -> bool {
        let Shared { service, session_limits, .. } = &*self.shared;
        self.winners.answer(
            &mut self.session,
            session_limits.frame_len_max(),
            |agency| !service.is_disabled(agency),
            Instant::now(),
            ends,
            service.zone(),
        )
    }

    /// Writes what waits to be sent, as far as it is taken. Says whether something was.
    fn send(&mut self) -> Result<bool, io::Error> {
        let mut sent = false;
        while !self.session.outgoing().is_empty() || self.transport.wants_write() {
            match self.transport.try_write(self.session.outgoing()) {
                Ok(len) => {
                    self.session.sent(len);
                    self.unsent_since = None;
                    sent = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent_since.get_or_insert_with(Instant::now);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Reads once, as much as there is room for.
    async fn read(&mut self) -> Result<(), io::Error> {
        let (transport, session) = (&mut self.transport, &mut self.session);
        let len = poll_fn(|context| match transport.poll_read(context, session.space()) {
            Poll::Ready(read) => Poll::Ready(read.map(Some)),
            Poll::Pending => Poll::Ready(Ok(None)),
        });
        match len.await? {
            Some(0) => session.end_of_input(),
            Some(len) => session.filled(len),
            // The next look for requests gives the buffer back.
            None => {}
        }
        Ok(())
    }

    fn reads(&self) -> bool {
        !self.stopping && self.stalled.is_none() && self.session.wants_input()
    }

    /// What to wait for on the socket: always for its breaking.
    fn interest(&self) -> Interest {
        let mut interest = Interest::ERROR;
        if self.reads() {
            interest |= Interest::READABLE;
        }
        if !self.session.outgoing().is_empty() || self.transport.wants_write() {
            interest |= Interest::WRITABLE;
        }
        interest
    }

    fn deadline(&self) -> Option<Instant> {
        let limits = &self.shared.limits;
        let message = self.message_since.and_then(|at| at.checked_add(limits.frame_time_max));
        let unsent = self.unsent_since.and_then(|at| at.checked_add(limits.write_time_max));
        [message, unsent, self.winners.deadline()].into_iter().flatten().min()
    }

    /// Ends the connection of an agency that is too slow.
    fn judge_delays(&mut self) -> Result<(), Dropped> {
        let (now, limits) = (Instant::now(), &self.shared.limits);
        let over = |since: Option<Instant>, time_max| {
            since.and_then(|at| at.checked_add(time_max)).is_some_and(|end| end <= now)
        };
        if over(self.unsent_since, limits.write_time_max) {
            return Err(Dropped::TakesNoReplies);
        }
        if over(self.message_since, limits.frame_time_max) {
            self.session
                .refuse_unasked(Refusal::TimedOut.message(None, self.shared.service.zone()));
            self.message_since = None;
            tracing::warn!(
                action = "recibir_mensaje",
                result = "fail",
                ip = %self.peer(),
                error = %Refusal::TimedOut,
            );
        }
        Ok(())
    }

    /// Takes no more requests; those that wait for the draw are answered at the next round.
    fn stop(&mut self) {
        self.stopping = true;
        let idle = self.session.unanswered() == 0 && self.session.outgoing().is_empty();
        self.lingers = !idle;
        if self.session.identity().is_some() && !self.session.is_closing() {
            self.tell_winners(true);
            self.session
                .refuse_unasked(Refusal::ShuttingDown.message(None, self.shared.service.zone()));
        }
    }

    /// Takes no more requests, since its connection is no longer wanted.
    fn leave(&mut self) {
        self.stopping = true;
        self.lingers = true;
    }

    fn is_over(&self) -> bool {
        let nothing_owed = self.session.unanswered() == 0 && self.session.outgoing().is_empty();
        (self.session.is_closed() || (self.stopping && nothing_owed))
            && !self.transport.wants_write()
    }

    /// Closes in order: the agency reads all replies and then the end.
    async fn close(&mut self) {
        self.transport.end();
        let refused = self.session.is_closing() && !self.stopping;
        if self.lingers || refused {
            // If something arrived that nobody reads, closing would drop the replies on their way.
            let _ = tokio::time::timeout(
                self.shared.limits.linger_time_max,
                discard(self.transport.socket(), usize::MAX),
            )
            .await;
        }
    }

    fn abandon(&self, why: &Dropped) {
        match why {
            Dropped::Socket(error) => {
                let ip = self.peer();
                tracing::debug!(action = "atender_conexion", result = "fail", %ip, error = %error);
            }
            Dropped::TakesNoReplies => {
                tracing::warn!(
                    action = "enviar_respuesta",
                    result = "fail",
                    ip = %self.peer(),
                    error = %why,
                );
                // What the agency does not take is not to be kept by the system either.
                let _ = self.transport.socket().set_zero_linger();
            }
        }
    }

    pub(super) fn peer(&self) -> IpAddr {
        self.presence_guard.peer().ip()
    }

    fn socket_error(&self) -> io::Error {
        let taken = self.transport.socket().take_error().ok().flatten();
        taken.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
    }
}

/// Reads until the agency closes its side, or more than `len_max` bytes were read.
pub(super) async fn discard(stream: &TcpStream, len_max: usize) -> io::Result<()> {
    let mut len = 0;
    while len <= len_max {
        stream.readable().await?;
        let mut discarded = vec![0; DISCARD_LEN];
        match stream.try_read(&mut discarded) {
            Ok(0) => return Ok(()),
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
