//! The pages of winners: the agencies of a draw, and the winners of one agency.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use lottery::{AgencyId, DrawId};
use operators::Permission;
use serde::Deserialize;

use super::shell::{Shell, show};
use super::view::{DrawView, WinnersView};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::{AGENCY_WINNERS_MAX, WINNERS_AGENCIES_MAX, WINNERS_FIRST};
use crate::usecases::app::App;
use crate::usecases::draws::status;
use crate::usecases::winners::read;
use crate::web::input::{At, InQuery};

/// The position in a list: items after this one are shown.
#[derive(Deserialize)]
pub(super) struct WinnersQuery {
    #[serde(default)]
    after: u32,
}

#[derive(Template)]
#[template(path = "winners.html")]
struct Agencies {
    p: Shell,
    d: DrawView,
    w: WinnersView,
}

#[derive(Template)]
#[template(path = "winners_agency.html")]
struct OfAgency {
    p: Shell,
    d: DrawView,
    agency: u32,
    count: String,
    documents: Vec<String>,
    /// The position of the first winner shown.
    first: u32,
    /// The position of the last winner shown, if there are more.
    next: Option<u32>,
}

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/draws/{id}/winners", get(agencies))
        .route("/draws/{id}/winners/{agency}", get(of_agency))
}

/// Shows the agencies that have winners.
async fn agencies(
    State(app): State<App>,
    user: CurrentUser,
    At(id): At<u32>,
    InQuery(WinnersQuery { after }): InQuery<WinnersQuery>,
) -> Result<Response, Refusal> {
    user.must(Permission::ReadWinners)?;
    let (status, l) = (status(&app, DrawId(id))?, user.language);
    let winners = read(&app, &user.who, &status).await?;
    let w = WinnersView::of(&winners, after, WINNERS_AGENCIES_MAX, WINNERS_FIRST, l);
    Ok(show(&Agencies { p: Shell::of(&user, None), d: DrawView::of(&status, l), w }))
}

/// Shows the winners of one agency.
async fn of_agency(
    State(app): State<App>,
    user: CurrentUser,
    At((id, agency)): At<(u32, u32)>,
    InQuery(WinnersQuery { after }): InQuery<WinnersQuery>,
) -> Result<Response, Refusal> {
    user.must(Permission::ReadWinners)?;
    let (status, l) = (status(&app, DrawId(id))?, user.language);
    status.terms.agencies.must_have(AgencyId(agency)).map_err(Refusal::NotInDraw)?;
    let winners = read(&app, &user.who, &status).await?;
    let its = winners.of(AgencyId(agency)).cloned().unwrap_or_default();
    let documents = its.iter().skip(after as usize).take(AGENCY_WINNERS_MAX);
    let documents: Vec<_> = documents.map(str::to_owned).collect();
    let last = u64::from(after) + documents.len() as u64;
    Ok(show(&OfAgency {
        p: Shell::of(&user, None),
        d: DrawView::of(&status, l),
        agency,
        count: l.n(its.count()),
        documents,
        first: after.saturating_add(1),
        next: u32::try_from(last).ok().filter(|_| last < its.count()),
    }))
}
