//! Log in, log out, choose a language.

use std::net::IpAddr;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use operators::{Name, Password};
use serde::Deserialize;

use super::current_user::{At, Form, Posted};
use super::language::{COOKIE, Language, Locale};
use super::refusal;
use super::shell::{Notice, Shell, show, show_as};
use crate::caller::Peer;
use crate::input::InQuery;
use crate::problem::Problem;
use crate::session;
use crate::state::App;

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    p: Shell,
    name: String,
}

/// Where to go back to.
#[derive(Deserialize)]
pub(super) struct Back {
    back: Option<String>,
}

pub(super) async fn form(State(app): State<App>, headers: HeaderMap) -> Response {
    let l = Locale::of(&headers, app.service.zone());
    let p = Shell::of_nobody(l, "/login", None);
    show(&Login { p, name: String::new() })
}

pub(super) async fn log_in(
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
        Err(problem) => (Form::default(), Err(problem)),
    };
    match begun {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        Err(problem) => {
            let l = Locale::of(&headers, app.service.zone());
            let name = form.get("name").to_owned();
            let notice = Some(Notice::bad(refusal::why(&problem, l)));
            let p = Shell::of_nobody(l, "/login", notice);
            show_as(problem.status(), &Login { p, name })
        }
    }
}

async fn begun(app: &App, peer: IpAddr, form: &Form) -> Result<HeaderValue, Problem> {
    let name = Name::new(form.get("name").to_owned()).ok();
    let password = Password::given(form.secret("password"));
    session::begin(app, peer, name, password).await.map(|(_, cookie)| cookie)
}

pub(super) async fn log_out(
    State(app): State<App>,
    Posted(user, _): Posted,
) -> Result<Response, Problem> {
    let cookie = session::end(&app, &user.who).await?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response())
}

pub(super) async fn choose_language(
    At(code): At<String>,
    InQuery(Back { back }): InQuery<Back>,
) -> Result<Response, Problem> {
    let language = Language::from_code(&code).ok_or_else(Problem::no_such_path)?;
    // To this place and no other: a path, not an address.
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
