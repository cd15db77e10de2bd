//! Changes to registered agencies.

use std::sync::Arc;

use central::Change;
use lottery::{Acted, AgencyId, Reason, Registration};
use operators::Permission;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::access::state::Denied;
use crate::usecases::app::State;
use crate::web::problem::Problem;

/// Changes an agency's registration if the caller still has the permission when the change is
/// decided; returns the new registration.
pub(crate) async fn change(
    app: &State,
    who: &Caller,
    why: Reason,
    agency: AgencyId,
    change: Change,
) -> Result<(Registration, Acted), Refusal> {
    let needed = Permission::ManageAgencies;
    let denied = Denied::default();
    let judge = app.access.judge_of(who, Some(needed), &denied);
    let (service, by) = (Arc::clone(&app.service), who.actor());
    let changing = async move { Ok(service.change_agency(by, why, agency, change, judge).await) };
    match app.known_in_time(changing).await? {
        Ok(changed) => changed.ok_or_else(|| unknown(agency)),
        Err(error) => Err(app.refused(error, who, Some(needed), &denied).await),
    }
}

/// Returns the refusal for an agency that is not registered.
pub(crate) fn unknown(agency: AgencyId) -> Refusal {
    Problem::not_found(format_args!("there is no agency {agency} registered")).into()
}
