//! Searches the bets of a draw.
//!
//! Invariant: before the draw is made, nobody can learn how much is bet on which number. Until then
//! bets can be searched by document only, and by auditors only.

use std::ops::ControlFlow;

use lottery::{
    AgencyId, AuditedAction, Bet, BetName, BetsSearch, DrawId, DrawStatus, Label, StoredBatch,
};
use operators::Permission;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::limits::SEARCHED_BETS_MAX;
use crate::usecases::app::State;
use crate::usecases::draws::{LifeState, status};
use crate::web::paging::PageParams;

const CHECKED: &str = "bets are stored only once they were checked";

/// The criteria of a search.
#[derive(Default)]
pub(crate) struct Sought {
    pub(crate) document: Option<String>,
    pub(crate) number: Option<u32>,
    pub(crate) agency: Option<AgencyId>,
}

/// The result of a search.
pub(crate) struct Found {
    pub(crate) bets: Vec<FoundBet>,
    /// Where to continue the search: how many bets of the draw it has passed.
    pub(crate) next: Option<u64>,
}

/// A bet, as it is stored.
pub(crate) struct FoundBet {
    pub(crate) name: BetName,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) document: String,
    pub(crate) birthdate: String,
    pub(crate) number: u32,
}

/// A search under way.
struct Search {
    sought: Sought,
    limit: usize,
    /// Bets of the draw that earlier pages have passed.
    after: u64,
    passed: u64,
    found: Vec<FoundBet>,
}

/// Searches for bets, if the caller has the permission, and records the search in the audit log.
pub(crate) async fn find(
    app: &State,
    who: &Caller,
    draw: DrawId,
    sought: Sought,
    part: &PageParams,
) -> Result<Found, Refusal> {
    who.must(Permission::SearchBets)?;
    let status = status(app, draw)?;
    let needed = may_search(who, &status, &sought)?;
    let (limit, after) = (part.limit()?, part.after()?.unwrap_or(0));
    // Records every page: a client could begin a search with a made-up cursor.
    app.record(who, needed, sought.recorded(draw, after)).await?;
    let search = Search { sought, limit, after, passed: 0, found: Vec::new() };
    let _turn = app.reading(who, needed).await?;
    let scanned = app.service.scan(draw, (search, false), |(search, broken), batch| {
        let flow = search.look_at(batch);
        *broken = flow.is_break();
        flow
    });
    let (search, broken) = scanned.await?;
    Ok(Found { bets: search.found, next: broken.then_some(search.passed) })
}

/// Checks that the caller may run this search in the draw's state; returns the permission needed.
fn may_search(who: &Caller, status: &DrawStatus, sought: &Sought) -> Result<Permission, Refusal> {
    let state = LifeState::of(status);
    let needed = match state {
        LifeState::Published => Permission::SearchBets,
        _ => Permission::SearchBetsBeforePublication,
    };
    who.must(needed)?;
    let is_made = matches!(state, LifeState::Drawn | LifeState::Published);
    if !is_made && (sought.document.is_none() || sought.number.is_some()) {
        return Err(Refusal::SearchedEarly);
    }
    Ok(needed)
}

impl Search {
    fn look_at(&mut self, batch: StoredBatch<'_>) -> ControlFlow<()> {
        for bet in batch.bets() {
            self.passed += 1;
            if self.passed <= self.after {
                continue;
            }
            let (name, bet) = bet.expect(CHECKED);
            if self.sought.fits(batch.agency, &bet) {
                self.found.push(FoundBet::of(name, &bet));
            }
            let looked_at = self.passed - self.after;
            if self.found.len() == self.limit || looked_at == SEARCHED_BETS_MAX {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

impl Sought {
    /// Returns the search as it is written to the audit log.
    fn recorded(&self, draw: DrawId, after: u64) -> AuditedAction {
        let document = self.document.as_deref().map(Label::nearest);
        let (number, agency) = (self.number, self.agency);
        AuditedAction::SearchBets(BetsSearch { draw, document, number, agency, after })
    }

    fn fits(&self, agency: AgencyId, bet: &Bet<'_>) -> bool {
        let Self { document, number, agency: of } = self;
        document.as_ref().is_none_or(|document| plain(document).eq(plain(bet.document())))
            && number.is_none_or(|number| number == bet.number())
            && of.is_none_or(|of| of == agency)
    }
}

/// Returns a document without what only separates its digits: `30.876.370` is `30876370`.
fn plain(document: &str) -> impl Iterator<Item = char> {
    document.chars().filter(|c| *c != '.' && !c.is_whitespace())
}

impl FoundBet {
    pub(crate) fn of(name: BetName, bet: &Bet<'_>) -> Self {
        Self {
            name,
            first_name: bet.first_name().to_owned(),
            last_name: bet.last_name().to_owned(),
            document: bet.document().to_owned(),
            birthdate: bet.birthdate().to_string(),
            number: bet.number(),
        }
    }
}
