//! The user of a page, and their language.

use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use central::Zone;
use operators::Permission;

use super::language::Locale;
use crate::access::caller::Caller;
use crate::access::identify::{
    csrf_token, has_session, identify, identify_passively, identify_screen, is_done,
};
use crate::access::refusal::Refusal;
use crate::usecases::app::App;

/// A browser's request for a page.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(super) language: Locale,
    /// The path and query of the request.
    pub(super) path: String,
    headers: HeaderMap,
    /// The user, once looked up; `None` inside: not logged in.
    user: Arc<OnceLock<Option<CurrentUser>>>,
}

/// A logged-in user.
#[derive(Clone)]
pub(crate) struct CurrentUser {
    pub(super) who: Caller,
    pub(super) language: Locale,
    /// The path and query of the request.
    pub(super) path: String,
    pub(super) csrf: String,
    /// Whether a form of theirs was done and led to this page.
    pub(super) is_done: bool,
    /// Whether the central shares its store, so that there is a page of centrals.
    pub(super) has_nodes: bool,
}

/// Who looks at the board: a logged-in user, or a wall screen, which has no CSRF token.
pub(super) struct Watcher(pub(super) CurrentUser);

/// As [`Watcher`], of a passive request, which does not keep the session alive.
pub(super) struct PassiveWatcher(pub(super) CurrentUser);

impl Visitor {
    /// Returns the visitor who sends a request.
    pub(crate) fn of(request: &Request, zone: Zone) -> Self {
        let (headers, path) = (request.headers().clone(), path_of(request.uri()));
        Self { language: Locale::of(&headers, zone), path, headers, user: Arc::default() }
    }

    /// Returns the logged-in user: the one found earlier in the request, or else authenticates now.
    pub(super) async fn user(&self, app: &App) -> Option<CurrentUser> {
        if let Some(known) = self.user.get() {
            return known.clone();
        }
        let who = identify(&app.access, &self.headers, &Method::GET).await;
        let (language, path) = (self.language, self.path.clone());
        who.and_then(|who| CurrentUser::new(who, language, path, app)).ok()
    }
}

impl CurrentUser {
    fn new(who: Caller, language: Locale, path: String, app: &App) -> Result<Self, Refusal> {
        let csrf = csrf_token(who.session()?).text();
        let has_nodes = app.service.presence().nodes().is_some();
        Ok(Self { who, language, path, csrf, is_done: false, has_nodes })
    }

    /// Returns the user of a request.
    pub(super) async fn of(parts: &Parts, app: &App) -> Result<Self, Refusal> {
        // `GET` skips the check of the CSRF header; forms are checked by their own CSRF field.
        let who = identify(&app.access, &parts.headers, &Method::GET).await;
        let user = Self::found(who, parts, app)?;
        Ok(Self { is_done: is_done(&app.access, &parts.headers), ..user })
    }

    /// Rejects users who lack the permission.
    pub(super) fn must(&self, permission: Permission) -> Result<(), Refusal> {
        self.who.must(permission)
    }

    /// Returns the user that a caller is, and stores it in the request's visitor.
    fn found(who: Result<Caller, Refusal>, parts: &Parts, app: &App) -> Result<Self, Refusal> {
        let language = Locale::of(&parts.headers, app.service.zone());
        let user = who.and_then(|who| Self::new(who, language, path_of(&parts.uri), app));
        if let Some(visitor) = parts.extensions.get::<Visitor>() {
            visitor.user.get_or_init(|| user.as_ref().ok().cloned());
        }
        user
    }
}

impl FromRequestParts<App> for CurrentUser {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        Self::of(parts, app).await.map_err(|refusal| match refusal.status() {
            StatusCode::UNAUTHORIZED if has_session(&app.access, &parts.headers) => {
                Redirect::to(&login_path(&path_of(&parts.uri))).into_response()
            }
            _ => turned_away(refusal),
        })
    }
}

impl FromRequestParts<App> for Watcher {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let who = identify(&app.access, &parts.headers, &Method::GET).await;
        watcher(who, parts, app).await.map(Self)
    }
}

impl FromRequestParts<App> for PassiveWatcher {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let who = identify_passively(&app.access, &parts.headers).await;
        watcher(who, parts, app).await.map(Self)
    }
}

/// Returns the user that a caller is, or else the wall screen that the request comes from.
async fn watcher(
    who: Result<Caller, Refusal>,
    parts: &Parts,
    app: &App,
) -> Result<CurrentUser, Response> {
    let refusal = match CurrentUser::found(who, parts, app) {
        Ok(user) => return Ok(user),
        Err(refusal) => refusal,
    };
    let who = identify_screen(&app.access, &parts.headers).await;
    let who = who.map_err(|_| turned_away(refusal))?;
    let (language, path) = (Locale::of(&parts.headers, app.service.zone()), path_of(&parts.uri));
    Ok(CurrentUser { who, language, path, csrf: String::new(), is_done: false, has_nodes: false })
}

/// Redirects users who are not logged in to the login page.
pub(super) fn turned_away(refusal: Refusal) -> Response {
    match refusal.status() {
        StatusCode::UNAUTHORIZED => Redirect::to("/login").into_response(),
        _ => refusal.into_response(),
    }
}

/// Returns the path of the login page, which leads on to a path.
pub(super) fn login_path(back: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("back", back).finish();
    format!("/login?{query}")
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()
}
