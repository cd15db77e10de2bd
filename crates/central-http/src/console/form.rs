//! Submitted forms and their outcome.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::language::Locale;
use super::refusal;
use super::shell::Notice;
use super::visitor::CurrentUser;
use crate::access::identify::is_csrf_token;
use crate::access::refusal::Refusal;
use crate::usecases::app::App;
use crate::web::input::read;
use crate::web::problem::Problem;

/// A submitted form whose CSRF token is valid for the user's session.
pub(super) struct Posted(pub(super) CurrentUser, pub(super) Form);

/// The fields of a form.
#[derive(Default)]
pub(super) struct Form(BTreeMap<String, String>);

/// The outcome of a form, for the page that it was on.
#[derive(Default)]
pub(super) struct FormOutcome {
    pub(super) status: StatusCode,
    pub(super) notice: Option<Notice>,
    /// The values that the form shows again.
    pub(super) form: Form,
}

impl Form {
    /// Parses the fields of a body.
    pub(super) async fn read(body: Body) -> Result<Self, Problem> {
        Ok(Self(form_urlencoded::parse(&read(body).await?).into_owned().collect()))
    }

    /// Returns a field without surrounding white space; empty if it is missing.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// Returns a field, or `first` if it is missing.
    pub(super) fn or<'a>(&'a self, name: &str, first: &'a str) -> &'a str {
        if self.0.contains_key(name) { self.get(name) } else { first }
    }

    /// Returns a field exactly as it was typed; empty if it is missing.
    pub(super) fn secret(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

impl FormOutcome {
    /// Returns the outcome: a notice with the text on success, or with the refusal's reason.
    ///
    /// # Errors
    /// The refusal itself, if its status is 401 or 403: the page is not shown again then.
    pub(super) fn of(done: Result<&str, Refusal>, form: Form, l: Locale) -> Result<Self, Refusal> {
        let refusal = match done {
            Ok(text) => {
                return Ok(Self { notice: Some(Notice::good(text)), ..Self::default() });
            }
            Err(refusal) => refusal,
        };
        match refusal.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refusal),
            status => {
                let notice = Some(Notice::bad(refusal::why(&refusal, l)));
                Ok(Self { status, notice, form })
            }
        }
    }

    /// Returns the outcome of a form with invalid fields.
    pub(super) fn wrong(text: &str, form: Form) -> Self {
        Self { status: StatusCode::BAD_REQUEST, notice: Some(Notice::bad(text)), form }
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
            return Err(Refusal::Csrf.into_response());
        }
        Ok(Self(user, form))
    }
}
