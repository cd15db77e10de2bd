//! Whether the central lives, is ready, and what it counted. Answered to anybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use central::{Connected, Exposition, Identity};
use lottery::{DrawId, DrawStatus, View};
use pki::{End, EndOf};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::state::blocking;
use crate::host::{GroupCounts, Scrubbed};
use crate::limits::METRICS_DRAWS_MAX;
use crate::usecases::app::App;
use crate::usecases::draws::LifeState;

/// Whether the central can do its work, part by part.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// Whether all parts are.
    ready: bool,
    /// The store takes requests.
    store: bool,
    /// The store has room for more, or did not need it yet.
    room: bool,
    /// The file of operators can be read.
    operators: bool,
    /// No draw's winners are unreadable.
    draws: bool,
    /// What was read of the ledger since the start is as it was written.
    ledger: bool,
    /// What is not, and where: `bolillero check` on a copy of the folder tells the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger_damage: Option<String>,
}

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// The process lives
#[utoipa::path(
    get, path = "/healthz", tag = "health", security(),
    responses((status = 200, description = "It lives", body = String, content_type = "text/plain"))
)]
async fn healthz() -> &'static str {
    "alive\n"
}

/// Its parts are ready
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(),
    responses(
        (status = 200, description = "All parts are ready", body = Readiness),
        (status = 503, description = "Some part is not", body = Readiness),
    )
)]
async fn readyz(State(app): State<App>) -> impl IntoResponse {
    let store = app.service.failure().fault().is_none();
    let room = !app.service.failure().is_full();
    let roster = Arc::clone(&app.access.roster);
    let people = blocking("looking at the operators broke off", move || roster.people()).await;
    let operators = matches!(people, Ok(Ok(_)));
    let draws = !app.service.has_unreadable();
    let ledger_damage = app.host.scrubbed().damage;
    let ledger = ledger_damage.is_none();
    let ready = store && room && operators && draws && ledger;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, store, room, operators, draws, ledger, ledger_damage }))
}

/// Metrics, for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "health", security(),
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain"))
)]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let mut told = Exposition::default();
    app.service.metrics().tell(&mut told);
    told.about("bolillero_agency_connections", "gauge", "Open connections of agencies.");
    let connected = app.service.presence().snapshot();
    for (identity, certified) in [("claimed", false), ("certified", true)] {
        let is = |it: &&Connected| matches!(it.identity, Identity::Certified { .. }) == certified;
        let count = connected.iter().filter(is).count();
        told.value("bolillero_agency_connections", &[("identity", identity)], count);
    }
    told.about("bolillero_draw", "gauge", "1 for the state that the draw is in.");
    for draw in newest_draws(app.service.view()).iter().rev() {
        let name = draw.terms.name.as_str();
        told.value("bolillero_draw", &[("draw", name), ("state", LifeState::of(draw).as_str())], 1);
    }
    told.about("bolillero_store_full", "gauge", "1 while bets are refused for want of room.");
    told.value("bolillero_store_full", &[], u8::from(app.service.failure().is_full()));
    tell_groups(&app.host.groups(), &mut told);
    tell_scrubbed(&app.host.scrubbed(), &mut told);
    if let Some(config) = app.service.presence().certificates() {
        let name = "bolillero_tls_expiry_timestamp_seconds";
        told.about(name, "gauge", "When a certificate or list of revoked ones expires.");
        for End { of, name: issuer, at } in &config.ends {
            let of = match of {
                EndOf::Central => "central",
                EndOf::Authority => "authority",
                EndOf::Revocations => "revocations",
            };
            told.value(name, &[("of", of), ("name", issuer)], at.0.as_secs());
        }
    }
    let host = Arc::clone(&app.host);
    let free = blocking("looking at the disk broke off", move || host.disk_free_len());
    if let Ok(Ok(len)) = free.await {
        told.about("bolillero_disk_free_bytes", "gauge", "Room on the ledger's disk.");
        told.value("bolillero_disk_free_bytes", &[], len);
    }
    let name = "bolillero_log_lines_dropped_total";
    told.about(
        name,
        "counter",
        "StreamBody that nobody took in time, and the log had no room for.",
    );
    told.value(name, &[], app.host.log_lines_dropped());
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], told.into_text())
}

fn tell_groups(groups: &GroupCounts, told: &mut Exposition) {
    let name = "bolillero_group_events";
    told.about(name, "histogram", "Events that one durable write held.");
    let mut so_far = 0;
    for (bound, count) in &groups.counts {
        so_far += count;
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
        told.value("bolillero_group_events_bucket", &[("le", &bound)], so_far);
    }
    told.value("bolillero_group_events_sum", &[], groups.events);
    told.value("bolillero_group_events_count", &[], so_far);
}

fn tell_scrubbed(scrubbed: &Scrubbed, told: &mut Exposition) {
    let name = "bolillero_ledger_damaged_segments";
    told.about(name, "gauge", "Files of the ledger that are not as they were written.");
    told.value(name, &[], scrubbed.damaged_segments);
    let name = "bolillero_ledger_scrubs_total";
    told.about(name, "counter", "Times that all full files of the ledger were read.");
    told.value(name, &[], scrubbed.passes);
}

fn newest_draws(view: &View) -> Vec<DrawStatus> {
    let passed = view.draw_count().saturating_sub(METRICS_DRAWS_MAX);
    let passed = u32::try_from(passed).expect("draws are numbered by u32");
    view.draws(Some(DrawId(passed)), METRICS_DRAWS_MAX)
}
