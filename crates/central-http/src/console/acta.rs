//! The printable record of a draw, for a notary.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use lottery::{DrawId, DrawStatus, Winners};
use operators::Permission;

use super::draw::found;
use super::language::Locale;
use super::shell::{Shell, show};
use super::view::{DrawView, Movement, Step, missing, steps};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::{RECORD_AGENCIES_MAX, RECORD_WINNERS_MAX};
use crate::usecases::app::App;
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
    now: String,
}

/// An agency's totals and winners.
struct AgencyRow {
    number: u32,
    name: String,
    bets: String,
    finished: bool,
    winners: String,
    documents: String,
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
    let (status, unfinished, winners) = found(&app, &user, DrawId(id)).await?;
    let count = winners.as_ref().map(Winners::count);
    let lists_all = count.unwrap_or(0) <= RECORD_WINNERS_MAX;
    let agencies = agencies(&app, &status, winners.unwrap_or_default(), lists_all, l);
    let more = status.terms.agencies.count() - agencies.len() as u64;
    Ok(show(&Record {
        p: Shell::of(&user, None),
        d: DrawView::of(&status, l),
        is_published: status.is_published(),
        set: status.life.set.map_or_else(String::new, |set| set.to_string()),
        steps: steps(&status, l),
        movements: Movement::all(&status, l),
        missing: missing(&status, &unfinished, l),
        agencies,
        more: (more > 0).then(|| l.n(more)),
        count: count.map(|count| l.n(count)),
        lists_all,
        now: l.time(app.service.now()),
    }))
}

fn agencies(
    app: &App,
    status: &DrawStatus,
    winners: Winners,
    lists_all: bool,
    l: Locale,
) -> Vec<AgencyRow> {
    let view = app.service.view();
    let rows = view.all_agencies(status.id).take(RECORD_AGENCIES_MAX).map(|totals| {
        let won = winners.of(totals.agency).cloned().unwrap_or_default();
        let documents: Vec<_> = won.iter().filter(|_| lists_all).collect();
        let known = view.registration(totals.agency);
        AgencyRow {
            number: totals.agency.0,
            name: known.map_or_else(String::new, |it| format!("{}, {}", it.name, it.place)),
            bets: l.n(totals.bets),
            finished: totals.finished,
            winners: l.n(won.count()),
            documents: documents.join(", "),
        }
    });
    rows.collect()
}
