//! Joins a connection to its socket and to the service.
//!
//! The task goes round: hand over all calls, take all answers, send what there is in one write, then
//! wait for the socket, the service, the draw, a deadline or the shutdown, whichever is first.
//!
//! Invariants:
//! - bytes of batches are counted from the call until its answer; a call for which there is no room
//!   waits, and nothing more is read meanwhile;
//! - an agency that closed its sending side still gets all that it is owed;
//! - the task ends only when the service has answered all calls, so that what is stored is logged
//!   and waited for at shutdown even if the agency is gone.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use central::{Identity, Service};
use lottery::{Batch, DrawName};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wire::Ticket;

use crate::answers::Answers;
use crate::connection::{Answer, BatchOf, Call, Connection, Settings, TakesNoReplies};
use crate::limits::{DISCARD_LEN, Limits};
use crate::transport::Transport;

/// What all sockets have in common.
pub(super) struct Shared {
    pub(super) service: Arc<Service>,
    pub(super) limits: Limits,
    pub(super) settings: Arc<Settings>,
    /// Bytes of batches that may still be given to the service.
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) stopping: CancellationToken,
}

/// One connection and its socket.
pub(super) struct Socket {
    pub(super) connection: Connection,
    shared: Arc<Shared>,
    answers: Arc<Answers>,
    /// Calls that the service has not answered.
    unanswered: usize,
    stalled: Option<Box<Stalled>>,
    transport: Transport,
}

/// A batch that waits until less is in flight.
struct Stalled {
    ticket: Ticket,
    batch: Batch,
    permit: Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send>>,
}

/// Why a connection is dropped without its last replies.
#[derive(Debug, Error)]
enum Dropped {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    TakesNoReplies(#[from] TakesNoReplies),
}

impl Socket {
    pub(super) fn new(
        transport: Transport,
        peer: SocketAddr,
        identity: Identity,
        bound: Option<Arc<DrawName>>,
        shared: Arc<Shared>,
    ) -> Self {
        let answers = Arc::<Answers>::default();
        let woken = Arc::clone(&answers);
        let presence = shared.service.presence().enter(peer, identity, move || woken.wake());
        let connection = Connection::new(presence, bound, Arc::clone(&shared.settings));
        Self { connection, shared, answers, unanswered: 0, stalled: None, transport }
    }

    /// Serves the agency until one of the two ends it.
    pub(super) async fn run(&mut self) {
        match self.converse().await {
            Ok(()) => self.close().await,
            Err(why) => self.abandon(&why),
        }
        self.stalled = None;
        while self.unanswered > 0 {
            self.answers.arrived().await;
            self.take_answers();
        }
    }

    async fn converse(&mut self) -> Result<(), Dropped> {
        let shared = Arc::clone(&self.shared);
        let mut stopping = pin!(shared.stopping.cancelled());
        loop {
            if self.connection.presence().is_ended() {
                self.connection.end();
            }
            loop {
                let answered = self.answer();
                let sent = self.send()?;
                if !answered && !sent {
                    break;
                }
                tokio::task::coop::consume_budget().await;
            }
            if self.connection.yields() {
                self.connection.yielded();
                tokio::task::yield_now().await;
                continue;
            }
            if self.connection.is_over() && !self.transport.wants_write() {
                return Ok(());
            }
            if self.reads() && self.transport.has_read_ahead() {
                self.read().await?;
                continue;
            }
            let interest = self.interest();
            let deadline = self.connection.deadline();
            let ready = tokio::select! {
                ready = self.transport.ready(interest) => Some(ready?),
                () = self.answers.arrived() => None,
                () = self.connection.winners_changed() => None,
                permit = permit(&mut self.stalled) => {
                    self.resume(permit);
                    None
                }
                () = until(deadline) => None,
                () = &mut stopping, if !self.connection.is_stopping() => {
                    let draws = shared.service.agency_draws();
                    self.connection.shut_down(draws, Instant::now());
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
            self.connection.handle_timeout(Instant::now())?;
        }
    }

    /// Hands over calls and takes answers and winners for as long as there are some. Returns whether
    /// there were.
    fn answer(&mut self) -> bool {
        let mut answered = false;
        loop {
            let now = Instant::now();
            let called = self.make_calls(now);
            let taken = self.take_answers();
            let draws = self.shared.service.agency_draws();
            let sent = self.connection.send_winners(draws, now);
            if !called && !taken && !sent {
                return answered;
            }
            answered = true;
        }
    }

    fn make_calls(&mut self, now: Instant) -> bool {
        let mut called = false;
        while self.stalled.is_none() {
            let draws = self.shared.service.agency_draws();
            let Some(call) = self.connection.next_call(draws, now) else { break };
            self.make(call, now);
            called = true;
        }
        called
    }

    fn make(&mut self, call: Call, now: Instant) {
        let service = &self.shared.service;
        match call {
            Call::Append { batch, weight, ticket } => self.admit(ticket, batch, weight),
            Call::Progress { draw, agency, hello } => {
                self.unanswered += 1;
                let answers = Arc::clone(&self.answers);
                service.progress(&draw, agency, move |progress| {
                    answers.put(Answer::Progress(hello, progress));
                });
            }
            Call::Finish { draw, agency, ticket } => {
                self.unanswered += 1;
                let answers = Arc::clone(&self.answers);
                service.finish(&draw, agency, move |finished| {
                    answers.put(Answer::Finish(ticket, agency, finished));
                });
            }
            Call::Winners { draw, agency, ticket } => {
                let stage = service.winners(draw);
                self.connection.wait_for_winners(ticket, agency, stage, now);
            }
        }
    }

    fn admit(&mut self, ticket: Ticket, batch: Batch, weight: usize) {
        // Less than what it takes if that is more than there is: it must pass some time.
        let weight = weight.min(self.shared.limits.in_flight_bytes_max);
        let weight = u32::try_from(weight).expect("a message is shorter than 4 GiB");
        let in_flight = Arc::clone(&self.shared.in_flight);
        match Arc::clone(&in_flight).try_acquire_many_owned(weight) {
            Ok(permit) => self.append(ticket, batch, permit),
            Err(_) => {
                let permit = Box::pin(async move {
                    let permit = in_flight.acquire_many_owned(weight).await;
                    permit.expect("the semaphore is never closed")
                });
                self.stalled = Some(Box::new(Stalled { ticket, batch, permit }));
            }
        }
    }

    fn append(&mut self, ticket: Ticket, batch: Batch, permit: OwnedSemaphorePermit) {
        self.unanswered += 1;
        let answers = Arc::clone(&self.answers);
        let of = BatchOf::of(&batch);
        let (service, begun) = (&self.shared.service, Instant::now());
        let metrics = Arc::clone(service.metrics());
        service.append(batch, move |appended| {
            drop(permit);
            if let Ok(appended) = appended {
                metrics.stored(of.bets, appended, begun.elapsed());
            }
            answers.put(Answer::Append { ticket, of, appended });
        });
    }

    /// Makes the call that waited.
    fn resume(&mut self, permit: OwnedSemaphorePermit) {
        if let Some(stalled) = self.stalled.take() {
            self.append(stalled.ticket, stalled.batch, permit);
        }
    }

    fn take_answers(&mut self) -> bool {
        let answers = self.answers.take();
        self.unanswered -= answers.len();
        let taken = !answers.is_empty();
        for answer in answers {
            self.connection.answer(answer);
        }
        taken
    }

    /// Writes what waits to be sent, as far as it is taken. Returns whether something was.
    fn send(&mut self) -> Result<bool, io::Error> {
        let mut sent = false;
        while !self.connection.outgoing().is_empty() || self.transport.wants_write() {
            match self.transport.try_write(self.connection.outgoing()) {
                Ok(len) => {
                    self.connection.sent(len);
                    sent = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.connection.send_blocked(Instant::now());
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Reads once, as much as there is room for.
    async fn read(&mut self) -> Result<(), io::Error> {
        let (transport, connection) = (&mut self.transport, &mut self.connection);
        let len = poll_fn(|context| match transport.poll_read(context, connection.space()) {
            Poll::Ready(read) => Poll::Ready(read.map(Some)),
            Poll::Pending => Poll::Ready(Ok(None)),
        });
        match len.await? {
            Some(0) => connection.end_of_input(),
            Some(len) => connection.filled(len),
            // The next look for requests gives the buffer back.
            None => {}
        }
        Ok(())
    }

    fn reads(&self) -> bool {
        self.stalled.is_none() && self.connection.takes_input()
    }

    /// What to wait for on the socket: always for its breaking.
    fn interest(&self) -> Interest {
        let mut interest = Interest::ERROR;
        if self.reads() {
            interest |= Interest::READABLE;
        }
        if !self.connection.outgoing().is_empty() || self.transport.wants_write() {
            interest |= Interest::WRITABLE;
        }
        interest
    }

    /// Closes in order: the agency reads all replies and then the end.
    async fn close(&mut self) {
        self.transport.end();
        if self.connection.lingers() {
            // If something arrived that is never read, closing would drop the replies on their way.
            let gone = discard(self.transport.socket(), usize::MAX);
            let _ = tokio::time::timeout(self.shared.limits.linger_time_max, gone).await;
        }
    }

    fn abandon(&self, why: &Dropped) {
        let ip = self.ip();
        match why {
            Dropped::Socket(error) => {
                tracing::debug!(action = "serve_connection", result = "fail", %ip, error = %error);
            }
            Dropped::TakesNoReplies(why) => {
                tracing::warn!(action = "send_reply", result = "fail", %ip, error = %why);
                // What the agency does not take is not to be kept by the system either.
                let _ = self.transport.socket().set_zero_linger();
            }
        }
    }

    fn ip(&self) -> IpAddr {
        self.connection.presence().peer().ip()
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

/// Ends when the call that waits, if one does, has its permit.
async fn permit(stalled: &mut Option<Box<Stalled>>) -> OwnedSemaphorePermit {
    match stalled {
        Some(stalled) => stalled.permit.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
