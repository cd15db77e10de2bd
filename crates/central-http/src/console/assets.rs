//! Serves the style sheet, the script and the icon.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::usecases::app::App;

pub(super) fn router() -> Router<App> {
    let style = || asset("text/css; charset=utf-8", include_str!("../../assets/console.css"));
    let script =
        || asset("text/javascript; charset=utf-8", include_str!("../../assets/console.js"));
    let icon = || asset("image/svg+xml", include_str!("../../assets/console.svg"));
    Router::new()
        .route("/console.css", get(async move || style()))
        .route("/console.js", get(async move || script()))
        .route("/console.svg", get(async move || icon()))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=300")], text).into_response()
}
