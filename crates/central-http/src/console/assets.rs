//! What pages are shown with.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../../assets/console.css"))
}

pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../assets/console.js"))
}

pub(super) async fn icon() -> Response {
    asset("image/svg+xml", include_str!("../../assets/console.svg"))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=300")], text).into_response()
}
