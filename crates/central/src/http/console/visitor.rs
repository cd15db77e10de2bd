//! Who looks at a page, and forms that were filled in on one.

use std::collections::BTreeMap;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use operators::Permission;

use super::frame::{Frame, Refusal};
use super::language::Language;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::http::who::{Who, csrf_token, identify, identify_watcher, is_csrf_token};
use crate::limits::HTTP_BODY_LEN_MAX;

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) who: Who,
    pub(super) language: Language,
    /// The path and query that they asked for.
    pub(super) path: String,
    pub(super) csrf: String,
}

/// Somebody who is logged in, and only watches: that does not keep their session alive.
pub(super) struct Watcher(pub(super) Visitor);

/// What a form says, sent from a page of this session.
pub(super) struct Posted(pub(super) Visitor, pub(super) Form);

/// The fields of a form.
#[derive(Default)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// The fields of a body.
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// A field; empty when it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// A field, or what it is at first.
    pub(super) fn or<'a>(&'a self, name: &str, first: &'a str) -> &'a str {
        if self.0.contains_key(name) { self.get(name) } else { first }
    }

    /// A field as it was typed.
    pub(super) fn secret(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

impl Visitor {
    fn of(parts: &Parts, who: Who) -> Result<Self, Problem> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let csrf = csrf_token(who.session()?).text();
        Ok(Self { language: Language::of(&parts.headers), path, csrf, who })
    }

    /// The page that says that they may not do that, if so it is.
    pub(super) fn refused(&self, permission: Permission) -> Option<Response> {
        self.who.must(permission).err().map(|problem| self.refuse(&problem))
    }

    /// The page that shows a refusal.
    pub(super) fn refuse(&self, problem: &Problem) -> Response {
        Refusal::page(Frame::of(self, None), problem)
    }
}

fn to_log_in() -> Response {
    Redirect::to("/login").into_response()
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        // Safe here for forms too: those are held against the session's other secret below.
        let who = identify(app, &parts.headers, &Method::GET).map_err(|_| to_log_in())?;
        Self::of(parts, who).map_err(IntoResponse::into_response)
    }
}

impl FromRequestParts<App> for Watcher {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let who = identify_watcher(app, &parts.headers).map_err(|_| to_log_in())?;
        Visitor::of(parts, who).map(Self).map_err(IntoResponse::into_response)
    }
}

impl FromRequest<App> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let bytes = to_bytes(body, HTTP_BODY_LEN_MAX).await;
        let bytes = bytes.map_err(|_| visitor.refuse(&Problem::too_long(HTTP_BODY_LEN_MAX)))?;
        let form = Form::parse(&bytes);
        let secret = visitor.who.session().map_err(IntoResponse::into_response)?;
        if !is_csrf_token(form.get("csrf"), secret) {
            return Err(visitor.refuse(&Problem::csrf()));
        }
        Ok(Self(visitor, form))
    }
}
