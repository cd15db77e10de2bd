//! The printable record of a draw, for a notary.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use lottery::{AgencyId, DrawId, DrawState, DrawStatus};
use operators::Permission;

use super::draw::unfinished;
use super::language::Locale;
use super::shell::{Shell, show};
use super::view::{DrawView, Movement, Step, digits, missing, steps};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::{RECORD_AGENCIES_MAX, RECORD_WINNERS_MAX};
use crate::usecases::app::{App, Letterhead};
use crate::usecases::audit::chain_of_publication;
use crate::usecases::bets::FoundBet;
use crate::usecases::draws::status;
use crate::usecases::winners::list;
use crate::web::input::At;

#[derive(Template)]
#[template(path = "acta.html")]
struct Record {
    p: Shell,
    d: DrawView,
    is_published: bool,
    /// The digest of the set of bets; empty before the close.
    set: String,
    steps: Vec<Step>,
    movements: Vec<Movement>,
    missing: String,
    agencies: Vec<AgencyRow>,
    /// How many more agencies the draw has.
    more: Option<String>,
    /// The number of winners, once the draw is made.
    count: Option<String>,
    /// Whether the record lists every winner, and not only the counts.
    lists_all: bool,
    winners: Vec<WinnerRow>,
    /// The chain of the ledger up to the publication; empty before.
    chain: String,
    letterhead: Letterhead,
    now: String,
}

/// An agency's totals.
struct AgencyRow {
    number: u32,
    name: String,
    bets: String,
    finished: bool,
    winners: String,
}

/// A winning bet.
struct WinnerRow {
    last_name: String,
    first_name: String,
    document: String,
    agency: u32,
    number: String,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/draws/{id}/acta", get(record))
}

async fn record(
    State(app): State<App>,
    user: CurrentUser,
    At(id): At<u32>,
) -> Result<Response, Refusal> {
    user.must(Permission::ReadWinners)?;
    let l = user.language;
    let status = status(&app, DrawId(id))?;
    let listed = match status.state {
        DrawState::Drawn { .. } => Some(list(&app, &user.who, &status, RECORD_WINNERS_MAX).await?),
        _ => None,
    };
    let chain = chain_of_publication(&app, &user.who, &status).await?;
    let count = listed.as_ref().map(|listed| listed.count);
    let lists_all = count.unwrap_or(0) <= RECORD_WINNERS_MAX;
    let listed = listed.unwrap_or_default();
    let agencies = agencies(&app, &status, &listed.of_agencies, l);
    let winners = listed.bets.into_iter().map(|bet| WinnerRow::of(bet, &status));
    let more = status.terms.agencies.count() - agencies.len() as u64;
    Ok(show(&Record {
        p: Shell::of(&user, None),
        d: DrawView::of(&status, l),
        is_published: status.is_published(),
        set: status.life.set.map_or_else(String::new, |set| set.to_string()),
        steps: steps(&status, l),
        movements: Movement::all(&status, l),
        missing: missing(&status, &unfinished(&app, status.id), l),
        agencies,
        more: (more > 0).then(|| l.n(more)),
        count: count.map(|count| l.n(count)),
        lists_all,
        winners: winners.collect(),
        chain: chain.map_or_else(String::new, |chain| chain.to_string()),
        letterhead: app.letterhead.clone(),
        now: l.time(app.service.now()),
    }))
}

fn agencies(
    app: &App,
    status: &DrawStatus,
    winners: &BTreeMap<AgencyId, u64>,
    l: Locale,
) -> Vec<AgencyRow> {
    let view = app.service.view();
    let rows = view.all_agencies(status.id).take(RECORD_AGENCIES_MAX).map(|totals| {
        let known = view.registration(totals.agency);
        AgencyRow {
            number: totals.agency.0,
            name: known.map_or_else(String::new, |it| format!("{}, {}", it.name, it.place)),
            bets: l.n(totals.bets),
            finished: totals.finished,
            winners: l.n(winners.get(&totals.agency).copied().unwrap_or(0)),
        }
    });
    rows.collect()
}

impl WinnerRow {
    fn of(bet: FoundBet, draw: &DrawStatus) -> Self {
        let FoundBet { name, first_name, last_name, document, number, .. } = bet;
        let number = digits(number, &draw.terms);
        Self { last_name, first_name, document, agency: name.agency.0, number }
    }
}
