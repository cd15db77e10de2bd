//! What an agency asked is given to the service, and the service's outcomes become replies.
//!
//! Invariants: a request is submitted once and its outcome awaited, whatever becomes of the
//! connection meanwhile; bytes of batches are counted from the submission until the outcome.

use std::pin::Pin;
use std::sync::Arc;

use lottery::{AgencyId, Appended, Batch, DrawId, Finished};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use wire::message::DrawName;
use wire::{CentralMessage, Ticket};

use crate::connection::Connection;
use crate::limits::{REQUEST_OVERHEAD_LEN, YIELD_LEN};
use crate::outcomes::RequestOutcome;
use crate::translate::{self, BatchRequest, Refusal, Request};
use crate::winners;
use central::{Draw, Identity, NoDraw};

/// A batch that waits until less is in flight. The connection takes no more requests meanwhile.
pub(super) struct Stalled {
    ticket: Ticket,
    batch: Batch,
    permit: Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send>>,
}

impl Request {
    /// What it is counted for in a turn.
    fn weight(&self) -> usize {
        let len = if let Self::Bets(batch) = self { batch.len } else { 0 };
        len + REQUEST_OVERHEAD_LEN
    }
}

impl Connection {
    /// Takes the requests that were received, as many as may be now. Says whether there was one.
    pub(super) fn take_requests(&mut self) -> bool {
        let mut taken = false;
        while !self.stopping && self.stalled.is_none() && self.handled_len < YIELD_LEN {
            match self.session.next_request() {
                Ok(None) => break,
                Ok(Some((ticket, message))) => {
                    let draw = self.draws.by(&message, &self.shared.service);
                    let numbers = draw.as_ref().map_or(None, |draw| Some(draw.terms.numbers));
                    let request = Request::of(&message, numbers.unwrap_or_default());
                    self.handled_len += request.weight();
                    self.submit(ticket, request, draw);
                }
                // Refused by the session itself.
                Err(error) => {
                    self.handled_len += REQUEST_OVERHEAD_LEN;
                    if error.closes() || self.log_limit.refusal() {
                        tracing::warn!(
                            action = "recibir_mensaje",
                            result = "fail",
                            ip = %self.peer(),
                            error = %error,
                        );
                    }
                }
            }
            taken = true;
        }
        if taken {
            self.presence_guard.heard();
        }
        taken
    }

    /// Replies with what the service has answered. Says whether there was something.
    pub(super) fn take_outcomes(&mut self) -> bool {
        let outcomes = self.outcomes.take();
        self.submitted -= outcomes.len();
        let taken = !outcomes.is_empty();
        for outcome in outcomes {
            self.reply(outcome);
        }
        taken
    }

    /// Whether a batch waits for others to be stored; if so, until it needs not.
    pub(super) async fn permit(stalled: &mut Option<Box<Stalled>>) -> OwnedSemaphorePermit {
        match stalled {
            Some(stalled) => stalled.permit.as_mut().await,
            None => std::future::pending().await,
        }
    }

    /// Submits the batch that waited.
    pub(super) fn resume(&mut self, permit: OwnedSemaphorePermit) {
        if let Some(stalled) = self.stalled.take() {
            self.append(stalled.ticket, stalled.batch, permit);
        }
    }

    fn submit(&mut self, ticket: Ticket, request: Request, draw: Result<Arc<Draw>, NoDraw>) {
        let named = request.agency();
        if let Identity::Certified { agency: certified, .. } = *self.presence_guard.identity()
            && certified != named
        {
            return self.refuse(ticket, &Refusal::OtherAgency { certified, named });
        }
        self.presence_guard.spoke_for(named);
        let draw = match (draw, &request) {
            (Ok(draw), _) => draw,
            (Err(none), Request::Hello { .. }) => {
                return self.refuse_hello(ticket, named, &none.into());
            }
            (Err(none), _) => return self.refuse(ticket, &none.into()),
        };
        if let Request::Hello { version, agency, draw_name } = request {
            return self.greet(ticket, version, agency, draw_name, draw);
        }
        self.presence_guard.takes_part_in(&draw);
        match request {
            Request::Bets(batch) => self.admit(ticket, draw.id, batch),
            Request::Finish { agency } => self.finish(ticket, &draw, agency),
            Request::GetWinners { agency } => self.wait_for_winners(ticket, &draw, agency),
            Request::Hello { .. } => unreachable!("answered above"),
        }
    }

    fn refuse(&mut self, ticket: Ticket, refusal: &Refusal) {
        tracing::warn!(
            action = "recibir_mensaje",
            result = "fail",
            ip = %self.peer(),
            error = %refusal,
        );
        self.session.refuse(ticket, refusal.message(None, self.shared.service.zone()));
    }

    fn greet(
        &mut self,
        ticket: Ticket,
        version: u16,
        agency: AgencyId,
        named: DrawName<'static>,
        draw: Arc<Draw>,
    ) {
        let service = &self.shared.service;
        if service.is_disabled(agency) {
            return self.refuse_hello(ticket, agency, &Refusal::Disabled(agency));
        }
        self.submitted += 1;
        let (outcomes, of) = (Arc::clone(&self.outcomes), Arc::clone(&draw));
        service.progress(&of, agency, move |progress| {
            outcomes.put(RequestOutcome::Greeted {
                ticket,
                version,
                agency,
                named,
                draw,
                progress,
            });
        });
    }

    fn admit(&mut self, ticket: Ticket, draw: DrawId, request: BatchRequest) {
        let BatchRequest { agency, chunk, count, len, bets } = request;
        let bets = match bets {
            Ok(bets) => bets,
            Err(refusal) => {
                self.note_refused_batch(count, &refusal);
                return self
                    .session
                    .refuse(ticket, refusal.message(Some(chunk), self.shared.service.zone()));
            }
        };
        let batch = Batch { draw, agency, chunk, bets };
        // Less than what it takes if that is more than there is: it must pass some time.
        let weight = (len + REQUEST_OVERHEAD_LEN).min(self.shared.limits.in_flight_bytes_max);
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
        self.submitted += 1;
        let outcomes = Arc::clone(&self.outcomes);
        let (chunk, bets) = (batch.chunk, batch.bets.count());
        let (service, begun) = (&self.shared.service, Instant::now());
        let metrics = Arc::clone(service.metrics());
        service.append(batch, move |appended| {
            drop(permit);
            if let Ok(appended) = appended {
                metrics.stored(bets, appended, begun.elapsed());
            }
            outcomes.put(RequestOutcome::Appended { ticket, chunk, bets, appended });
        });
    }

    fn finish(&mut self, ticket: Ticket, draw: &Arc<Draw>, agency: AgencyId) {
        self.submitted += 1;
        let outcomes = Arc::clone(&self.outcomes);
        self.shared.service.finish(draw, agency, move |finished| {
            outcomes.put(RequestOutcome::Finished { ticket, agency, finished });
        });
    }

    fn wait_for_winners(&mut self, ticket: Ticket, draw: &Arc<Draw>, agency: AgencyId) {
        let service = &self.shared.service;
        let zone = service.zone();
        if service.is_disabled(agency) {
            let disabled = Refusal::Disabled(agency);
            return winners::refuse(&mut self.session, ticket, agency, &disabled, zone);
        }
        match service.winners(draw, agency) {
            Ok(stage) => {
                let until = Instant::now().checked_add(service.winners_wait());
                self.winners.add(ticket, agency, until, stage);
            }
            Err(error) => {
                winners::refuse(&mut self.session, ticket, agency, &error.into(), zone);
            }
        }
    }

    fn reply(&mut self, outcome: RequestOutcome) {
        match outcome {
            RequestOutcome::Greeted { ticket, version, agency, named, draw, progress } => {
                match progress {
                    Ok(progress) => {
                        let limits = self.shared.session_limits;
                        let terms = &draw.terms;
                        let mut welcome =
                            translate::welcome(version, agency, limits, terms, &progress);
                        if !named.is_empty() {
                            // In the form that it was given in: agencies compare it byte for byte.
                            welcome.draw_name = named;
                        }
                        self.session.greet(ticket, welcome);
                        self.presence_guard.takes_part_in(&draw);
                        self.draws.greet(draw);
                    }
                    Err(error) => self.refuse_hello(ticket, agency, &error.into()),
                }
            }
            RequestOutcome::Appended { ticket, chunk, bets, appended } => match appended {
                Ok(appended) => {
                    self.session.reply(ticket, &CentralMessage::BetsAck { chunk: chunk.0 });
                    self.log_stored_batch(bets, appended);
                }
                Err(error) => {
                    let refusal = Refusal::from(error);
                    self.note_refused_batch(bets, &refusal);
                    self.session
                        .refuse(ticket, refusal.message(Some(chunk), self.shared.service.zone()));
                }
            },
            RequestOutcome::Finished { ticket, agency, finished } => match finished {
                Ok(finished) => {
                    self.session.reply(ticket, &CentralMessage::FinishAck { agency: agency.0 });
                    self.log_finished(agency, finished);
                }
                Err(error) => {
                    let refusal = Refusal::from(error);
                    tracing::warn!(
                        action = "agencia_finalizo",
                        result = "fail",
                        agencia = agency.0,
                        error = %refusal,
                    );
                    self.session.refuse(ticket, refusal.message(None, self.shared.service.zone()));
                }
            },
        }
    }

    fn note_refused_batch(&mut self, bets: u32, refusal: &Refusal) {
        self.shared.service.metrics().refused(bets, refusal.code().name());
        if self.log_limit.refusal() {
            tracing::warn!(
                action = "apuesta_recibida",
                result = "fail",
                cantidad = bets,
                error = %refusal,
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
                tracing::info!(action = "apuesta_repetida", result = "success", cantidad = bets);
            }
            Appended::Repeated => {}
        }
    }

    fn log_finished(&mut self, agency: AgencyId, finished: Finished) {
        if !finished.repeated {
            tracing::info!(
                action = "agencia_finalizo",
                result = "success",
                total_agencias_finalizadas = finished.agencies_finished,
            );
        } else if self.log_limit.repeat() {
            tracing::debug!(action = "agencia_finalizo", result = "repeated", agencia = agency.0);
        }
    }

    fn refuse_hello(&mut self, ticket: Ticket, agency: AgencyId, refusal: &Refusal) {
        tracing::warn!(action = "saludo", result = "fail", agencia = agency.0, error = %refusal);
        self.session.refuse(ticket, refusal.message(None, self.shared.service.zone()));
    }
}
