//! Who reads a page, and in which language.

use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use central::Zone;
use operators::Permission;

use super::language::Locale;
use crate::access::caller::Caller;
use crate::access::identify::{csrf_token, identify, identify_passively};
use crate::access::refusal::Refusal;
use crate::usecases::app::App;

/// Somebody with a browser, who asks for a page.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(super) language: Locale,
    /// The path and query that they asked for.
    pub(super) path: String,
    headers: HeaderMap,
    /// Who they are, once that was asked; none: nobody.
    user: Arc<OnceLock<Option<CurrentUser>>>,
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct CurrentUser {
    pub(super) who: Caller,
    pub(super) language: Locale,
    /// The path and query that they asked for.
    pub(super) path: String,
    pub(super) csrf: String,
}

/// Somebody who is logged in, and only watches: that does not keep their session alive.
pub(super) struct PassiveUser(pub(super) CurrentUser);

impl Visitor {
    /// Who sends a request.
    pub(crate) fn of(request: &Request, zone: Zone) -> Self {
        let (headers, path) = (request.headers().clone(), path_of(request.uri()));
        Self { language: Locale::of(&headers, zone), path, headers, user: Arc::default() }
    }

    /// Who they are: as it was found before, if it was asked.
    pub(super) async fn user(&self, app: &App) -> Option<CurrentUser> {
        if let Some(known) = self.user.get() {
            return known.clone();
        }
        let who = identify(&app.access, &self.headers, &Method::GET).await;
        let (language, path) = (self.language, self.path.clone());
        who.and_then(|who| CurrentUser::new(who, language, path)).ok()
    }
}

impl CurrentUser {
    fn new(who: Caller, language: Locale, path: String) -> Result<Self, Refusal> {
        let csrf = csrf_token(who.session()?).text();
        Ok(Self { who, language, path, csrf })
    }

    /// Whether they may do that.
    pub(super) fn must(&self, permission: Permission) -> Result<(), Refusal> {
        self.who.must(permission)
    }

    /// The user that a request's sender was found to be, which its visitor keeps too.
    fn found(who: Result<Caller, Refusal>, parts: &Parts, app: &App) -> Result<Self, Refusal> {
        let language = Locale::of(&parts.headers, app.service.zone());
        let user = who.and_then(|who| Self::new(who, language, path_of(&parts.uri)));
        if let Some(visitor) = parts.extensions.get::<Visitor>() {
            visitor.user.get_or_init(|| user.as_ref().ok().cloned());
        }
        user
    }
}

impl FromRequestParts<App> for CurrentUser {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        // Safe here for forms too: those are held against the session's other secret.
        let who = identify(&app.access, &parts.headers, &Method::GET).await;
        Self::found(who, parts, app).map_err(turned_away)
    }
}

impl FromRequestParts<App> for PassiveUser {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let who = identify_passively(&app.access, &parts.headers).await;
        CurrentUser::found(who, parts, app).map(Self).map_err(turned_away)
    }
}

/// Sends whoever is not logged in to do that first.
fn turned_away(refusal: Refusal) -> Response {
    match refusal.status() {
        StatusCode::UNAUTHORIZED => Redirect::to("/login").into_response(),
        _ => refusal.into_response(),
    }
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()
}
