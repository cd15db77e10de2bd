//! What several subjects of the API have in common.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::Json;
use lottery::Reason;
use serde::Deserialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::access::refusal::Refusal;
use crate::web::paging::{Page, PageParams};

/// The refusals that any request of the API may meet.
pub(super) struct Refusals;

/// A reason for the record: at most 500 bytes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// Needed to close early, or without some agencies.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub(super) why: String,
}

/// A reason as somebody gave it.
pub(super) fn reason(why: &str) -> Result<Reason, Refusal> {
    Reason::new(why).map_err(Refusal::bad_request)
}

/// The part of a list that is asked for.
pub(super) fn part<K: FromStr + ToString + Ord, T: ToSchema>(
    all: impl Iterator<Item = (K, T)>,
    page: &PageParams,
) -> Result<Json<Page<T>>, Refusal> {
    Ok(Json(Page::of(all, page)?))
}

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let refusals = [
            ("400", "The request is not one"),
            ("401", "Nobody is logged in"),
            ("403", "Who asks may not"),
            ("404", "There is no such thing"),
            ("408", "It took too long"),
            ("409", "It does not go with how things are"),
            ("413", "The body is too long"),
            ("415", "The body is not JSON"),
            ("429", "Tried too often, or too much at once"),
            ("503", "The central can't now"),
        ];
        let described = refusals.map(|(status, about)| {
            let schema = Ref::from_schema_name("Problem");
            let problem = ContentBuilder::new().schema(Some(schema)).build();
            let response = ResponseBuilder::new()
                .description(about)
                .content("application/problem+json", problem)
                .build();
            (status.to_owned(), response.into())
        });
        described.into()
    }
}
