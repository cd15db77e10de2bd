//! Which path is answered by what, and the description of it all.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::{COOKIE, authenticate};
use crate::problem::Problem;
use crate::state::App;
use crate::{
    agencies, audit, bets, console, draws, export, guard, health, input, operators, session,
    winners,
};

/// What paths of the API begin with.
pub(super) const BELOW_API: &str = "/api/v1";

const DESCRIPTION_PATH: &str = "/api/v1/openapi.json";

/// The refusals that any request of the API may meet.
pub(super) struct Refusals;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bolillero",
        description = "What operators and programs ask of a lottery central. Every refusal is \
                       `application/problem+json` and says what to do.",
    ),
    security(("session" = []), ("token" = [])),
    components(schemas(Problem))
)]
struct Description;

/// All paths, guarded.
pub(super) fn router(app: &App) -> Router {
    let authenticated = authenticated().layer(from_fn_with_state(App::clone(app), authenticate));
    let (routes, description) = open().merge(authenticated).split_for_parts();
    let answer = ([(header::CONTENT_TYPE, "application/json")], text_of(description));
    routes
        .merge(console::routes())
        .route(DESCRIPTION_PATH, get(move || std::future::ready(answer.clone())))
        .fallback(guard::not_found)
        .method_not_allowed_fallback(guard::method_not_allowed)
        .layer(from_fn(input::whole))
        .layer(from_fn_with_state(App::clone(app), guard::guard))
        .with_state(App::clone(app))
}

/// The description of the API: OpenAPI 3.1, as JSON.
#[must_use]
pub fn openapi() -> String {
    text_of(open().merge(authenticated()).into_openapi())
}

/// What is answered to anybody.
fn open() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(session::log_in))
}

/// What is answered to who is somebody.
fn authenticated() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session::who_am_i, session::log_out))
        .routes(routes!(draws::draws, draws::announce))
        .routes(routes!(draws::draw))
        .routes(routes!(draws::open))
        .routes(routes!(draws::close))
        .routes(routes!(draws::enter_number))
        .routes(routes!(draws::publish))
        .routes(routes!(winners::standings))
        .routes(routes!(winners::winners))
        .routes(routes!(winners::settlement))
        .routes(routes!(bets::search))
        .routes(routes!(export::csv))
        .routes(routes!(export::parquet))
        .routes(routes!(agencies::agencies))
        .routes(routes!(agencies::register))
        .routes(routes!(agencies::enable))
        .routes(routes!(agencies::disable))
        .routes(routes!(agencies::connections))
        .routes(routes!(audit::audit))
        .routes(routes!(operators::operators, operators::add_operator))
        .routes(routes!(operators::disable_operator))
        .routes(routes!(operators::enable_operator))
        .routes(routes!(operators::change_password))
        .routes(routes!(operators::tokens, operators::give_token))
        .routes(routes!(operators::revoke_token))
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

#[cfg(test)]
mod tests {
    /// The copy that is kept for those who read without a central.
    const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

    #[test]
    fn the_copy_of_the_description_is_up_to_date() {
        if std::env::var_os("OPENAPI_WRITE").is_some() {
            std::fs::write(COPY, super::openapi()).unwrap();
        }
        let copy = std::fs::read_to_string(COPY).unwrap_or_default();
        assert!(
            copy == super::openapi(),
            "docs/openapi.json is not what the API is; write it with `OPENAPI_WRITE=1 cargo test \
             --locked -p central the_copy_of_the_description`"
        );
    }
}
