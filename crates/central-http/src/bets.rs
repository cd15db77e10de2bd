//! Bets of a draw, searched.
//!
//! Nobody may learn before the draw how much is on which number: before it was made bets are
//! searched by document only, and by auditors only.

#![allow(unused_qualifications, reason = "in what utoipa makes of `Sought`")]

use std::ops::ControlFlow;

use axum::Json;
use axum::extract::State;
use lottery::{
    AgencyId, AuditedAction, Bet, BetName, BetsSearch, DrawId, DrawStatus, Label, StoredBatch,
};
use operators::Permission;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

use crate::api::Refusals;
use crate::caller::Caller;
use crate::draws::{LifeState, status};
use crate::input::{InPath, InQuery};
use crate::limits::SEARCHED_BETS_MAX;
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::state::App;

const CHECKED: &str = "bets are stored only once they were checked";

/// A bet, as it is stored.
#[derive(Serialize, ToSchema)]
pub(super) struct BetView {
    /// Its name: draw, agency, chunk and position in the batch, as in 3-17-204-12.
    pub(super) name: String,
    /// The agency that took it.
    pub(super) agency: u32,
    /// The agency's number for the batch that it came in.
    chunk: u32,
    /// Of who bets.
    pub(super) first_name: String,
    /// Of who bets.
    pub(super) last_name: String,
    /// Of who bets.
    pub(super) document: String,
    /// Of who bets: YYYY-MM-DD.
    pub(super) birthdate: String,
    /// What was betted on.
    pub(super) number: u32,
}

/// Which bets.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Sought {
    /// Only those of this document. Needed before the draw was made.
    document: Option<String>,
    /// Only those on this number. Not before the draw was made.
    number: Option<u32>,
    /// Only those of this agency.
    agency: Option<u32>,
    /// The `next` of the part before; nothing for the first one.
    cursor: Option<String>,
    /// How many items at most, 1 to 500; 100 when not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// A search under way.
struct Search {
    sought: Sought,
    limit: usize,
    /// Bets of the draw that earlier parts have gone past.
    after: u64,
    passed: u64,
    found: Vec<BetView>,
    asked: CancellationToken,
}

/// Search bets
///
/// By document, number and agency, in the order in which they were stored. A part may hold fewer
/// items than asked for, or none, and still have a next one: a search looks at so many bets at a
/// time. Before publication, auditors only; before the draw was made, by document only.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/bets", tag = "bets",
    params(("id" = u32, Path, description = "The draw's number"), Sought),
    responses((status = 200, description = "Bets", body = Page<BetView>), Refusals)
)]
pub(super) async fn search(
    State(app): State<App>,
    who: Caller,
    InPath(id): InPath<u32>,
    InQuery(sought): InQuery<Sought>,
) -> Result<Json<Page<BetView>>, Problem> {
    find(&app, &who, DrawId(id), sought).await.map(Json)
}

/// The bets that are sought, for who may search them; on record.
pub(super) async fn find(
    app: &App,
    who: &Caller,
    draw: DrawId,
    sought: Sought,
) -> Result<Page<BetView>, Problem> {
    who.must(Permission::SearchBets)?;
    let status = status(app, draw)?;
    let needed = may_search(who, &status, &sought)?;
    let part = PageParams::new(sought.cursor.clone(), sought.limit);
    let (limit, after) = (part.limit()?, part.after()?.unwrap_or(0));
    // Whoever leaves before the answer is searched for no longer.
    let asked = CancellationToken::new();
    let _leaves = asked.clone().drop_guard();
    // Each part: a search could begin with a cursor that nobody gave.
    app.record(who, needed, sought.recorded(draw, after)).await?;
    let search = Search { sought, limit, after, passed: 0, found: Vec::new(), asked };
    let _turn = app.reading(who, needed).await?;
    let scanned = app.service.scan(draw, (search, false), |(search, broken), batch| {
        let flow = search.look_at(batch);
        *broken = flow.is_break();
        flow
    });
    let (search, broken) = scanned.await?;
    let next = broken.then(|| search.passed.to_string());
    Ok(Page::ending(search.found, next.as_deref()))
}

/// Nobody learns before the draw what would win. Gives the permission that the search needs.
fn may_search(who: &Caller, status: &DrawStatus, sought: &Sought) -> Result<Permission, Problem> {
    let state = LifeState::of(status);
    let needed = match state {
        LifeState::Published => Permission::SearchBets,
        _ => Permission::SearchBetsBeforePublication,
    };
    who.must(needed)?;
    let is_made = matches!(state, LifeState::Drawn | LifeState::Published);
    if !is_made && (sought.document.is_none() || sought.number.is_some()) {
        return Err(Problem::searched_early());
    }
    Ok(needed)
}

impl Search {
    fn look_at(&mut self, batch: StoredBatch<'_>) -> ControlFlow<()> {
        if self.asked.is_cancelled() {
            return ControlFlow::Break(());
        }
        for bet in batch.bets() {
            self.passed += 1;
            if self.passed <= self.after {
                continue;
            }
            let (name, bet) = bet.expect(CHECKED);
            if self.sought.fits(batch.agency, &bet) {
                self.found.push(BetView::of(name, &bet));
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
    /// By document or by number, from a cursor on.
    pub(super) fn by(
        document: Option<String>,
        number: Option<u32>,
        cursor: Option<String>,
    ) -> Self {
        Self { document, number, agency: None, cursor, limit: None }
    }

    /// What is on record of a search.
    fn recorded(&self, draw: DrawId, after: u64) -> AuditedAction {
        let document = self.document.as_deref().map(Label::nearest);
        let (number, agency) = (self.number, self.agency.map(AgencyId));
        AuditedAction::SearchBets(BetsSearch { draw, document, number, agency, after })
    }

    fn fits(&self, agency: AgencyId, bet: &Bet<'_>) -> bool {
        let Self { document, number, agency: of, .. } = self;
        document.as_ref().is_none_or(|document| document == bet.document())
            && number.is_none_or(|number| number == bet.number())
            && of.is_none_or(|of| of == agency.0)
    }
}

impl BetView {
    fn of(name: BetName, bet: &Bet<'_>) -> Self {
        Self {
            name: name.to_string(),
            agency: name.agency.0,
            chunk: name.chunk.0,
            first_name: bet.first_name().to_owned(),
            last_name: bet.last_name().to_owned(),
            document: bet.document().to_owned(),
            birthdate: bet.birthdate().to_string(),
            number: bet.number(),
        }
    }
}
