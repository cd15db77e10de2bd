//! Extracts the bodies and the path and query parameters of requests.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::{Bytes, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use serde::de::DeserializeOwned;

use crate::limits::HTTP_BODY_LEN_MAX;
use crate::web::plain::plain;
use crate::web::problem::Problem;

/// Reads the whole body before anything else, so that the caller is authenticated when the request
/// is complete and not when it begins.
pub(crate) async fn whole(request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = read(body).await?;
    Ok(next.run(Request::from_parts(parts, body.into())).await)
}

/// Reads a whole body, within the limit.
pub(crate) async fn read(body: axum::body::Body) -> Result<Bytes, Problem> {
    to_bytes(body, HTTP_BODY_LEN_MAX).await.map_err(|_| Problem::too_long())
}

/// Extracts the body as JSON.
pub(crate) struct Body<T>(pub(crate) T);

/// Extracts the single parameter of the path, parsed with [`FromStr`].
pub(crate) struct InPath<T>(pub(crate) T);

/// Extracts the parameters of the path, deserialized.
pub(crate) struct At<T>(pub(crate) T);

/// Extracts the parameters of the query.
pub(crate) struct InQuery<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let essence = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
        // HTML forms can't send this type, so a cross-site page needs a CORS preflight.
        if !essence.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
            return Err(Problem::not_json());
        }
        let bytes = read(request.into_body()).await?;
        let body = serde_json::from_slice(&bytes);
        body.map(Self).map_err(|error| Problem::bad_request(plain(&error.to_string())))
    }
}

impl<S: Send + Sync, T: FromStr<Err: Display>> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let At(text) = At::<String>::from_request_parts(parts, state).await?;
        let wrong = |error: T::Err| {
            Problem::not_found(format_args!("'{text}' in the path: {}", plain(&error.to_string())))
        };
        text.parse().map(Self).map_err(wrong)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        let wrong = |error: QueryRejection| Problem::bad_request(plain(&error.body_text()));
        query.map(|Query(query)| Self(query)).map_err(wrong)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = Path::<T>::from_request_parts(parts, state).await;
        let wrong = |_| Problem::not_found("the path holds no such numbers as it needs");
        named.map(|Path(it)| Self(it)).map_err(wrong)
    }
}
