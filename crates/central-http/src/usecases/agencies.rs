//! Changes to registered agencies.

use central::Change;
use lottery::{Acted, AgencyId, Reason, Registration};
use operators::Permission;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::usecases::app::{State, known_within};
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
    let judge = app.access.judge_of(who, Some(needed));
    let changing = app.service.change_agency(who.actor(), why, agency, change, judge);
    let changed = known_within(app.limits.act_time_max, async { Ok(changing.await) });
    match changed.await? {
        Ok(changed) => changed.ok_or_else(|| unknown(agency)),
        Err(error) => Err(app.refused(error, who, needed).await),
    }
}

/// Returns the refusal for an agency that is not registered.
pub(crate) fn unknown(agency: AgencyId) -> Refusal {
    Problem::not_found(format_args!("there is no agency {agency} registered")).into()
}
