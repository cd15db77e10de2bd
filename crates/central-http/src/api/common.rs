//! What several subjects of the API have in common.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use exports::Cells;
use lottery::Reason;
use serde::Deserialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::access::refusal::Refusal;
use crate::api::BELOW_API;
use crate::web::paging::{Page, PageParams};
use crate::web::stream_body::{StreamBody, UNBUFFERED};

/// The errors of any request of the API.
pub(super) struct Refusals;

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    #[default]
    Newest,
    Oldest,
}

/// The content type of CSV files.
pub(super) const CSV: &str = "text/csv; charset=utf-8";

/// A reason for the audit log: at most 500 bytes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// Required to close early or before all agencies have finished, and to publish a result that
    /// one operator has voided.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub(super) why: String,
}

/// A reason for an act that always needs one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NeededWhy {
    /// The reason, for the audit log: at most 500 bytes, and not empty.
    #[schema(min_length = 1, max_length = 500)]
    pub(super) why: String,
}

/// A reason as given by the caller.
pub(super) fn reason(why: &str) -> Result<Reason, Refusal> {
    Reason::new(why).map_err(Refusal::bad_request)
}

/// The requested page of a list.
pub(super) fn part<K: FromStr + ToString + Ord, T: ToSchema>(
    all: impl Iterator<Item = (K, T)>,
    page: &PageParams,
) -> Result<Json<Page<T>>, Refusal> {
    Ok(Json(Page::of(all, page)?))
}

/// Returns the answer about something new that is at this path.
pub(super) fn created<T>(path: &str, view: T) -> (StatusCode, [(HeaderName, String); 1], Json<T>) {
    (StatusCode::CREATED, [(header::LOCATION, format!("{BELOW_API}/{path}"))], Json(view))
}

/// How to write the cells of a CSV file.
pub(super) fn cells(raw: bool) -> Cells {
    if raw { Cells::Raw } else { Cells::Inert }
}

/// Returns the answer that a browser stores as a file of this name.
pub(super) fn file(lines: StreamBody, kind: &'static str, name: &str) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, UNBUFFERED, Body::new(lines)).into_response()
}

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let refusals = [
            ("400", "The request is invalid"),
            ("401", "The caller is not authenticated"),
            ("403", "The caller has no permission"),
            ("404", "Not found"),
            ("408", "The request took too long"),
            ("409", "The request conflicts with the current state"),
            ("413", "The body is too long"),
            ("415", "The body is not JSON"),
            ("429", "Too many attempts, or too many concurrent requests"),
            ("503", "The central is temporarily unavailable"),
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
