//! Whether the central lives, is ready, and what it counted. Answered to anybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use central::{Connected, Exposition};
use lottery::{DrawId, DrawStatus, View};
use pki::{End, EndOf};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::state::blocking;
use crate::host::{GroupCounts, Scrubbed};
use crate::limits::{METRICS_DRAWS_MAX, READINESS_TIME_MAX};
use crate::usecases::app::App;
use crate::usecases::draws::LifeState;
use crate::usecases::nodes::NodeState;

/// The readiness of the central, by part.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// Whether all parts are ready.
    ready: bool,
    /// The store accepts requests.
    store: bool,
    /// Why the store is away, if several centrals share it: requests wait until it is back.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_away: Option<String>,
    /// The store has room, or has not needed more yet.
    room: bool,
    /// The file of operators can be read.
    operators: bool,
    /// The winners of all draws can be read.
    draws: bool,
    /// No damage was found in the ledger since the start.
    ledger: bool,
    /// The first damage and its place: run `bolillero check` on a copy of the folder for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger_damage: Option<String>,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Check that the process runs
#[utoipa::path(
    get, path = "/healthz", tag = "health", security(),
    responses((status = 200, description = "It runs", body = String, content_type = "text/plain"))
)]
async fn healthz() -> &'static str {
    "alive\n"
}

/// Check that all parts are ready
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(),
    responses(
        (status = 200, description = "All parts are ready", body = Readiness),
        (status = 503, description = "A part is not ready", body = Readiness),
    )
)]
async fn readyz(State(app): State<App>) -> impl IntoResponse {
    let store_away = app.host.store_away();
    let store = app.service.failure().fault().is_none() && store_away.is_none();
    let room = !app.service.failure().is_full();
    let people = tokio::time::timeout(READINESS_TIME_MAX, app.access.people());
    let operators = store_away.is_none() && matches!(people.await, Ok(Ok(_)));
    let draws = !app.service.has_unreadable();
    let ledger_damage = app.host.scrubbed().damage;
    let ledger = ledger_damage.is_none();
    let ready = store && room && operators && draws && ledger;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (
        status,
        Json(Readiness { ready, store, store_away, room, operators, draws, ledger, ledger_damage }),
    )
}

/// Get metrics for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "health", security(),
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain"))
)]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let mut exposition = Exposition::default();
    app.service.metrics().tell(&mut exposition);
    let name = "bolillero_agency_connections";
    exposition.about(name, "gauge", "Open connections of agencies to this central.");
    let connected = app.service.presence().snapshot();
    for (identity, certified) in [("claimed", false), ("certified", true)] {
        let is = |it: &&Connected| it.certified == certified;
        let count = connected.iter().filter(is).count();
        exposition.value(name, &[("identity", identity)], count);
    }
    if let Some(nodes) = app.service.presence().nodes() {
        exposition.about("bolillero_nodes", "gauge", "Centrals that share the store, by state.");
        for state in NodeState::ALL {
            let count = nodes.all.iter().filter(|it| NodeState::of(it, &nodes) == state).count();
            exposition.value("bolillero_nodes", &[("state", state.as_str())], count);
        }
    }
    let standbys = app.standbys.behind(app.service.view().events());
    exposition.about("bolillero_standbys", "gauge", "Standbys that copy the ledger.");
    exposition.value("bolillero_standbys", &[], standbys.len());
    let name = "bolillero_standby_behind_records";
    exposition.about(name, "gauge", "Records that the standby has not been sent yet.");
    for (operator, behind) in standbys {
        exposition.value(name, &[("operator", operator.as_str())], behind);
    }
    let about = format!("1 for the state of a draw, of the {METRICS_DRAWS_MAX} newest.");
    exposition.about("bolillero_draw", "gauge", &about);
    for draw in newest_draws(app.service.view()).iter().rev() {
        let name = draw.terms.name.as_str();
        exposition.value(
            "bolillero_draw",
            &[("draw", name), ("state", LifeState::of(draw).as_str())],
            1,
        );
    }
    exposition.about(
        "bolillero_store_full",
        "gauge",
        "1 while bets are rejected because the store has no room.",
    );
    exposition.value("bolillero_store_full", &[], u8::from(app.service.failure().is_full()));
    exposition.about(
        "bolillero_store_away",
        "gauge",
        "1 while requests wait for the store that several centrals share.",
    );
    exposition.value("bolillero_store_away", &[], u8::from(app.host.store_away().is_some()));
    tell_groups(&app.host.groups(), &mut exposition);
    tell_scrubbed(&app.host.scrubbed(), &mut exposition);
    if let Some(config) = app.service.presence().certificates() {
        let name = "bolillero_tls_expiry_timestamp_seconds";
        exposition.about(name, "gauge", "When a certificate or revocation list expires.");
        for End { of, name: issuer, at } in &config.ends {
            let of = match of {
                EndOf::Central => "central",
                EndOf::Authority => "authority",
                EndOf::Revocations => "revocations",
            };
            exposition.value(name, &[("of", of), ("name", issuer)], at.0.as_secs());
        }
    }
    let host = Arc::clone(&app.host);
    let free = blocking("reading the disk's free space failed", move || host.disk_free_len());
    if let Ok(Ok(len)) = free.await {
        exposition.about("bolillero_disk_free_bytes", "gauge", "Free space on the ledger's disk.");
        exposition.value("bolillero_disk_free_bytes", &[], len);
    }
    let name = "bolillero_log_lines_dropped_total";
    exposition.about(name, "counter", "Log lines dropped because the log was read too slowly.");
    exposition.value(name, &[], app.host.log_lines_dropped());
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], exposition.into_text())
}

fn tell_groups(groups: &GroupCounts, exposition: &mut Exposition) {
    let name = "bolillero_group_events";
    exposition.about(name, "histogram", "Events per durable write.");
    let mut so_far = 0;
    for (bound, count) in &groups.counts {
        so_far += count;
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
        exposition.value("bolillero_group_events_bucket", &[("le", &bound)], so_far);
    }
    exposition.value("bolillero_group_events_sum", &[], groups.events);
    exposition.value("bolillero_group_events_count", &[], so_far);
}

fn tell_scrubbed(scrubbed: &Scrubbed, exposition: &mut Exposition) {
    let name = "bolillero_ledger_damaged_segments";
    exposition.about(name, "gauge", "Damaged files of the ledger.");
    exposition.value(name, &[], scrubbed.damaged_segments);
    let name = "bolillero_ledger_scrubs_total";
    exposition.about(name, "counter", "Completed reads of all full files of the ledger.");
    exposition.value(name, &[], scrubbed.passes);
}

fn newest_draws(view: &View) -> Vec<DrawStatus> {
    let passed = view.draw_count().saturating_sub(METRICS_DRAWS_MAX);
    let passed = u32::try_from(passed).expect("draws are numbered by u32");
    view.draws(Some(DrawId(passed)), METRICS_DRAWS_MAX)
}
