//! What holds for every request and every answer.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::BELOW_API;
use crate::body::Held;
use crate::caller::{Peer, identify};
use crate::console::{EVENTS_PATH, Reader};
use crate::origin::is_of_host;
use crate::problem::Problem;
use crate::state::App;

/// What browsers are told of every answer: pages are made of what comes from here, are framed by
/// nobody and send nothing elsewhere. Here they say where they come from.
const ALWAYS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src \
         'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// What is not counted among the requests under way: what must be answered whatever else is asked,
/// and takes no time; and boards, which have a limit of their own.
const NOT_COUNTED: [&str; 4] = ["/healthz", "/readyz", "/metrics", EVENTS_PATH];

/// Refuses requests of who has too many under way, ends those that take too long, and adds to the
/// answer what browsers must know.
pub(super) async fn guard(
    State(app): State<App>,
    Peer(client): Peer,
    request: Request,
    next: Next,
) -> Response {
    let reader = Reader::of(&request);
    let is_counted = !NOT_COUNTED.contains(&request.uri().path());
    let place = is_counted.then(|| app.requests.take(client)).transpose();
    let answered = match &place {
        Err(why) => Err(Problem::too_much_at_once("requests", *why)),
        Ok(_) if is_sent_from_elsewhere(&app, &request) => {
            Err(Problem::sent_from_elsewhere(app.origin.as_ref()))
        }
        Ok(_) => {
            let answered = tokio::time::timeout(app.limits.request_time_max, next.run(request));
            answered.await.map_err(|_| Problem::timed_out())
        }
    };
    let answer = answered.unwrap_or_else(IntoResponse::into_response);
    let mut answer = match reader {
        Some(reader) => reader.read(&app, answer),
        None => answer,
    };
    let headers = answer.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let kept = headers.entry(header::CACHE_CONTROL);
    kept.or_insert(HeaderValue::from_static("no-store"));
    answer.map(|body| Held::by(body, place.ok()))
}

/// Whether a browser says that a page of elsewhere has it ask for a change, or for a session.
fn is_sent_from_elsewhere(app: &App, request: &Request) -> bool {
    let said = |name| request.headers().get_all(name).iter().map(HeaderValue::to_str);
    let is_of_here = |origin: &str| match &app.origin {
        Some(ours) => ours.as_str() == origin,
        None => {
            let hosts: Vec<_> = said(header::HOST).collect();
            matches!(hosts[..], [Ok(host)] if is_of_host(origin, host))
        }
    };
    let site = HeaderName::from_static("sec-fetch-site");
    let of_other_site = said(site).any(|site| !matches!(site, Ok("same-origin" | "none")));
    let of_other_origin = said(header::ORIGIN).any(|origin| !origin.is_ok_and(is_of_here));
    !request.method().is_safe() && (of_other_site || of_other_origin)
}

/// Whatever no handler answers. Who is nobody does not learn what there is below the API.
pub(super) async fn not_found(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Problem {
    let known = known_if_needed(&app, &method, &uri, &headers);
    known.err().unwrap_or_else(Problem::no_such_path)
}

/// A path that is there, asked in a way in which it is not.
pub(super) async fn method_not_allowed(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Problem {
    let known = known_if_needed(&app, &method, &uri, &headers);
    known.err().unwrap_or_else(Problem::method_not_allowed)
}

fn known_if_needed(
    app: &App,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if uri.path().starts_with(BELOW_API) {
        identify(app, headers, method).map(drop)
    } else {
        Ok(())
    }
}
