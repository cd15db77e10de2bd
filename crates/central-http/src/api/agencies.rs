//! Agencies: who is registered, who may bet, who is connected.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use central::{At, Change, Connected, Nodes};
use lottery::{AgencyId, Label, Registration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, ManageAgencies, ViewBoard};
use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::api::common::{Refusals, Why, part, reason};
use crate::usecases::agencies::{change, unknown};
use crate::usecases::app::App;
use crate::web::input::{Body, InPath, InQuery};
use crate::web::paging::{Page, PageParams};
use crate::web::time::Time;

/// A registered agency.
#[derive(Serialize, ToSchema)]
struct AgencyView {
    /// Its number.
    number: u32,
    /// Its name.
    name: String,
    /// Its place.
    place: String,
    /// Whether it may bet.
    enabled: bool,
    /// The number of its open connections, at any central.
    connections: usize,
}

/// The data of an agency.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AgencyData {
    /// Its name: 1 to 64 bytes, not confusable with another agency's.
    #[schema(min_length = 1, max_length = 64, example = "La Suerte")]
    name: String,
    /// Its place: 1 to 64 bytes.
    #[schema(min_length = 1, max_length = 64, example = "Rosario")]
    place: String,
    /// The reason, for the audit log.
    #[serde(default)]
    why: String,
}

/// A connection of an agency.
#[derive(Serialize, ToSchema)]
struct ConnectionView {
    /// The number of its central, as in `/api/v1/nodes`; null unless several centrals share a store.
    node: Option<u32>,
    /// When its central last told of it; another central tells every two seconds.
    as_of: Time,
    /// Its number in this run of its central.
    id: u64,
    /// The address of the peer.
    peer: String,
    /// The agency of its last message, or of its certificate.
    agency: Option<u32>,
    /// Whether a certificate proves that.
    certified: bool,
    /// The draw of its messages, once known.
    draw: Option<String>,
    /// When it was accepted.
    since: Time,
    /// When the last complete message was received.
    last_message: Time,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(agencies))
        .routes(routes!(agency, register))
        .routes(routes!(enable))
        .routes(routes!(disable))
        .routes(routes!(connections))
}

/// List agencies by number
#[utoipa::path(
    get, path = "/api/v1/agencies", tag = "agencies", params(PageParams),
    responses((status = 200, description = "Agencies", body = Page<AgencyView>), Refusals)
)]
async fn agencies(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<AgencyView>>, Refusal> {
    let (after, limit) = (page.after()?.map(AgencyId), page.limit()? + 1);
    let registered = app.service.view().registrations(after, limit);
    let connected = app.service.presence().by_agency();
    let view = |it: &Arc<Registration>| {
        let connections = connected.get(&it.agency).map_or(0, |it| it.connections);
        (it.agency.0, AgencyView::of(it, connections))
    };
    part(registered.iter().map(view), &page)
}

/// Get an agency
#[utoipa::path(
    get, path = "/api/v1/agencies/{number}", tag = "agencies",
    params(("number" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The agency", body = AgencyView), Refusals)
)]
async fn agency(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InPath(number): InPath<u32>,
) -> Result<Json<AgencyView>, Refusal> {
    let agency = AgencyId(number);
    let registered = app.service.view().registration(agency).ok_or_else(|| unknown(agency))?;
    Ok(Json(AgencyView::of(&registered, app.service.presence().count(agency))))
}

/// Register an agency, or change its data
///
/// A disabled agency stays disabled.
#[utoipa::path(
    put, path = "/api/v1/agencies/{number}", tag = "agencies", request_body = AgencyData,
    params(("number" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The agency", body = AgencyView), Refusals)
)]
async fn register(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ManageAgencies>,
    InPath(number): InPath<u32>,
    Body(AgencyData { name, place, why }): Body<AgencyData>,
) -> Result<Json<AgencyView>, Refusal> {
    let label = |what, text: String| {
        Label::new(text).map_err(|error| Refusal::bad_request(format!("the {what}: {error}")))
    };
    let (name, place) = (label("name", name)?, label("place", place)?);
    set(&app, &who, &why, number, Change::Describe { name, place }).await
}

/// Enable an agency
#[utoipa::path(
    post, path = "/api/v1/agencies/{number}/enable", tag = "agencies", request_body = Why,
    params(("number" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The agency", body = AgencyView), Refusals)
)]
async fn enable(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ManageAgencies>,
    InPath(number): InPath<u32>,
    Body(Why { why }): Body<Why>,
) -> Result<Json<AgencyView>, Refusal> {
    set(&app, &who, &why, number, Change::Enable(true)).await
}

/// Disable an agency
///
/// Its requests are rejected from now on, and its connections end.
#[utoipa::path(
    post, path = "/api/v1/agencies/{number}/disable", tag = "agencies", request_body = Why,
    params(("number" = u32, Path, description = "Its number")),
    responses((status = 200, description = "The agency", body = AgencyView), Refusals)
)]
async fn disable(
    State(app): State<App>,
    Allowed(who, ..): Allowed<ManageAgencies>,
    InPath(number): InPath<u32>,
    Body(Why { why }): Body<Why>,
) -> Result<Json<AgencyView>, Refusal> {
    set(&app, &who, &why, number, Change::Enable(false)).await
}

/// List connections of agencies, those of each central oldest first
///
/// Those of centrals that are away are left out, and those of an agency that has connected to another
/// central since.
#[utoipa::path(
    get, path = "/api/v1/connections", tag = "agencies", params(PageParams),
    responses((status = 200, description = "Connections", body = Page<ConnectionView>), Refusals)
)]
async fn connections(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<ConnectionView>>, Refusal> {
    let (presence, now) = (app.service.presence(), app.service.now());
    let (nodes, mut connected) = (presence.nodes(), presence.everywhere());
    connected.sort_by_key(order);
    let view = |it: At| (order(&it), ConnectionView::of(it, nodes.as_deref(), now));
    part(connected.into_iter().map(view), &page)
}

/// The central of a connection, then the connection's number there.
fn order((node, connected): &At) -> u128 {
    u128::from(node.unwrap_or(0)) << 64 | u128::from(connected.id)
}

async fn set(
    app: &App,
    who: &Caller,
    why: &str,
    number: u32,
    to: Change,
) -> Result<Json<AgencyView>, Refusal> {
    let agency = AgencyId(number);
    let (registration, _) = change(app, who, reason(why)?, agency, to).await?;
    let connections = app.service.presence().count(agency);
    Ok(Json(AgencyView::of(&registration, connections)))
}

impl AgencyView {
    fn of(registration: &Registration, connections: usize) -> Self {
        let Registration { agency, name, place, enabled } = registration;
        let (name, place) = (name.to_string(), place.to_string());
        Self { number: agency.0, name, place, enabled: *enabled, connections }
    }
}

impl ConnectionView {
    fn of((node, connected): At, nodes: Option<&Nodes>, now: Timestamp) -> Self {
        let Connected { id, peer, certified, agency, draw, since, last_message, .. } = connected;
        let told_by = node.and_then(|node| nodes?.find(node)).filter(|it| !it.is_this);
        Self {
            node,
            as_of: Time(told_by.map_or(now, |it| it.heard_at)),
            id,
            peer: peer.to_string(),
            agency: agency.map(|agency| agency.0),
            certified,
            draw: draw.map(|draw| draw.to_string()),
            since: Time(since),
            last_message: Time(last_message),
        }
    }
}
