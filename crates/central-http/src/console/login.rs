//! Log in, and the choice of language.

use std::net::IpAddr;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use operators::{Name, Password, Secret};
use serde::Deserialize;

use super::form::Form;
use super::language::{COOKIE, Language, Locale};
use super::refusal;
use super::shell::{Notice, Shell, show, show_as};
use super::visitor::login_path;
use crate::access::identify::set_cookie;
use crate::access::refusal::Refusal;
use crate::limits::BACK_LEN_MAX;
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
    /// The path to go to then; empty: the board.
    back: String,
    /// Whether there is no operator who could log in.
    is_new: bool,
}

/// The path to return to.
#[derive(Deserialize)]
pub(super) struct Back {
    back: Option<String>,
}

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/login", get(form).post(log_in))
        .route("/language/{code}", get(choose_language))
}

async fn form(
    State(app): State<App>,
    headers: HeaderMap,
    InQuery(Back { back }): InQuery<Back>,
) -> Response {
    let back = back.filter(|back| is_path_here(back)).unwrap_or_default();
    show(&Login::of(&app, &headers, back).await)
}

/// Shows the login page after the session ended while the user filled in a form. From there they
/// return to the form's page, with what they typed.
pub(super) async fn form_again(app: &App, headers: &HeaderMap, form: &Form) -> Response {
    let referer = headers.get(header::REFERER).and_then(|referer| referer.to_str().ok());
    let page = referer.and_then(|referer| referer.parse::<Uri>().ok());
    let back = page.map(|page| match form.kept() {
        kept if kept.is_empty() => page.path().to_owned(),
        kept => format!("{}?{kept}", page.path()),
    });
    let back = back.filter(|back| is_path_here(back) && back.len() <= BACK_LEN_MAX);
    let back = back.unwrap_or_else(|| "/".to_owned());
    show_as(StatusCode::UNAUTHORIZED, &Login::of(app, headers, back).await)
}

impl Login {
    async fn of(app: &App, headers: &HeaderMap, back: String) -> Self {
        let l = Locale::of(headers, app.service.zone());
        let (path, notice) = if back.is_empty() {
            ("/login".to_owned(), None)
        } else {
            let text = l.t(
                "Su sesión terminó. Ingrese de nuevo para seguir donde estaba.",
                "Your session ended. Log in again to continue where you were.",
            );
            (login_path(&back), Some(Notice::warn(text)))
        };
        let people = app.access.people().await;
        let is_new = people.is_ok_and(|people| people.operators().next().is_none());
        Self { p: Shell::of_nobody(l, &path, notice), name: String::new(), back, is_new }
    }
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
    let back = Some(form.get("back")).filter(|back| is_path_here(back));
    match begun {
        Ok(cookie) => {
            let path = back.unwrap_or("/");
            ([(header::SET_COOKIE, cookie)], Redirect::to(path)).into_response()
        }
        Err(refusal) => {
            let mut page = Login::of(&app, &headers, back.unwrap_or_default().to_owned()).await;
            page.p.notice = Some(Notice::bad(refusal::why(&refusal, page.p.l)));
            page.name = form.get("name").to_owned();
            show_as(refusal.status(), &page)
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
