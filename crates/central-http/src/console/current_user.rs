//! Who looks at a page, and forms that were filled in on one.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use lottery::{Act, Reason};
use operators::Permission;
use serde::de::DeserializeOwned;

use super::language::Locale;
use super::shell::Notice;
use super::{refusal, text};
use crate::caller::{Caller, csrf_token, identify, identify_passively, is_csrf_token};
use crate::limits::HTTP_BODY_LEN_MAX;
use crate::problem::Problem;
use crate::state::App;

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct CurrentUser {
    pub(super) who: Caller,
    pub(super) language: Locale,
    /// The path and query that they asked for.
    pub(super) path: String,
    pub(super) csrf: String,
}

/// Somebody who is logged in, and only watches: that does not keep their session alive.
pub(super) struct PassiveUser(pub(super) CurrentUser);

/// What a form says, sent from a page of this session.
pub(super) struct Posted(pub(super) CurrentUser, pub(super) Form);

/// What a page's path names.
pub(super) struct At<T>(pub(super) T);

/// The fields of a form.
#[derive(Default)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// The fields of a body.
    pub(super) async fn read(body: Body) -> Result<Self, Problem> {
        let bytes = to_bytes(body, HTTP_BODY_LEN_MAX).await;
        let bytes = bytes.map_err(|_| Problem::too_long(HTTP_BODY_LEN_MAX))?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
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

/// What came of a form, for the page that it was on.
#[derive(Default)]
pub(super) struct FormOutcome {
    pub(super) status: StatusCode,
    pub(super) notice: Option<Notice>,
    /// What the form is filled with when it is shown again.
    pub(super) form: Form,
}

impl FormOutcome {
    pub(super) fn done(text: &str) -> Self {
        Self { notice: Some(Notice::good(text)), ..Self::default() }
    }

    /// The form is not filled in as it should be.
    pub(super) fn wrong(text: &str, form: Form) -> Self {
        Self { status: StatusCode::BAD_REQUEST, notice: Some(Notice::bad(text)), form }
    }

    /// It was refused, which the page says.
    ///
    /// # Errors
    /// The refusal itself, when who asked may not see the page any more either.
    pub(super) fn refused(problem: Problem, form: Form, l: Locale) -> Result<Self, Problem> {
        match problem.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(problem),
            status => {
                let notice = Some(Notice::bad(refusal::why(&problem, l)));
                Ok(Self { status, notice, form })
            }
        }
    }
}

impl CurrentUser {
    /// Who asks with these headers for this path.
    pub(super) fn of(app: &App, headers: &HeaderMap, path: String) -> Result<Self, Problem> {
        // Safe here for forms too: those are held against the session's other secret below.
        Self::known(app, identify(app, headers, &Method::GET)?, headers, path)
    }

    fn known(app: &App, who: Caller, headers: &HeaderMap, path: String) -> Result<Self, Problem> {
        let csrf = csrf_token(who.session()?).text();
        Ok(Self { language: Locale::of(headers, app.service.zone()), path, csrf, who })
    }

    /// Whether they may do that.
    pub(super) fn must(&self, permission: Permission) -> Result<(), Problem> {
        self.who.must(permission)
    }

    /// Does what a form asks for.
    pub(super) async fn act(
        &self,
        app: &App,
        why: Reason,
        act: Act,
        form: Form,
    ) -> Result<FormOutcome, Problem> {
        match app.act(&self.who, why, act.clone()).await {
            Ok(acted) => Ok(FormOutcome::done(text::acted(&act, acted, self.language))),
            Err(problem) => FormOutcome::refused(problem, form, self.language),
        }
    }
}

impl FromRequestParts<App> for CurrentUser {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        Self::of(app, &parts.headers, path_of(parts)).map_err(turned_away)
    }
}

impl FromRequestParts<App> for PassiveUser {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let watching = identify_passively(app, &parts.headers)
            .and_then(|who| CurrentUser::known(app, who, &parts.headers, path_of(parts)));
        watching.map(Self).map_err(turned_away)
    }
}

fn path_of(parts: &Parts) -> String {
    parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()
}

/// Who is not logged in does that first.
fn turned_away(problem: Problem) -> Response {
    match problem.status() {
        StatusCode::UNAUTHORIZED => Redirect::to("/login").into_response(),
        _ => problem.into_response(),
    }
}

impl FromRequest<App> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let user = CurrentUser::from_request_parts(&mut parts, app).await?;
        let form = Form::read(body).await.map_err(IntoResponse::into_response)?;
        let secret = user.who.session().map_err(IntoResponse::into_response)?;
        if !is_csrf_token(form.get("csrf"), secret) {
            return Err(Problem::csrf().into_response());
        }
        Ok(Self(user, form))
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<App> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let named = Path::<T>::from_request_parts(parts, app).await;
        named.map(|Path(it)| Self(it)).map_err(|error| Problem::not_found(error.body_text()))
    }
}
