//! The centrals that share a store.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, ViewBoard};
use crate::access::refusal::Refusal;
use crate::api::common::{Refusals, part};
use crate::usecases::app::App;
use crate::usecases::nodes::{NodeState, connections};
use crate::web::input::InQuery;
use crate::web::paging::{Page, PageParams};
use crate::web::time::Time;

/// A run of a central on a shared store.
#[derive(Serialize, ToSchema)]
struct NodeView {
    /// Its number: a later run has a greater one.
    id: u32,
    /// Its name, which others may have too.
    name: String,
    /// What is known of it.
    state: NodeState,
    /// When it began.
    started_at: Time,
    /// When it last showed that it lives, by the database's clock.
    heard_at: Time,
    /// By how many milliseconds its clock was ahead of the database's then.
    clock_ahead_ms: i64,
    /// The server that it writes to; empty until that is known.
    host: String,
    /// The timeline of that server, which each promotion raises.
    timeline: u32,
    /// The number of its open connections of agencies.
    connections: u64,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(nodes))
}

/// List the centrals that share the store
///
/// A central that is away is listed for an hour, or until it is started again by the same name; one
/// that was shut down is not. Empty if the ledger is in a folder.
#[utoipa::path(
    get, path = "/api/v1/nodes", tag = "nodes", params(PageParams),
    responses((status = 200, description = "Centrals", body = Page<NodeView>), Refusals)
)]
async fn nodes(
    State(app): State<App>,
    _: Allowed<ViewBoard>,
    InQuery(page): InQuery<PageParams>,
) -> Result<Json<Page<NodeView>>, Refusal> {
    let nodes = app.service.presence().nodes();
    let all = nodes.iter().flat_map(|nodes| nodes.all.iter().map(move |node| (nodes, node)));
    let view = all.map(|(nodes, node)| {
        let view = NodeView {
            id: node.id,
            name: node.name.clone(),
            state: NodeState::of(node, nodes),
            started_at: Time(node.started_at),
            heard_at: Time(node.heard_at),
            clock_ahead_ms: node.clock_ahead_ms,
            host: node.host.clone(),
            timeline: node.timeline,
            connections: connections(&app, node),
        };
        (node.id, view)
    });
    part(view, &page)
}
