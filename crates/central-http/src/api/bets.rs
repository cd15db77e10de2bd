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

/// A bet, as it is stored.
#[derive(Serialize, ToSchema)]
struct BetView {
    /// Its name: draw, agency, chunk and position in the batch, as in 3-17-204-12.
    name: String,
    /// The agency that took it.
    agency: u32,
    /// The agency's number for the batch that it came in.
    chunk: u32,
    /// Of who bets.
    first_name: String,
    /// Of who bets.
    last_name: String,
    /// Of who bets.
    document: String,
    /// Of who bets: YYYY-MM-DD.
    birthdate: String,
    /// What was betted on.
    number: u32,
}

/// Which bets.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SearchParams {
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

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search))
}

/// Search bets
///
/// By document, number and agency, in the order in which they were stored. A part may hold fewer
/// items than asked for, or none, and still have a next one: a search looks at so many bets at a
/// time. Before publication, auditors only; before the draw was made, by document only.
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
