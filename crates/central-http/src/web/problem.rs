//! A refusal as programs read it: RFC 9457, with one more field that says what to do.

use std::fmt::Display;

use axum::Extension;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::limits::HTTP_BODY_LEN_MAX;

/// Why a request was rejected.
#[derive(Clone, Debug, Error, Serialize, ToSchema)]
#[error("{title}: {detail}")]
pub(crate) struct Problem {
    /// The kind of problem, for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:bolillero:problem:not-permitted")]
    kind: String,
    /// The kind, for people.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What happened.
    detail: String,
    /// The remedy.
    remedy: String,
}

/// A kind of problem: the status of its answers, its name for programs, and for people.
#[derive(Clone, Copy)]
pub(crate) struct Kind(pub(crate) StatusCode, pub(crate) &'static str, pub(crate) &'static str);

const BAD_REQUEST: Kind = Kind(StatusCode::BAD_REQUEST, "bad-request", "Bad request");
const NOT_FOUND: Kind = Kind(StatusCode::NOT_FOUND, "not-found", "Not found");
const NOT_JSON: Kind = Kind(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "Not JSON");
const TOO_LONG: Kind = Kind(StatusCode::PAYLOAD_TOO_LARGE, "too-long", "Body too long");
const SEE_THE_DESCRIPTION: &str = "see the API's description at /api/v1/openapi.json";

impl Kind {
    /// A problem of this kind: what happened, and what to do.
    pub(crate) fn problem(self, detail: impl Display, remedy: impl Display) -> Problem {
        let Self(status, kind, title) = self;
        Problem {
            kind: format!("urn:bolillero:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.to_string(),
            remedy: remedy.to_string(),
        }
    }
}

impl Problem {
    /// The request is not understood.
    pub(crate) fn bad_request(detail: impl Display) -> Self {
        BAD_REQUEST.problem(detail, SEE_THE_DESCRIPTION)
    }

    /// The body is of some other kind.
    pub(crate) fn not_json() -> Self {
        let remedy = "send JSON, with `Content-Type: application/json`";
        NOT_JSON.problem("the content type of the body is not JSON", remedy)
    }

    /// The body is longer than what is read.
    pub(crate) fn too_long() -> Self {
        let detail = format_args!("the body has more than {HTTP_BODY_LEN_MAX} bytes");
        TOO_LONG.problem(detail, "send a shorter body")
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Display) -> Self {
        NOT_FOUND.problem(detail, SEE_THE_DESCRIPTION)
    }

    /// There is no such path.
    pub(crate) fn no_such_path() -> Self {
        Self::not_found("there is nothing at this path")
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("it was made of one")
    }
}

/// Carried by the answer to where refusals are written, for whoever asked.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status(), Extension(self)).into_response()
    }
}
