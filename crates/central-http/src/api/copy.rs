//! Copies of the ledger and the operators, for standbys.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use engine::Chain;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, CopyLedger};
use crate::access::refusal::Refusal;
use crate::api::common::Refusals;
use crate::usecases::app::App;
use crate::usecases::copy;
use crate::usecases::export::Recipient;
use crate::web::input::InQuery;
use crate::web::peer::{Ending, Peer};
use crate::web::stream_body::UNBUFFERED;

/// The path of the records.
pub(crate) const RECORDS_PATH: &str = "/api/v1/ledger/records";

/// The header with the number of records that the ledger has.
const RECORDS: HeaderName = HeaderName::from_static("bolillero-records");

/// Where the copy ends.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RecordsParams {
    /// The number of the first record to send: how many the copy has.
    from: u64,
    /// The chain of the copy's last record, 64 hexadecimal digits; it may be left out if there is
    /// none.
    chain: Option<String>,
}

/// Which operators the copy has.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OperatorsParams {
    /// Their version.
    after: Option<u64>,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(copy_records)).routes(routes!(copy_operators))
}

/// Copy the records of the ledger
///
/// For standbys. A record stream, see docs/reference/ledger.md: all records from `from` on, then
/// those that become durable, as they do, until some 10 seconds after the copy had all; then the
/// end. A copy of another history is rejected (`other-history`). The header `Bolillero-Records` has
/// the number of records that the ledger has at the beginning.
#[utoipa::path(
    get, path = "/api/v1/ledger/records", tag = "standby", params(RecordsParams),
    responses(
        (status = 200, description = "Records", content_type = "application/octet-stream"),
        Refusals
    )
)]
async fn copy_records(
    State(app): State<App>,
    Allowed(who, ..): Allowed<CopyLedger>,
    ending: Ending,
    Peer(client): Peer,
    InQuery(RecordsParams { from, chain }): InQuery<RecordsParams>,
) -> Result<Response, Refusal> {
    let chain: Option<Chain> = match chain {
        Some(text) => Some(text.parse().map_err(Refusal::bad_request)?),
        None if from == 0 => None,
        None => return Err(Refusal::bad_request("a copy that has records needs its chain")),
    };
    let to = Recipient { who, connection: ending.0 };
    let records = app.service.view().events();
    let body = copy::records(&app, to, client, from, chain).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (RECORDS, records.to_string()),
    ];
    Ok((headers, UNBUFFERED, Body::new(body)).into_response())
}

/// Copy the operators
///
/// For standbys. The document that the central keeps of its operators and tokens, with the hashes
/// of passwords and secrets. With `after`, it is sent once it has another version, or unchanged
/// after some 10 seconds.
#[utoipa::path(
    get, path = "/api/v1/ledger/operators", tag = "standby", params(OperatorsParams),
    responses(
        (status = 200, description = "The document", body = Object),
        Refusals
    )
)]
async fn copy_operators(
    State(app): State<App>,
    Allowed(who, ..): Allowed<CopyLedger>,
    InQuery(OperatorsParams { after }): InQuery<OperatorsParams>,
) -> Result<Response, Refusal> {
    let people = copy::operators(&app, &who, after).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], people.document()).into_response())
}
