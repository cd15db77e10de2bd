//! Outermost middleware: writes refusals, and adds security headers to every answer.
//!
//! A handler's refusal arrives here as an answer without a body that carries the [`Refusal`] as an
//! extension. Whether the client is a browser or a program is decided before the handler runs; the
//! refusal is then written once, as a page or as JSON.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::access::refusal::Refusal;
use crate::api::BELOW_API;
use crate::console::refusal::page;
use crate::console::visitor::Visitor;
use crate::usecases::app::App;
use crate::web::body::Held;
use crate::web::problem::Problem;

/// Headers of every answer: pages load content only from this server, can't be framed, and send the
/// referrer only to this server.
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

/// Writes refusals, and adds the security headers.
pub(crate) async fn answer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let visitor = reads_pages(&request).then(|| Visitor::of(&request, app.service.zone()));
    if let Some(visitor) = &visitor {
        request.extensions_mut().insert(visitor.clone());
    }
    let mut answer = next.run(request).await;
    let carried = answer.extensions_mut();
    let problem = carried.remove::<Problem>().map(Refusal::from);
    if let Some(refusal) = carried.remove::<Refusal>().or(problem) {
        let (kind, text) = match visitor {
            Some(visitor) => ("text/html; charset=utf-8", page(&app, visitor, &refusal).await),
            None => ("application/problem+json", json(&refusal)),
        };
        write(&mut answer, &refusal, kind, text);
    }
    let headers = answer.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Returns whether a browser asks for a page, as opposed to a program.
fn reads_pages(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
    let reads = accepts.is_some_and(|it| it.contains("text/html"));
    reads && !request.uri().path().starts_with(BELOW_API)
}

fn json(refusal: &Refusal) -> String {
    serde_json::to_string(&refusal.problem()).expect("all its keys are text")
}

fn write(answer: &mut Response, refusal: &Refusal, kind: &'static str, text: String) {
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.remove(header::CONTENT_LENGTH);
    if let Refusal::Attempts { wait_seconds } = refusal {
        headers.insert(header::RETRY_AFTER, (*wait_seconds).into());
    }
    if answer.status() == StatusCode::UNAUTHORIZED {
        let headers = answer.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    // Keeps what the original body holds (the request's permit) until the answer was sent.
    let carrier = std::mem::take(answer.body_mut());
    *answer.body_mut() = Held::by(Body::from(text), carrier);
}
