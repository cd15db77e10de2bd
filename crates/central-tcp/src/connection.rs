//! One connection of an agency, without its socket: what it received becomes calls to the service,
//! and what the service answers becomes replies.
//!
//! A state machine: it is given bytes, answers and the time, and gives calls, bytes and the time at
//! which it wants to be looked at again. [`Socket`](crate::socket::Socket) joins it to a socket and
//! to the service; the simulation joins it to its own.
//!
//! Invariants:
//! - it takes input only while the session takes requests: an agency that sends more than its
//!   window is held back, never refused;
//! - each call is answered once, whatever becomes of the connection meanwhile;
//! - only what the agency fails to do has a deadline: to end a message that it began, to take
//!   replies. A connection without either may be silent for ever;
//! - however much an agency sends, others go on after [`YIELD_LEN`] bytes of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use central::{AgencyDraws, Draw, Identity, Metrics, NoDraw, PresenceGuard, Stage, Zone};
use lottery::{
    AgencyId, AgencyProgress, AppendError, Appended, Batch, ChunkId, DrawId, DrawName, FinishError,
    Finished, NoPart, ProgressError,
};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use wire::{CentralMessage, CentralSession, RequestError, SessionLimits, Ticket};

use crate::draw_lookup::DrawLookup;
use crate::limits::{REQUEST_OVERHEAD_LEN, YIELD_LEN};
use crate::log_limit::LogLimit;
use crate::translate::{self, BatchRequest, Refusal, Request};
use crate::winners::{self, WinnersRequests};

/// What all connections of a central have in common.
#[derive(Debug)]
pub struct Settings {
    /// Of each connection's session.
    pub session: SessionLimits,
    /// How long an agency may take for a message once it began to send it.
    pub frame_time_max: Duration,
    /// How long an agency may take none of the replies that wait for it.
    pub write_time_max: Duration,
    /// The longest that a request for winners waits for the draw.
    pub winners_wait: Duration,
    /// The zone of times in refusals.
    pub zone: Zone,
    /// Counts refused batches.
    pub metrics: Arc<Metrics>,
}

/// See the module's documentation.
pub struct Connection {
    settings: Arc<Settings>,
    presence: PresenceGuard,
    session: CentralSession,
    /// Which draw its messages are for.
    draws: DrawLookup,
    winners: WinnersRequests,
    log_limit: LogLimit,
    /// Bytes of requests handled since others could go on.
    handled_len: usize,
    /// No more requests are taken: the central stops, or this connection is to end.
    stopping: bool,
    /// Whether the agency may not have expected the end.
    lingers: bool,
    /// Since when the message that is arriving does.
    message_since: Option<Instant>,
    /// Since when the agency takes nothing of what it is sent.
    unsent_since: Option<Instant>,
}

/// What a connection asks of the service. Each is answered by [`Connection::answer`] with the
/// [`Answer`] of its name, or for winners by [`Connection::wait_for_winners`].
#[derive(Debug)]
pub enum Call {
    /// How far an agency is.
    Progress {
        /// In which draw.
        draw: Arc<Draw>,
        /// Who.
        agency: AgencyId,
        /// To be given back.
        hello: Hello,
    },
    /// To store a batch.
    Append {
        /// The batch.
        batch: Batch,
        /// The bytes of its text as it came, and what a request takes besides.
        weight: usize,
        /// To be given back.
        ticket: Ticket,
    },
    /// To note that an agency has finished.
    Finish {
        /// In which draw.
        draw: Arc<Draw>,
        /// Who.
        agency: AgencyId,
        /// To be given back.
        ticket: Ticket,
    },
    /// Where to follow a draw's winners.
    Winners {
        /// Which draw.
        draw: DrawId,
        /// Whose winners.
        agency: AgencyId,
        /// To be given back.
        ticket: Ticket,
    },
}

/// A HELLO that is being answered.
#[derive(Debug)]
pub struct Hello {
    ticket: Ticket,
    version: u16,
    agency: AgencyId,
    /// The draw's name as it was given, if one was.
    named: wire::DrawName<'static>,
    draw: Arc<Draw>,
}

/// Which batch an answer is about.
#[derive(Clone, Copy, Debug)]
pub struct BatchOf {
    draw: DrawId,
    agency: AgencyId,
    chunk: ChunkId,
    pub(super) bets: u32,
}

impl BatchOf {
    /// Names a batch.
    #[must_use]
    pub fn of(batch: &Batch) -> Self {
        let Batch { draw, agency, chunk, .. } = *batch;
        Self { draw, agency, chunk, bets: batch.bets.count() }
    }
}

/// What the service answered.
#[derive(Debug)]
pub enum Answer {
    /// See [`Call::Progress`].
    Progress(Hello, Result<AgencyProgress, ProgressError>),
    /// See [`Call::Append`].
    Append {
        /// The call's.
        ticket: Ticket,
        /// The batch.
        of: BatchOf,
        /// What came of it.
        appended: Result<Appended, AppendError>,
    },
    /// See [`Call::Finish`].
    Finish(Ticket, AgencyId, Result<Finished, FinishError>),
}

/// The agency takes none of its replies.
#[derive(Debug, Error)]
#[error("the agency does not read its replies")]
pub struct TakesNoReplies;

impl Connection {
    /// One that was just made, to a listener that operators bound to a draw or to none.
    #[must_use]
    pub fn new(
        presence: PresenceGuard,
        bound: Option<Arc<DrawName>>,
        settings: Arc<Settings>,
    ) -> Self {
        Self {
            session: CentralSession::new(settings.session),
            draws: DrawLookup::at(bound),
            winners: WinnersRequests::default(),
            log_limit: LogLimit::default(),
            handled_len: 0,
            stopping: false,
            lingers: false,
            message_since: None,
            unsent_since: None,
            settings,
            presence,
        }
    }

    /// Its entry among those that are connected.
    #[must_use]
    pub fn presence(&self) -> &PresenceGuard {
        &self.presence
    }

    /// Its session.
    #[must_use]
    pub fn session(&self) -> &CentralSession {
        &self.session
    }

    /// The next call that the received messages require, if there is one now.
    pub fn next_call(&mut self, draws: AgencyDraws<'_>, now: Instant) -> Option<Call> {
        while !self.stopping && self.handled_len < YIELD_LEN {
            let call = match self.session.next_request() {
                Ok(None) => break,
                Ok(Some((ticket, message))) => {
                    let draw = self.draws.of(&message, draws);
                    let numbers = draw.as_ref().map_or_else(|_| None, |it| Some(it.terms.numbers));
                    let request = Request::of(&message, numbers.unwrap_or_default());
                    self.handled_len += request.weight();
                    self.take(ticket, request, draw, draws)
                }
                // Refused by the session itself.
                Err(error) => {
                    self.handled_len += REQUEST_OVERHEAD_LEN;
                    self.log_refused_message(&error);
                    None
                }
            };
            self.presence.heard();
            self.message_since = None;
            if call.is_some() {
                return call;
            }
        }
        let arrives = self.session.is_mid_message() && self.takes_input();
        let since = self.message_since.unwrap_or(now);
        self.message_since = arrives.then_some(since);
        None
    }

    /// Replies with what the service answered.
    pub fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Progress(hello, progress) => self.welcome(hello, progress),
            Answer::Append { ticket, of, appended } => match appended {
                Ok(appended) => {
                    self.session.reply(ticket, &CentralMessage::BetsAck { chunk: of.chunk.0 });
                    self.log_stored_batch(of.bets, appended);
                }
                Err(error) => self.refuse_batch(ticket, of, &error.into()),
            },
            Answer::Finish(ticket, agency, finished) => match finished {
                Ok(finished) => {
                    self.session.reply(ticket, &CentralMessage::FinishAck { agency: agency.0 });
                    self.log_finished(agency, finished);
                }
                Err(error) => {
                    let refusal = Refusal::from(error);
                    tracing::warn!(
                        action = "agency_finished",
                        result = "fail",
                        agency = agency.0,
                        error = %refusal,
                    );
                    self.session.refuse(ticket, refusal.message(None, self.settings.zone));
                }
            },
        }
    }

    /// Has a request for winners wait for `stage`.
    pub fn wait_for_winners(
        &mut self,
        ticket: Ticket,
        agency: AgencyId,
        stage: watch::Receiver<Stage>,
        now: Instant,
    ) {
        self.winners.add(ticket, agency, now.checked_add(self.settings.winners_wait), stage);
    }

    /// Answers the requests for winners that can be answered. Returns whether there was one.
    pub fn send_winners(&mut self, draws: AgencyDraws<'_>, now: Instant) -> bool {
        self.winners.answer(
            &mut self.session,
            self.settings.session.frame_len_max(),
            |agency| !draws.is_disabled(agency),
            now,
            self.stopping,
            self.settings.zone,
        )
    }

    /// Ends when the draw whose winners are waited for went on.
    pub fn winners_changed(&mut self) -> impl Future<Output = ()> + Send + '_ {
        self.winners.changed()
    }

    /// Whether it takes bytes now.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        !self.stopping && self.session.wants_input()
    }

    /// Where to put received bytes.
    pub fn space(&mut self) -> &mut [u8] {
        self.session.space()
    }

    /// So many bytes were put into [`space`](Self::space).
    pub fn filled(&mut self, len: usize) {
        self.session.filled(len);
    }

    /// The agency sends no more.
    pub fn end_of_input(&mut self) {
        self.session.end_of_input();
    }

    /// Bytes to send.
    #[must_use]
    pub fn outgoing(&self) -> &[u8] {
        self.session.outgoing()
    }

    /// So many bytes of [`outgoing`](Self::outgoing) were sent.
    pub fn sent(&mut self, len: usize) {
        self.session.sent(len);
        self.unsent_since = None;
    }

    /// The agency takes no more bytes now.
    pub fn send_blocked(&mut self, now: Instant) {
        self.unsent_since.get_or_insert(now);
    }

    /// Whether others are to go on before more requests are taken.
    #[must_use]
    pub fn yields(&self) -> bool {
        self.handled_len >= YIELD_LEN
    }

    /// Others went on.
    pub fn yielded(&mut self) {
        self.handled_len = 0;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let Settings { frame_time_max, write_time_max, .. } = *self.settings;
        let message = self.message_since.and_then(|at| at.checked_add(frame_time_max));
        let unsent = self.unsent_since.and_then(|at| at.checked_add(write_time_max));
        [message, unsent, self.winners.deadline()].into_iter().flatten().min()
    }

    /// Refuses what the agency is too slow with.
    ///
    /// # Errors
    /// When it takes no replies: the refusal can't be sent, and its connection must be dropped.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), TakesNoReplies> {
        let over = |since: Option<Instant>, time_max| {
            since.and_then(|at| at.checked_add(time_max)).is_some_and(|end| end <= now)
        };
        if over(self.unsent_since, self.settings.write_time_max) {
            return Err(TakesNoReplies);
        }
        if over(self.message_since, self.settings.frame_time_max) {
            self.session.refuse_unasked(Refusal::TimedOut.message(None, self.settings.zone));
            self.message_since = None;
            tracing::warn!(
                action = "receive_message",
                result = "fail",
                ip = %self.ip(),
                error = %Refusal::TimedOut,
            );
        }
        Ok(())
    }

    /// The central stops: no more requests are taken, and those that wait for a draw wait no
    /// longer.
    pub fn shut_down(&mut self, draws: AgencyDraws<'_>, now: Instant) {
        self.stopping = true;
        self.lingers = self.owes();
        if self.session.identity().is_some() && !self.session.is_closing() {
            self.send_winners(draws, now);
            self.session.refuse_unasked(Refusal::ShuttingDown.message(None, self.settings.zone));
        }
    }

    /// The connection is no longer wanted: it delivers what it owes, and takes no more requests.
    pub fn end(&mut self) {
        self.stopping = true;
        self.lingers = true;
    }

    /// Whether it takes no more requests.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether nothing is left to be received or sent.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.session.is_closed() || (self.stopping && !self.owes())
    }

    /// Whether the agency may still send something, though all that it is owed was sent.
    #[must_use]
    pub fn lingers(&self) -> bool {
        self.lingers || (self.session.is_closing() && !self.stopping)
    }

    fn owes(&self) -> bool {
        self.session.unanswered() > 0 || !self.session.outgoing().is_empty()
    }

    fn ip(&self) -> IpAddr {
        self.presence.peer().ip()
    }

    /// The call that a request requires, unless it is refused here.
    fn take(
        &mut self,
        ticket: Ticket,
        request: Request,
        draw: Result<Arc<Draw>, NoDraw>,
        draws: AgencyDraws<'_>,
    ) -> Option<Call> {
        let agency = request.agency();
        if let Identity::Certified { agency: certified, .. } = *self.presence.identity()
            && certified != agency
        {
            return self.refuse(ticket, &Refusal::OtherAgency { certified, named: agency });
        }
        self.presence.spoke_for(agency);
        let draw = match (draw, &request) {
            (Ok(draw), _) => draw,
            (Err(none), Request::Hello { .. }) => {
                return self.refuse_hello(ticket, agency, &none.into());
            }
            (Err(none), _) => return self.refuse(ticket, &none.into()),
        };
        let is_hello = matches!(request, Request::Hello { .. });
        if !is_hello {
            self.presence.takes_part_in(&draw);
        }
        match request {
            Request::Hello { .. } if draws.is_disabled(agency) => {
                self.refuse_hello(ticket, agency, &NoPart::AgencyDisabled(agency).into())
            }
            Request::Hello { version, draw_name, .. } => {
                let named = draw_name;
                let hello = Hello { ticket, version, agency, named, draw: Arc::clone(&draw) };
                Some(Call::Progress { draw, agency, hello })
            }
            Request::Bets(batch) => self.take_batch(ticket, draw.id, batch),
            Request::Finish { .. } => Some(Call::Finish { draw, agency, ticket }),
            Request::GetWinners { .. } => {
                let no_part = if draws.is_disabled(agency) {
                    NoPart::AgencyDisabled(agency)
                } else if let Err(not_in_draw) = draw.terms.agencies.must_have(agency) {
                    not_in_draw.into()
                } else {
                    return Some(Call::Winners { draw: draw.id, agency, ticket });
                };
                let zone = self.settings.zone;
                winners::refuse(&mut self.session, ticket, agency, &no_part.into(), zone);
                None
            }
        }
    }

    fn take_batch(&mut self, ticket: Ticket, draw: DrawId, batch: BatchRequest) -> Option<Call> {
        let weight = batch.len + REQUEST_OVERHEAD_LEN;
        let BatchRequest { agency, chunk, count, bets, .. } = batch;
        match bets {
            Ok(bets) => {
                Some(Call::Append { batch: Batch { draw, agency, chunk, bets }, weight, ticket })
            }
            Err(refusal) => {
                let of = BatchOf { draw, agency, chunk, bets: count };
                self.refuse_batch(ticket, of, &refusal);
                None
            }
        }
    }

    fn welcome(&mut self, hello: Hello, progress: Result<AgencyProgress, ProgressError>) {
        let Hello { ticket, version, agency, named, draw } = hello;
        let progress = match progress {
            Ok(progress) => progress,
            Err(error) => {
                self.refuse_hello(ticket, agency, &error.into());
                return;
            }
        };
        let limits = self.settings.session;
        let mut welcome = translate::welcome(version, agency, limits, &draw.terms, &progress);
        if !named.is_empty() {
            // In the form that it was given in: agencies compare it byte for byte.
            welcome.draw_name = named;
        }
        self.session.greet(ticket, welcome);
        self.presence.takes_part_in(&draw);
        self.draws.greet(draw);
    }

    fn refuse(&mut self, ticket: Ticket, refusal: &Refusal) -> Option<Call> {
        tracing::warn!(
            action = "receive_message",
            result = "fail",
            ip = %self.ip(),
            error = %refusal,
        );
        self.session.refuse(ticket, refusal.message(None, self.settings.zone));
        None
    }

    fn refuse_hello(
        &mut self,
        ticket: Ticket,
        agency: AgencyId,
        refusal: &Refusal,
    ) -> Option<Call> {
        tracing::warn!(action = "hello", result = "fail", agency = agency.0, error = %refusal);
        self.session.refuse(ticket, refusal.message(None, self.settings.zone));
        None
    }

    fn refuse_batch(&mut self, ticket: Ticket, of: BatchOf, refusal: &Refusal) {
        let BatchOf { draw, agency, chunk, bets } = of;
        self.settings.metrics.refused(draw, agency, bets, refusal.code().name());
        if self.log_limit.refusal() {
            tracing::warn!(
                action = "apuesta_recibida",
                result = "fail",
                cantidad = bets,
                error = %refusal,
            );
        }
        self.session.refuse(ticket, refusal.message(Some(chunk), self.settings.zone));
    }

    fn log_refused_message(&mut self, error: &RequestError) {
        if error.closes() || self.log_limit.refusal() {
            tracing::warn!(
                action = "receive_message",
                result = "fail",
                ip = %self.ip(),
                error = %error,
            );
        }
    }

    /// A batch sent again has its own line, so that the lines of new ones add up to what is stored.
    fn log_stored_batch(&mut self, bets: u32, appended: Appended) {
        match appended {
            Appended::New => {
                tracing::info!(action = "apuesta_recibida", result = "success", cantidad = bets);
            }
            Appended::Repeated if self.log_limit.repeat() => {
                tracing::info!(action = "bets_repeated", result = "success", bets);
            }
            Appended::Repeated => {}
        }
    }

    fn log_finished(&mut self, agency: AgencyId, finished: Finished) {
        if !finished.repeated {
            tracing::info!(
                action = "agency_finished",
                result = "success",
                agencies_finished = finished.agencies_finished,
            );
        } else if self.log_limit.repeat() {
            tracing::debug!(action = "agency_finished", result = "repeated", agency = agency.0);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.log_limit.end(self.ip());
    }
}

impl Request {
    /// How much it counts for before others go on.
    fn weight(&self) -> usize {
        let len = if let Self::Bets(batch) = self { batch.len } else { 0 };
        len + REQUEST_OVERHEAD_LEN
    }
}
