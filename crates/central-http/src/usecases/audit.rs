//! Reads the audit log from the ledger.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use lottery::StoredEvent;
use operators::Permission;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::usecases::app::State;

/// Returns up to `limit` audited events from `first` on, plus one if there are more.
pub(crate) async fn from(
    app: &State,
    who: &Caller,
    first: u64,
    limit: usize,
) -> Result<Vec<StoredEvent>, Refusal> {
    let _turn = app.reading(who, Permission::ReadAudit).await?;
    let events = app.service.audit_log(first, Vec::new(), move |events, event| {
        events.push(event);
        if events.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    Ok(events.await?)
}

/// Returns the latest `most` audited events, in order.
pub(crate) async fn latest(
    app: &State,
    who: &Caller,
    most: usize,
) -> Result<VecDeque<StoredEvent>, Refusal> {
    let _turn = app.reading(who, Permission::ReadAudit).await?;
    let latest = app.service.audit_log(0, VecDeque::new(), move |latest, event| {
        if latest.len() == most {
            latest.pop_front();
        }
        latest.push_back(event);
        ControlFlow::Continue(())
    });
    Ok(latest.await?)
}
