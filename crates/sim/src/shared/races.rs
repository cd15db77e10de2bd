//! Determines from the answers which of two simultaneous requests to the two engines came first.

use std::collections::BTreeMap;

use lottery::{Act, ActError, Acted, AppendError, Appended, Finished, NoPart};

use super::events::Events;
use super::site::{Ask, Outcome};

/// The pending races; see the module documentation.
#[derive(Default)]
pub(super) struct Races {
    /// The opposing request of each request.
    pairs: BTreeMap<u64, u64>,
    answered: BTreeMap<u64, Ran>,
}

/// An answered request.
struct Ran {
    site: usize,
    ask: Ask,
    outcome: Outcome,
}

impl Races {
    pub(super) fn begin(&mut self, one: u64, other: u64) {
        self.pairs.extend([(one, other), (other, one)]);
    }

    /// Records the answer of a request; counts the race once both requests are answered.
    pub(super) fn answered(
        &mut self,
        request: u64,
        (site, ask): (usize, Ask),
        outcome: Outcome,
        events: &mut Events,
    ) {
        let Some(other) = self.pairs.remove(&request) else { return };
        let ran = Ran { site, ask, outcome };
        match self.answered.remove(&other) {
            None => drop(self.answered.insert(request, ran)),
            Some(other) => {
                count(&ran, &other, events);
                count(&other, &ran, events);
            }
        }
    }
}

/// Counts a race that `one` won or, between an agency and an operator, how it ended.
fn count(one: &Ran, other: &Ran, events: &mut Events) {
    use Outcome::{Acted as OfAct, Appended as OfAppend, Finished as OfFinish};
    let finished = |outcome: &Outcome| match outcome {
        OfFinish(Ok(Finished { repeated, .. })) => Some(!repeated),
        _ => None,
    };
    let [first, second] = match (&one.outcome, &other.outcome) {
        (OfAppend(Ok(Appended::New)), OfAppend(Ok(Appended::Repeated))) => {
            [&mut events.chunk_first, &mut events.chunk_second]
        }
        (OfFinish(Ok(_)), OfFinish(Ok(_)))
            if (finished(&one.outcome), finished(&other.outcome)) == (Some(true), Some(false)) =>
        {
            [&mut events.finish_first, &mut events.finish_second]
        }
        (OfAct(Ok(Acted::Announced(_))), OfAct(Err(ActError::NameTaken))) => {
            [&mut events.name_first, &mut events.name_second]
        }
        (OfAct(Ok(Acted::Done)), OfAct(Ok(Acted::Repeated))) => {
            [&mut events.act_first, &mut events.act_second]
        }
        (OfAct(Ok(Acted::NumberAwaited)), OfAct(Ok(_) | Err(ActError::EnteredBefore(_)))) => {
            [&mut events.entry_first, &mut events.entry_second]
        }
        (agency, OfAct(Ok(Acted::Done))) => {
            return count_against_act(agency, &other.ask, events);
        }
        _ => return,
    };
    let counter = if one.site == 0 { first } else { second };
    *counter += 1;
}

/// Counts a race of an agency's request against a successful act.
fn count_against_act(agency: &Outcome, act: &Ask, events: &mut Events) {
    let Ask::Act(recorded, _) = act else { return };
    let counter = match (agency, &recorded.act) {
        (Outcome::Appended(Ok(Appended::New)), Act::Close(_)) => &mut events.batch_then_close,
        (Outcome::Appended(Err(AppendError::DrawClosed(_))), Act::Close(_)) => {
            &mut events.close_then_batch
        }
        (Outcome::Finished(Ok(Finished { repeated: false, .. })), Act::Close(_)) => {
            &mut events.finish_then_close
        }
        (Outcome::Finished(Ok(Finished { repeated: true, .. })), Act::Close(_)) => {
            &mut events.close_then_finish
        }
        (Outcome::Appended(Ok(Appended::New)), Act::Register(_)) => &mut events.batch_then_disable,
        (
            Outcome::Appended(Err(AppendError::NoPart(NoPart::AgencyDisabled(_)))),
            Act::Register(_),
        ) => &mut events.disable_then_batch,
        _ => return,
    };
    *counter += 1;
}
