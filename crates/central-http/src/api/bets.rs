//! Bets of a draw, searched.

#![allow(unused_qualifications, reason = "in what utoipa makes of `SearchParams`")]

use axum::Json;
use axum::extract::State;
use lottery::{AgencyId, DrawId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::api::common::Refusals;
use crate::usecases::app::App;
use crate::usecases::bets::{FoundBet, Sought, find};
use crate::web::input::{InPath, InQuery};
use crate::web::paging::{Page, PageParams};

/// A stored bet.
#[derive(Serialize, ToSchema)]
struct BetView {
    /// Its name: draw, agency, chunk and position in the batch, as in 3-17-204-12.
    name: String,
    /// The agency that sent it.
    agency: u32,
    /// The agency's number of its batch.
    chunk: u32,
    /// First name of the bettor.
    first_name: String,
    /// Last name of the bettor.
    last_name: String,
    /// Document of the bettor.
    document: String,
    /// Birthdate of the bettor: YYYY-MM-DD.
    birthdate: String,
    /// The number that was bet on.
    number: u32,
}

/// Criteria of a search.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SearchParams {
    /// Only bets with this document; dots and spaces are ignored. Required before the draw is made.
    document: Option<String>,
    /// Only bets on this number. Not allowed before the draw is made.
    number: Option<u32>,
    /// Only bets of this agency.
    agency: Option<u32>,
    /// The `next` of the previous page; omitted for the first page.
    cursor: Option<String>,
    /// Most items per page, 1 to 500; 100 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search))
}

/// Search bets
///
/// By document, number and agency, in the order in which they were stored. A page may have fewer
/// items than requested, or none, and still have a next page: each request reads a limited number
/// of bets. Before publication, auditors only; before the draw is made, by document only.
#[utoipa::path(
    get, path = "/api/v1/draws/{id}/bets", tag = "bets",
    params(("id" = u32, Path, description = "The draw's number"), SearchParams),
    responses((status = 200, description = "Bets", body = Page<BetView>), Refusals)
)]
async fn search(
    State(app): State<App>,
    who: Caller,
    InPath(id): InPath<u32>,
    InQuery(asked): InQuery<SearchParams>,
) -> Result<Json<Page<BetView>>, Refusal> {
    let SearchParams { document, number, agency, cursor, limit } = asked;
    let sought = Sought { document, number, agency: agency.map(AgencyId) };
    let part = PageParams::new(cursor, limit);
    let found = find(&app, &who, DrawId(id), sought, &part).await?;
    let next = found.next.map(|passed| passed.to_string());
    let items = found.bets.into_iter().map(BetView::of).collect();
    Ok(Json(Page::ending(items, next.as_deref())))
}

impl BetView {
    fn of(bet: FoundBet) -> Self {
        let FoundBet { name, first_name, last_name, document, birthdate, number } = bet;
        let (agency, chunk) = (name.agency.0, name.chunk.0);
        let name = name.to_string();
        Self { name, agency, chunk, first_name, last_name, document, birthdate, number }
    }
}
