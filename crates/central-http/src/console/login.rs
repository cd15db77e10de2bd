//! Log in, log out, and the choice of language.

use std::net::IpAddr;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use operators::{Name, Password, Secret};
use serde::Deserialize;

use super::form::{Form, Posted};
use super::language::{COOKIE, Language, Locale};
use super::refusal;
use super::shell::{Notice, Shell, show, show_as};
use crate::access::identify::set_cookie;
use crate::access::refusal::Refusal;
use crate::usecases::app::App;
use crate::usecases::session;
use crate::web::input::{At, InQuery};
use crate::web::peer::Peer;
use crate::web::problem::Problem;

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    p: Shell,
    name: String,
}

/// The path to return to.
#[derive(Deserialize)]
pub(super) struct Back {
    back: Option<String>,
}

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/login", get(form).post(log_in))
        .route("/logout", post(log_out))
        .route("/language/{code}", get(choose_language))
}

async fn form(State(app): State<App>, headers: HeaderMap) -> Response {
    let l = Locale::of(&headers, app.service.zone());
    let p = Shell::of_nobody(l, "/login", None);
    show(&Login { p, name: String::new() })
}

async fn log_in(
    State(app): State<App>,
    Peer(peer): Peer,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let (form, begun) = match Form::read(request.into_body()).await {
        Ok(form) => {
            let begun = begun(&app, peer, &form).await;
            (form, begun)
        }
        Err(problem) => (Form::default(), Err(problem.into())),
    };
    match begun {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        Err(refusal) => {
            let l = Locale::of(&headers, app.service.zone());
            let name = form.get("name").to_owned();
            let notice = Some(Notice::bad(refusal::why(&refusal, l)));
            let p = Shell::of_nobody(l, "/login", notice);
            show_as(refusal.status(), &Login { p, name })
        }
    }
}

async fn begun(app: &App, peer: IpAddr, form: &Form) -> Result<HeaderValue, Refusal> {
    if !form.get("token").is_empty() {
        let token = Secret::parse(form.get("token"));
        let (token, seconds) = session::begin_screen(app, peer, token).await?;
        return Ok(set_cookie(&app.access, Some(&token), Some(seconds)));
    }
    let name = Name::new(form.get("name").to_owned()).ok();
    let password = Password::given(form.secret("password"));
    let (_, secret) = session::begin(app, peer, name, password).await?;
    Ok(set_cookie(&app.access, Some(&secret), None))
}

async fn log_out(State(app): State<App>, Posted(user, _): Posted) -> Result<Response, Refusal> {
    session::end(&app, &user.who).await?;
    let cookie = set_cookie(&app.access, None, Some(0));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response())
}

async fn choose_language(
    At(code): At<String>,
    InQuery(Back { back }): InQuery<Back>,
) -> Result<Response, Refusal> {
    let language = Language::from_code(&code).ok_or_else(Problem::no_such_path)?;
    // Only a path of this server, never an address elsewhere.
    let path = back.filter(|back| is_path_here(back)).unwrap_or_else(|| "/".to_owned());
    let cookie = format!("{COOKIE}={}; Path=/; SameSite=Strict; Max-Age=31536000", language.code());
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&path)).into_response())
}

fn is_path_here(path: &str) -> bool {
    let visible = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    visible && path.starts_with('/') && !path.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_console_are_redirected_to() {
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
