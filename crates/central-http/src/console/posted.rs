//! A form that a logged-in user submits.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::form::Form;
use super::login;
use super::visitor::{CurrentUser, turned_away};
use crate::access::identify::{has_session, is_csrf_token};
use crate::access::refusal::Refusal;
use crate::usecases::app::App;

/// A submitted form whose CSRF token is valid for the user's session.
pub(super) struct Posted(pub(super) CurrentUser, pub(super) Form);

impl FromRequest<App> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let user = CurrentUser::of(&parts, app).await;
        let form = Form::read(body).await.map_err(IntoResponse::into_response);
        let user = match user {
            Ok(user) => user,
            Err(refusal) if refusal.status() != StatusCode::UNAUTHORIZED => {
                return Err(refusal.into_response());
            }
            Err(refusal) if !has_session(&app.access, &parts.headers) => {
                return Err(turned_away(refusal));
            }
            Err(_) => {
                return Err(login::form_again(app, &parts.headers, &form.unwrap_or_default()).await);
            }
        };
        let form = form?;
        let secret = user.who.session().map_err(IntoResponse::into_response)?;
        if !is_csrf_token(form.get("csrf"), secret) {
            return Err(Refusal::Csrf.into_response());
        }
        Ok(Self(user, form))
    }
}
