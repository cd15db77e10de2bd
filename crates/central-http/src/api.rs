//! The JSON API: one file per subject, each with its own router. This module merges and describes
//! them.
//!
//! ```text
//! health        liveness, readiness and metrics
//! session, operators, draws, events, agencies, nodes, bets, export, copy, winners, audit
//!               JSON interface of the use case of the same name
//! common        shared parts
//! ```

mod agencies;
mod audit;
mod bets;
mod common;
mod copy;
mod draws;
mod events;
mod export;
mod health;
mod nodes;
mod operators;
mod session;
mod winners;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

pub(crate) use copy::RECORDS_PATH;
pub(crate) use events::EVENTS_PATH;

use crate::access::identify::{authenticate, authenticate_passively, identify};
use crate::access::refusal::Refusal;
use crate::access::state::COOKIE;
use crate::usecases::app::App;
use crate::web::problem::Problem;

/// Prefix of the API's paths.
pub(crate) const BELOW_API: &str = "/api/v1";

const DESCRIPTION_PATH: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bolillero",
        description = "The API of a lottery central, for operators and programs. Every error is \
                       `application/problem+json` and includes a remedy.",
    ),
    security(("session" = []), ("token" = [])),
    components(schemas(Problem))
)]
struct Description;

/// Builds the router of the API.
pub(crate) fn router(app: &App) -> Router<App> {
    let authenticate = from_fn_with_state(Arc::clone(&app.access), authenticate);
    let passively = from_fn_with_state(Arc::clone(&app.access), authenticate_passively);
    let routes = open().merge(authenticated().layer(authenticate));
    let (routes, description) = routes.merge(followed().layer(passively)).split_for_parts();
    let answer = ([(header::CONTENT_TYPE, "application/json")], text_of(description));
    routes.route(DESCRIPTION_PATH, get(move || std::future::ready(answer.clone())))
}

/// Returns the description of the API: OpenAPI 3.1, as JSON.
#[must_use]
pub fn openapi() -> String {
    text_of(open().merge(authenticated()).merge(followed()).into_openapi())
}

/// Rejects unknown paths. Unauthenticated requests do not learn which paths the API has.
pub(crate) async fn not_found(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Refusal {
    let known = known_if_needed(&app, &method, &uri, &headers).await;
    known.err().unwrap_or_else(|| Problem::no_such_path().into())
}

/// Rejects methods that a path does not have.
pub(crate) async fn method_not_allowed(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Refusal {
    let known = known_if_needed(&app, &method, &uri, &headers).await;
    known.err().unwrap_or_else(Refusal::method_not_allowed)
}

async fn known_if_needed(
    app: &App,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    if uri.path().starts_with(BELOW_API) {
        identify(&app.access, headers, method).await?;
    }
    Ok(())
}

/// Returns the routes that need no authentication.
fn open() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(health::router())
        .merge(session::open_router())
}

/// Returns the routes for authenticated callers.
fn authenticated() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(session::router())
        .merge(draws::router())
        .merge(winners::router())
        .merge(bets::router())
        .merge(export::router())
        .merge(copy::router())
        .merge(agencies::router())
        .merge(nodes::router())
        .merge(audit::router())
        .merge(operators::router())
}

/// Returns the routes for authenticated callers who only follow what happens.
fn followed() -> OpenApiRouter<App> {
    events::router()
}

fn text_of(mut description: utoipa::openapi::OpenApi) -> String {
    let components = description.components.get_or_insert_default();
    let name = format!("{COOKIE}PORT");
    let cookie = ApiKeyValue::with_description(
        name.as_str(),
        "Of POST /api/v1/session. Its name ends in the port that browsers connect to, and begins \
         with `__Host-` where `serve --http-origin` is encrypted. Changes need the header \
         X-CSRF-Token beside it.",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(token));
    let mut text = description.to_pretty_json().expect("all its keys are text");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::expect_file;
    use serde_json::Value;

    #[test]
    fn every_operation_has_an_id_of_its_own_and_a_summary() {
        let description: Value = serde_json::from_str(&super::openapi()).unwrap();
        let paths = description["paths"].as_object().unwrap().values();
        let operations: Vec<_> = paths.flat_map(|it| it.as_object().unwrap().values()).collect();
        let ids: BTreeSet<_> = operations.iter().map(|it| it["operationId"].as_str()).collect();
        assert!(ids.len() == operations.len() && !ids.contains(&None), "{ids:?}");
        for it in operations {
            assert!(it["summary"].as_str().is_some_and(|text| !text.is_empty()), "{it}");
        }
    }

    #[test]
    fn the_copy_of_the_description_is_up_to_date() {
        expect_file!["../../../docs/reference/openapi.json"].assert_eq(&super::openapi());
    }
}
