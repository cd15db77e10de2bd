//! Reads the audit log from the ledger.

use std::ops::ControlFlow;
use std::sync::Arc;

use central::Service;
use engine::Chain;
use lottery::{
    AuditFilter, AuditSpan, Description, DrawId, DrawStatus, Event, StoredEvent, Timestamp, View,
};
use operators::Permission;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::limits::AUDITED_EVENTS_MAX;
use crate::usecases::app::State;

/// A part of the audit log.
pub(crate) struct Found {
    pub(crate) events: Vec<StoredEvent>,
    /// The sequence of the last event that was examined, if there are more.
    pub(crate) next: Option<u64>,
}

/// Returns at most `limit` events that the filter takes.
pub(crate) async fn find(
    app: &State,
    who: &Caller,
    filter: AuditFilter,
    span: AuditSpan,
    limit: usize,
) -> Result<Found, Refusal> {
    let _turn = app.reading(who, Permission::ReadAudit).await?;
    let service = Arc::clone(&app.service);
    let begun = (Found { events: Vec::new(), next: None }, 0);
    let read = app.service.audit_log(span, begun, move |(found, examined), event, _| {
        if is_over(&filter, span, event.at) {
            found.next = None;
            return ControlFlow::Break(());
        }
        let Found { events, next } = found;
        if takes(&service, &filter, &event) {
            // One more than asked for shows that there is another part.
            if events.len() == limit {
                *next = events.last().map(|last| last.sequence);
                return ControlFlow::Break(());
            }
            events.push(event.clone());
        }
        *examined += 1;
        if *examined == AUDITED_EVENTS_MAX {
            *next = Some(event.sequence);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    Ok(read.await?.0)
}

/// Returns the chain of the ledger up to the publication of a draw, if it is among the newest
/// events.
pub(crate) async fn chain_of_publication(
    app: &State,
    who: &Caller,
    status: &DrawStatus,
) -> Result<Option<Chain>, Refusal> {
    let Some(published_at) = status.life.published_at else { return Ok(None) };
    let _turn = app.reading(who, Permission::ReadWinners).await?;
    let published = Event::DrawPublished { draw: status.id };
    let span = AuditSpan::Before(u64::MAX);
    let read = app.service.audit_log(span, (None, 0), move |(found, examined), event, chain| {
        if event.event == published {
            *found = Some(chain);
        }
        *examined += 1;
        let is_over = found.is_some() || event.at < published_at;
        if is_over || *examined == AUDITED_EVENTS_MAX {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    Ok(read.await?.0)
}

/// Whether the filter takes an event.
pub(crate) fn takes(service: &Service, filter: &AuditFilter, stored: &StoredEvent) -> bool {
    let of_draw = || filter.draw.is_some_and(|draw| is_of(service.view(), stored, draw));
    let draw = filter.draw.filter(|_| of_draw());
    filter.takes(stored.at, &stored.event, draw)
}

/// Whether the filter takes no event after this time, in the order of the span.
pub(crate) fn is_over(filter: &AuditFilter, span: AuditSpan, at: Timestamp) -> bool {
    match span {
        AuditSpan::Before(_) => filter.is_past(at),
        AuditSpan::From(_) => filter.until.is_some_and(|until| at >= until),
    }
}

/// Describes an event, as far as it may be told now.
pub(crate) fn described<'a>(view: &View, stored: &'a StoredEvent) -> Description<'a> {
    let draw = stored.event.entered().and_then(|(draw, _)| view.draw(draw));
    stored.event.describe_to_readers(stored.at, draw.as_ref())
}

/// Returns whether an event is of this draw. Announcements do not hold its number: the draw knows
/// the one that announced it.
fn is_of(view: &View, stored: &StoredEvent, draw: DrawId) -> bool {
    if !stored.event.announces() {
        return stored.event.describe().draw == Some(draw);
    }
    view.draw(draw).is_some_and(|status| status.life.announced_in == stored.sequence)
}
