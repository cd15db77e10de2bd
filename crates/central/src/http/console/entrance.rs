//! Log in, log out, choose a language.

use askama::Template;
use axum::body::to_bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use operators::{Name, Password};
use serde::Deserialize;

use super::frame::{Frame, Notice, show, show_as};
use super::language::{COOKIE, Language};
use super::visitor::{Form, Posted};
use crate::http::session;
use crate::http::state::App;
use crate::http::who::Peer;
use crate::limits::HTTP_BODY_LEN_MAX;

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    p: Frame,
}

/// Where to go back to.
#[derive(Deserialize)]
pub(super) struct Back {
    back: Option<String>,
}

pub(super) async fn form(headers: HeaderMap) -> Response {
    let p = Frame::of_nobody(Language::of(&headers), "/login", None);
    show(&Login { p })
}

pub(super) async fn log_in(
    State(app): State<App>,
    Peer(peer): Peer,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let l = Language::of(&headers);
    let refused = |status, text: String| {
        let p = Frame::of_nobody(l, "/login", Some(Notice::bad(text)));
        show_as(status, &Login { p })
    };
    let Ok(body) = to_bytes(request.into_body(), HTTP_BODY_LEN_MAX).await else {
        let text = l.t("El formulario es demasiado largo.", "The form is too long.");
        return refused(StatusCode::PAYLOAD_TOO_LARGE, text.to_owned());
    };
    let form = Form::parse(&body);
    let name = Name::new(form.get("name").to_owned()).ok();
    let password = Password::given(form.secret("password"));
    match session::begin(&app, peer, name, password).await {
        Ok((_, cookie)) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        Err(problem) => {
            let text = match (problem.status(), problem.retry_after()) {
                (StatusCode::UNAUTHORIZED, _) => l
                    .t(
                        "El nombre o la contraseña no son correctos.",
                        "The name or the password is wrong.",
                    )
                    .to_owned(),
                (_, Some(wait)) => {
                    let tries = l.t("Demasiados intentos. Espere", "Too many attempts. Wait");
                    format!("{tries} {} s.", wait.as_secs().max(1))
                }
                _ => problem.to_string(),
            };
            refused(problem.status(), text)
        }
    }
}

pub(super) async fn log_out(State(app): State<App>, Posted(visitor, _): Posted) -> Response {
    match session::end(&app, &visitor.who).await {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response(),
        Err(problem) => visitor.refuse(&problem),
    }
}

pub(super) async fn choose_language(
    Path(code): Path<String>,
    Query(Back { back }): Query<Back>,
) -> Response {
    let Some(language) = Language::from_code(&code) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // To this place and no other: a path, not an address.
    let path = back.filter(|back| is_path_here(back)).unwrap_or_else(|| "/".to_owned());
    let cookie = format!("{COOKIE}={}; Path=/; SameSite=Strict; Max-Age=31536000", language.code());
    ([(header::SET_COOKIE, cookie)], Redirect::to(&path)).into_response()
}

fn is_path_here(path: &str) -> bool {
    let visible = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    visible && path.starts_with('/') && !path.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere_by_a_link_to_here() {
        for here in ["/", "/draws/1?x=%20", "/a//b"] {
            assert!(is_path_here(here), "{here}");
        }
        for elsewhere in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "/ñ"]
        {
            assert!(!is_path_here(elsewhere), "{elsewhere:?}");
        }
    }
}
