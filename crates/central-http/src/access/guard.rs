//! What holds for every request before it is asked who sends it: how many there may be, how long
//! one may take, and that no page of elsewhere asks for a change.

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

/// What requests are held against.
pub(crate) struct Guard {
    origin: Option<Origin>,
    /// Requests under way.
    requests: Arc<ConnectionLimiter>,
    time_max: Duration,
    /// Paths whose requests are not counted: what must be answered whatever else is asked, and
    /// takes no time; and what has a limit of its own.
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

/// Refuses clients with too many requests under way, and ends requests that take too long.
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

/// Whether a browser says that another site's page sent this change or log-in.
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
