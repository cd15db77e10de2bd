//! Checks of every request before its caller is authenticated: concurrency limits, a time limit,
//! and protection against cross-site requests.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use central::ConnectionLimiter;

use crate::access::refusal::Refusal;
use crate::limits::HttpLimits;
use crate::web::body::Held;
use crate::web::origin::{Origin, is_of_host};
use crate::web::peer::Peer;

/// The limits and settings that requests are checked against.
pub(crate) struct Guard {
    origin: Option<Origin>,
    /// Limits the concurrent requests, in all and per client.
    requests: Arc<ConnectionLimiter>,
    time_max: Duration,
    /// Paths that do not count towards the limit: those that are quick and must always be answered,
    /// and those with a limit of their own.
    not_counted: &'static [&'static str],
}

impl Guard {
    pub(crate) fn new(
        origin: Option<Origin>,
        limits: &HttpLimits,
        not_counted: &'static [&'static str],
    ) -> Arc<Self> {
        let requests = ConnectionLimiter::new(limits.requests_max, limits.requests_per_client_max);
        Arc::new(Self { origin, requests, time_max: limits.request_time_max, not_counted })
    }
}

/// Rejects clients with too many concurrent requests and cross-site changes, and ends requests that
/// take too long.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    Peer(client): Peer,
    request: Request,
    next: Next,
) -> Response {
    let is_counted = !guard.not_counted.contains(&request.uri().path());
    let place = is_counted.then(|| guard.requests.take(client)).transpose();
    let answered = match &place {
        Err(why) => Err(Refusal::TooMuchAtOnce("requests", *why)),
        Ok(_) if is_sent_from_elsewhere(guard.origin.as_ref(), &request) => {
            Err(Refusal::Elsewhere(guard.origin.clone()))
        }
        Ok(_) => {
            let answered = tokio::time::timeout(guard.time_max, next.run(request));
            answered.await.map_err(|_| Refusal::timed_out())
        }
    };
    let answer = answered.unwrap_or_else(IntoResponse::into_response);
    answer.map(|body| Held::by(body, place.ok()))
}

/// Returns whether the browser's headers show that another site's page sent this change or login.
fn is_sent_from_elsewhere(origin: Option<&Origin>, request: &Request) -> bool {
    let said = |name| request.headers().get_all(name).iter().map(HeaderValue::to_str);
    let is_of_here = |named: &str| match origin {
        Some(ours) => ours.as_str() == named,
        None => {
            let hosts: Vec<_> = said(header::HOST).collect();
            matches!(hosts[..], [Ok(host)] if is_of_host(named, host))
        }
    };
    let site = HeaderName::from_static("sec-fetch-site");
    let of_other_site = said(site).any(|site| !matches!(site, Ok("same-origin" | "none")));
    let of_other_origin = said(header::ORIGIN).any(|origin| !origin.is_ok_and(is_of_here));
    !request.method().is_safe() && (of_other_site || of_other_origin)
}
